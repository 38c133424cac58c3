//! The few events that a finding shows: its first ones and its last ones.

use serde::{Deserialize, Serialize};

use crate::{
    event::Event,
    finding::{Evidence, Timestamp},
    source::Origin,
};

use super::{Context, Merge, audit_id::AuditId, batch::Batch, request::Request, tally::earliest};

/// How many of the first and how many of the last events are kept.
const KEPT: usize = 3;
/// How many of the first events whoever collects them has to hand over.
pub(super) const FIRSTS: usize = KEPT;

/// A count with its first and last events, in bounded memory.
///
/// Events are ordered by (time, hash of their identity, origin): the hash comes before the origin so
/// that two events of one microsecond are chosen alike whichever files they stand in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceSet {
    count: u64,
    first_seen: Option<Timestamp>,
    last_seen: Option<Timestamp>,
    first: Vec<Entry>,
    last: Vec<Entry>,
}

/// One event that can be shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) time: Option<Timestamp>,
    identity: u64,
    origin: Origin,
    audit_id: AuditId,
}

/// Something that is noted as evidence: an event, or a request, which works out only once what it is called.
pub trait Noted {
    /// The event.
    fn event(&self) -> &Event<'_>;

    /// [`Event::identity`].
    fn identity(&self) -> u64 {
        self.event().identity()
    }
}

impl Noted for Event<'_> {
    fn event(&self) -> &Event<'_> {
        self
    }
}

impl Noted for Request<'_> {
    fn event(&self) -> &Event<'_> {
        self
    }

    fn identity(&self) -> u64 {
        Request::identity(self)
    }
}

impl Entry {
    /// What is noted, to be ordered and shown by `time`.
    pub(super) fn at(time: Option<Timestamp>, noted: &impl Noted) -> Self {
        let event = noted.event();
        Self {
            time,
            identity: noted.identity(),
            origin: event.origin,
            audit_id: AuditId::of(&event.audit_id.read()),
        }
    }

    /// Makes this [`Entry::at`], in the memory that it has.
    fn fill(&mut self, time: Option<Timestamp>, noted: &impl Noted) {
        let event = noted.event();
        (self.time, self.identity, self.origin) = (time, noted.identity(), event.origin);
        self.audit_id = AuditId::of(&event.audit_id.read());
    }

    /// The event as evidence.
    pub(super) fn show(&self, context: &Context<'_>) -> Evidence {
        let place = context.place(self.identity, self.origin);
        Evidence {
            time: self.time,
            audit_id: Some(self.audit_id.to_string()),
            file: place.file,
            line: Some(place.line),
        }
    }
}

impl EvidenceSet {
    /// Counts `event` and keeps it if it is among the first or the last.
    pub fn add(&mut self, noted: &impl Noted) {
        self.count += 1;
        let time = noted.event().time();
        self.first_seen = earliest(self.first_seen, time);
        self.last_seen = self.last_seen.max(time);
        let early = self.first.len() < KEPT || self.first.last().is_some_and(|e| time <= e.time);
        let late = self.last.len() < KEPT || self.last.first().is_some_and(|e| time >= e.time);
        self.keep(noted, early, late);
    }

    /// Counts `event` and keeps it if it is among the first: for what is counted with nearly every request, the
    /// last of which would be written down again and again.
    pub(super) fn add_first(&mut self, noted: &impl Noted) {
        self.count += 1;
        let time = noted.event().time();
        self.first_seen = earliest(self.first_seen, time);
        self.last_seen = self.last_seen.max(time);
        let early = self.first.len() < KEPT || self.first.last().is_some_and(|e| time <= e.time);
        self.keep(noted, early, false);
    }

    /// Counts the events of `batch`, and keeps those that are among the first: as [`EvidenceSet::add_first`].
    pub(super) fn add_firsts(&mut self, batch: &Batch) {
        self.count += batch.count();
        self.first_seen = earliest(self.first_seen, Some(batch.first()));
        self.last_seen = self.last_seen.max(Some(batch.last()));
        for entry in batch.firsts() {
            if self.first.len() < KEPT || self.first.last().is_some_and(|last| entry < last) {
                insert(&mut self.first, entry.clone());
                self.first.truncate(KEPT);
            }
        }
    }

    fn keep(&mut self, noted: &impl Noted, early: bool, late: bool) {
        if !early && !late {
            return;
        }
        if !early && self.replace_last(noted) {
            return;
        }
        let entry = Entry::at(noted.event().time(), noted);
        if late {
            insert(&mut self.last, entry.clone());
            self.last.drain(..self.last.len().saturating_sub(KEPT));
        }
        if early {
            insert(&mut self.first, entry);
            self.first.truncate(KEPT);
        }
    }

    /// Puts an event in the place of the earliest of the last ones, if these are all there and it is later for certain:
    /// nearly every event of a log that is in order. Allocates nothing.
    fn replace_last(&mut self, noted: &impl Noted) -> bool {
        let time = noted.event().time();
        match self.last.first() {
            Some(earliest) if self.last.len() == KEPT && time > earliest.time => {}
            _ => return false,
        }
        let mut entry = self.last.remove(0);
        entry.fill(time, noted);
        insert(&mut self.last, entry);
        true
    }

    /// Adds what another set has counted.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.first_seen = earliest(self.first_seen, other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        for entry in other.first {
            insert(&mut self.first, entry);
        }
        self.first.truncate(KEPT);
        for entry in other.last {
            insert(&mut self.last, entry);
        }
        self.last.drain(..self.last.len().saturating_sub(KEPT));
    }

    /// How many events there were.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The time of the first event.
    #[must_use]
    pub const fn first_seen(&self) -> Option<Timestamp> {
        self.first_seen
    }

    /// The time of the last event.
    #[must_use]
    pub const fn last_seen(&self) -> Option<Timestamp> {
        self.last_seen
    }

    /// The events kept, by time, each once.
    #[must_use]
    pub fn show(&self, context: &Context<'_>) -> Vec<Evidence> {
        let mut entries: Vec<&Entry> = self.first.iter().chain(&self.last).collect();
        entries.sort_unstable();
        entries.dedup();
        let shown = entries.into_iter().map(|entry| entry.show(context));
        let mut shown: Vec<Evidence> = shown.collect();
        shown.sort_unstable();
        shown
    }
}

/// A count with its first event alone, for what is kept by the thousands. In a log that is in order it allocates once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Glimpse {
    count: u64,
    last_seen: Option<Timestamp>,
    first: Option<Entry>,
}

impl Glimpse {
    /// Counts `event` and keeps it if it is the first.
    pub(super) fn add(&mut self, event: &impl Noted) {
        self.count += 1;
        let time = event.event().time();
        self.last_seen = self.last_seen.max(time);
        // An event without a time is as good as one with, if there is no other.
        let known = self.first.as_ref().map(|entry| by_time(entry.time));
        if known.is_some_and(|known| by_time(time) > known) {
            return;
        }
        let entry = Entry::at(time, event);
        self.first = Some(
            self.first
                .take()
                .map_or(entry.clone(), |known| known.first_of(entry)),
        );
    }

    /// How many events there were.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// The time of the first event.
    pub(super) fn first_seen(&self) -> Option<Timestamp> {
        self.first.as_ref().and_then(|entry| entry.time)
    }

    /// The time of the last event.
    pub(super) const fn last_seen(&self) -> Option<Timestamp> {
        self.last_seen
    }
}

impl Glimpse {
    /// Counts the events of `batch`.
    pub(super) fn add_batch(&mut self, batch: &Batch) {
        self.count += batch.count();
        self.last_seen = self.last_seen.max(Some(batch.last()));
        let Some(entry) = batch.firsts().first() else {
            return;
        };
        let order = |entry: &Entry| by_time(entry.time);
        let known = self.first.take();
        self.first = Some(match known {
            Some(known) if order(&known) < order(entry) => known,
            Some(known) => known.first_of(entry.clone()),
            None => entry.clone(),
        });
    }
}

impl Merge for Glimpse {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.last_seen = self.last_seen.max(other.last_seen);
        self.first = match (self.first.take(), other.first) {
            (Some(ours), Some(theirs)) => Some(ours.first_of(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
    }
}

/// All that the glimpses have counted, with their first events.
impl<'a> FromIterator<&'a Glimpse> for EvidenceSet {
    fn from_iter<I: IntoIterator<Item = &'a Glimpse>>(glimpses: I) -> Self {
        let mut all = Self::default();
        for glimpse in glimpses {
            let entries: Vec<Entry> = glimpse.first.iter().cloned().collect();
            all.merge(Self {
                count: glimpse.count,
                first_seen: glimpse.first_seen(),
                last_seen: glimpse.last_seen,
                first: entries.clone(),
                last: entries,
            });
        }
        all
    }
}

impl Entry {
    fn first_of(self, other: Self) -> Self {
        if (by_time(other.time), &other) < (by_time(self.time), &self) {
            other
        } else {
            self
        }
    }
}

/// Orders what has no time after what has one.
fn by_time(time: Option<Timestamp>) -> (bool, Option<Timestamp>) {
    (time.is_none(), time)
}

/// Puts `entry` in its place.
pub(super) fn insert(sorted: &mut Vec<Entry>, entry: Entry) {
    let at = sorted.partition_point(|other| *other < entry);
    sorted.insert(at, entry);
}
