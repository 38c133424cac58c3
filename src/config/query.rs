//! For `satrail query`, `satrail export` and `satrail schema`.

use std::path::PathBuf;

use crate::{
    output::{Destination, Look, RowFormat},
    pipeline::Options,
    query,
};

use super::Error;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowOutput {
    /// As what.
    pub format: RowFormat,
    /// To where.
    pub destination: Destination,
    /// With which width.
    pub look: Look,
}

impl RowOutput {
    /// `file` is what `--output` names. Without `--format`, its extension decides; everything else is a table.
    #[must_use]
    pub fn new(format: Option<RowFormat>, file: Option<PathBuf>, terminal: Look) -> Self {
        let named = file.as_ref().and_then(|path| {
            let extension = path.extension()?.to_str()?;
            let found = RowFormat::ALL
                .into_iter()
                .find(|(name, _)| *name == extension);
            found.map(|(_, format)| format)
        });
        let destination = file.map_or(Destination::Stdout, Destination::named);
        let look = match destination {
            Destination::Stdout | Destination::Paged(_) => terminal,
            Destination::File(_) => Look::default(),
        };
        Self {
            format: format.or(named).unwrap_or(RowFormat::Table),
            destination,
            look,
        }
    }
}

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
