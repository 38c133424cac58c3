//! A few values by name, side by side in memory: what a big table has in each of its entries.

use serde::{Deserialize, Serialize};

use super::{Merge, by_hash::ByHash};

/// Values by the hash of their names, for up to `KEPT` names.
///
/// Beyond, those with the smallest hashes are kept, exactly, as in [`Keyed`](super::Keyed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "V: Deserialize<'de>"))]
pub(super) struct Few<V, const KEPT: usize> {
    kept: ByHash<V>,
    dropped: bool,
}

impl<V, const KEPT: usize> Few<V, KEPT> {
    /// The value that `hash` stands for, unless it is dropped; `make` is called if it is new.
    pub(super) fn slot(&mut self, hash: u64, make: impl FnOnce() -> V) -> Option<&mut V> {
        if self.kept.len() >= KEPT && self.kept.get(hash).is_none() {
            self.dropped = true;
            if self.kept.last().is_some_and(|last| hash > last) {
                return None;
            }
            self.kept.pop_last();
        }
        Some(self.kept.entry(hash, make))
    }

    /// The values, in an order that says nothing.
    pub(super) fn iter(&self) -> impl Iterator<Item = &V> {
        self.kept.values()
    }

    /// Whether there were more.
    pub(super) const fn is_exact(&self) -> bool {
        !self.dropped
    }
}

impl<V: Merge, const KEPT: usize> Merge for Few<V, KEPT> {
    fn merge(&mut self, other: Self) {
        self.dropped |= other.dropped;
        for (hash, theirs) in other.kept {
            if let Some(ours) = self.slot(hash, V::default) {
                ours.merge(theirs);
            }
        }
    }
}

impl<V, const KEPT: usize> Default for Few<V, KEPT> {
    fn default() -> Self {
        Self {
            kept: ByHash::default(),
            dropped: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::{Tally, keyed};

    fn few(names: &[u8]) -> Few<Tally, 5> {
        let mut few = Few::default();
        for name in names {
            let hash = keyed::hash(u64::from(*name), &["x"]);
            if let Some(slot) = few.slot(hash, Tally::default) {
                slot.add_at(&name.to_string(), None);
            }
        }
        few
    }

    proptest! {
        #[test]
        fn does_not_depend_on_order_or_split(
            mut names in prop::collection::vec(0_u8..12, 0..60), cut: prop::sample::Index,
        ) {
            let whole = few(&names);
            let at = if names.is_empty() { 0 } else { cut.index(names.len()) };
            let (mut left, right) = (few(&names[..at]), few(&names[at..]));
            left.merge(right);
            prop_assert_eq!(&left, &whole);
            names.reverse();
            prop_assert_eq!(&few(&names), &whole);
            names.sort_unstable();
            names.dedup();
            prop_assert_eq!((whole.iter().count(), whole.is_exact()), (names.len().min(5), names.len() <= 5));
        }
    }
}
