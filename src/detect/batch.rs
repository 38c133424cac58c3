//! Requests counted together: how many, in which seconds, and the first ones.

use crate::finding::Timestamp;

use super::{
    evidence::{Entry, FIRSTS, insert},
    request::Request,
};

/// Requests counted together.
#[derive(Debug)]
pub(super) struct Batch {
    count: u64,
    first: Timestamp,
    last: Timestamp,
    /// The first ones, sorted.
    firsts: Vec<Entry>,
    /// Whence seconds are counted.
    base: i64,
    /// How many in which second. The same one may come twice, in a log that is not in order.
    seconds: Vec<(i32, u32)>,
}

impl Batch {
    /// None yet, the first of which arrives at `time`.
    pub(super) const fn new(time: Timestamp) -> Self {
        Self {
            count: 0,
            first: time,
            last: time,
            firsts: Vec::new(),
            base: time.seconds(),
            seconds: Vec::new(),
        }
    }

    /// Counts one more, unless its second is not among the `most` that there may be.
    pub(super) fn add(&mut self, request: &Request<'_>, time: Timestamp, most: usize) -> bool {
        let Ok(second) = i32::try_from(time.seconds().saturating_sub(self.base)) else {
            return false;
        };
        let full = self.seconds.len() >= most;
        match self.seconds.last_mut() {
            Some((last, count)) if *last == second && *count < u32::MAX => *count += 1,
            _ if full => return false,
            _ => self.seconds.push((second, 1)),
        }
        self.count += 1;
        self.first = self.first.min(time);
        self.last = self.last.max(time);
        let early = self.firsts.len() < FIRSTS
            || self
                .firsts
                .last()
                .is_some_and(|last| Some(time) <= last.time);
        if early {
            insert(&mut self.firsts, Entry::at(Some(time), request));
            self.firsts.truncate(FIRSTS);
        }
        true
    }

    /// Begins anew with what arrives at `time`.
    pub(super) fn clear(&mut self, time: Timestamp) {
        (self.count, self.first, self.last) = (0, time, time);
        self.base = time.seconds();
        self.firsts.clear();
        self.seconds.clear();
    }

    /// How many requests there are.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// When the first one arrived.
    pub(super) const fn first(&self) -> Timestamp {
        self.first
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
        let seconds = self.seconds.iter();
        seconds.map(|&(second, count)| (self.base.saturating_add(i64::from(second)), count))
    }
}
