//! Values by hash, side by side in memory: what most of the detectors' small maps are made of.

use serde::{Deserialize, Serialize};

/// How far a hash may lie from where it should, before halves are searched.
const NEAR: usize = 8;

/// Values by hash, sorted.
///
/// A vector and not a map: most states have one or two values, which would cost a map a node for eleven, and the hashes
/// of a few dozen are found sooner by halving than by following pointers. Putting one in moves all behind it, so
/// not for thousands: [`Smallest`](super::smallest::Smallest) is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, V)>", bound(deserialize = "V: Deserialize<'de>"))]
pub(super) struct ByHash<V>(Vec<(u64, V)>);

impl<V> ByHash<V> {
    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// The largest hash.
    pub(super) fn last(&self) -> Option<u64> {
        self.0.last().map(|(hash, _)| *hash)
    }

    /// Takes out the value with the largest hash.
    pub(super) fn pop_last(&mut self) -> Option<(u64, V)> {
        self.0.pop()
    }

    /// The value that `hash` stands for.
    #[inline]
    pub(super) fn get(&self, hash: u64) -> Option<&V> {
        self.0.get(self.place(hash).ok()?).map(|(_, value)| value)
    }

    /// The value that `hash` stands for, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, hash: u64) -> Option<&mut V> {
        let at = self.place(hash).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// The value that `hash` stands for; `make` is called if it is new.
    pub(super) fn entry(&mut self, hash: u64, make: impl FnOnce() -> V) -> &mut V {
        let at = self.place(hash).unwrap_or_else(|at| {
            if self.0.is_empty() {
                // Most stay alone; a vector would begin with room for four.
                self.0.reserve_exact(1);
            }
            self.0.insert(at, (hash, make()));
            at
        });
        &mut self.0[at].1
    }

    /// How many have a smaller hash.
    pub(super) fn before(&self, hash: u64) -> usize {
        self.place(hash).unwrap_or_else(|at| at)
    }

    /// Keeps the values that `keep` says yes to; it may change them.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut V) -> bool) {
        self.0.retain_mut(|(_, value)| keep(value));
    }

    /// All of them, by hash.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &V)> + Clone {
        self.0.iter().map(|(hash, value)| (*hash, value))
    }

    /// The values, by hash.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// Where `hash` is, or where it would have to be put in.
    ///
    /// Hashes lie as evenly as dice fall, so where one is can be told nearly from its size: the values that are looked at
    /// are neighbours, where a search by halves fetches some from all over the memory.
    #[inline]
    fn place(&self, hash: u64) -> Result<usize, usize> {
        let mut at = match self.0.last() {
            Some(&(last, _)) if hash < last => {
                let scale = (last >> 32) + 1;
                let count = self.0.len() as u64;
                usize::try_from((hash >> 32) * count / scale).unwrap_or(0)
            }
            Some(&(last, _)) if hash == last => return Ok(self.0.len() - 1),
            _ => return Err(self.0.len()),
        };
        let is_below = |at: usize| self.0.get(at).is_some_and(|&(known, _)| known < hash);
        for _ in 0..NEAR {
            if is_below(at) {
                at += 1;
            } else if at > 0 && !is_below(at - 1) {
                at -= 1;
            } else {
                return self.found(hash, at);
            }
        }
        // Names can be made up so that their hashes are alike.
        self.0.binary_search_by_key(&hash, |(known, _)| *known)
    }

    /// `at` is the first place whose hash is not below `hash`.
    #[inline]
    fn found(&self, hash: u64, at: usize) -> Result<usize, usize> {
        match self.0.get(at) {
            Some(&(known, _)) if known == hash => Ok(at),
            _ => Err(at),
        }
    }
}

impl<V> Default for ByHash<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> IntoIterator for ByHash<V> {
    type Item = (u64, V);
    type IntoIter = std::vec::IntoIter<(u64, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// As it is saved: sorted already, unless somebody else wrote it.
impl<V> From<Vec<(u64, V)>> for ByHash<V> {
    fn from(mut stored: Vec<(u64, V)>) -> Self {
        stored.sort_by_key(|(hash, _)| *hash);
        stored.dedup_by_key(|(hash, _)| *hash);
        Self(stored)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holds_what_a_map_holds(
            hashes in prop::collection::vec(0_u64..60, 0..200),
            asked in 0_u64..60,
            // Side by side, as evenly as hashes lie, and all over the place.
            spread in prop::sample::select(vec![1, u64::MAX / 60, 0x9e37_79b9_7f4a_7c15]),
        ) {
            let hashes: Vec<u64> = hashes.iter().map(|hash| hash.wrapping_mul(spread)).collect();
            let asked = asked.wrapping_mul(spread);
            let (mut ours, mut map) = (ByHash::default(), BTreeMap::new());
            for (n, &hash) in hashes.iter().enumerate() {
                *ours.entry(hash, || n) += 1;
                *map.entry(hash).or_insert(n) += 1;
            }
            let pairs = |map: &BTreeMap<u64, usize>| map.iter().map(|(&h, &n)| (h, n)).collect::<Vec<_>>();
            prop_assert_eq!(ours.clone().into_iter().collect::<Vec<_>>(), pairs(&map));
            prop_assert_eq!(ours.get(asked), map.get(&asked));
            prop_assert_eq!(ours.before(asked), map.range(..asked).count());
            prop_assert_eq!((ours.last(), ours.len()), (map.keys().next_back().copied(), map.len()));
            prop_assert_eq!(postcard::to_stdvec(&ours).unwrap(), postcard::to_stdvec(&map).unwrap());
            ours.retain(|n| *n % 2 == 0);
            map.retain(|_, n| *n % 2 == 0);
            prop_assert_eq!(ours.pop_last(), map.pop_last());
            prop_assert_eq!(ours.into_iter().collect::<Vec<_>>(), pairs(&map));
        }
    }
}
