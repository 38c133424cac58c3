//! Where, on what and when one action was asked for: bounded, and the same for any split of the input.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{detect::Merge, finding::Timestamp};

/// How many names are kept in one place; beyond, it is only known that there were more.
pub const NAMES_KEPT: usize = 32;

/// How many namespaces are kept for one action; beyond, it is only known that there were more.
pub const NAMESPACES_KEPT: usize = 64;

/// A count with its first and last time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uses {
    /// How many requests.
    pub count: u64,
    /// The time of the first.
    pub first_seen: Option<Timestamp>,
    /// The time of the last.
    pub last_seen: Option<Timestamp>,
}

impl Uses {
    /// Counts one at `time`.
    pub fn add(&mut self, time: Option<Timestamp>) {
        self.merge(Self {
            count: 1,
            first_seen: time,
            last_seen: time,
        });
    }
}

impl Merge for Uses {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.first_seen = [self.first_seen, other.first_seen]
            .into_iter()
            .flatten()
            .min();
        self.last_seen = self.last_seen.max(other.last_seen);
    }
}

/// The objects of requests, by name.
///
/// Once there are more than [`NAMES_KEPT`] none is kept, so that what is kept does not hang on the order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    unnamed: u64,
    few: BTreeMap<String, u64>,
    many: bool,
}

impl Names {
    fn add(&mut self, name: Option<&str>) {
        let Some(name) = name else {
            self.unnamed += 1;
            return;
        };
        if self.many {
            return;
        }
        if let Some(count) = self.few.get_mut(name) {
            *count += 1;
        } else {
            self.few.insert(name.to_owned(), 1);
            self.bound();
        }
    }

    fn bound(&mut self) {
        if self.many || self.few.len() > NAMES_KEPT {
            self.many = true;
            self.few = BTreeMap::new();
        }
    }

    /// How many requests named no object.
    #[must_use]
    pub const fn unnamed(&self) -> u64 {
        self.unnamed
    }

    /// The names with their requests, if they are few; hostile.
    #[must_use]
    pub const fn few(&self) -> Option<&BTreeMap<String, u64>> {
        if self.many { None } else { Some(&self.few) }
    }

    /// The names, if every request had one and they are no more than `most`.
    #[must_use]
    pub fn all(&self, most: usize) -> Option<impl Iterator<Item = &str>> {
        let all = self.unnamed == 0 && !self.many && self.few.len() <= most;
        all.then(|| self.few.keys().map(String::as_str))
    }
}

impl Merge for Names {
    fn merge(&mut self, other: Self) {
        self.unnamed += other.unnamed;
        self.many |= other.many;
        for (name, count) in other.few {
            *self.few.entry(name).or_default() += count;
        }
        self.bound();
    }
}

/// Requests in one place: a namespace, the whole cluster, or anywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// How many there were, and when.
    pub uses: Uses,
    /// For which objects.
    pub names: Names,
}

impl Place {
    fn add(&mut self, name: Option<&str>, time: Option<Timestamp>) {
        self.uses.add(time);
        self.names.add(name);
    }
}

impl Merge for Place {
    fn merge(&mut self, other: Self) {
        self.uses.merge(other.uses);
        self.names.merge(other.names);
    }
}

/// Where one action was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    anywhere: Place,
    cluster_wide: Place,
    namespaces: BTreeMap<String, Place>,
    many: bool,
}

impl Spread {
    pub(super) fn add(
        &mut self,
        namespace: Option<&str>,
        name: Option<&str>,
        time: Option<Timestamp>,
    ) {
        self.anywhere.add(name, time);
        match namespace {
            None => self.cluster_wide.add(name, time),
            Some(_) if self.many => {}
            Some(namespace) => {
                if let Some(place) = self.namespaces.get_mut(namespace) {
                    place.add(name, time);
                    return;
                }
                let mut place = Place::default();
                place.add(name, time);
                self.namespaces.insert(namespace.to_owned(), place);
                self.bound();
            }
        }
    }

    fn bound(&mut self) {
        if self.many || self.namespaces.len() > NAMESPACES_KEPT {
            self.many = true;
            self.namespaces = BTreeMap::new();
        }
    }

    /// Everywhere together.
    #[must_use]
    pub const fn anywhere(&self) -> &Place {
        &self.anywhere
    }

    /// Over all namespaces at once, or for what has none; `None` if there was no such request.
    #[must_use]
    pub fn cluster_wide(&self) -> Option<&Place> {
        (self.cluster_wide.uses.count > 0).then_some(&self.cluster_wide)
    }

    /// By namespace, if there are few.
    #[must_use]
    pub const fn namespaces(&self) -> Option<&BTreeMap<String, Place>> {
        if self.many {
            None
        } else {
            Some(&self.namespaces)
        }
    }
}

impl Merge for Spread {
    fn merge(&mut self, other: Self) {
        self.anywhere.merge(other.anywhere);
        self.cluster_wide.merge(other.cluster_wide);
        self.many |= other.many;
        for (namespace, theirs) in other.namespaces {
            self.namespaces.entry(namespace).or_default().merge(theirs);
        }
        self.bound();
    }
}
