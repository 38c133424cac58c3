//! What was named on the command line -> what there is to read, found as it is asked for.
//!
//! - A directory is read whole, symlinks followed, whatever its files are called: a rotated log may
//!   have any name. Hidden entries are left out, as shells do (editors' and file managers' leavings),
//!   and counted in a note.
//! - Inside a directory, FIFOs, sockets and devices are left out with a note: a FIFO would block the
//!   run. Named themselves, they are read.
//! - One file under several names is read once, under the first of them that is met, in an order that the
//!   order of the arguments does not change.
//! - An archive may have a million files in date-partitioned folders: one directory is listed at a time,
//!   its files sorted, then its folders. What is kept of a file that was handed out is its identity, 16
//!   bytes.

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, DirEntry, Metadata},
    io::{self, ErrorKind},
    num::NonZero,
    panic::resume_unwind,
    path::{Path, PathBuf},
    thread::{self, ScopedJoinHandle},
    vec,
};

use glob::{MatchOptions, glob_with};

use super::{
    Trouble,
    input::{FileId, Input, file_id},
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

/// Looks up files, directories (with all below them), globs, and `-` for standard input, all at once.
#[must_use]
pub fn find(paths: &[PathBuf]) -> Found {
    let mut walk = Walk::new(paths);
    let mut inputs: Vec<Input> = walk.by_ref().collect();
    inputs.sort_by(|a, b| a.name().cmp(b.name()));
    Found {
        inputs,
        troubles: walk.into_troubles().into_iter().collect(),
    }
}

/// Walks what was named, one directory after the other.
#[derive(Debug, Default)]
pub struct Walk {
    /// Directories to list, the next one last, each with the number of the one that was named.
    directories: Vec<(PathBuf, usize)>,
    /// Files that were named, for the end: they may stand in one of the directories as well.
    named: Vec<Input>,
    listed: vec::IntoIter<Input>,
    seen: HashSet<FileId>,
    roots: Vec<Root>,
    troubles: BTreeSet<Trouble>,
    bytes: Option<u64>,
    /// How many threads look up what stands in a directory; 0: one for each core.
    threads: usize,
}

/// So many entries are looked up before another thread is worth while.
const MANY: usize = 1024;

/// A directory that was named.
#[derive(Debug)]
struct Root {
    path: PathBuf,
    files: u64,
    hidden: u64,
}

impl Walk {
    /// Looks up what was named, and nothing below it yet.
    #[must_use]
    pub fn new(paths: &[PathBuf]) -> Self {
        let mut walk = Self {
            bytes: Some(0),
            threads: 1,
            ..Self::default()
        };
        let paths: BTreeSet<&PathBuf> = paths.iter().collect();
        for path in paths {
            walk.add(path);
        }
        walk.directories.sort_by(|a, b| b.0.cmp(&a.0));
        walk.named.sort_by(|a, b| a.name().cmp(b.name()));
        walk.bytes = walk.named.iter().map(Input::stored_bytes).sum();
        walk
    }

    /// The same, with so many threads for large directories; 0: one for each core.
    #[must_use]
    pub fn over(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// Walks what is known already.
    #[must_use]
    pub fn of(inputs: Vec<Input>) -> Self {
        let bytes = inputs.iter().map(Input::stored_bytes).sum();
        Self {
            listed: inputs.into_iter(),
            bytes,
            ..Self::default()
        }
    }

    /// The name of something that can be read only once: a stream. Directories hold none.
    #[must_use]
    pub fn stream(&self) -> Option<&str> {
        let stream = self
            .named
            .iter()
            .find(|input| input.stored_bytes().is_none());
        stream.map(Input::name)
    }

    /// How many stored bytes were met so far, those that were not handed out yet included; `None` if a
    /// stream is among them. Grows with every directory.
    #[must_use]
    pub const fn stored_bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// What could not be read, and what was left out. Complete once there is nothing left to walk.
    #[must_use]
    pub fn into_troubles(mut self) -> BTreeSet<Trouble> {
        for root in std::mem::take(&mut self.roots) {
            let why = match root.hidden {
                0 => None,
                1 => Some("1 hidden entry was left out: name it to have it read".to_owned()),
                n => Some(format!(
                    "{n} hidden entries were left out: name them to have them read"
                )),
            };
            if let Some(why) = why {
                self.note(&root.path, why);
            }
            if root.files == 0 {
                self.unreadable(&root.path, "there are no files in this directory");
            }
        }
        self.troubles
    }

    fn add(&mut self, path: &Path) {
        if path.as_os_str() == "-" {
            return self.named.push(Input::stdin());
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
        self.troubles
            .insert(Trouble::unreadable(&name_of(path), why));
    }

    fn note(&mut self, path: &Path, why: impl Into<String>) {
        self.troubles.insert(Trouble::note(&name_of(path), why));
    }

    fn add_existing(&mut self, path: &Path, metadata: &Metadata) {
        if metadata.is_dir() {
            self.directories.push((path.to_owned(), self.roots.len()));
            self.roots.push(Root {
                path: path.to_owned(),
                files: 0,
                hidden: 0,
            });
        } else {
            self.named.push(Input::path(path.to_owned(), metadata));
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

    /// The files of one directory; its directories come next.
    fn list(&mut self, directory: &Path, root: usize) -> Vec<Input> {
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => {
                self.unreadable(directory, why_not_found(directory, &error));
                return Vec::new();
            }
        };
        let mut named = Vec::new();
        for entry in entries {
            match entry {
                Err(error) => self.unreadable(directory, why(&error)),
                Ok(entry) if is_hidden(&entry) => self.roots[root].hidden += 1,
                Ok(entry) => named.push(entry),
            }
        }
        let (mut files, mut below) = (Vec::new(), Vec::new());
        for (path, metadata) in look_up(&named, self.threads) {
            match metadata {
                Err(error) => self.unreadable(&path, why_not_found(&path, &error)),
                Ok(metadata) if metadata.is_file() => {
                    self.roots[root].files += 1;
                    files.push(Input::path(path, &metadata));
                }
                Ok(metadata) if metadata.is_dir() => match leads_back(&path) {
                    Some(above) => {
                        let why = format!("symlink loop: it leads back to {above}, not followed");
                        self.note(&path, why);
                    }
                    None => below.push((path, root)),
                },
                Ok(_) => {
                    let why = "left out: neither a file nor a directory; name it to have it read";
                    self.note(&path, why);
                }
            }
        }
        files.sort_by(|a, b| a.name().cmp(b.name()));
        below.sort_by(|a, b| b.0.cmp(&a.0));
        self.directories.append(&mut below);
        let listed: Option<u64> = files.iter().map(Input::stored_bytes).sum();
        self.bytes = self.bytes.zip(listed).map(|(sum, more)| sum + more);
        files
    }

    /// Takes out what was met before, and what stands in its compressed or decompressed twin.
    fn sift(&mut self, mut inputs: Vec<Input>) -> vec::IntoIter<Input> {
        inputs.retain(|input| match input.id() {
            // If it vanished meanwhile, opening it will say so.
            None => true,
            Some(id) => self.seen.insert(id.to_owned()),
        });
        inputs.dedup_by(|a, b| a.name() == b.name());
        let mut notes = Vec::new();
        twin::leave_out(&mut inputs, &mut notes);
        self.troubles.extend(notes);
        inputs.into_iter()
    }
}

impl Iterator for Walk {
    type Item = Input;

    fn next(&mut self) -> Option<Input> {
        loop {
            if let Some(input) = self.listed.next() {
                return Some(input);
            }
            let files = match self.directories.pop() {
                Some((directory, root)) => self.list(&directory, root),
                None if self.named.is_empty() => return None,
                None => std::mem::take(&mut self.named),
            };
            self.listed = self.sift(files);
        }
    }
}

/// What stands there, symlinks followed, in the same order.
fn look_up(entries: &[DirEntry], threads: usize) -> Vec<(PathBuf, io::Result<Metadata>)> {
    let look_up = |entries: &[DirEntry]| -> Vec<_> {
        let entries = entries.iter().map(|entry| {
            let path = entry.path();
            let metadata = metadata_of(entry, &path);
            (path, metadata)
        });
        entries.collect()
    };
    let threads = match threads {
        0 => thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    };
    let share = entries.len().div_ceil(threads).max(MANY);
    let mut shares = entries.chunks(share);
    let first = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        let start = |share| {
            let other = thread::Builder::new().spawn_scoped(scope, move || look_up(share));
            other.map_err(|_| share)
        };
        let others: Vec<_> = shares.map(start).collect();
        let mut all = look_up(first);
        for other in others {
            all.extend(match other.map(ScopedJoinHandle::join) {
                Ok(Ok(found)) => found,
                Ok(Err(panic)) => resume_unwind(panic),
                // Where no more threads can be had.
                Err(share) => look_up(share),
            });
        }
        all
    })
}

/// The entry is asked for by its name within the open directory, which takes the system less than to go through the
/// whole path.
fn metadata_of(entry: &DirEntry, path: &Path) -> io::Result<Metadata> {
    let metadata = entry.metadata()?;
    if metadata.is_symlink() {
        return path.metadata();
    }
    Ok(metadata)
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// The directory above `path` that `path`, if it is a symlink, leads to.
fn leads_back(path: &Path) -> Option<String> {
    if !path.is_symlink() {
        return None;
    }
    let id = file_id(path).ok()?;
    let mut above = path.ancestors().skip(1);
    let above = above.find(|above| file_id(above).is_ok_and(|above| above == id))?;
    Some(name_of(above))
}

fn why_not_found(path: &Path, error: &io::Error) -> String {
    if error.kind() == ErrorKind::NotFound && path.is_symlink() {
        return "the symlink leads nowhere".to_owned();
    }
    why(error)
}
