//! A state over time: what `satrail cron` keeps from run to run, and forgets day by day.
//!
//! ```text
//!   new parts of files --read--> Harvest --absorb--> Held: one state a day, and what has no day
//!                                                     |--> report: the days' sum, as one scan of all
//!                                                     |--> counters: what only ever rises
//!                                                     `--> forget: old days, whole
//! ```
//!
//! The law makes this simple: any split of the input gives the same findings, so the events are split by
//! the day on which they arrived, and what is older than the retention goes away with its day.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    sync::Arc,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    detect::Memo,
    event::{Event, Key},
    finding::Timestamp,
    source::{Input, Walk},
};

use super::{
    Error, Options, Progress, Report, State, Telemetry, Total, Trouble,
    cumulative::Cumulative,
    day::Day,
    fold::{Folded, Study},
    ledger::Ledger,
    reading::Reading,
    run::study_of,
    scrapes::Scrapes,
    state::Scan,
};

/// How many days longer than the newest one the ends of long-running requests are remembered.
const ENDS: u32 = 1;

/// What a run has read, not yet added to what is held.
#[derive(Debug)]
pub struct Harvest {
    reading: Reading,
    ledger: Ledger,
    days: BTreeMap<Day, Today>,
    /// Requests that were counted when they were open, and have ended now.
    recounted: Telemetry,
    scrapes: Scrapes,
}

impl Harvest {
    /// How far the source with this key was read: an offset in the decompressed stream, and the seal of
    /// what stands before it, if it came along with reading. `None` if it could not be opened.
    #[must_use]
    pub fn end(&self, source: u64) -> Option<(u64, Option<u128>)> {
        self.reading.ends.get(&source).copied()
    }

    /// Bytes, events and bad lines.
    #[must_use]
    pub fn amounts(&self) -> (u64, u64, u64) {
        let events = self.days.values().map(|today| today.scan.events()).sum();
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

/// Everything that is kept from run to run.
#[derive(Debug, Default)]
pub struct Held {
    kept: Kept,
    /// Packed, since there may be many of them and a run touches one or two.
    days: BTreeMap<Day, Part>,
    /// Days that were taken out since the last time they were written.
    forgotten: Vec<Day>,
    /// The sum of the days to which hardly anything is added any more: it saves most of the work of a report.
    past: Part,
}

/// The sum of some days.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Past {
    days: Vec<Day>,
    scan: Scan,
}

/// What has no day.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Kept {
    reading: Reading,
    ledger: Ledger,
    scrapes: Scrapes,
    cumulative: Cumulative,
    /// What is left of the days that were forgotten, packed.
    outlived: Vec<u8>,
}

#[derive(Debug, Default)]
struct Part {
    packed: Vec<u8>,
    changed: bool,
}

/// What one day comes to.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Today {
    scan: Scan,
    telemetry: Telemetry,
}

impl Today {
    fn event(&mut self, event: &Event<'_>) {
        self.scan.event(event);
        self.telemetry.event(event);
    }

    fn request(&mut self, memo: &mut Memo, event: &Event<'_>) {
        self.scan.request_with(memo, event);
        self.telemetry.request(event);
    }

    fn merge(&mut self, other: Self) {
        self.scan.merge(other.scan);
        self.telemetry.merge(other.telemetry);
    }
}

/// Sorts what is read by day.
#[derive(Debug, Default)]
struct Sorted {
    days: BTreeMap<Day, Today>,
    /// Open requests that were counted by an earlier run.
    counted: Arc<BTreeSet<Key>>,
    recounted: Telemetry,
    /// One for all days: the same callers come every day, and each memo takes memory.
    memo: Memo,
}

impl Study for Sorted {
    fn event(&mut self, event: &Event<'_>) {
        let day = Day::of(event.time());
        self.days.entry(day).or_default().event(event);
    }

    fn request(&mut self, event: &Event<'_>) {
        let day = Day::of(event.time());
        let today = self.days.entry(day).or_default();
        today.request(&mut self.memo, event);
        if !self.counted.is_empty() && self.counted.contains(&event.key()) {
            self.recounted.request(event);
        }
    }

    fn settle(&mut self) {
        for today in self.days.values_mut() {
            today.scan.settle();
        }
    }

    fn merge(&mut self, other: Self) {
        for (day, theirs) in other.days {
            self.days.entry(day).or_default().merge(theirs);
        }
        self.recounted.merge(other.recounted);
    }
}

impl Held {
    /// The version of what the parts hold: another version cannot read them.
    pub const VERSION: &str = State::VERSION;

    /// What [`Held::changes`] has handed out, over all runs.
    pub fn from_parts(parts: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, Error> {
        let mut held = Self::default();
        for (name, packed) in parts {
            if name == KEPT {
                held.kept = unpack(&name, &packed)?;
            } else if name == PAST {
                held.past.packed = packed;
            } else {
                let day = name.strip_prefix(DAY).and_then(Day::named);
                let day = day.ok_or_else(|| damaged(&name, &"nobody knows this name"))?;
                held.days.insert(
                    day,
                    Part {
                        packed,
                        changed: false,
                    },
                );
            }
        }
        Ok(held)
    }

    /// What is to be written to keep all of this: parts by name, `None` for those to be deleted.
    pub fn changes(&self) -> Result<Vec<Change>, Error> {
        let mut changes = vec![(KEPT.to_owned(), Some(pack(&self.kept)?))];
        let changed = self.days.iter().filter(|(_, part)| part.changed);
        changes.extend(changed.map(|(day, part)| (name(*day), Some(part.packed.clone()))));
        if self.past.changed {
            changes.push((PAST.to_owned(), Some(self.past.packed.clone())));
        }
        changes.extend(self.forgotten.iter().map(|day| (name(*day), None)));
        Ok(changes)
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
        let new = || Sorted {
            counted: Arc::clone(&counted),
            ..Sorted::default()
        };
        let Folded {
            reading,
            ledger,
            study,
        } = study_of(Walk::of(inputs), options, progress, &new)?;
        Ok(Harvest {
            reading,
            ledger,
            days: study.days,
            recounted: study.recounted,
            scrapes,
        })
    }

    /// Adds what was read. `top` ServiceAccounts have counters of their own.
    pub fn absorb(&mut self, harvest: Harvest, top: usize) -> Result<(), Error> {
        let Harvest {
            reading,
            ledger,
            days,
            mut recounted,
            scrapes,
        } = harvest;
        let counted = self.kept.ledger.open_keys();
        let mut counts = Telemetry::default();
        counts.add_bad_lines(reading.bad_lines);
        self.kept.ledger.merge(ledger);
        self.kept.ledger.count_newly_open(&counted, &mut counts);
        let newest = days.keys().next_back().copied().unwrap_or(Day::NONE);
        for (day, today) in days {
            counts.merge(today.telemetry.clone());
            self.add_day(day, today)?;
        }
        // What was counted while it was open is counted by the days as well.
        let recounted = std::mem::take(&mut recounted);
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

    fn add_day(&mut self, day: Day, mut today: Today) -> Result<(), Error> {
        today.merge(self.day(day)?);
        if !self.recent().contains(&day) {
            self.past = Part::default();
        }
        let packed = pack(&today)?;
        self.days.insert(
            day,
            Part {
                packed,
                changed: true,
            },
        );
        Ok(())
    }

    /// Forgets what arrived more than `retention` days before the newest day of the log. Days that have not
    /// come yet (a clock was wrong) make nothing old.
    pub fn forget(&mut self, retention: u32, now: Timestamp) -> Result<(), Error> {
        let Some(newest) = self.newest(now) else {
            return Ok(());
        };
        let oldest = newest.before(retention);
        let old: Vec<Day> = (self.days.keys().copied())
            .filter(|&day| day != Day::NONE && day < oldest)
            .collect();
        let start = oldest.start();
        let mut outlived = Scan::default();
        for day in old {
            if let Some(part) = self.days.remove(&day) {
                let today: Today = unpack(&name(day), &part.packed)?;
                outlived.merge(today.scan.outlive(start));
            }
            self.forgotten.push(day);
        }
        if !self.forgotten.is_empty() {
            // Habits are remembered for longer than days.
            let known: Scan = match &self.kept.outlived {
                packed if packed.is_empty() => Scan::default(),
                packed => unpack(OUTLIVED, packed)?,
            };
            outlived.merge(known.outlive(start));
            self.kept.outlived = pack(&outlived)?;
        }
        self.kept.ledger.forget(oldest, newest.before(ENDS));
        self.kept.cumulative.forget(oldest);
        self.kept.scrapes.archive.retain(|time| time >= start);
        Ok(())
    }

    /// The newest event, but for those of days that have not come yet.
    pub fn newest_event(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let newest = self.newest(now);
        let part = newest.and_then(|day| Some((day, self.days.get(&day)?)));
        let Some((day, part)) = part else {
            return Ok(None);
        };
        let today: Today = unpack(&name(day), &part.packed)?;
        Ok(today.scan.last_event())
    }

    fn newest(&self, now: Timestamp) -> Option<Day> {
        let most = Day::of(Some(now)).after(1);
        let mut days = self.days.range(..=most).map(|(day, _)| *day);
        days.rfind(|&day| day != Day::NONE)
    }

    /// Before which time events are forgotten; `None` as long as nothing is.
    #[must_use]
    pub fn horizon(&self, retention: u32, now: Timestamp) -> Option<Timestamp> {
        Some(self.newest(now)?.before(retention).start())
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
    pub fn report(&mut self, options: &Options) -> Result<Report, Error> {
        let mut sum = self.past()?;
        if !self.kept.outlived.is_empty() {
            sum.merge(unpack(OUTLIVED, &self.kept.outlived)?);
        }
        for day in self.recent() {
            sum.merge(self.day(day)?.scan);
        }
        let Kept {
            reading,
            ledger,
            scrapes,
            ..
        } = self.kept.clone();
        let folded = Folded {
            reading,
            ledger,
            study: sum,
        };
        Ok(State::new(folded, scrapes, false).report(options))
    }

    /// The newest days, to which more is still added.
    fn recent(&self) -> Vec<Day> {
        self.days.keys().rev().take(RECENT).copied().collect()
    }

    fn day(&self, day: Day) -> Result<Today, Error> {
        let part = self.days.get(&day);
        part.map_or_else(
            || Ok(Today::default()),
            |part| unpack(&name(day), &part.packed),
        )
    }

    /// The sum of all other days: as it is kept, or made anew if they are not the same ones any more.
    fn past(&mut self) -> Result<Scan, Error> {
        let recent = self.recent();
        let days: Vec<Day> = (self.days.keys().copied())
            .filter(|day| !recent.contains(day))
            .collect();
        if days.is_empty() {
            return Ok(Scan::default());
        }
        if !self.past.packed.is_empty() {
            let past: Past = unpack(PAST, &self.past.packed)?;
            if past.days == days {
                return Ok(past.scan);
            }
        }
        let mut scan = Scan::default();
        for day in &days {
            scan.merge(self.day(*day)?.scan);
        }
        let past = Past { days, scan };
        self.past = Part {
            packed: pack(&past)?,
            changed: true,
        };
        Ok(past.scan)
    }

    /// What the days count over time, for rules that are fitted to it.
    pub fn telemetry(&self) -> Result<Telemetry, Error> {
        let mut sum = Telemetry::default();
        for day in self.days.keys() {
            sum.merge(self.day(*day)?.telemetry);
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

const KEPT: &str = "kept";
const DAY: &str = "day/";
const OUTLIVED: &str = "outlived";
const PAST: &str = "past";

/// How many days more is added to, all clocks and late files considered; a day that is older can still be
/// added to, and costs more.
const RECENT: usize = 2;

/// What a day's part is called.
fn name(day: Day) -> String {
    format!("{DAY}{day}")
}

/// A part by name, and what is to be written to it; `None`: it is to be deleted.
pub type Change = (String, Option<Vec<u8>>);

/// Packs a value, with a checksum, for [`unpack`].
pub fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let packed = postcard::to_allocvec(value).map_err(|error| error.to_string());
    let packed = packed.and_then(|bytes| {
        let mut zstd = zstd::Encoder::new(Vec::new(), 3).map_err(|error| error.to_string())?;
        let written = zstd
            .include_checksum(true)
            .and_then(|()| zstd.write_all(&bytes));
        written
            .and_then(|()| zstd.finish())
            .map_err(|error| error.to_string())
    });
    packed.map_err(|why| Error::Part {
        part: "a new one".to_owned(),
        why,
    })
}

/// What [`pack`] has packed; `name` is for the error.
pub fn unpack<T: DeserializeOwned>(name: &str, packed: &[u8]) -> Result<T, Error> {
    let bytes = zstd::decode_all(packed).map_err(|error| damaged(name, &error))?;
    postcard::from_bytes(&bytes).map_err(|error| damaged(name, &error))
}

fn damaged(name: &str, why: &dyn std::fmt::Display) -> Error {
    Error::Part {
        part: name.to_owned(),
        why: why.to_string(),
    }
}
