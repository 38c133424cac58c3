//! What was named on the command line -> what there is to read.
//!
//! - A directory is read whole, symlinks followed, whatever its files are called: a rotated log may
//!   have any name. Hidden entries are left out, as shells do (editors' and file managers' leavings),
//!   and counted in a note.
//! - Inside a directory, FIFOs, sockets and devices are left out with a note: a FIFO would block the
//!   run. Named themselves, they are read.
//! - One file under several names is read once, under the first of them in sorting order, so that the
//!   order of the arguments does not matter.

use std::{
    collections::BTreeSet,
    fs::Metadata,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use glob::{MatchOptions, glob_with};
use walkdir::{DirEntry, WalkDir};

use super::{
    Trouble,
    input::{Input, file_id},
    trouble::{name_of, why},
    twin,
};

/// What there is to read, and what there is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The inputs, sorted by name, each once.
    pub inputs: Vec<Input>,
    /// What was named and cannot be read; what was left out.
    pub troubles: Vec<Trouble>,
}

/// Looks up files, directories (with all below them), globs, and `-` for standard input.
#[must_use]
pub fn find(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for path in paths {
        found.add(path);
    }
    found.inputs.sort_by(|a, b| a.name().cmp(b.name()));
    let mut seen = BTreeSet::new();
    found.inputs.retain(|input| match input.file() {
        None => true,
        // If it vanished meanwhile, opening it will say so.
        Some(path) => file_id(path).map_or(true, |id| seen.insert(id)),
    });
    found.inputs.dedup_by(|a, b| a.name() == b.name());
    twin::leave_out(&mut found.inputs, &mut found.troubles);
    found.troubles.sort();
    found.troubles.dedup();
    found
}

impl Found {
    fn add(&mut self, path: &Path) {
        if path.as_os_str() == "-" {
            return self.inputs.push(Input::stdin());
        }
        match path.metadata() {
            Ok(metadata) => self.add_existing(path, &metadata),
            // A file may be called `audit[1].log`: only what does not exist is a pattern.
            Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => {
                self.add_matches(path);
            }
            Err(error) => self.unreadable(path, why_not_found(path, &error)),
        }
    }

    fn unreadable(&mut self, path: &Path, why: impl Into<String>) {
        self.troubles.push(Trouble::unreadable(&name_of(path), why));
    }

    fn note(&mut self, path: &Path, why: impl Into<String>) {
        self.troubles.push(Trouble::note(&name_of(path), why));
    }

    fn add_existing(&mut self, path: &Path, metadata: &Metadata) {
        if metadata.is_dir() {
            self.add_directory(path);
        } else {
            let bytes = metadata.is_file().then_some(metadata.len());
            self.inputs.push(Input::path(path.to_owned(), bytes));
        }
    }

    /// cron and systemd do not expand globs, so it is done here.
    fn add_matches(&mut self, path: &Path) {
        let pattern = path.to_str().filter(|name| name.contains(['*', '?', '[']));
        let Some(pattern) = pattern else {
            return self.unreadable(path, "no such file");
        };
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        let matches = match glob_with(pattern, options) {
            Ok(matches) => matches,
            Err(error) => {
                return self.unreadable(path, format!("no such file, nor a glob: {error}"));
            }
        };
        let mut any = false;
        for entry in matches {
            any = true;
            match entry {
                Ok(path) => match path.metadata() {
                    Ok(metadata) => self.add_existing(&path, &metadata),
                    Err(error) => self.unreadable(&path, why_not_found(&path, &error)),
                },
                Err(error) => self.unreadable(error.path(), why(error.error())),
            }
        }
        if !any {
            self.unreadable(path, "no such file: the glob matches nothing");
        }
    }

    fn add_directory(&mut self, root: &Path) {
        let (mut files, mut hidden) = (0, 0_u64);
        let mut entries = WalkDir::new(root)
            .follow_links(true)
            .sort_by_file_name()
            .into_iter();
        while let Some(entry) = entries.next() {
            let (path, depth) = match &entry {
                Ok(entry) => (Some(entry.path()), entry.depth()),
                Err(error) => (error.path(), error.depth()),
            };
            if depth > 0 && path.is_some_and(is_hidden) {
                hidden += 1;
                if entry.is_ok_and(|entry| entry.file_type().is_dir()) {
                    entries.skip_current_dir();
                }
                continue;
            }
            match entry {
                Ok(entry) => files += u64::from(self.add_entry(entry)),
                Err(error) => self.add_error(root, &error),
            }
        }
        if hidden > 0 {
            let why = match hidden {
                1 => "1 hidden entry was left out: name it to have it read".to_owned(),
                n => format!("{n} hidden entries were left out: name them to have them read"),
            };
            self.note(root, why);
        }
        if files == 0 {
            self.unreadable(root, "there are no files in this directory");
        }
    }

    /// Adds what stands in a directory; whether it is a file.
    fn add_entry(&mut self, entry: DirEntry) -> bool {
        if entry.file_type().is_file() {
            let bytes = entry.metadata().ok().map(|metadata| metadata.len());
            self.inputs.push(Input::path(entry.into_path(), bytes));
            return true;
        }
        if !entry.file_type().is_dir() {
            let why = "left out: neither a file nor a directory; name it to have it read";
            self.note(entry.path(), why);
        }
        false
    }

    fn add_error(&mut self, root: &Path, error: &walkdir::Error) {
        let path = error.path().unwrap_or(root);
        if let Some(ancestor) = error.loop_ancestor() {
            let above = name_of(ancestor);
            return self.note(
                path,
                format!("symlink loop: it leads back to {above}, not followed"),
            );
        }
        let why = error
            .io_error()
            .map_or_else(|| error.to_string(), |error| why_not_found(path, error));
        self.unreadable(path, why);
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn why_not_found(path: &Path, error: &std::io::Error) -> String {
    if error.kind() == ErrorKind::NotFound && path.is_symlink() {
        return "the symlink leads nowhere".to_owned();
    }
    why(error)
}
