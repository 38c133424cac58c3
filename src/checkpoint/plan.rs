//! How a state is kept, and what a run must not read.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::source::{Identity, Input};

use super::store::{Error, unusable};

/// How a state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The state's file.
    pub state: PathBuf,
    /// For how many days of the log.
    pub retention_days: u32,
    /// A finding of which nothing has happened for so long is over.
    pub resolved_after: Duration,
    /// How many ServiceAccounts have counters of their own.
    pub top: usize,
    /// Files and directories that the run writes itself: never read, wherever they are.
    pub outputs: Vec<PathBuf>,
}

/// What the run writes itself. The state above all: closing a file takes a database's lock on it away from the
/// whole process.
#[derive(Debug, Default)]
pub(super) struct Own {
    files: BTreeSet<Identity>,
    directories: BTreeSet<PathBuf>,
    /// Whether a directory is one of them or stands in one, of those that were asked about.
    asked: BTreeMap<PathBuf, bool>,
}

impl Plan {
    /// What of it is there.
    pub(super) fn own(&self) -> Result<Own, Error> {
        let mut journal = self.state.clone().into_os_string();
        journal.push("-journal");
        let outputs = self.outputs.iter().map(PathBuf::as_path);
        let mut own = Own::default();
        for path in outputs.chain([self.state.as_path(), Path::new(&journal)]) {
            match own.add(path) {
                // What is not there yet is not read either.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                added => added.map_err(|error| unusable(path, &error))?,
            }
        }
        Ok(own)
    }
}

impl Own {
    fn add(&mut self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            self.directories.insert(path.canonicalize()?);
        } else {
            self.files.insert(Identity::of(path)?);
        }
        Ok(())
    }

    /// Takes them out, under whatever name.
    pub(super) fn spare(&mut self, inputs: &mut Vec<Input>) {
        inputs.retain(|input| {
            // What cannot be looked at cannot be opened either, and that will be said.
            input.file().is_none_or(|path| {
                let is_own = Identity::of(path).is_ok_and(|id| self.files.contains(&id));
                !is_own && !self.holds(path)
            })
        });
    }

    fn holds(&mut self, path: &Path) -> bool {
        let Some(parent) = path.parent().filter(|_| !self.directories.is_empty()) else {
            return false;
        };
        if let Some(known) = self.asked.get(parent) {
            return *known;
        }
        let whole = if parent.as_os_str().is_empty() {
            Path::new(".").canonicalize()
        } else {
            parent.canonicalize()
        };
        let directories = &self.directories;
        let holds = whole.is_ok_and(|whole| directories.iter().any(|own| whole.starts_with(own)));
        self.asked.insert(parent.to_owned(), holds);
        holds
    }
}
