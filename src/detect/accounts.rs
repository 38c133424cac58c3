//! One piece of state for each user name, found without allocating.

use std::{
    hash::{BuildHasher, BuildHasherDefault},
    sync::Arc,
};

use hashbrown::HashTable;
use rustc_hash::FxHasher;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::ServiceAccount;

use super::{Merge, Request, memo::Caller};

/// One piece of state for each key, usually the user name of a ServiceAccount.
///
/// A hash table, since it is looked into for every request, and a list of seats beside it: a caller that
/// [`Memo`](super::Memo) knows has the same one for as long as it is known, so that its state is found without hashing
/// its name. Whoever reads it gets it sorted.
#[derive(Debug, Clone)]
pub struct PerAccount<T> {
    entries: Vec<(String, T)>,
    /// Numbers of entries, by the hash of their keys.
    by_key: HashTable<u32>,
    /// Who was seen in each seat, and the number of the entry.
    seats: Vec<Option<(Arc<Caller>, u32)>>,
    /// Where keys of several parts are put together.
    key: String,
}

impl<T: Merge> PerAccount<T> {
    /// Lets `change` take note in the state of `key`, which is made if it is new.
    pub fn note(&mut self, key: &str, change: impl FnOnce(&mut T)) {
        let at = self.place(key);
        self.change(at, change);
    }

    /// [`PerAccount::note`] with a key that is made of `parts`.
    pub(super) fn note_parts(&mut self, parts: &[&str], change: impl FnOnce(&mut T)) {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        for part in parts {
            key.push_str(part);
        }
        self.note(&key, change);
        self.key = key;
    }

    /// [`PerAccount::note`] with the user name of `request`.
    pub(super) fn note_user(&mut self, request: &Request<'_>, change: impl FnOnce(&mut T)) {
        self.note_caller(request.caller, change);
    }

    /// [`PerAccount::note`] with the user name of `caller`.
    pub(super) fn note_caller(&mut self, caller: &Arc<Caller>, change: impl FnOnce(&mut T)) {
        let seat = caller.seat;
        if let Some(Some((known, at))) = self.seats.get(seat)
            && Arc::ptr_eq(known, caller)
        {
            return self.change(*at, change);
        }
        let at = self.place(&caller.user);
        if self.seats.len() <= seat {
            self.seats.resize(seat + 1, None);
        }
        self.seats[seat] = Some((Arc::clone(caller), at));
        self.change(at, change);
    }

    fn change(&mut self, at: u32, change: impl FnOnce(&mut T)) {
        if let Some((_, state)) = self.entries.get_mut(at as usize) {
            change(state);
        }
    }

    /// The number of the entry of `key`, which is made if it is new.
    fn place(&mut self, key: &str) -> u32 {
        let known = self.find(key);
        known.unwrap_or_else(|| self.push(key.to_owned(), T::default()))
    }

    /// Adds what another part has counted.
    pub fn merge(&mut self, other: Self) {
        for (key, theirs) in other.entries {
            match self.find(&key) {
                Some(at) => self.change(at, |ours| ours.merge(theirs)),
                None => {
                    self.push(key, theirs);
                }
            }
        }
    }

    /// Keeps the states that `keep` says yes to; it may change them.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let mut kept = Self::default();
        for (key, mut state) in std::mem::take(&mut self.entries) {
            if keep(&mut state) {
                kept.push(key, state);
            }
        }
        *self = kept;
    }
}

impl<T> PerAccount<T> {
    fn find(&self, key: &str) -> Option<u32> {
        let is = |&at: &u32| self.entries[at as usize].0 == key;
        self.by_key.find(hash(key), is).copied()
    }

    /// Adds the state of a key that is new; says its number.
    fn push(&mut self, key: String, state: T) -> u32 {
        let Self {
            entries, by_key, ..
        } = self;
        // Each one costs more than a hundred bytes: memory is full long before there are as many as this.
        let at = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let hash = hash(&key);
        entries.push((key, state));
        by_key.insert_unique(hash, at, |&at| self::hash(&entries[at as usize].0));
        at
    }

    /// All of them, by key.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&str, &T)> {
        let entries = self.entries.iter();
        let mut entries: Vec<_> = entries.map(|(key, state)| (key.as_str(), state)).collect();
        entries.sort_by(|a, b| a.0.cmp(b.0));
        entries
    }

    /// All of them, in no order.
    pub(super) fn states(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|(_, state)| state)
    }

    /// Those whose key is the user name of a ServiceAccount, by key.
    pub fn accounts(&self) -> impl Iterator<Item = (ServiceAccount<'_>, &T)> {
        let entries = self.sorted().into_iter();
        entries.filter_map(|(user, state)| Some((ServiceAccount::from_user_name(user)?, state)))
    }
}

fn hash(key: &str) -> u64 {
    BuildHasherDefault::<FxHasher>::default().hash_one(key)
}

impl<T> Default for PerAccount<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            by_key: HashTable::new(),
            seats: Vec::new(),
            key: String::new(),
        }
    }
}

impl<T: PartialEq> PartialEq for PerAccount<T> {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

impl<T: Eq> Eq for PerAccount<T> {}

/// Sorted, so that equal states are equal files.
impl<T: Serialize> Serialize for PerAccount<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.sorted())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PerAccount<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = std::collections::BTreeMap::<String, T>::deserialize(deserializer)?;
        let mut all = Self::default();
        for (key, state) in stored {
            all.push(key, state);
        }
        Ok(all)
    }
}
