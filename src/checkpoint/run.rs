//! One run: what is new is read, added, judged, saved; then told.
//!
//! ```text
//!   open --> read --> save --> (outputs) --> told
//!    lock     |        `one transaction       `a small second one: what was delivered
//!             `nothing is written before it has all been read
//! ```

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use xxhash_rust::xxh3::Xxh3;

use crate::{
    finding::Timestamp,
    pipeline::{self, Bound, Held, Judged, Options, Progress, Telemetry, Trouble},
    source::{self, Input},
};

use super::{
    Outcome, Plan, Suppressed, Suppression, Tally,
    book::{Book, Clock, Overtaken, Round},
    finding_rows::{self, Before},
    following::{Moment, follow},
    store::{Error, Size, Store},
};

/// How often a round is read again because a file was truncated or replaced while it was read, before that file is
/// left to the next run.
const TRIES: usize = 3;

/// An open state.
#[derive(Debug)]
pub struct Checkpoint {
    store: Store,
    held: Held,
    book: Book,
    clock: Clock,
    tally: Tally,
}

impl Checkpoint {
    /// Opens the state, or makes a new one. Nobody else can, until it is dropped.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let system = SystemTime::now();
        let since = system.duration_since(SystemTime::UNIX_EPOCH);
        let micros = since.unwrap_or_default().as_micros();
        let now = Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX));
        let store = Store::open(path)?;
        let book: Book = match store.book()? {
            None => Book::default(),
            Some(packed) => pipeline::unpack("files", &packed)
                .map_err(|error| store.damaged(&error.to_string()))?,
        };
        let held = Held::open(&store, now).map_err(|error| store.named(error))?;
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
        let mut own = plan.own();
        let mut found = source::find(&options.paths);
        own.spare(&mut found.inputs);
        let names: Vec<String> = found
            .inputs
            .iter()
            .map(|input| input.name().to_owned())
            .collect();
        let mut scrapes = source::find(&options.metrics);
        own.spare(&mut scrapes.inputs);
        let listed = found.troubles.into_iter().chain(scrapes.troubles);
        let named: BTreeSet<_> = options.paths.iter().chain(&options.metrics).collect();
        let mut named_or_here: Vec<Trouble> = listed
            .filter(|trouble| !trouble.is_gone() || named.contains(&PathBuf::from(&trouble.file)))
            .collect();
        let mut troubles = Vec::new();
        let scrapes = self.new_scrapes(scrapes.inputs, &mut troubles);
        self.read_all(
            found.inputs,
            scrapes,
            options,
            plan,
            progress,
            &mut troubles,
        )?;
        // What was rotated away meanwhile turns up under its new name, in this run or the next one.
        troubles.retain(|trouble| !trouble.is_gone());
        named_or_here.append(&mut troubles);
        self.settle(&names, named_or_here, plan)
            .map_err(|error| self.store.named(error))
    }

    /// Reads round after round. A round in which a file was replaced is read again; if that does not help, without
    /// that file.
    fn read_all(
        &mut self,
        mut left: Vec<Input>,
        mut scrapes: Vec<Input>,
        options: &Options,
        plan: &Plan,
        progress: &dyn Progress,
        troubles: &mut Vec<Trouble>,
    ) -> Result<(), Error> {
        let mut tries = 0;
        while !left.is_empty() || !scrapes.is_empty() {
            let book = self.book.clone();
            let mut round = self.book.plan(std::mem::take(&mut left), self.clock);
            let read = self.read_round(&round, &mut scrapes, options, plan, progress, troubles);
            match read.map_err(|error| self.store.named(error))? {
                Ok(()) => {
                    tries = 0;
                    troubles.extend(round.troubles);
                    left = round.later;
                }
                Err(overtaken) => {
                    // Thrown away, with what was noted of it.
                    self.book = book;
                    tries += 1;
                    if tries == TRIES {
                        tries = 0;
                        let part = round.parts.remove(overtaken.at);
                        round
                            .later
                            .retain(|input| input.name() != part.input.name());
                        troubles.push(left_out(part.input.name(), overtaken.error.as_ref()));
                    }
                    left = inputs_of(round);
                }
            }
        }
        Ok(())
    }

    /// Reads one round and adds it; says which file was not the same at the end, if there was one.
    fn read_round(
        &mut self,
        round: &Round,
        scrapes: &mut Vec<Input>,
        options: &Options,
        plan: &Plan,
        progress: &dyn Progress,
        troubles: &mut Vec<Trouble>,
    ) -> Result<Result<(), Overtaken>, Error> {
        let inputs: Vec<Input> = round.parts.iter().map(|part| part.input.clone()).collect();
        if inputs.is_empty() && scrapes.is_empty() {
            return Ok(Ok(()));
        }
        let mut options = options.clone();
        let horizon = self.held.horizon(plan.retention_days);
        options.window.since = horizon.map(Bound::Horizon);
        let harvest = self.held.read(inputs, scrapes, &options, progress)?;
        if let Err(overtaken) = self.book.done(&round.parts, &harvest, self.clock) {
            return Ok(Err(overtaken));
        }
        scrapes.clear();
        let opened = |part: &&super::part::Part| harvest.end(part.id).is_some();
        let (opened, unopened): (Vec<_>, Vec<_>) = round.parts.iter().partition(opened);
        let unopened: BTreeSet<&str> = unopened.iter().map(|part| part.input.name()).collect();
        let of_run = harvest
            .troubles()
            .filter(|trouble| unopened.contains(trouble.file.as_str()));
        troubles.extend(of_run.cloned());
        troubles.extend(harvest.scrape_troubles().cloned());
        self.tally.add(&harvest, opened.iter().map(|part| part.id));
        self.held.absorb(harvest, plan.top, &self.store)?;
        Ok(Ok(()))
    }

    /// Scrapes are read once each, by content: most are written over again and again under one name.
    fn new_scrapes(&mut self, found: Vec<Input>, troubles: &mut Vec<Trouble>) -> Vec<Input> {
        let now = self.clock.now;
        let mut is_new = |input: &Input| {
            let Some(path) = input.file() else {
                return true;
            };
            match content_hash(path) {
                Ok(hash) => self.book.is_new_scrape(hash, now),
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
        self.held.forget(plan.retention_days, &self.store)?;
        self.held.forget_sources(&gone);
        for (id, name) in self.book.file_names() {
            self.held.rename(id, name);
        }
        let of_files = self.book.troubles(self.clock).cloned();
        let troubles: Vec<Trouble> = troubles.into_iter().chain(of_files).collect();
        self.held.set_troubles(troubles);
        Ok(())
    }

    /// Judges everything that is held, and saves it, with what is to be told.
    pub fn save(&mut self, options: &Options, plan: &Plan) -> Result<Outcome, Error> {
        let mut options = options.clone();
        let suppressed = Suppressed::all(&self.store)?.into_iter();
        let exceptions = suppressed.map(|one| one.suppression.to_exception());
        options.exceptions.extend(exceptions);
        let judged = self.held.report(&options, &self.store);
        let Judged {
            mut report,
            newest_event,
        } = judged.map_err(|error| self.store.named(error))?;
        let scraped = report
            .input
            .metrics
            .as_ref()
            .and_then(|metrics| metrics.last_scrape);
        let moment = Moment {
            now: self.clock.now,
            newest: newest_event.max(scraped),
            resolved_after: plan.resolved_after,
        };
        let found = std::mem::take(&mut report.findings);
        let named: BTreeSet<&str> = found.iter().map(|f| f.fingerprint.as_str()).collect();
        let Before { followed, stale } = Before::read(&self.store, &options, &named)?;
        let followed = follow(followed, found, moment);
        self.held.save(&self.store)?;
        self.store.put_book(&pipeline::pack(&self.book)?)?;
        finding_rows::write(&self.store, &followed, stale)?;
        let now = self.clock.now.to_string();
        self.store.set_meta("last_run", &now)?;
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
            tally: std::mem::take(&mut self.tally),
            size: Size {
                bytes: self.store.bytes()?,
                days: self.held.days(),
            },
        })
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
        let sum = self.held.telemetry(&self.store);
        sum.map_err(|error| self.store.named(error))
    }

    /// Every suppression, the one that ends first first.
    pub fn suppressions(&self) -> Result<Vec<Suppressed>, Error> {
        Suppressed::all(&self.store)
    }

    /// Suppresses findings, and takes suppressions back by their fingerprints.
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

/// Everything that a round was made of.
fn inputs_of(round: Round) -> Vec<Input> {
    let parts = round.parts.into_iter().map(|part| part.input.whole());
    let mut inputs: Vec<Input> = parts.chain(round.later).collect();
    // What is cut stands in both.
    let mut names = BTreeSet::new();
    inputs.retain(|input| names.insert(input.name().to_owned()));
    inputs
}

/// That a file could not be read in this run.
fn left_out(name: &str, error: Option<&io::Error>) -> Trouble {
    let why = match error {
        None => "it was truncated or replaced while it was read, again and again".to_owned(),
        Some(error) => format!("what was read of it could not be looked at once more ({error})"),
    };
    Trouble {
        file: name.to_owned(),
        why: why + ": the next run reads it",
        unreadable: true,
        incomplete: true,
    }
}

fn content_hash(path: &Path) -> io::Result<u128> {
    let (mut file, mut hash) = (File::open(path)?, Xxh3::new());
    let mut block = vec![0; 256 << 10];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(hash.digest128()),
            Ok(n) => hash.update(&block[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
