//! What a run has read, sorted by day, not yet added to what is held.
//!
//! ```text
//!   events of any days --Sorted--> the day that is read   Today, added to
//!                                  other days             packed pieces: Today, Today, ...
//! ```
//!
//! An archive touches many days at once, and the states of many days are large. So a worker keeps those of the
//! days that it does not read right now packed, in pieces: by the law they can be added up later.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    detect::Memo,
    event::{Event, Key, Standing},
};

use super::{
    Error, Telemetry, Trouble,
    day::Day,
    fold::{Folded, Study},
    ledger::Ledger,
    packed::{pack, unpack},
    reading::{End, Reading},
    scrapes::Scrapes,
    state::Scan,
};

/// After so many events a worker packs what it holds of other days than the one of the event at hand: what is
/// packed is worth the work, and what is not packed is small, in whatever order the days come.
const FRESH: u32 = 8_192;

/// What a run has read.
#[derive(Debug)]
pub struct Harvest {
    pub(super) reading: Reading,
    pub(super) ledger: Ledger,
    pub(super) days: BTreeMap<Day, Pieces>,
    /// Requests that were counted when they were open, and have ended now.
    pub(super) recounted: Telemetry,
    pub(super) scrapes: Scrapes,
    ends: BTreeMap<u64, End>,
}

impl Harvest {
    pub(super) fn new(folded: Folded<Sorted>, scrapes: Scrapes) -> Self {
        let Folded {
            mut reading,
            ledger,
            study,
        } = folded;
        Self {
            ends: std::mem::take(&mut reading.ends).into_iter().collect(),
            reading,
            ledger,
            days: study.days,
            recounted: study.recounted,
            scrapes,
        }
    }

    /// How far the source with this key was read: an offset in the decompressed stream, and the seal of
    /// what stands before it, if it came along with reading. `None` if it could not be opened.
    #[must_use]
    pub fn end(&self, source: u64) -> Option<(u64, Option<u128>)> {
        self.ends.get(&source).copied()
    }

    /// Bytes, events and bad lines.
    #[must_use]
    pub fn amounts(&self) -> (u64, u64, u64) {
        let events = self.days.values().map(|pieces| pieces.events).sum();
        (self.reading.bytes, events, self.reading.bad_lines)
    }

    /// What could not be read of the scrapes, and why.
    pub fn scrape_troubles(&self) -> impl Iterator<Item = &Trouble> {
        self.scrapes.troubles.iter()
    }

    /// What could not be read, and why.
    pub fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        self.reading.troubles.iter()
    }
}

/// What one day comes to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Today {
    pub(super) scan: Scan,
    pub(super) telemetry: Telemetry,
}

impl Today {
    pub(super) fn merge(&mut self, other: Self) {
        self.scan.merge(other.scan);
        self.telemetry.merge(other.telemetry);
    }
}

/// What was read of one day.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    packed: Vec<Vec<u8>>,
    open: Option<Box<Today>>,
    events: u64,
}

impl Pieces {
    /// What they come to.
    pub(super) fn sum(self) -> Result<Today, Error> {
        let mut sum = self.open.map_or_else(Today::default, |open| *open);
        for packed in self.packed {
            sum.merge(unpack(PIECE, &packed)?);
        }
        Ok(sum)
    }

    fn pack(&mut self) {
        if let Some(open) = &mut self.open {
            // What is put off is no part of what is packed.
            open.scan.settle();
        }
        // What cannot be packed stays as it is.
        if let Some(open) = &self.open
            && let Ok(packed) = pack(open)
        {
            self.packed.push(packed);
            self.open = None;
        }
    }

    fn merge(&mut self, other: Self) {
        self.events += other.events;
        self.packed.extend(other.packed);
        match (&mut self.open, other.open) {
            (Some(ours), Some(theirs)) => ours.merge(*theirs),
            (ours @ None, theirs) => *ours = theirs,
            (Some(_), None) => {}
        }
    }
}

/// What a piece is called in an error.
const PIECE: &str = "of this run";

/// Sorts what is read by day.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    days: BTreeMap<Day, Pieces>,
    /// Events since days were packed.
    fresh: u32,
    /// Open requests that were counted by an earlier run.
    counted: Arc<BTreeSet<Key>>,
    recounted: Telemetry,
    /// One for all days: the same callers come every day, and each memo takes memory.
    memo: Memo,
}

impl Sorted {
    pub(super) fn new(counted: Arc<BTreeSet<Key>>) -> Self {
        Self {
            counted,
            ..Self::default()
        }
    }

    fn pack_all_but(&mut self, day: Day) {
        let others = self.days.iter_mut().filter(|(other, _)| **other != day);
        others.for_each(|(_, pieces)| pieces.pack());
        self.fresh = 0;
    }
}

impl Study for Sorted {
    fn event(&mut self, event: &Event<'_>) {
        let day = Day::of(event.time());
        if self.fresh >= FRESH {
            self.pack_all_but(day);
        }
        self.fresh += 1;
        let pieces = self.days.entry(day).or_default();
        pieces.events += 1;
        let today = pieces.open.get_or_insert_default();
        today.scan.event(event);
        today.telemetry.event(event);
    }

    fn request(&mut self, event: &Event<'_>) {
        let day = Day::of(event.time());
        let today = self.days.entry(day).or_default();
        let today = today.open.get_or_insert_default();
        today.scan.request_with(&mut self.memo, event);
        today.telemetry.request(event);
        if !self.counted.is_empty()
            && event.standing() == Standing::Closes
            && self.counted.contains(&event.key())
        {
            self.recounted.request(event);
        }
    }

    fn settle(&mut self) {
        for pieces in self.days.values_mut() {
            if let Some(open) = &mut pieces.open {
                open.scan.settle();
            }
        }
    }

    fn merge(&mut self, other: Self) {
        for (day, theirs) in other.days {
            self.days.entry(day).or_default().merge(theirs);
        }
        self.recounted.merge(other.recounted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Parser, source::Origin};

    fn read(days: impl Iterator<Item = i64>) -> Sorted {
        let mut sorted = Sorted::default();
        let mut parser = Parser::default();
        for (n, day) in days.enumerate() {
            let time = crate::finding::Timestamp::from_micros(day * 86_400_000_000);
            let line = format!(
                r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{n}","stage":"ResponseComplete","requestURI":"/x","verb":"get","user":{{"username":"system:serviceaccount:n:a"}},"requestReceivedTimestamp":"{time}"}}"#
            );
            let event = parser.parse(&line, Origin::default()).unwrap();
            sorted.event(&event);
            sorted.request(&event);
        }
        sorted
    }

    fn open(sorted: &Sorted) -> usize {
        let open = sorted.days.values().filter(|pieces| pieces.open.is_some());
        open.count()
    }

    #[test]
    fn what_is_packed_in_between_changes_nothing() {
        let most = i64::from(FRESH);
        // Days in turn, and each event of another one.
        for day in [|n: i64| n / 3000, |n| n % 11] {
            let sorted = read((0..3 * most).map(day));
            let pieces: usize = sorted.days.values().map(|day| day.packed.len()).sum();
            assert!(pieces > 0 && pieces < 40, "{pieces}");
            assert!(open(&sorted) < 12);
            for (at, pieces) in sorted.days {
                let number: i64 = at.to_string().parse().unwrap();
                let expected = (0..3 * most).filter(|n| day(*n) == number).count() as u64;
                assert_eq!(pieces.events, expected);
                let sum = pieces.sum().unwrap().telemetry;
                let counters = sum.counters(1);
                let requests = counters
                    .iter()
                    .find(|counter| counter.metric.name == "satrail_serviceaccount_requests_total");
                assert_eq!(requests.unwrap().counts.total(), expected);
            }
        }
    }
}
