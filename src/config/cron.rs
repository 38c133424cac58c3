//! For `satrail cron` and `satrail suppress`.

use std::{path::PathBuf, time::Duration};

use crate::{
    checkpoint::{Plan, Suppression},
    deliver::Alertmanager,
    finding::Severity,
    output::Destination,
    pipeline::Options,
};

use super::{Judgement, ReportOutput};

/// For `satrail cron`.
#[derive(Debug)]
pub struct CronConfig {
    /// What the pipeline is asked to do.
    pub options: Options,
    /// How the state is kept.
    pub plan: Plan,
    /// Where the report goes, and how.
    pub output: ReportOutput,
    /// Whether it has only what changed in this run.
    pub only_news: bool,
    /// Where the metrics go.
    pub metrics_out: Option<Destination>,
    /// Where the findings go, one a line.
    pub findings_out: Option<Destination>,
    /// Where the rules go: a directory.
    pub rules_out: Option<PathBuf>,
    /// Where alerts are posted to.
    pub alertmanager: Option<Delivery>,
    /// What the exit code says: of what is new in this run.
    pub judgement: Judgement,
    /// Whether to show a progress bar.
    pub progress: bool,
}

/// Alerts on their way.
#[derive(Debug)]
pub struct Delivery {
    /// To whom.
    pub to: Alertmanager,
    /// Milder findings are no alerts.
    pub min_severity: Severity,
    /// How long an alert lives unless a run posts it again.
    pub hold: Duration,
    /// Labels that every alert gets.
    pub labels: Vec<(String, String)>,
}

/// For `satrail suppress`.
#[derive(Debug, Clone)]
pub struct SuppressConfig {
    /// The state's file.
    pub state: PathBuf,
    /// To be suppressed.
    pub put: Vec<Suppression>,
    /// No longer to be suppressed, by fingerprint.
    pub remove: Vec<String>,
    /// The day on which they are judged (UTC).
    pub today: chrono::NaiveDate,
}
