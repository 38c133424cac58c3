//! One piece of state for each of very many things, as many as memory allows.

use std::collections::{BTreeMap, BTreeSet, hash_map::Entry};

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize, Serializer};

use super::Merge;

/// One piece of state for each hash of a name, for up to `KEPT` of them.
///
/// Beyond, those with the smallest hashes are kept: their state is exact, since what is kept in the end was kept all
/// along, and which ones these are depends neither on the order of the input nor on how it was split. Looked into
/// for every request, so a hash map; the order of the hashes is written down beside it, to find the largest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Stored<V>", bound(deserialize = "V: Deserialize<'de>"))]
pub(crate) struct Smallest<V, const KEPT: usize> {
    by_hash: FxHashMap<u64, V>,
    hashes: BTreeSet<u64>,
    dropped: bool,
}

/// As it is saved: sorted, so that equal states are equal files.
#[derive(Deserialize)]
struct Stored<V> {
    kept: BTreeMap<u64, V>,
    dropped: bool,
}

impl<V, const KEPT: usize> Smallest<V, KEPT> {
    /// The state that `hash` stands for, unless it is dropped; `make` is called if it is new.
    pub(crate) fn slot(&mut self, hash: u64, make: impl FnOnce() -> V) -> Option<&mut V> {
        if self.hashes.len() >= KEPT && !self.by_hash.contains_key(&hash) {
            self.dropped = true;
            let &largest = self.hashes.last()?;
            if hash > largest {
                return None;
            }
            self.hashes.remove(&largest);
            self.by_hash.remove(&largest);
        }
        match self.by_hash.entry(hash) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(place) => {
                self.hashes.insert(hash);
                Some(place.insert(make()))
            }
        }
    }

    /// The state that `hash` stands for.
    pub(crate) fn get(&self, hash: u64) -> Option<&V> {
        self.by_hash.get(&hash)
    }

    /// All that is kept, by hash.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        self.hashes
            .iter()
            .filter_map(|hash| Some((*hash, self.by_hash.get(hash)?)))
    }

    /// How many there were: exact up to `KEPT`, estimated from how dense the hashes lie beyond.
    pub(crate) fn distinct(&self) -> u64 {
        match self.hashes.last() {
            Some(&largest) if self.dropped => {
                let share = (largest as f64 + 1.0) / (u64::MAX as f64 + 1.0);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "positive and far below 2^64"
                )]
                let estimate = (KEPT.saturating_sub(1) as f64 / share).round() as u64;
                estimate
            }
            _ => self.hashes.len() as u64,
        }
    }

    /// `followed 65536 of about 100000 <what>`, if some had to be left out.
    pub(crate) fn left_out(&self, what: &str) -> Option<String> {
        let (kept, all) = (self.hashes.len(), self.distinct());
        self.dropped.then(|| {
            format!("followed {kept} of about {all} {what}, which is what memory is kept for")
        })
    }
}

impl<V: Merge, const KEPT: usize> Smallest<V, KEPT> {
    /// Adds what another part has counted.
    pub(crate) fn merge(&mut self, other: Self) {
        let Self {
            mut by_hash,
            hashes,
            dropped,
        } = other;
        self.dropped |= dropped;
        for hash in hashes {
            let Some(theirs) = by_hash.remove(&hash) else {
                continue;
            };
            if let Some(ours) = self.slot(hash, V::default) {
                ours.merge(theirs);
            }
        }
    }
}

impl<V, const KEPT: usize> Default for Smallest<V, KEPT> {
    fn default() -> Self {
        Self {
            by_hash: FxHashMap::default(),
            hashes: BTreeSet::new(),
            dropped: false,
        }
    }
}

impl<V: Serialize, const KEPT: usize> Serialize for Smallest<V, KEPT> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Sorted<'a, V> {
            kept: BTreeMap<u64, &'a V>,
            dropped: bool,
        }
        let kept = self.iter().collect();
        let dropped = self.dropped;
        Sorted { kept, dropped }.serialize(serializer)
    }
}

impl<V, const KEPT: usize> From<Stored<V>> for Smallest<V, KEPT> {
    fn from(Stored { kept, dropped }: Stored<V>) -> Self {
        Self {
            hashes: kept.keys().copied().collect(),
            by_hash: kept.into_iter().collect(),
            dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::{Tally, keyed};

    type Table = Smallest<Tally, 20>;

    fn table(names: &[u16]) -> Table {
        let mut table = Table::default();
        for name in names {
            let name = name.to_string();
            if let Some(slot) = table.slot(keyed::hash(0, &[&name]), Tally::default) {
                slot.add_at(&name, None);
            }
        }
        table
    }

    proptest! {
        #[test]
        fn does_not_depend_on_order_or_split(
            mut names in prop::collection::vec(0_u16..60, 0..300), cut: prop::sample::Index,
        ) {
            let whole = table(&names);
            let at = if names.is_empty() { 0 } else { cut.index(names.len()) };
            let (mut left, right) = (table(&names[..at]), table(&names[at..]));
            let through_a_file: Table =
                postcard::from_bytes(&postcard::to_stdvec(&right).unwrap()).unwrap();
            left.merge(through_a_file);
            prop_assert_eq!(&left, &whole);
            for (_, slot) in whole.iter() {
                let name = slot.ranked()[0].value.clone();
                let real = names.iter().filter(|n| n.to_string() == name).count();
                prop_assert_eq!(slot.total(), real as u64);
            }
            names.reverse();
            prop_assert_eq!(table(&names), whole);
        }
    }

    #[test]
    fn says_what_it_left_out() {
        let all: Vec<u16> = (0..4_000).collect();
        let full = table(&all);
        assert!(
            (2_500..6_500).contains(&full.distinct()),
            "{}",
            full.distinct()
        );
        assert!(
            full.left_out("names")
                .unwrap()
                .starts_with("followed 20 of about ")
        );
        assert_eq!(table(&all[..20]).left_out("names"), None);
    }
}
