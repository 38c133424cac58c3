//! Everything that a scan has noted: mergeable, and writable as a partial state.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    detect::{
        About, Context, Detectors, LogFacts, Memo, MetricContext, Runs, Settings, TokenUses,
        first_use_id, metric_coverage, metric_findings, reconcile,
    },
    event::{Event, Stage},
    finding::{Finding, Timestamp, relate, stories},
    source::Places,
};

use super::{
    BadLineShown, Coverage, DetectorCoverage, Duplicates, Error, Input, Options, Reads, Report,
    Trouble,
    duplicates::Sample,
    exceptions::settle,
    fold::{Folded, Study},
    ledger::Ledger,
    raised::raise,
    reading::Reading,
    scrapes::Scrapes,
    threads,
};

/// The version of what is written. To be raised whenever a type of what is noted changes.
macro_rules! version {
    () => {
        "8"
    };
}

/// What a partial state starts with.
const MAGIC: &str = concat!("satrail state ", version!(), "\n");
/// How much of that names the format whatever its version.
const MAGIC_NAME: usize = "satrail state ".len();

/// Everything that a scan has noted.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    reading: Reading,
    ledger: Ledger,
    scan: Scan,
    scrapes: Scrapes,
    deduplicated: bool,
}

/// What a scan wants to know of the events.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Scan {
    log: LogFacts,
    sample: Sample,
    detectors: Detectors,
    tokens: TokenUses,
    /// No state: what is worked out once for thousands of requests.
    #[serde(skip)]
    memo: Memo,
    /// What the detectors have not been shown yet. [`Study::settle`] shows it to them.
    #[serde(skip)]
    runs: Runs,
}

impl Study for Scan {
    fn event(&mut self, event: &Event<'_>) {
        self.log.observe(event);
        self.sample.add(event);
    }

    fn request(&mut self, event: &Event<'_>) {
        let mut memo = std::mem::take(&mut self.memo);
        self.request_with(&mut memo, event);
        self.memo = memo;
    }

    fn settle(&mut self) {
        self.runs.settle(&mut self.detectors);
    }

    fn merge(&mut self, mut other: Self) {
        self.settle();
        other.settle();
        self.log.merge(other.log);
        self.sample.merge(other.sample);
        threads::each(self.detectors.merges(other.detectors));
        self.tokens.merge(other.tokens);
    }
}

impl Scan {
    /// [`Study::request`], with a memo that several scans have in common.
    pub(super) fn request_with(&mut self, memo: &mut Memo, event: &Event<'_>) {
        let request = memo.request(event);
        self.log.observe_request(request.aspects());
        self.runs.observe(&mut self.detectors, &request);
        if TokenUses::INTEREST.covers(request.aspects()) {
            self.tokens.observe(&request);
        }
    }

    /// What is still worth knowing when its day is forgotten, with those before `cutoff`.
    pub(super) fn outlive(mut self, cutoff: Timestamp) -> Self {
        self.settle();
        Self {
            detectors: self.detectors.outlive(cutoff),
            ..Self::default()
        }
    }

    /// When the newest event arrived.
    pub(super) fn last_event(&self) -> Option<Timestamp> {
        self.log.last_event
    }
}

/// What a scan wants to know of the log as a whole, with no detector asked.
#[derive(Debug, Default)]
pub(super) struct Unjudged(Scan);

impl Study for Unjudged {
    fn event(&mut self, event: &Event<'_>) {
        self.0.event(event);
    }

    fn request(&mut self, event: &Event<'_>) {
        let aspects = self.0.memo.request(event).aspects();
        self.0.log.observe_request(aspects);
    }

    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

impl From<Unjudged> for Scan {
    fn from(Unjudged(scan): Unjudged) -> Self {
        scan
    }
}

impl State {
    /// The version of what is written: another version cannot read it.
    pub const VERSION: &str = version!();

    pub(super) fn new(folded: Folded<Scan>, scrapes: Scrapes, deduplicated: bool) -> Self {
        let Folded {
            reading,
            ledger,
            study: scan,
        } = folded;
        Self {
            reading,
            ledger,
            scan,
            scrapes,
            deduplicated,
        }
    }

    /// How many lines could not be read.
    #[must_use]
    pub const fn bad_lines(&self) -> u64 {
        self.reading.bad_lines
    }

    /// Where the lines stand that it has seen.
    pub(super) const fn places(&self) -> &Places {
        &self.reading.places
    }

    /// Shows the requests that never closed to another study.
    pub(super) fn count_open(&self, study: &mut impl Study) {
        self.ledger.count_open(study);
    }

    /// Adds what another scan has noted; the order does not matter.
    pub fn merge(&mut self, other: Self) {
        self.reading.merge(other.reading);
        self.ledger.merge(other.ledger);
        self.scan.merge(other.scan);
        self.scrapes.merge(other.scrapes);
        self.deduplicated |= other.deduplicated;
    }

    /// Writes the state, to be read by [`State::read`].
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(MAGIC.as_bytes())?;
        let mut zstd = zstd::Encoder::new(out, 3)?;
        zstd.include_checksum(true)?;
        postcard::to_io(self, &mut zstd).map_err(io::Error::other)?;
        zstd.finish()?;
        Ok(())
    }

    /// Reads a state that [`State::write`] has written.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |why: String| Error::State {
            path: path.display().to_string(),
            why,
        };
        let mut file = File::open(path).map_err(|error| failed(error.to_string()))?;
        Self::read_from(&mut file).map_err(failed)
    }

    fn read_from(input: &mut dyn Read) -> Result<Self, String> {
        let mut magic = [0; MAGIC.len()];
        let whole = input.read_exact(&mut magic).is_ok();
        if !whole || magic[..MAGIC_NAME] != MAGIC.as_bytes()[..MAGIC_NAME] {
            return Err("it is none (`satrail scan --partial-state FILE` writes one)".to_owned());
        }
        if magic != MAGIC.as_bytes() {
            return Err("another version of satrail wrote it: scan again with this one".to_owned());
        }
        let mut bytes = Vec::new();
        let damaged =
            |error: &dyn std::fmt::Display| format!("it is damaged ({error}): scan again");
        let mut decoder = zstd::Decoder::new(input).map_err(|error| damaged(&error))?;
        decoder
            .read_to_end(&mut bytes)
            .map_err(|error| damaged(&error))?;
        postcard::from_bytes(&bytes).map_err(|error| damaged(&error))
    }

    /// What it comes to. Consumes the state, since requests that are still open are counted now, and
    /// could not be told from closed ones in what is read later.
    #[must_use]
    pub fn report(mut self, options: &Options) -> Report {
        let report = self.judge(options);
        // Millions of small pieces: giving them back one by one takes a tenth of the time of a scan, and what comes
        // next is the end of the program, which gives them back all at once.
        std::mem::forget(self);
        report
    }

    /// [`State::report`], for those that go on and need the memory: what comes of a second one is wrong.
    pub(super) fn judge(&mut self, options: &Options) -> Report {
        let open_requests = self.ledger.count_open(&mut self.scan);
        self.scan.settle();
        let scan = &self.scan;
        let places = self.reading.places.lookup();
        let wanted = |id: &str| options.selection.wants(id);
        let context = Context {
            settings: &options.settings,
            log: &scan.log,
            places: &places,
        };
        let metric_context = MetricContext {
            settings: &options.settings,
            archive: &self.scrapes.archive,
        };
        // A finding is as grave whatever else is selected.
        let first_use = first_use_id();
        let raises = options.selection.allows(first_use);
        let finishes = scan
            .detectors
            .finishes(&context, |id| wanted(id) || id == first_use && raises);
        let found = match threads::pool(options.threads) {
            Ok(pool) => pool.install(|| threads::each(finishes)),
            Err(_) => threads::each(finishes),
        };
        let mut findings: Vec<Finding> = found.into_iter().flatten().collect();
        raise(&mut findings);
        findings.retain(|finding| wanted(&finding.detector));
        findings.extend(metric_findings(&metric_context, wanted));
        let (mut findings, exceptions) = settle(findings, options);
        relate(&mut findings);
        let coverage = Coverage {
            open_requests,
            ..self.coverage(scan, &options.settings, wanted)
        };
        Report {
            input: self.input(&scan.log),
            stories: stories(&findings),
            findings,
            exceptions,
            coverage,
            reconciliation: reconcile(&scan.tokens, &scan.log, &self.scrapes.archive),
        }
    }

    /// What was read, without what the events came to.
    pub(super) fn into_read(self) -> (Reading, Ledger, Scrapes) {
        (self.reading, self.ledger, self.scrapes)
    }

    fn input(&self, log: &LogFacts) -> Input {
        let reading = &self.reading;
        Input {
            files: reading.files,
            bytes: reading.bytes,
            stored_bytes: reading.stored_bytes,
            lines: reading.lines,
            events: log.events(),
            requests: log.requests,
            bad_lines: reading.bad_lines,
            forms: reading.forms.total.counts(),
            skipped: reading.forms.total.skipped(),
            by_file: reading.forms.by_file(&reading.places),
            files_not_listed: reading
                .files
                .saturating_sub(reading.forms.files.len() as u64),
            first_event: log.first_event,
            last_event: log.last_event,
            metrics: self.scrapes.input(),
        }
    }

    fn coverage(
        &self,
        scan: &Scan,
        settings: &Settings,
        wanted: impl Fn(&str) -> bool,
    ) -> Coverage {
        let (reading, log) = (&self.reading, &scan.log);
        let (sampled, percent) = scan.sample.estimate();
        let removed = self.deduplicated.then_some(reading.duplicates);
        let reads = |reads| move |(about, coverage)| (about, coverage, reads);
        let detectors = scan.detectors.coverage(log, settings).into_iter();
        let metrics = metric_coverage(&self.scrapes.archive).into_iter();
        let detectors = detectors
            .map(reads(Reads::Audit))
            .chain(metrics.map(reads(Reads::Metrics)));
        Coverage {
            stages: log
                .stages
                .iter()
                .map(|(s, n)| (s.as_str().to_owned(), n))
                .collect(),
            levels: log
                .levels
                .iter()
                .map(|(l, n)| (l.as_str().to_owned(), n))
                .collect(),
            bad_lines: self.bad_lines_shown(),
            troubles: self.troubles(),
            nul_bytes: reading.nul_bytes,
            outside_window: reading.outside_window,
            open_requests: 0,
            unanswered_requests: unanswered(log),
            unjoined_requests: self.ledger.dropped(),
            forms: reading.forms.total.lacks(),
            duplicates: Duplicates {
                removed,
                percent,
                sampled,
            },
            gaps: log.gaps(),
            detectors: detectors
                .map(
                    |(about, coverage, reads): (&About, _, _)| DetectorCoverage {
                        detector: about.id.to_owned(),
                        reads,
                        selected: wanted(about.id),
                        evaluated: coverage.evaluated,
                        blind: coverage.blind,
                    },
                )
                .collect(),
        }
    }

    fn troubles(&self) -> Vec<Trouble> {
        let mut all = self.reading.troubles.clone();
        all.extend(self.scrapes.troubles.iter().cloned());
        all.extend(self.reading.forms.troubles(&self.reading.places));
        all.into_iter().collect()
    }

    fn bad_lines_shown(&self) -> Vec<BadLineShown> {
        let mut shown = Vec::new();
        let places = self.reading.places.lookup();
        for (origin, why) in &self.reading.shown {
            let place = places.resolve(*origin);
            shown.push(BadLineShown {
                file: place.file,
                line: place.line,
                why: why.clone(),
            });
        }
        let of_metrics = self.scrapes.shown.iter().cloned();
        shown.extend(of_metrics.map(|(file, line, why)| BadLineShown { file, line, why }));
        shown.sort_unstable();
        shown
    }
}

/// Requests received and never answered, at least: none can be told where the policy omits the stage.
/// A 401 has no `RequestReceived` (FACTS 1.3), so it is taken out before the difference.
fn unanswered(log: &LogFacts) -> Option<u64> {
    let received = log.stages.get(Stage::RequestReceived)?;
    Some(received.saturating_sub(log.requests.saturating_sub(log.unauthenticated)))
}
