//! Distinct values with their counts, in bounded memory, mergeable in any order.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    event::Event,
    finding::{Attribute, Attributes, Timestamp},
};

use super::{batch::Batch, by_hash::ByHash, keyed::Name};

/// How many distinct values a tally keeps with their counts.
const KEPT: usize = 64;

/// Values seen, each with its count, first and last time.
///
/// Up to 64 distinct values everything is exact. Beyond, the 64 values with the smallest hashes are
/// kept (their counts stay exact, since a value that is kept in the end was kept all along), the number
/// of distinct values is estimated from how dense their hashes lie, and the rest is one sum. Which
/// values are kept does not depend on the order of the input, nor on how it was split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    total: u64,
    values: ByHash<Tallied>,
    overflowed: bool,
}

/// One value of a [`Tally`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tallied {
    /// The value; it may come from the log and is then hostile.
    pub value: String,
    /// How often it was seen.
    pub count: u64,
    /// When it was first seen.
    pub first_seen: Option<Timestamp>,
    /// When it was last seen.
    pub last_seen: Option<Timestamp>,
}

impl Tally {
    /// Counts `value`, seen with `event`.
    pub fn add(&mut self, value: &str, event: &Event<'_>) {
        self.add_at(value, event.time());
    }

    /// Counts `value`, seen at `time`.
    pub fn add_at(&mut self, value: &str, time: Option<Timestamp>) {
        self.add_known(xxh3_64(value.as_bytes()), value, time);
    }

    /// Counts `value`, whose hash is `hash`, for all requests of `batch`.
    pub(super) fn add_batch(&mut self, hash: u64, value: &str, batch: &Batch) {
        let span = (Some(batch.first()), Some(batch.last()));
        self.add_many(hash, value, batch.count(), span);
    }

    /// [`Tally::add_at`], for whoever has the hash of the value already: [`keyed::hash`](super::keyed::hash) of 0.
    pub(super) fn add_known(&mut self, hash: u64, value: &str, time: Option<Timestamp>) {
        self.add_many(hash, value, 1, (time, time));
    }

    /// Counts `name`, seen at `time`.
    pub(super) fn add_name(&mut self, name: &Name, time: Option<Timestamp>) {
        self.add_known(name.hash, &name.text, time);
    }

    fn add_many(
        &mut self,
        hash: u64,
        value: &str,
        count: u64,
        (first, last): (Option<Timestamp>, Option<Timestamp>),
    ) {
        self.total += count;
        if let Some(known) = self.values.get_mut(hash) {
            known.count += count;
            known.first_seen = earliest(known.first_seen, first);
            known.last_seen = known.last_seen.max(last);
            return;
        }
        if self.values.len() == KEPT && self.values.last().is_some_and(|largest| hash > largest) {
            self.overflowed = true;
            return;
        }
        self.values.entry(hash, || Tallied {
            value: value.to_owned(),
            count,
            first_seen: first,
            last_seen: last,
        });
        self.shrink();
    }

    /// Adds what another tally has counted.
    pub fn merge(&mut self, other: Self) {
        self.total += other.total;
        self.overflowed |= other.overflowed;
        for (hash, theirs) in other.values {
            if let Some(ours) = self.values.get_mut(hash) {
                ours.count += theirs.count;
                ours.first_seen = earliest(ours.first_seen, theirs.first_seen);
                ours.last_seen = ours.last_seen.max(theirs.last_seen);
            } else {
                self.values.entry(hash, || theirs);
            }
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.values.len() > KEPT {
            self.values.pop_last();
            self.overflowed = true;
        }
    }

    /// How many values were counted, repeats included.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// How many distinct values there were: exact up to 64, estimated beyond.
    #[must_use]
    pub fn distinct(&self) -> u64 {
        match self.values.last() {
            Some(largest) if self.overflowed => {
                let share = (largest as f64 + 1.0) / (u64::MAX as f64 + 1.0);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "positive and far below 2^64"
                )]
                let estimate = ((KEPT - 1) as f64 / share).round() as u64;
                estimate
            }
            _ => self.values.len() as u64,
        }
    }

    /// Whether every distinct value was kept.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        !self.overflowed
    }

    /// How often `value` was seen; 0 also for a value that was not kept.
    #[must_use]
    pub fn count_of(&self, value: &str) -> u64 {
        self.values
            .get(xxh3_64(value.as_bytes()))
            .map_or(0, |known| known.count)
    }

    /// The values kept, the most frequent first, then by name.
    #[must_use]
    pub fn ranked(&self) -> Vec<&Tallied> {
        let mut values: Vec<&Tallied> = self.values.values().collect();
        values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        values
    }

    /// The `most` most frequent values with their counts; the others as `other`, if there are any.
    ///
    /// A value from the log that is itself called `other` is added to by what is left over.
    #[must_use]
    pub fn attribute(&self, most: usize) -> Attribute {
        let ranked = self.ranked();
        let shown = &ranked[..ranked.len().min(most)];
        let mut map: Attributes = shown
            .iter()
            .map(|v| (v.value.clone(), Attribute::Count(v.count)))
            .collect();
        let rest = self.total - shown.iter().map(|v| v.count).sum::<u64>();
        if rest > 0 {
            let known = map.get("other").map_or(0, |known| match known {
                Attribute::Count(count) => *count,
                _ => 0,
            });
            map.insert("other".to_owned(), Attribute::Count(known + rest));
        }
        Attribute::Map(map)
    }
}

impl Tally {
    /// The `most` most frequent values, each with its `requests`, `first_seen` and `last_seen`; the
    /// `requests` of the others as `other`, if there are any.
    #[must_use]
    pub fn occurrences(&self, most: usize) -> Attribute {
        let ranked = self.ranked();
        let shown = &ranked[..ranked.len().min(most)];
        let mut map: Attributes = shown
            .iter()
            .map(|v| (v.value.clone(), v.occurrence()))
            .collect();
        let rest = self.total - shown.iter().map(|v| v.count).sum::<u64>();
        if rest > 0 {
            // A value that is itself called `other` gives way.
            let requests = ("requests".to_owned(), rest.into());
            map.insert("other".to_owned(), Attribute::Map([requests].into()));
        }
        Attribute::Map(map)
    }
}

impl Tallied {
    fn occurrence(&self) -> Attribute {
        let fields: [(&str, Attribute); 3] = [
            ("requests", self.count.into()),
            ("first_seen", self.first_seen.into()),
            ("last_seen", self.last_seen.into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

/// The earlier of two times; a missing one does not count.
pub(crate) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally(values: &[u16]) -> Tally {
        let mut tally = Tally::default();
        for value in values {
            let time = Timestamp::from_micros(i64::from(*value % 7));
            tally.add_at(&format!("v{value}"), Some(time));
        }
        tally
    }

    proptest! {
        #[test]
        fn does_not_depend_on_order_or_split(mut values: Vec<u16>, cut: prop::sample::Index) {
            let whole = tally(&values);
            let at = if values.is_empty() { 0 } else { cut.index(values.len()) };
            let (mut left, right) = (tally(&values[..at]), tally(&values[at..]));
            left.merge(right);
            prop_assert_eq!(&left, &whole);
            values.reverse();
            prop_assert_eq!(tally(&values), whole);
        }

        #[test]
        fn kept_counts_are_exact(values in prop::collection::vec(0_u16..300, 0..2000)) {
            let tally = tally(&values);
            for kept in tally.ranked() {
                let real = values.iter().filter(|v| format!("v{v}") == kept.value).count();
                prop_assert_eq!(kept.count, real as u64);
            }
            prop_assert_eq!(tally.total(), values.len() as u64);
        }
    }

    #[test]
    fn estimates_many_distinct_values_within_a_third() {
        let values: Vec<u16> = (0..20_000).collect();
        let distinct = tally(&values).distinct();
        assert!((13_000..27_000).contains(&distinct), "{distinct}");
    }
}
