//! One file that is followed: what it is known by, and how far it was read.

use std::{
    fs::Metadata,
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{
    finding::Timestamp,
    source::{Input, Trouble},
};

/// A file, whatever it is called and however it is stored by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// How many bytes of its text `head` is a hash of: fewer than [`crate::source::Probe::HEAD`] only while it is shorter.
    pub(super) head_bytes: usize,
    pub(super) head: u128,
    /// [`crate::source::Probe::first_lines`] of what was read.
    pub(super) first_lines: Vec<(usize, u128)>,
    /// How much of its text was read; a record starts there.
    pub(super) read_to: u64,
    /// [`crate::source::Seal::hash`] at that place.
    pub(super) seal: u128,
    /// What it was called last.
    pub(super) name: String,
    /// The run (wall clock) that saw it last.
    pub(super) last_seen: Timestamp,
    /// What of it could not be read.
    pub(super) troubles: Vec<Trouble>,
}

/// What tells, without a look into it, that a file has not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stat {
    device: u64,
    inode: u64,
    pub(super) bytes: u64,
    /// Nanoseconds since 1970.
    changed: u64,
}

impl Stat {
    pub(super) fn of(input: &Input) -> io::Result<Self> {
        let path = input.file().ok_or(io::ErrorKind::NotFound)?;
        let metadata = path.metadata()?;
        let changed = metadata.modified().unwrap_or(UNIX_EPOCH);
        let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (device, inode) = identity(&metadata);
        Ok(Self {
            device,
            inode,
            bytes: metadata.len(),
            changed: u64::try_from(changed.as_nanos()).unwrap_or(u64::MAX),
        })
    }

    /// For how long it has not changed.
    pub(super) fn age(&self, now: SystemTime) -> Duration {
        let changed = UNIX_EPOCH + Duration::from_nanos(self.changed);
        now.duration_since(changed).unwrap_or_default()
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// What was found under a name when it was looked at last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) stat: Stat,
    /// The file; `None` if there was nothing in it.
    pub(super) file: Option<u64>,
    /// Whether something stands at its end that waits to be read.
    pub(super) waits: bool,
}
