//! What the subcommands do: each one asks the pipeline and hands the result to a writer.
//!
//! Nothing is decided here but the exit code, and nothing is printed but by the writers.

mod alerts;
mod verdict;
mod progress;
mod reports;
mod scan;
mod merge;
mod diff;
mod accounts;
mod top;
mod account;
mod metrics;
mod rbac;
mod inventory;
mod dump;
mod query;
mod detectors;
mod explain;
mod cron;
mod suppress;

pub use account::account;
pub use accounts::accounts;
pub use alerts::{alerts, alerts_lint};
pub use cron::cron;
pub use detectors::detectors;
pub use diff::diff;
pub use explain::explain;
pub use inventory::inventory;
pub use merge::merge;
pub use metrics::metrics;
pub use query::{export, query, query_list, query_text, schema};
pub use rbac::rbac;
pub use scan::scan;
pub use suppress::suppress;
pub use top::top;
pub use verdict::{Exit, Verdict};

use std::io;

use crate::{checkpoint, config, output::Destination, pipeline};

/// Why a command could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pipeline could not.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// The state from run to run could not be used.
    #[error(transparent)]
    State(#[from] checkpoint::Error),
    /// What was found could not be posted.
    #[error("{0}; the state is saved, and the next run tells it again")]
    Delivery(String),
    /// What was asked for does not exist.
    #[error(transparent)]
    Usage(#[from] config::Error),
    /// The query could not be run.
    #[cfg(feature = "query")]
    #[error(transparent)]
    Query(#[from] crate::query::Failure),
    /// The result could not be written.
    #[error("cannot write to {to}: {why}")]
    Output {
        /// To where.
        to: String,
        /// Why.
        why: io::Error,
    },
}

impl Error {
    /// What to do about it, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Usage(error) => error.hint.as_deref(),
            #[cfg(feature = "query")]
            Self::Query(crate::query::Failure::Sql(error)) => error.hint.as_deref(),
            #[cfg(feature = "query")]
            Self::Query(_) => None,
            Self::Pipeline(_) | Self::State(_) | Self::Delivery(_) | Self::Output { .. } => None,
        }
    }

    /// The place that it is about, a few lines.
    #[must_use]
    pub fn excerpt(&self) -> Option<String> {
        match self {
            Self::Usage(error) => error.excerpt.clone(),
            #[cfg(feature = "query")]
            Self::Query(crate::query::Failure::Sql(error)) => {
                error.at.as_ref().map(ToString::to_string)
            }
            #[cfg(feature = "query")]
            Self::Query(_) => None,
            Self::Pipeline(_) | Self::State(_) | Self::Delivery(_) | Self::Output { .. } => None,
        }
    }

    fn output(to: &Destination) -> impl Fn(io::Error) -> Self {
        let to = match to {
            Destination::Stdout | Destination::Paged(_) => "standard output".to_owned(),
            Destination::File(path) => path.display().to_string(),
        };
        move |why| Self::Output {
            to: to.clone(),
            why,
        }
    }
}
