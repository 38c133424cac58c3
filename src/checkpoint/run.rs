//! One run: what is new is read, added, judged, saved; then told.
//!
//! ```text
//!   open --> read --> save --> (outputs) --> told
//!    lock     |        `one transaction       `a small second one: what was delivered
//!             `nothing is written before it has all been read
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rusqlite::params;
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    finding::{Finding, Status, Timestamp},
    pipeline::{self, Bound, Held, Options, Progress, Report, Telemetry, Total, Trouble},
    source::{self, Input},
};

use super::{
    Suppression,
    book::{Book, Clock, Round},
    following::{Followed, Moment, follow},
    store::{Error, Size, Store, time},
};

/// How often a round is read again because a file was truncated or replaced while it was read.
const TRIES: usize = 3;

const BOOK: &str = "files";

/// How a state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The state's file.
    pub state: PathBuf,
    /// For how many days of the log.
    pub retention_days: u32,
    /// A finding of which nothing has happened for so long is over.
    pub resolved_after: Duration,
    /// How many ServiceAccounts have counters of their own.
    pub top: usize,
    /// Files and directories that the run writes itself: never read, wherever they are.
    pub outputs: Vec<PathBuf>,
}

impl Plan {
    /// Takes out what the run writes itself. The state above all: closing a file takes a
    /// database's lock on it away from the whole process.
    fn spare(&self, inputs: &mut Vec<Input>) {
        let mut journal = self.state.clone().into_os_string();
        journal.push("-journal");
        let own = self.outputs.iter().map(PathBuf::as_path);
        let own = own.chain([self.state.as_path(), Path::new(&journal)]);
        let own: Vec<PathBuf> = own.filter_map(|path| path.canonicalize().ok()).collect();
        inputs.retain(|input| {
            let path = input.file().and_then(|path| path.canonicalize().ok());
            path.is_none_or(|path| !own.iter().any(|own| path.starts_with(own)))
        });
    }
}

/// An open state.
#[derive(Debug)]
pub struct Checkpoint {
    store: Store,
    held: Held,
    book: Book,
    clock: Clock,
    tally: Tally,
}

/// What one run has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files that something new was read from.
    pub files: u64,
    /// New bytes, decompressed.
    pub bytes: u64,
    /// New audit events of any stage.
    pub events: u64,
    /// New lines that could not be read.
    pub bad_lines: u64,
}

/// What a run comes to.
#[derive(Debug)]
pub struct Outcome {
    /// The report over everything that the state holds, each finding with its status.
    pub report: Report,
    /// The fingerprints of those whose status is to be told.
    pub news: BTreeSet<String>,
    /// Counters that never fall.
    pub totals: Vec<Total>,
    /// What was read.
    pub tally: Tally,
    /// How large the state is.
    pub size: Size,
}

impl Checkpoint {
    /// Opens the state, or makes a new one. Nobody else can, until it is dropped.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let system = SystemTime::now();
        let since = system.duration_since(SystemTime::UNIX_EPOCH);
        let micros = since.unwrap_or_default().as_micros();
        let now = Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX));
        let store = Store::open(path)?;
        let mut parts = store.parts()?;
        let book = parts.iter().position(|(name, _)| name == BOOK);
        let book = match book.map(|at| parts.swap_remove(at)) {
            None => Book::default(),
            Some((name, packed)) => pipeline::unpack(&name, &packed)
                .map_err(|error| store.damaged(&error.to_string()))?,
        };
        let held = Held::from_parts(parts).map_err(|error| store.damaged(&error.to_string()))?;
        Ok(Self {
            store,
            held,
            book: book.indexed(),
            clock: Clock { system, now },
            tally: Tally::default(),
        })
    }

    /// When this run began.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.clock.now
    }

    /// Reads what is new. Writes nothing yet.
    pub fn read(
        &mut self,
        options: &Options,
        plan: &Plan,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let mut found = source::find(&options.paths);
        plan.spare(&mut found.inputs);
        let names: Vec<String> = found
            .inputs
            .iter()
            .map(|input| input.name().to_owned())
            .collect();
        let mut scrapes = source::find(&options.metrics);
        plan.spare(&mut scrapes.inputs);
        let listed = found.troubles.into_iter().chain(scrapes.troubles);
        let named: BTreeSet<_> = options.paths.iter().chain(&options.metrics).collect();
        let mut named_or_here: Vec<Trouble> = listed
            .filter(|trouble| !trouble.is_gone() || named.contains(&PathBuf::from(&trouble.file)))
            .collect();
        let mut troubles = Vec::new();
        let mut scrapes = self.new_scrapes(scrapes.inputs, &mut troubles);
        let mut left = found.inputs;
        let mut tries = 0;
        while !left.is_empty() || !scrapes.is_empty() {
            let book = self.book.clone();
            let round = self.book.plan(std::mem::take(&mut left), self.clock);
            if !self.read_round(&round, &mut scrapes, options, plan, progress, &mut troubles)? {
                // Thrown away, with what was noted of it.
                self.book = book.indexed();
                tries += 1;
                if tries < TRIES {
                    left = inputs_of(round);
                    continue;
                }
                let names = round.parts.iter().map(|part| part.input.name());
                troubles.extend(names.map(|name| Trouble {
                    file: name.to_owned(),
                    why: "it was truncated or replaced while it was read, again and again: the next run reads it"
                        .to_owned(),
                    unreadable: true,
                    incomplete: true,
                }));
            }
            troubles.extend(round.troubles);
            left = round.later;
        }
        // What was rotated away meanwhile turns up under its new name, in this run or the next one.
        troubles.retain(|trouble| !trouble.is_gone());
        named_or_here.append(&mut troubles);
        self.settle(&names, named_or_here, plan)
    }

    /// Reads one round and adds it; `false` if a file was not the same at the end.
    fn read_round(
        &mut self,
        round: &Round,
        scrapes: &mut Vec<Input>,
        options: &Options,
        plan: &Plan,
        progress: &dyn Progress,
        troubles: &mut Vec<Trouble>,
    ) -> Result<bool, Error> {
        let inputs: Vec<Input> = round.parts.iter().map(|part| part.input.clone()).collect();
        if inputs.is_empty() && scrapes.is_empty() {
            return Ok(true);
        }
        let mut options = options.clone();
        let horizon = self.held.horizon(plan.retention_days, self.clock.now);
        options.window.since = horizon.map(Bound::Horizon);
        let harvest = self.held.read(inputs, scrapes, &options, progress)?;
        if self.book.done(&round.parts, &harvest, self.clock).is_err() {
            return Ok(false);
        }
        scrapes.clear();
        let unopened = round
            .parts
            .iter()
            .filter(|part| harvest.end(part.id).is_none());
        let unopened: BTreeSet<&str> = unopened.map(|part| part.input.name()).collect();
        let of_run = harvest
            .troubles()
            .filter(|trouble| unopened.contains(trouble.file.as_str()));
        troubles.extend(of_run.cloned());
        troubles.extend(harvest.scrape_troubles().cloned());
        self.tally.add(&harvest, round.parts.len());
        self.held.absorb(harvest, plan.top)?;
        Ok(true)
    }

    /// Scrapes are read once each, by content: most are written over again and again under one name.
    fn new_scrapes(&mut self, found: Vec<Input>, troubles: &mut Vec<Trouble>) -> Vec<Input> {
        let now = self.clock.now;
        let mut is_new = |input: &Input| {
            let Some(path) = input.file() else {
                return true;
            };
            match fs::read(path) {
                Ok(bytes) => self.book.is_new_scrape(xxh3_128(&bytes), now),
                Err(error) => {
                    troubles.push(Trouble::failed(input.name(), &error));
                    false
                }
            }
        };
        found.into_iter().filter(|input| is_new(input)).collect()
    }

    /// Forgets what is old; takes note of what everything is called by now.
    fn settle(
        &mut self,
        names: &[String],
        troubles: Vec<Trouble>,
        plan: &Plan,
    ) -> Result<(), Error> {
        let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let span = Duration::from_secs(u64::from(plan.retention_days) * 86_400);
        let gone = self.book.forget(&names, self.clock.now.before(span));
        self.held.forget(plan.retention_days, self.clock.now)?;
        self.held.forget_sources(&gone);
        for (id, name) in self.book.file_names() {
            self.held.rename(id, name);
        }
        let of_files = self.book.troubles(self.clock.now).cloned();
        let troubles: Vec<Trouble> = troubles.into_iter().chain(of_files).collect();
        self.held.set_troubles(troubles);
        Ok(())
    }

    /// Judges everything that is held, and saves it, with what is to be told.
    pub fn save(&mut self, options: &Options, plan: &Plan) -> Result<Outcome, Error> {
        let mut options = options.clone();
        let suppressions = Suppression::all(&self.store)?;
        let exceptions = suppressions.iter().map(Suppression::to_exception);
        options.exceptions.extend(exceptions);
        let mut report = self.held.report(&options)?;
        let scraped = report
            .input
            .metrics
            .as_ref()
            .and_then(|metrics| metrics.last_scrape);
        let moment = Moment {
            now: self.clock.now,
            newest: self.held.newest_event(self.clock.now)?.max(scraped),
            resolved_after: plan.resolved_after,
        };
        let mut before = self.followed()?;
        let found = std::mem::take(&mut report.findings);
        // What nobody asks for in this run stays as it is, for one that does.
        let named: BTreeSet<&str> = found.iter().map(|f| f.fingerprint.as_str()).collect();
        let aside: Vec<Followed> = (before.values())
            .filter(|known| !options.asks_for(&known.finding))
            .filter(|known| !named.contains(known.finding.fingerprint.as_str()))
            .cloned()
            .collect();
        // What is excepted is not over: nothing is said of it.
        before.retain(|_, known| options.reports(&known.finding));
        let followed = follow(before, found, moment);
        self.write(followed.iter().chain(&aside))?;
        self.store.commit()?;
        let news = followed.iter().filter(|known| !known.told);
        let news = news
            .map(|known| known.finding.fingerprint.clone())
            .collect();
        report.findings = followed.into_iter().map(|known| known.finding).collect();
        Ok(Outcome {
            report,
            news,
            totals: self.held.totals(),
            tally: self.tally,
            size: Size {
                bytes: self.store.bytes(),
                days: self.held.days(),
            },
        })
    }

    fn write<'a>(&self, followed: impl Iterator<Item = &'a Followed>) -> Result<(), Error> {
        for (name, bytes) in self.held.changes()? {
            self.store.set_part(&name, bytes.as_deref())?;
        }
        let book = pipeline::pack(&self.book)?;
        self.store.set_part(BOOK, Some(&book))?;
        self.store.execute("DELETE FROM finding", [])?;
        for known in followed {
            self.write_finding(known)?;
        }
        self.store.set_meta("last_run", &self.clock.now.to_string())
    }

    fn write_finding(&self, known: &Followed) -> Result<(), Error> {
        let finding = &known.finding;
        let json = |error: serde_json::Error| self.store.damaged(&error.to_string());
        let Some(tracking) = finding.tracking else {
            return Ok(());
        };
        self.store.execute(
            "INSERT INTO finding VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                finding.fingerprint,
                finding.detector,
                finding.subject.to_string(),
                finding.severity.as_str(),
                tracking.status.as_str(),
                tracking.status_since.to_string(),
                tracking.first_reported.to_string(),
                known.told,
                serde_json::to_string(&known.history).map_err(json)?,
                serde_json::to_string(finding).map_err(json)?,
            ],
        )
    }

    /// The findings as the last run left them.
    fn followed(&self) -> Result<BTreeMap<String, Followed>, Error> {
        let rows = self
            .store
            .rows("SELECT told, history, body FROM finding", |row| {
                Ok((
                    row.get::<_, bool>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, String>(2)?,
                ))
            })?;
        let mut all = BTreeMap::new();
        for (told, history, body) in rows {
            let json = |error: serde_json::Error| self.store.damaged(&error.to_string());
            let finding: Finding = serde_json::from_str(&body).map_err(json)?;
            let history = serde_json::from_str(&history).map_err(json)?;
            let fingerprint = finding.fingerprint.clone();
            let known = Followed {
                finding,
                told,
                history,
            };
            all.insert(fingerprint, known);
        }
        Ok(all)
    }

    /// Takes note that everything of a run was delivered: nothing of it is news to the next one.
    pub fn told(&self, outcome: &Outcome) -> Result<(), Error> {
        for fingerprint in &outcome.news {
            let query = "UPDATE finding SET told = 1 WHERE fingerprint = ?1";
            self.store.execute(query, [fingerprint])?;
        }
        self.store.commit()
    }

    /// What was counted over time, for rules that are fitted to it.
    pub fn telemetry(&self) -> Result<Telemetry, Error> {
        Ok(self.held.telemetry()?)
    }

    /// How many files are followed.
    #[must_use]
    pub fn files(&self) -> usize {
        self.book.len()
    }

    /// When the last run was, if there was one.
    pub fn last_run(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.store.meta("last_run")?.as_deref().and_then(time))
    }

    /// The findings that are known, by fingerprint.
    pub fn findings(&self) -> Result<Vec<Followed>, Error> {
        Ok(self.followed()?.into_values().collect())
    }

    /// Every suppression, the one that ends first first.
    pub fn suppressions(&self) -> Result<Vec<Suppression>, Error> {
        Suppression::all(&self.store)
    }

    /// Suppresses findings and takes suppressions back; `false` for fingerprints that were not suppressed.
    pub fn suppress(&self, put: &[Suppression], remove: &[String]) -> Result<(), Error> {
        for suppression in put {
            suppression.put(&self.store, self.clock.now)?;
        }
        for fingerprint in remove {
            Suppression::remove(fingerprint, &self.store)?;
        }
        self.store.commit()
    }
}

impl Tally {
    fn add(&mut self, harvest: &pipeline::Harvest, files: usize) {
        let (bytes, events, bad_lines) = harvest.amounts();
        self.files += files as u64;
        self.bytes += bytes;
        self.events += events;
        self.bad_lines += bad_lines;
    }
}

impl Outcome {
    /// The findings whose status is to be told: the new ones, and those that are over.
    #[must_use]
    pub fn is_news(&self, finding: &Finding) -> bool {
        self.news.contains(&finding.fingerprint)
    }

    /// Those that are new in this run.
    pub fn new_findings(&self) -> impl Iterator<Item = &Finding> {
        let is_new = |finding: &&Finding| {
            finding
                .tracking
                .is_some_and(|tracking| tracking.status == Status::New)
        };
        (self.report.findings.iter())
            .filter(move |finding| is_new(finding) && self.is_news(finding))
    }
}

/// Everything that a round was made of.
fn inputs_of(round: Round) -> Vec<Input> {
    let parts = round.parts.into_iter().map(|part| part.input.whole());
    parts.chain(round.later).collect()
}
