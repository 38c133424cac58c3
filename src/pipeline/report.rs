//! What a run comes to: what every output writes, whatever its format.

use std::collections::BTreeMap;

use serde::Serialize;

pub use crate::{
    detect::{AccountUses, Bounds, Gap, Reconciled, Reconciliation},
    source::Trouble,
};

use crate::finding::{Finding, Story, Timestamp};

/// What a run comes to. The same for any number of threads, chunk size, file order and compression.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What was read.
    pub input: Input,
    /// What was found, the most severe first, then by detector and subject.
    pub findings: Vec<Finding>,
    /// Findings that hang together, the gravest story first.
    pub stories: Vec<Story>,
    /// What the configuration's exceptions took out of `findings`.
    pub exceptions: Exceptions,
    /// What could not be seen.
    pub coverage: Coverage,
    /// Metrics and audit log side by side; `None` unless there are both.
    pub reconciliation: Option<Reconciliation>,
}

impl Report {
    /// Bad lines of logs and of metrics.
    #[must_use]
    pub fn bad_lines(&self) -> u64 {
        let of_metrics = self.input.metrics.as_ref();
        self.input.bad_lines + of_metrics.map_or(0, |metrics| metrics.bad_lines)
    }
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Input {
    /// Files (or standard input) that were read, at least in part.
    pub files: u64,
    /// Bytes after decompression.
    pub bytes: u64,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// Lines, blank and bad ones included.
    pub lines: u64,
    /// Audit events: lines of any stage, within the time window.
    pub events: u64,
    /// Requests: each counted once, at its best stage.
    pub requests: u64,
    /// Lines (or halves of lines) that were no audit event.
    pub bad_lines: u64,
    /// Events by the form in which they came, before `--since`, `--until` and `--dedup`.
    pub forms: Vec<FormCount>,
    /// Records that were no audit event and no bad line, by what they were.
    pub skipped: Vec<SkippedCount>,
    /// The same for each file: 1,000 of them at most.
    pub by_file: Vec<FileForms>,
    /// Files that are not in `by_file`.
    pub files_not_listed: u64,
    /// Arrival of the first event.
    pub first_event: Option<Timestamp>,
    /// Arrival of the last event.
    pub last_event: Option<Timestamp>,
    /// The scrapes; `None` without `--metrics`.
    pub metrics: Option<MetricsInput>,
}

/// How many events came in one form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FormCount {
    /// The form's name, as for `--format-in`.
    pub form: String,
    /// Events of any stage.
    pub events: u64,
}

/// How many records were skipped as one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedCount {
    /// What they were.
    pub what: String,
    /// How many there were.
    pub records: u64,
}

/// What is in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileForms {
    /// The file.
    pub file: String,
    /// Its events by form.
    pub forms: Vec<FormCount>,
    /// What else is in it.
    pub skipped: Vec<SkippedCount>,
    /// Its bad lines.
    pub bad_lines: u64,
}

/// What a form that was read cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FormLacks {
    /// The form's name.
    pub form: String,
    /// How many events came in it.
    pub events: u64,
    /// What is not in them.
    pub lacks: String,
}

/// What was read of metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MetricsInput {
    /// Files (or standard input) that were read.
    pub files: u64,
    /// Scrapes: what one instance served at one time.
    pub scrapes: u64,
    /// Instances, whether kube-apiservers or not.
    pub instances: u64,
    /// Samples of the series that the detectors look at.
    pub samples: u64,
    /// Lines that were no sample.
    pub bad_lines: u64,
    /// The time of the first scrape.
    pub first_scrape: Option<Timestamp>,
    /// The time of the last one.
    pub last_scrape: Option<Timestamp>,
}

/// What could be seen, and what could not.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// Events by stage.
    pub stages: BTreeMap<String, u64>,
    /// Events by level.
    pub levels: BTreeMap<String, u64>,
    /// The first few bad lines; `input.bad_lines` and `input.metrics.bad_lines` count them all.
    pub bad_lines: Vec<BadLineShown>,
    /// Files that could not be read, or not to their end.
    pub troubles: Vec<Trouble>,
    /// NUL bytes skipped (log rotation by copytruncate leaves them).
    pub nul_bytes: u64,
    /// Events left out by `--since` and `--until`.
    pub outside_window: u64,
    /// Long-running requests (watches, exec) that were open when the log ended.
    pub open_requests: u64,
    /// Requests received and never answered, at least; `None` if the policy does not log that stage.
    pub unanswered_requests: Option<u64>,
    /// Long-running requests whose two events could not be joined in bounded memory.
    pub unjoined_requests: u64,
    /// What the forms in which the events came cannot carry.
    pub forms: Vec<FormLacks>,
    /// Lines delivered twice.
    pub duplicates: Duplicates,
    /// Silences out of proportion to the traffic around them.
    pub gaps: Vec<Gap>,
    /// What each detector could judge.
    pub detectors: Vec<DetectorCoverage>,
}

/// A bad line, as shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct BadLineShown {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub why: String,
}

/// Lines delivered twice.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Duplicates {
    /// Events removed, with `--dedup`; `None` without.
    pub removed: Option<u64>,
    /// Estimated share of events that stand twice, in percent, to one decimal; from `sampled` events.
    pub percent: f64,
    /// How many events the estimate rests on.
    pub sampled: u64,
}

/// What one detector could judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DetectorCoverage {
    /// The detector's id.
    pub detector: String,
    /// What it reads.
    pub reads: Reads,
    /// Whether `--select` and `--ignore` left it in.
    pub selected: bool,
    /// The requests, or the scrapes, that it judged.
    pub evaluated: u64,
    /// Why it cannot fire on this log, if so.
    pub blind: Option<String>,
}

/// What a detector reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reads {
    /// Audit events.
    Audit,
    /// Scrapes of metrics.
    Metrics,
}

/// What the configuration's exceptions did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exceptions {
    /// Exceptions that took findings out of the report.
    pub applied: Vec<ExceptionUse>,
    /// Exceptions whose day has passed: their findings are back.
    pub expired: Vec<ExceptionUse>,
    /// Exceptions that match nothing in this input.
    pub unused: Vec<ExceptionUse>,
}

/// One exception, and what it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExceptionUse {
    /// The detector's id, or `*`.
    pub detector: String,
    /// The accounts, with `*`. Both are the finding's own where the exception is for a fingerprint.
    pub account: String,
    /// The fingerprint, where the exception is for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Why the exception was made.
    pub reason: String,
    /// Who answers for it, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its last day, `2027-01-31`.
    pub expires: String,
    /// How many findings it matches.
    pub findings: u64,
}
