//! How a state is kept, and what a run must not read.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::source::{Identity, Input};

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
    pub(super) fn own(&self) -> Own {
        let mut journal = self.state.clone().into_os_string();
        journal.push("-journal");
        let outputs = self.outputs.iter().map(PathBuf::as_path);
        let mut own = Own::default();
        for path in outputs.chain([self.state.as_path(), Path::new(&journal)]) {
            // What cannot be looked at is not there yet, or cannot be written either, which will be said.
            if let Ok(directory) = path.canonicalize()
                && directory.is_dir()
            {
                own.directories.insert(directory);
            } else if let Ok(file) = Identity::of(path) {
                own.files.insert(file);
            }
        }
        own
    }
}

impl Own {
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
