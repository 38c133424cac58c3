//! What reading itself leaves behind: counts, bad lines, places.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    event::BadLine,
    source::{Origin, Places, Trouble},
};

use super::forms::FormsSeen;

/// How many bad lines are kept to be shown.
const SHOWN: usize = 20;

/// What reading leaves behind, whatever the lines say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reading {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) stored_bytes: u64,
    pub(super) lines: u64,
    pub(super) nul_bytes: u64,
    pub(super) outside_window: u64,
    pub(super) duplicates: u64,
    pub(super) bad_lines: u64,
    /// The bad lines that stand first, by source and position.
    pub(super) shown: BTreeSet<(Origin, String)>,
    pub(super) places: Places,
    pub(super) forms: FormsSeen,
    pub(super) troubles: BTreeSet<Trouble>,
    /// How far each source was read, for whoever goes on from there.
    #[serde(skip)]
    pub(super) ends: Vec<(u64, End)>,
}

/// How far a source was read, and the seal of what stands before if it is known.
pub(super) type End = (u64, Option<u128>);

impl Reading {
    /// Takes note of a bad line.
    pub(super) fn bad(&mut self, bad: BadLine) {
        self.bad_lines += 1;
        let late = self.shown.last().is_some_and(|last| bad.origin > last.0);
        if self.shown.len() < SHOWN || !late {
            self.shown.insert((bad.origin, bad.why));
            self.shrink();
        }
    }

    /// Forgets where lines of these sources stood.
    pub(super) fn forget(&mut self, sources: &BTreeSet<u64>) {
        self.shown
            .retain(|(origin, _)| !sources.contains(&origin.source));
        self.places.forget(sources);
        self.forms
            .files
            .retain(|source, _| !sources.contains(source));
    }

    fn shrink(&mut self) {
        while self.shown.len() > SHOWN {
            self.shown.pop_last();
        }
    }

    /// Adds what another reading left behind.
    pub(super) fn merge(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.stored_bytes += other.stored_bytes;
        self.lines += other.lines;
        self.nul_bytes += other.nul_bytes;
        self.outside_window += other.outside_window;
        self.duplicates += other.duplicates;
        self.bad_lines += other.bad_lines;
        self.shown.extend(other.shown);
        self.shrink();
        self.places += other.places;
        self.forms.merge(other.forms);
        self.troubles.extend(other.troubles);
        self.ends.extend(other.ends);
    }
}
