//! What a run is asked to do: complete and checked before it starts.

use std::path::PathBuf;

use chrono::NaiveDate;

use crate::{detect, event::Dialect, finding::Severity, metric::ScrapeHints, source::Limits};

use super::{Exception, Window};

/// What a run is asked to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Files, directories, globs; `-` is standard input. Partial states for a merge.
    pub paths: Vec<PathBuf>,
    /// Scrapes of metrics: files, directories, globs; `-` is standard input.
    pub metrics: Vec<PathBuf>,
    /// What is known of scrapes that they do not say themselves.
    pub scrape_hints: ScrapeHints,
    /// How many threads to use; 0: one per core.
    pub threads: usize,
    /// The form of the logs, if it is not to be told by content.
    pub format_in: Option<Dialect>,
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

/// Everything in `paths`, with the defaults of the command line and no exceptions.
impl Default for Options {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            metrics: Vec::new(),
            scrape_hints: ScrapeHints::default(),
            threads: 0,
            format_in: None,
            limits: Limits::default(),
            window: Window::default(),
            dedup: false,
            settings: detect::Settings::default(),
            selection: Selection::default(),
            min_severity: Severity::Info,
            exceptions: Vec::new(),
            today: NaiveDate::MIN,
        }
    }
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

    /// Whether every detector reports.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.select.is_empty() && self.ignore.is_empty()
    }
}
