//! Long-running requests leave two events, hours apart, in any file: which of them counts?
//!
//! A request counts at its closing event. An opening event (`ResponseStarted` of a watch, an exec)
//! counts only if no closing one turns up anywhere in the input. So the ledger remembers openings
//! whole, in compact form, and closings by their key, and crosses out what meets. Adding two ledgers
//! gives the same one in any order.
//!
//! Memory is bounded: when either side grows past its limit, only requests whose key lies below a
//! threshold are followed from then on, and what was dropped is counted. With fewer than 65,536 requests
//! open at once and fewer than a million closings without an opening, nothing is ever dropped.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry as MapEntry};

use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    event::{Key, Parser},
    source::Origin,
};

use super::{day::Day, fold::Study};

/// About 85 MB at 1,300 bytes an opening.
const MAX_OPENINGS: usize = 65_536;
/// About 36 MB. Closings pile up where the policy omits `ResponseStarted`.
const MAX_CLOSINGS: usize = 1_000_000;

/// Requests that were opened, closed, or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    #[serde(serialize_with = "in_order")]
    openings: ByKey<Opening>,
    /// With their days, so that they can be forgotten.
    #[serde(serialize_with = "in_order")]
    closings: ByKey<Day>,
    /// Only keys up to this one are followed.
    followed: Key,
    /// Openings that were dropped, and will not be counted even if they never closed.
    dropped: u64,
}

/// Keys are hashes already.
type ByKey<V> = HashMap<Key, V, FxBuildHasher>;

/// An opening event, in compact form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Opening {
    /// Where it stands.
    pub(super) origin: Origin,
    /// The event, as [`crate::event::Event::compact`] writes it.
    pub(super) line: String,
    /// When it arrived.
    pub(super) day: Day,
}

/// What one event means for the ledger.
#[derive(Debug)]
pub(super) enum Entry {
    /// A long-running request began.
    Open(Key, Opening),
    /// A request ended that may have begun with an opening.
    Close(Key, Day),
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            openings: HashMap::default(),
            closings: HashMap::default(),
            followed: Key(u64::MAX),
            dropped: 0,
        }
    }
}

impl Ledger {
    /// Enters what one chunk held.
    pub(super) fn enter(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            match entry {
                Entry::Open(key, opening) => self.open(key, opening),
                Entry::Close(key, day) => self.close(key, day),
            }
        }
        self.bound();
    }

    fn open(&mut self, key: Key, opening: Opening) {
        if key > self.followed {
            self.dropped += 1;
        } else if !self.closings.contains_key(&key) {
            match self.openings.entry(key) {
                MapEntry::Vacant(place) => {
                    place.insert(opening);
                }
                MapEntry::Occupied(mut known) if opening.origin < known.get().origin => {
                    known.insert(opening);
                }
                MapEntry::Occupied(_) => {}
            }
        }
    }

    fn close(&mut self, key: Key, day: Day) {
        if key <= self.followed {
            // The closing stays: the same opening may stand in a second copy of the file.
            self.openings.remove(&key);
            self.closings.insert(key, day);
        }
    }

    fn bound(&mut self) {
        while self.openings.len() > MAX_OPENINGS || self.closings.len() > MAX_CLOSINGS {
            self.follow_up_to(Key(self.followed.0 / 2));
        }
    }

    fn follow_up_to(&mut self, key: Key) {
        self.followed = key;
        let before = self.openings.len();
        self.openings.retain(|other, _| *other <= key);
        self.dropped += (before - self.openings.len()) as u64;
        self.closings.retain(|other, _| *other <= key);
    }

    /// Adds another ledger.
    pub(super) fn merge(&mut self, other: Self) {
        self.dropped += other.dropped;
        if other.followed < self.followed {
            self.follow_up_to(other.followed);
        }
        let closings = other.closings.into_iter();
        closings.for_each(|(key, day)| self.close(key, day));
        let openings = other.openings.into_iter();
        openings.for_each(|(key, opening)| self.open(key, opening));
        self.bound();
    }

    /// Forgets the requests that began before a day, and for those that ended before another that they
    /// did: an opening of theirs that is read later counts as one that never closed.
    ///
    /// What is left is followed whole again if there is room for twice as much.
    pub(super) fn forget(&mut self, begun_before: Day, ended_before: Day) {
        self.openings
            .retain(|_, opening| opening.day == Day::NONE || opening.day >= begun_before);
        self.closings.retain(|_, day| *day >= ended_before);
        if self.openings.len() < MAX_OPENINGS / 2 && self.closings.len() < MAX_CLOSINGS / 2 {
            self.followed = Key(u64::MAX);
        }
    }

    /// The requests that are open.
    pub(super) fn open_keys(&self) -> BTreeSet<Key> {
        self.openings.keys().copied().collect()
    }

    /// Counts the open requests that are not among those `counted` before.
    pub(super) fn count_newly_open(&self, counted: &BTreeSet<Key>, study: &mut impl Study) {
        let all = sorted(&self.openings).into_iter();
        let newly = all.filter(|(key, _)| !counted.contains(key));
        count(newly.map(|(_, opening)| opening), study);
    }

    /// Counts the requests that never closed, which nothing can close any more; says how many.
    pub(super) fn count_open(&self, study: &mut impl Study) -> u64 {
        count(sorted(&self.openings).into_values(), study)
    }

    /// Openings that could not be followed.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// By key, so that nothing hangs on how a table lies in memory.
fn sorted<V>(by_key: &ByKey<V>) -> BTreeMap<Key, &V> {
    by_key.iter().map(|(&key, value)| (key, value)).collect()
}

fn in_order<V: Serialize, S: Serializer>(
    by_key: &ByKey<V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(sorted(by_key))
}

fn count<'a>(openings: impl Iterator<Item = &'a Opening>, study: &mut impl Study) -> u64 {
    let mut parser = Parser::default();
    let mut open = 0;
    for opening in openings {
        if let Ok(event) = parser.parse(&opening.line, opening.origin) {
            study.request(&event);
            open += 1;
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry((open, key, at): (bool, u64, u64)) -> Entry {
        let origin = Origin {
            source: at,
            chunk: 0,
            line: 0,
        };
        if open {
            Entry::Open(
                Key(key),
                Opening {
                    origin,
                    line: format!("{key} {at}"),
                    day: Day::default(),
                },
            )
        } else {
            Entry::Close(Key(key), Day::default())
        }
    }

    proptest! {
        #[test]
        fn crosses_out_pairs_in_any_order(
            mut entries in prop::collection::vec((any::<bool>(), 0_u64..8, 0_u64..4), 0..40),
            cut: prop::sample::Index,
        ) {
            let mut whole = Ledger::default();
            whole.enter(entries.iter().copied().map(entry));
            let open: Vec<u64> = (0..8).filter(|key| {
                entries.iter().any(|e| e.0 && e.1 == *key) && !entries.iter().any(|e| !e.0 && e.1 == *key)
            }).collect();
            let followed: Vec<u64> = whole.open_keys().iter().map(|key| key.0).collect();
            prop_assert_eq!(followed, open);

            entries.reverse();
            let at = if entries.is_empty() { 0 } else { cut.index(entries.len()) };
            let (mut left, mut right) = (Ledger::default(), Ledger::default());
            left.enter(entries[..at].iter().copied().map(entry));
            right.enter(entries[at..].iter().copied().map(entry));
            left.merge(right);
            prop_assert_eq!(left, whole);
        }
    }

    #[test]
    fn stays_bounded_and_says_what_it_dropped() {
        let mut ledger = Ledger::default();
        let spread = |n: u64| Key(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let opening = Opening {
            origin: Origin::default(),
            line: String::new(),
            day: Day::default(),
        };
        ledger.enter((0..200_000).map(|n| Entry::Open(spread(n), opening.clone())));
        assert!(ledger.openings.len() <= MAX_OPENINGS);
        assert_eq!(ledger.openings.len() as u64 + ledger.dropped(), 200_000);
        ledger.enter((0..3_000_000).map(|n| Entry::Close(spread(n + 1_000_000), Day::default())));
        assert!(ledger.closings.len() <= MAX_CLOSINGS);
        assert!(ledger.followed < Key(u64::MAX));
        ledger.forget(Day::default(), Day::default().after(1));
        assert!(ledger.closings.is_empty() && !ledger.openings.is_empty());
        ledger.forget(Day::default().after(1), Day::default());
        assert!(ledger.openings.is_empty());
        assert_eq!(ledger.followed, Key(u64::MAX));
    }
}
