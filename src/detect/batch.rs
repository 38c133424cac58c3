//! Requests counted together: how many, in which seconds, and the first ones.

use crate::finding::Timestamp;

use super::evidence::Entry;

/// Requests counted together: at least one.
#[derive(Debug)]
pub(super) struct Batch {
    count: u64,
    last: Timestamp,
    /// The first ones, sorted.
    firsts: Vec<Entry>,
    /// How many in which second. The same one may come twice, in a log that is not in order.
    seconds: Vec<(i64, u32)>,
}

impl Batch {
    /// One request in each of `seconds`, of which the last one arrived at `last`.
    pub(super) fn new(
        last: Timestamp,
        firsts: Vec<Entry>,
        seconds: impl Iterator<Item = i64>,
    ) -> Self {
        let mut batch = Self {
            count: 0,
            last,
            firsts,
            seconds: Vec::new(),
        };
        for second in seconds {
            batch.count += 1;
            match batch.seconds.last_mut() {
                Some((known, count)) if *known == second => *count += 1,
                _ => batch.seconds.push((second, 1)),
            }
        }
        batch
    }

    /// How many requests there are.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// When the first one arrived.
    pub(super) fn first(&self) -> Timestamp {
        let first = self.firsts.first().and_then(|entry| entry.time);
        first.unwrap_or(self.last)
    }

    /// When the last one arrived.
    pub(super) const fn last(&self) -> Timestamp {
        self.last
    }

    /// The first ones, sorted.
    pub(super) fn firsts(&self) -> &[Entry] {
        &self.firsts
    }

    /// How many arrived in which second.
    pub(super) fn seconds(&self) -> impl Iterator<Item = (i64, u32)> {
        self.seconds.iter().copied()
    }
}
