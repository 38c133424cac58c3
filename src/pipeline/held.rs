//! A state over time: what `satrail cron` keeps from run to run, and forgets day by day.
//!
//! ```text
//!   new parts of files --read--> Harvest --absorb--> Held: one state a day, and what has no day
//!                                                     |--> report: the days' sum, as one scan of all
//!                                                     |--> counters: what only ever rises
//!                                                     `--> forget: old days, whole
//! ```
//!
//! The law makes this simple: events are split by the day on which they arrived, and go away with their day.

mod part;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    finding::Timestamp,
    source::{Input, Walk},
};

use super::{
    Error, Options, Progress, Report, State, Telemetry, Total, Trouble,
    cumulative::Cumulative,
    day::Day,
    fold::{Folded, Study},
    harvest::{Harvest, Pieces, Sorted, Today},
    ledger::Ledger,
    packed::{Shelf, damaged, pack, unpack},
    reading::Reading,
    run::study_of,
    scrapes::Scrapes,
    state::Scan,
};
use part::{Part, fetch};

/// How many days longer than the newest one the ends of long-running requests are remembered.
const ENDS: u32 = 1;

/// How many days more is added to, all clocks and late files considered; a day that is older can still be
/// added to, and costs more.
const RECENT: usize = 2;

/// The version of what is kept beside scans; to be raised whenever [`Kept`], [`Past`] or [`Today`] change.
const LAYOUT: u32 = 1;

const KEPT: &str = "kept";
const DAY: &str = "day/";
const OUTLIVED: &str = "outlived";
const PAST: &str = "past";

/// Everything that is kept from run to run.
///
/// Its days stay on the shelf until somebody asks for them: most runs touch one or two of them.
#[derive(Debug)]
pub struct Held {
    /// The last day that can have come, whatever clocks say. What is of later days is believed once they come.
    latest: Day,
    kept: Kept,
    days: BTreeMap<Day, Part>,
    /// Days that were taken out since the last time they were written.
    forgotten: Vec<Day>,
    /// The sum of the days to which hardly anything is added any more: it saves most of the work of a report.
    past: Option<Part>,
}

/// What has no day.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    reading: Reading,
    ledger: Ledger,
    scrapes: Scrapes,
    cumulative: Cumulative,
    /// What is left of the days that were forgotten, packed.
    outlived: Vec<u8>,
}

/// The sum of some days.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Past {
    days: BTreeSet<Day>,
    scan: Scan,
}

/// What everything that is held comes to.
#[derive(Debug)]
pub struct Judged {
    /// As a scan of all of it would give it.
    pub report: Report,
    /// The newest event, but for those of days that have not come yet.
    pub newest_event: Option<Timestamp>,
}

impl Held {
    /// The version of what the parts hold: another version cannot read them. It changes with that of what a scan notes.
    #[must_use]
    pub fn version() -> String {
        format!("{}.{LAYOUT}", State::VERSION)
    }

    /// What stands on a shelf; an empty one holds nothing. No day after tomorrow, seen from `now`, is believed.
    pub fn open<S: Shelf>(shelf: &S, now: Timestamp) -> Result<Self, S::Error> {
        let mut held = Self {
            latest: Day::of(Some(now)).after(1),
            kept: Kept::default(),
            days: BTreeMap::new(),
            forgotten: Vec::new(),
            past: None,
        };
        for name in shelf.names()? {
            if name == KEPT {
                held.kept = fetch(shelf, KEPT)?;
            } else if name == PAST {
                held.past = Some(Part::Shelved);
            } else {
                let day = name.strip_prefix(DAY).and_then(Day::named);
                let day = day.ok_or_else(|| damaged(&name, &"nobody knows this name"))?;
                held.days.insert(day, Part::Shelved);
            }
        }
        Ok(held)
    }

    /// Puts on the shelf what changed, and takes away what was forgotten.
    pub fn save<S: Shelf>(&mut self, shelf: &S) -> Result<(), S::Error> {
        shelf.put(KEPT, Some(&pack(&self.kept)?))?;
        for (day, part) in &mut self.days {
            part.save(&name(*day), shelf)?;
        }
        if let Some(past) = &mut self.past {
            past.save(PAST, shelf)?;
        }
        for day in self.forgotten.drain(..) {
            shelf.put(&name(day), None)?;
        }
        Ok(())
    }

    /// Reads parts of files, and scrapes that were not read before. Changes nothing: what comes of it can be
    /// thrown away.
    pub fn read(
        &self,
        inputs: Vec<Input>,
        scrapes: &[Input],
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Harvest, Error> {
        let scrapes = Scrapes::read_inputs(scrapes, options, progress)?;
        let counted = Arc::new(self.kept.ledger.open_keys());
        let new = || Sorted::new(Arc::clone(&counted));
        let folded = study_of(Walk::of(inputs), options, progress, &new)?;
        Ok(Harvest::new(folded, scrapes))
    }

    /// Adds what was read. `top` ServiceAccounts have counters of their own.
    pub fn absorb<S: Shelf>(
        &mut self,
        harvest: Harvest,
        top: usize,
        shelf: &S,
    ) -> Result<(), S::Error> {
        let Harvest {
            reading,
            ledger,
            days,
            recounted,
            scrapes,
            ..
        } = harvest;
        let counted = self.kept.ledger.open_keys();
        let mut counts = Telemetry::default();
        counts.add_bad_lines(reading.bad_lines);
        self.kept.ledger.merge(ledger);
        self.kept.ledger.count_newly_open(&counted, &mut counts);
        for (day, pieces) in days {
            self.add_day(day, pieces, &mut counts, shelf)?;
        }
        let newest = self.newest().unwrap_or(Day::NONE);
        // What was counted while it was open is counted by the days as well.
        self.kept.cumulative.add(&counts, &recounted, top, newest);
        self.kept.reading.merge(Reading {
            troubles: BTreeSet::new(),
            ..reading
        });
        // They are of this run; what it comes to is said by whoever follows the files.
        self.kept.scrapes.merge(Scrapes {
            troubles: BTreeSet::new(),
            ..scrapes
        });
        Ok(())
    }

    fn add_day<S: Shelf>(
        &mut self,
        day: Day,
        pieces: Pieces,
        counts: &mut Telemetry,
        shelf: &S,
    ) -> Result<(), S::Error> {
        let mut today = pieces.sum()?;
        counts.merge(today.telemetry.clone());
        if self.days.contains_key(&day) {
            today.merge(self.day(day, shelf)?);
        }
        self.days.insert(day, Part::New(pack(&today)?));
        Ok(())
    }

    /// Forgets what arrived more than `retention` days before the newest day of the log. Days that have not
    /// come yet (a clock was wrong) make nothing old.
    pub fn forget<S: Shelf>(&mut self, retention: u32, shelf: &S) -> Result<(), S::Error> {
        let Some(newest) = self.newest() else {
            return Ok(());
        };
        let oldest = newest.before(retention);
        let old: Vec<Day> = (self.days.keys().copied())
            .filter(|&day| day != Day::NONE && day < oldest)
            .collect();
        let start = oldest.start();
        if !old.is_empty() {
            // Habits are remembered for longer than days.
            let mut outlived = self.outlived()?.outlive(start);
            for day in old {
                outlived.merge(self.day(day, shelf)?.scan.outlive(start));
                self.days.remove(&day);
                self.forgotten.push(day);
            }
            self.kept.outlived = pack(&outlived)?;
        }
        self.kept.ledger.forget(oldest, newest.before(ENDS));
        self.kept.cumulative.forget(oldest);
        self.kept.scrapes.archive.retain(|time| time >= start);
        Ok(())
    }

    fn outlived(&self) -> Result<Scan, Error> {
        match &self.kept.outlived {
            packed if packed.is_empty() => Ok(Scan::default()),
            packed => unpack(OUTLIVED, packed),
        }
    }

    /// The newest day that has come.
    fn newest(&self) -> Option<Day> {
        self.come().next_back()
    }

    /// The days that have come, the oldest first.
    fn come(&self) -> impl DoubleEndedIterator<Item = Day> {
        let days = self.days.range(..=self.latest).map(|(day, _)| *day);
        days.filter(|&day| day != Day::NONE)
    }

    /// Before which time events are forgotten; `None` as long as nothing is.
    #[must_use]
    pub fn horizon(&self, retention: u32) -> Option<Timestamp> {
        Some(self.newest()?.before(retention).start())
    }

    /// Takes note of what a source is called by now.
    pub fn rename(&mut self, source: u64, name: &str) {
        self.kept.reading.places.add_source(source, name);
    }

    /// Forgets where the lines of these sources stood.
    pub fn forget_sources(&mut self, sources: &BTreeSet<u64>) {
        self.kept.reading.forget(sources);
    }

    /// Says what could not be read, as of now.
    pub fn set_troubles(&mut self, troubles: impl IntoIterator<Item = Trouble>) {
        self.kept.reading.troubles = troubles.into_iter().collect();
    }

    /// The report over everything that is held, as a scan of it would give.
    pub fn report<S: Shelf>(&mut self, options: &Options, shelf: &S) -> Result<Judged, S::Error> {
        let past = self.past_days();
        let mut sum = self.past(&past, shelf)?;
        sum.merge(self.outlived()?);
        let (newest, mut newest_event) = (self.newest(), None);
        for day in self.days.keys().filter(|day| !past.contains(day)) {
            let today = self.day(*day, shelf)?.scan;
            if Some(*day) == newest {
                newest_event = today.last_event();
            }
            sum.merge(today);
        }
        let folded = Folded {
            reading: std::mem::take(&mut self.kept.reading),
            ledger: std::mem::take(&mut self.kept.ledger),
            study: sum,
        };
        let scrapes = std::mem::take(&mut self.kept.scrapes);
        let mut state = State::new(folded, scrapes, false);
        let report = state.judge(options);
        (self.kept.reading, self.kept.ledger, self.kept.scrapes) = state.into_read();
        Ok(Judged {
            report,
            newest_event,
        })
    }

    /// The days to which hardly anything is added any more. What has no day, and what is of a day that has not
    /// come, is none of them: it may be added to in any run.
    fn past_days(&self) -> BTreeSet<Day> {
        self.come().rev().skip(RECENT).collect()
    }

    /// The sum of these days. What is kept of it is gone on with, if it holds no other ones, and none to which this
    /// run has added.
    fn past<S: Shelf>(&mut self, days: &BTreeSet<Day>, shelf: &S) -> Result<Scan, S::Error> {
        let changed = |day: &Day| matches!(self.days.get(day), Some(Part::New(_)));
        let known = match &self.past {
            None => Past::default(),
            Some(part) => part.unpack(PAST, shelf)?,
        };
        let is_good = known.days.is_subset(days) && !known.days.iter().any(changed);
        let mut past = if is_good { known } else { Past::default() };
        if past.days == *days {
            return Ok(past.scan);
        }
        for day in days {
            if past.days.insert(*day) {
                past.scan.merge(self.day(*day, shelf)?.scan);
            }
        }
        self.past = Some(Part::New(pack(&past)?));
        Ok(past.scan)
    }

    fn day<S: Shelf>(&self, day: Day, shelf: &S) -> Result<Today, S::Error> {
        match self.days.get(&day) {
            None => Ok(Today::default()),
            Some(part) => part.unpack(&name(day), shelf),
        }
    }

    /// What the days count over time, for rules that are fitted to it.
    pub fn telemetry<S: Shelf>(&self, shelf: &S) -> Result<Telemetry, S::Error> {
        let mut sum = Telemetry::default();
        for day in self.days.keys() {
            sum.merge(self.day(*day, shelf)?.telemetry);
        }
        self.kept.ledger.count_open(&mut sum);
        sum.add_bad_lines(self.kept.reading.bad_lines);
        Ok(sum)
    }

    /// Counters that have never fallen since the state began, in the order in which they are published.
    #[must_use]
    pub fn totals(&self) -> Vec<Total> {
        self.kept.cumulative.totals()
    }

    /// How many days are held.
    #[must_use]
    pub fn days(&self) -> usize {
        self.days.len()
    }
}

/// What a day's part is called.
fn name(day: Day) -> String {
    format!("{DAY}{day}")
}
