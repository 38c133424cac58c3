//! For `satrail alerts` and `satrail alerts lint`.

use std::path::PathBuf;

use crate::{
    alert::{Version, Wish},
    metric::ScrapeHints,
    pipeline::Options,
};

use super::Output;

/// For `satrail alerts`.
#[derive(Debug, Clone)]
pub struct AlertsConfig {
    /// What the pipeline is asked to do; no paths: there is no audit log.
    pub options: Options,
    /// Scrapes and answers of the Prometheus API.
    pub metrics: Vec<PathBuf>,
    /// Where the files go.
    pub directory: PathBuf,
    /// Whether a manifest for the Prometheus operator is written too.
    pub operator: bool,
    /// Where the templates are, instead of the built-in ones.
    pub templates: Option<PathBuf>,
    /// The version of Kubernetes, if it was said.
    pub version: Option<Version>,
    /// How the rules are to be.
    pub wish: Wish,
    /// Whether bad lines are an error.
    pub strict: bool,
    /// Whether to show a progress bar.
    pub progress: bool,
}

/// For `satrail alerts lint`.
#[derive(Debug, Clone)]
pub struct LintConfig {
    /// Rules files and manifests.
    pub rules: Vec<PathBuf>,
    /// Scrapes and answers of the Prometheus API.
    pub metrics: Vec<PathBuf>,
    /// What those do not say themselves.
    pub hints: ScrapeHints,
    /// The version of Kubernetes, if it was said.
    pub version: Option<Version>,
    /// Where the problems go, and how.
    pub output: Output,
}
