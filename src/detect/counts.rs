//! Counts by key, for the few keys that every event has one of.

use serde::{Deserialize, Serialize};

/// Counts by key, sorted: a vector and not a map, since there are half a dozen keys and every event is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts<K>(Vec<(K, u64)>);

impl<K: Copy + Ord> Counts<K> {
    /// Counts `count` more of `key`.
    #[inline]
    pub(super) fn add(&mut self, key: K, count: u64) {
        if let Some((_, known)) = self.0.iter_mut().find(|(known, _)| *known == key) {
            *known += count;
            return;
        }
        let at = self.0.partition_point(|(known, _)| *known < key);
        self.0.insert(at, (key, count));
    }

    /// Adds what another part has counted.
    pub(super) fn merge(&mut self, other: &Self) {
        for (key, count) in other.iter() {
            self.add(key, count);
        }
    }

    /// How many there were of `key`; `None` if there was none.
    #[must_use]
    pub fn get(&self, key: K) -> Option<u64> {
        self.iter().find(|(known, _)| *known == key).map(|(_, n)| n)
    }

    /// How many there were of all keys together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, count)| count).sum()
    }

    /// The keys that were counted, with their counts, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.0.iter().copied()
    }
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
