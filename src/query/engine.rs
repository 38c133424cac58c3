//! Polars: fills the columns that a query needs, runs the SQL, hands the rows on.
//!
//! ```text
//!           dry run                      Taker                       SQL, streaming
//!   SQL ------------> wanted columns ------------> frames, or files ----------------> batches of rows
//!        empty tables                  the log        of a temporary
//!                                                       directory
//! ```
//!
//! Memory does not follow the input: frames beyond a budget go to Parquet in a temporary directory, and Polars'
//! streaming engine reads them from there. What Polars sorts or groups is another matter: distinct keys and
//! sorted rows are held.

mod builder;
mod spool;
mod virtuals;
mod parse;
mod contents;
mod traps;
mod lacks;
mod refusal;
mod wanted;
mod tables;
mod answer;
mod export;

pub use answer::{Answer, Results, ask};
pub use export::{Exported, export};

use std::path::PathBuf;

use crate::pipeline::Options;

/// Where the tables come from.
#[derive(Debug, Clone)]
pub enum Input {
    /// Audit logs and scrapes.
    Logs(Box<Options>),
    /// What [`export`] has written.
    Exported(PathBuf),
}

/// Why a query came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something is wrong with the SQL.
    #[error(transparent)]
    Sql(#[from] super::Error),
    /// The logs could not be read.
    #[error(transparent)]
    Pipeline(#[from] crate::pipeline::Error),
    /// Something else: no room for temporary files, no exported tables.
    #[error("{0}")]
    Other(String),
}

impl From<polars::error::PolarsError> for Failure {
    fn from(error: polars::error::PolarsError) -> Self {
        Self::Other(refusal::message(&error))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Other(error.to_string())
    }
}
