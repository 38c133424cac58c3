//! Values by name, for as many names as memory allows, the same ones whatever the order.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Merge, by_hash::ByHash};

/// Values by name, for up to `KEPT` names, 64 unless another number is given.
///
/// Beyond, the names with the smallest hashes are kept. Their values are exact, since a name that is
/// kept in the end was kept all along, and which names these are does not depend on the order of the
/// input, nor on how it was split. What a dropped name would have counted is lost here, so totals are
/// kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "V: Deserialize<'de>"))]
pub struct Keyed<V, const KEPT: usize = 64> {
    kept: ByHash<(String, V)>,
}

/// A name with its hash, for what is counted under it again and again.
#[derive(Debug)]
pub(crate) struct Name {
    pub(super) text: Box<str>,
    /// [`hash`] of 0 and the text.
    pub(super) hash: u64,
}

impl Name {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: Box::from(text),
            hash: hash(0, &[text]),
        }
    }
}

/// The hash that stands for a name made of `number` and `parts`.
pub(crate) fn hash(number: u64, parts: &[&str]) -> u64 {
    parts.iter().fold(number, |seed, part| {
        xxh3_64_with_seed(part.as_bytes(), seed)
    })
}

impl<V: Merge, const KEPT: usize> Keyed<V, KEPT> {
    /// The value that `hash` stands for, unless it is dropped; `name` is called if it is new.
    pub fn slot(&mut self, hash: u64, name: impl FnOnce() -> String) -> Option<&mut V> {
        if self.kept.len() >= KEPT {
            if self.kept.last().is_some_and(|last| hash > last) {
                return None;
            }
            if self.kept.get(hash).is_none() {
                self.kept.pop_last();
            }
        }
        let new = || (name(), V::default());
        Some(&mut self.kept.entry(hash, new).1)
    }

    /// Adds what another part has counted.
    pub fn merge(&mut self, other: Self) {
        for (hash, (name, theirs)) in other.kept {
            let ours = self.kept.entry(hash, || (name, V::default()));
            ours.1.merge(theirs);
        }
        while self.kept.len() > KEPT {
            self.kept.pop_last();
        }
    }
}

impl<V, const KEPT: usize> Default for Keyed<V, KEPT> {
    fn default() -> Self {
        Self {
            kept: ByHash::default(),
        }
    }
}

impl<V, const KEPT: usize> Keyed<V, KEPT> {
    /// The value that `hash` stands for, if it is kept.
    #[must_use]
    pub fn get(&self, hash: u64) -> Option<&V> {
        self.kept.get(hash).map(|(_, value)| value)
    }

    /// How many names there were: exact below 64, from there on estimated from how dense their hashes lie.
    #[must_use]
    pub fn distinct(&self) -> u64 {
        match self.kept.last() {
            Some(largest) if self.kept.len() >= KEPT => {
                let share = (largest as f64 + 1.0) / (u64::MAX as f64 + 1.0);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "positive and far below 2^64"
                )]
                let estimate = ((KEPT - 1) as f64 / share).round() as u64;
                estimate
            }
            _ => self.kept.len() as u64,
        }
    }

    /// The names kept, by name, with their values.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&str, &V)> {
        let mut entries: Vec<_> = self.kept.values().map(|(k, v)| (k.as_str(), v)).collect();
        entries.sort_by(|a, b| a.0.cmp(b.0));
        entries
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::Tally;

    fn keyed(names: &[u16]) -> Keyed<Tally> {
        let mut keyed = Keyed::<Tally>::default();
        for name in names {
            let name = format!("n{name}");
            if let Some(slot) = keyed.slot(hash(0, &[&name]), || name.clone()) {
                slot.add_at("x", None);
            }
        }
        keyed
    }

    #[test]
    fn counts_few_names_and_estimates_many_within_a_third() {
        let names: Vec<u16> = (0..20_000).collect();
        assert_eq!(keyed(&names[..63]).distinct(), 63);
        let distinct = keyed(&names).distinct();
        assert!((13_000..27_000).contains(&distinct), "{distinct}");
    }

    proptest! {
        #[test]
        fn does_not_depend_on_order_or_split(
            mut names in prop::collection::vec(0_u16..200, 0..600), cut: prop::sample::Index,
        ) {
            let whole = keyed(&names);
            let at = if names.is_empty() { 0 } else { cut.index(names.len()) };
            let (mut left, right) = (keyed(&names[..at]), keyed(&names[at..]));
            left.merge(right);
            prop_assert_eq!(&left, &whole);
            for (name, slot) in whole.sorted() {
                let real = names.iter().filter(|n| format!("n{n}") == name).count();
                prop_assert_eq!(slot.total(), real as u64);
            }
            names.reverse();
            prop_assert_eq!(keyed(&names), whole);
        }
    }
}
