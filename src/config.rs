//! What a run needs to know, complete and checked: `satrail.toml` and the command line put together.
//!
//! Knows no clap and looks at no environment. The file is read only where `--config` names it: a cron
//! job's result does not depend on the directory that it happens to start in.

mod alerts;
mod cron;
mod diff;
mod error;
mod file;
mod roles;
mod inventory;
mod query;
mod report_output;
mod units;

pub use alerts::{AlertsConfig, LintConfig};
pub use cron::{CronConfig, Delivery, SuppressConfig};
pub use diff::DiffConfig;
pub use error::{Error, nearest};
pub use file::{ConfigFile, selection};
pub use inventory::InventoryConfig;
pub use query::{ExportConfig, QueryConfig, RowOutput, Tables};
pub use report_output::ReportOutput;
pub use roles::{AccountConfig, RbacConfig, parse_account};
pub use units::{parse_bound, parse_days, parse_duration, parse_size, parse_step, parse_threads};

use std::path::PathBuf;

use crate::{
    detect::CATALOGUE,
    finding::Severity,
    output::{Destination, Format, Look, RowFormat},
    pipeline::{Bound, Options, Order, RankBy, Wanted, Window},
};

/// Longer lines are skipped unless `--max-line-bytes` says otherwise: far above the 3 MiB that
/// kube-apiserver takes as a request body; the response to a list, which a line may hold too, has no
/// such limit.
pub const MAX_LINE_BYTES: u64 = 64 << 20;

/// For `satrail scan` and `satrail merge`.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the pipeline is asked to do.
    pub options: Options,
    /// Dumps of the cluster, to tell more of each finding.
    pub inventory: Vec<PathBuf>,
    /// Where the report goes, and how.
    pub output: ReportOutput,
    /// What the exit code says.
    pub judgement: Judgement,
    /// Whether to show a progress bar.
    pub progress: bool,
    /// Where the mergeable state goes, beside the report.
    pub partial_state: Option<Destination>,
}

/// For `satrail accounts`.
#[derive(Debug, Clone)]
pub struct AccountsConfig {
    /// What the pipeline is asked to do.
    pub options: Options,
    /// Where the rows go, and how.
    pub output: Output,
    /// In which order.
    pub order: Order,
    /// Whether bad lines are an error.
    pub strict: bool,
    /// Whether to show a progress bar.
    pub progress: bool,
}

/// For `satrail top`.
#[derive(Debug, Clone)]
pub struct TopConfig {
    /// What the pipeline is asked to do.
    pub options: Options,
    /// Where the rows go, and how.
    pub output: Output,
    /// What rows are made of, and which requests count.
    pub wanted: Wanted,
    /// In which order.
    pub order: RankBy,
    /// How many rows are shown.
    pub limit: usize,
    /// Whether bad lines are an error.
    pub strict: bool,
    /// Whether to show a progress bar.
    pub progress: bool,
}

/// For `satrail metrics`.
#[derive(Debug, Clone)]
pub struct MetricsConfig {
    /// What the pipeline is asked to do.
    pub options: Options,
    /// Where the metrics go.
    pub destination: Destination,
    /// How many ServiceAccounts are named.
    pub top: usize,
    /// The whole history with a point at least every so many seconds, instead of the present values.
    pub history: Option<u32>,
    /// Whether bad lines are an error.
    pub strict: bool,
    /// Whether to show a progress bar.
    pub progress: bool,
}

/// Formats that the command line and file names can say.
pub trait Named: Copy + 'static {
    /// All, each under its name.
    const ALL: &'static [(&'static str, Self)];
    /// The one that is meant where nothing says.
    const DEFAULT: Self;
}

impl Named for Format {
    const ALL: &'static [(&'static str, Self)] = &Self::ALL;
    const DEFAULT: Self = Self::Table;
}

impl Named for RowFormat {
    const ALL: &'static [(&'static str, Self)] = &Self::ALL;
    const DEFAULT: Self = Self::Table;
}

/// Where something goes, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output<F = Format> {
    /// As what.
    pub format: F,
    /// To where.
    pub destination: Destination,
    /// With which colour and width, and how much of it.
    pub look: Look,
}

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// From which severity on a finding makes it 1.
    pub fail_on: FailOn,
    /// Whether a bad line makes it 2.
    pub strict: bool,
}

/// From which severity on a finding makes the exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// From this one on.
    At(Severity),
    /// None does.
    Never,
}

impl<F: Named> Output<F> {
    /// `file` is what `--output` names. Without `--format`, its extension decides where it is the name of a format;
    /// everything else is a table.
    #[must_use]
    pub fn new(format: Option<F>, file: Option<PathBuf>, terminal: Look) -> Self {
        let named = file.as_ref().and_then(|path| {
            let extension = path.extension()?.to_str()?;
            let found = F::ALL.iter().find(|(name, _)| *name == extension);
            found.map(|&(_, format)| format)
        });
        let destination = file.map_or(Destination::Stdout, Destination::named);
        let look = match destination {
            Destination::Stdout | Destination::Paged(_) => terminal,
            Destination::File(_) => Look::default(),
        };
        Self {
            format: format.or(named).unwrap_or(F::DEFAULT),
            destination,
            look,
        }
    }
}

/// A window that is not empty by its own words.
pub fn window(since: Option<Bound>, until: Option<Bound>) -> Result<Window, Error> {
    let empty = match (since, until) {
        (Some(Bound::At(since)), Some(Bound::At(until))) => since >= until,
        (Some(Bound::BeforeNewest(since)), Some(Bound::BeforeNewest(until))) => since <= until,
        _ => false,
    };
    if empty {
        return Err(Error::new("--since must be before --until"));
    }
    Ok(Window { since, until })
}

/// The ids of all detectors, in the order of the catalogue.
#[must_use]
pub fn detector_ids() -> Vec<&'static str> {
    CATALOGUE.iter().map(|about| about.id).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::finding::Timestamp;

    use super::*;

    #[test]
    fn a_file_name_can_say_the_format() {
        let format = |format, file: &str| {
            let output = Output::new(format, Some(PathBuf::from(file)), Look::default());
            output.format
        };
        assert_eq!(format(None, "report.json"), Format::Json);
        assert_eq!(format(None, "a.b/report.jsonl"), Format::Jsonl);
        assert_eq!(format(None, "report.txt"), Format::Table);
        assert_eq!(format(None, "/dev/stdout"), Format::Table);
        assert_eq!(format(Some(Format::Table), "report.json"), Format::Table);
    }

    #[test]
    fn a_file_gets_neither_colour_nor_wrapping() {
        let terminal = Look {
            width: Some(80),
            color: true,
            ..Look::default()
        };
        let to = |file: Option<&str>| {
            Output::<Format>::new(None, file.map(PathBuf::from), terminal).look
        };
        assert_eq!(to(Some("report.txt")), Look::default());
        assert_eq!(to(Some("-")), terminal);
        assert_eq!(to(None), terminal);
    }

    #[test]
    fn a_window_must_not_be_empty() {
        let at = |micros| Some(Bound::At(Timestamp::from_micros(micros)));
        let ago = |seconds| Some(Bound::BeforeNewest(Duration::from_secs(seconds)));
        assert!(window(at(1), at(2)).is_ok());
        assert!(window(at(2), at(2)).is_err());
        assert!(window(ago(60), ago(30)).is_ok());
        assert!(window(ago(30), ago(60)).is_err());
        assert!(window(at(1), ago(60)).is_ok());
    }
}
