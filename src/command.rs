//! What the subcommands do: each one asks the pipeline and hands the result to a writer.
//!
//! Nothing is decided here but the exit code, and nothing is printed but by the writers.

mod alerts;
mod verdict;
mod progress;
mod scan;
mod merge;
mod accounts;
mod account;
mod metrics;
mod rbac;
mod inventory;
mod dump;
mod detectors;
mod explain;
mod cron;
mod suppress;

pub use account::account;
pub use accounts::accounts;
pub use alerts::{alerts, alerts_lint};
pub use cron::cron;
pub use detectors::detectors;
pub use explain::explain;
pub use inventory::inventory;
pub use merge::merge;
pub use metrics::metrics;
pub use rbac::rbac;
pub use scan::scan;
pub use suppress::suppress;
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
            Self::Pipeline(_) | Self::State(_) | Self::Delivery(_) | Self::Output { .. } => None,
        }
    }

    fn output(to: &Destination) -> impl Fn(io::Error) -> Self {
        let to = match to {
            Destination::Stdout => "standard output".to_owned(),
            Destination::File(path) => path.display().to_string(),
        };
        move |why| Self::Output {
            to: to.clone(),
            why,
        }
    }
}
