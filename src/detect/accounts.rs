//! One piece of state for each user name, found without allocating.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::event::ServiceAccount;

use super::Merge;

/// One piece of state for each key, usually the user name of a ServiceAccount.
///
/// A hash map, since it is looked into for every request. Whoever reads it gets it sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PerAccount<T> {
    #[serde(
        serialize_with = "sorted",
        bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>")
    )]
    by_key: FxHashMap<String, T>,
}

impl<T: Merge> PerAccount<T> {
    /// Lets `change` take note in the state of `key`, which is made if it is new.
    pub fn note(&mut self, key: &str, change: impl FnOnce(&mut T)) {
        // Not `entry` alone, which would want an owned key for every request.
        if let Some(known) = self.by_key.get_mut(key) {
            change(known);
        } else {
            change(self.by_key.entry(key.to_owned()).or_default());
        }
    }

    /// Adds what another part has counted.
    pub fn merge(&mut self, other: Self) {
        for (key, theirs) in other.into_sorted() {
            match self.by_key.entry(key) {
                Entry::Occupied(ours) => ours.into_mut().merge(theirs),
                Entry::Vacant(place) => {
                    place.insert(theirs);
                }
            }
        }
    }

    fn into_sorted(self) -> Vec<(String, T)> {
        let mut entries: Vec<_> = self.by_key.into_iter().collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries
    }
}

impl<T> PerAccount<T> {
    /// All of them, by key.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&str, &T)> {
        let mut entries: Vec<_> = self.by_key.iter().map(|(k, v)| (k.as_str(), v)).collect();
        entries.sort_by(|a, b| a.0.cmp(b.0));
        entries
    }

    /// Those whose key is the user name of a ServiceAccount, by key.
    pub fn accounts(&self) -> impl Iterator<Item = (ServiceAccount<'_>, &T)> {
        let entries = self.sorted().into_iter();
        entries.filter_map(|(user, state)| Some((ServiceAccount::from_user_name(user)?, state)))
    }
}

/// Sorted, so that equal states are equal files.
fn sorted<T: Serialize, S: Serializer>(
    map: &FxHashMap<String, T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let sorted: std::collections::BTreeMap<_, _> = map.iter().collect();
    sorted.serialize(serializer)
}
