//! What a run is asked to do: complete and checked before it starts.

use std::{path::PathBuf, time::Duration};

use chrono::NaiveDate;

use crate::{
    detect,
    finding::{Severity, Timestamp},
};

use super::{Exception, Limits};

/// What a run is asked to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Files, directories, globs; `-` is standard input. Partial states for a merge.
    pub paths: Vec<PathBuf>,
    /// How many threads to use; 0: one per core.
    pub threads: usize,
    /// What a line may come to.
    pub limits: Limits,
    /// Which events count.
    pub window: Window,
    /// Whether lines that are delivered twice count once.
    pub dedup: bool,
    /// Thresholds and allow-lists of the detectors.
    pub settings: detect::Settings,
    /// Which detectors report.
    pub selection: Selection,
    /// Milder findings are left out of the report.
    pub min_severity: Severity,
    /// What is known and accepted, until a day.
    pub exceptions: Vec<Exception>,
    /// The day on which exceptions are judged (UTC).
    pub today: NaiveDate,
}

/// The part of time that counts: from `since` (inclusive) until `until` (exclusive).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Events before it are left out.
    pub since: Option<Bound>,
    /// Events from then on are left out.
    pub until: Option<Bound>,
}

/// One end of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A point in time.
    At(Timestamp),
    /// So long before the newest event of the input.
    BeforeNewest(Duration),
}

/// Which detectors report; each name is an id of the catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these; empty: all.
    pub select: Vec<String>,
    /// Not these.
    pub ignore: Vec<String>,
}

impl Selection {
    /// Whether the detector `id` reports.
    #[must_use]
    pub fn wants(&self, id: &str) -> bool {
        let named = |ids: &[String]| ids.iter().any(|each| each == id);
        (self.select.is_empty() || named(&self.select)) && !named(&self.ignore)
    }
}
