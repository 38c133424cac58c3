//! For `satrail query`, `satrail export` and `satrail schema`.

use std::path::PathBuf;

use crate::{output::RowFormat, pipeline::Options, query};

use super::{Error, Output};

/// For `satrail query`.
#[derive(Debug, Clone)]
pub struct QueryConfig {
    /// The SQL, its parameters filled in.
    pub sql: String,
    /// Where the tables come from.
    pub tables: Tables,
    /// Where the rows go, and how.
    pub output: RowOutput,
    /// Whether bad lines are an error.
    pub strict: bool,
    /// Whether to show a progress bar.
    pub progress: bool,
}

/// Where tables come from.
#[derive(Debug, Clone)]
pub enum Tables {
    /// Audit logs and scrapes.
    Logs(Box<Options>),
    /// What `satrail export` wrote.
    Exported(PathBuf),
}

/// For `satrail export`.
#[derive(Debug, Clone)]
pub struct ExportConfig {
    /// What the pipeline is asked to do.
    pub options: Options,
    /// The partial state of a whole that the logs are a part of.
    pub whole: Option<PathBuf>,
    /// Where the tables go.
    pub directory: PathBuf,
    /// Columns that are not written.
    pub leave_out: Vec<&'static str>,
    /// Whether bad lines are an error.
    pub strict: bool,
    /// Whether to show a progress bar.
    pub progress: bool,
}

/// Where rows go, and how.
pub type RowOutput = Output<RowFormat>;

/// With the place in the SQL.
impl From<query::Error> for Error {
    fn from(error: query::Error) -> Self {
        Self {
            why: error.why,
            excerpt: error.at.map(|at| at.to_string()),
            hint: error.hint,
        }
    }
}
