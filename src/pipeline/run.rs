//! PLACEHOLDER until the pipeline is merged: the functions that the commands call, reading nothing.

use std::{io, path::Path};

use super::{AccountRow, Options, Progress, Report};

/// What a line may come to. PLACEHOLDER for `source::Limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longer lines are skipped, counted and named.
    pub max_line_bytes: u64,
    /// How much is read at a time.
    pub chunk_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_line_bytes: 64 << 20,
            chunk_bytes: 1 << 20,
        }
    }
}

/// Why a run could not be done at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A partial state could not be read.
    #[error("cannot read the partial state {path}: {why}")]
    State {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
}

/// What was learnt from the input so far: mergeable, and storable as a partial state.
#[derive(Debug, Default)]
pub struct State;

/// Reads everything that `options` names.
pub fn scan(options: &Options, progress: &dyn Progress) -> Result<State, Error> {
    progress.total(None);
    for path in &options.paths {
        progress.file(&path.to_string_lossy());
        progress.advance(0);
    }
    Ok(State)
}

impl State {
    /// Reads a partial state.
    pub fn read(path: &Path) -> Result<Self, Error> {
        match std::fs::metadata(path) {
            Ok(_) => Ok(Self),
            Err(error) => Err(Error::State {
                path: path.display().to_string(),
                why: error.to_string(),
            }),
        }
    }

    /// Writes a partial state.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(b"satrail partial state: placeholder\n")
    }

    /// Adds another state; the order does not matter.
    pub fn merge(&mut self, _other: Self) {}

    /// What it comes to.
    #[must_use]
    pub fn report(&self, options: &Options) -> Report {
        let (findings, exceptions) = super::settle(Vec::new(), options);
        Report {
            input: super::Input::default(),
            findings,
            exceptions,
            coverage: super::Coverage::default(),
        }
    }

    /// One row per ServiceAccount, in the order of their names.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountRow> {
        Vec::new()
    }
}
