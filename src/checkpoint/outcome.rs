//! What a run comes to.

use std::collections::BTreeSet;

use crate::{
    finding::{Finding, Status},
    pipeline::{Harvest, Report, Total},
};

use super::store::Size;

/// What one run has read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files that something new was read from, by what they are called in the book.
    files: BTreeSet<u64>,
    /// New bytes, decompressed.
    pub bytes: u64,
    /// New audit events of any stage.
    pub events: u64,
    /// New lines that could not be read.
    pub bad_lines: u64,
}

impl Tally {
    /// How many files something new was read from: one that was read in several rounds is one.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files.len() as u64
    }

    pub(super) fn add(&mut self, harvest: &Harvest, files: impl IntoIterator<Item = u64>) {
        let (bytes, events, bad_lines) = harvest.amounts();
        self.files.extend(files);
        self.bytes += bytes;
        self.events += events;
        self.bad_lines += bad_lines;
    }
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
