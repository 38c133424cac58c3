//! Which forms the events came in, in which file, and what stood beside them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    event::{Dialect, Skipped},
    source::{Places, Trouble},
};

use super::{FileForms, FormCount, FormLacks, SkippedCount};

/// How many files are listed one by one; all of them are in the totals.
const LISTED: usize = 1000;

/// What was found in a file, or in all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forms {
    /// Events of each form, whether or not they lie in the window.
    pub(super) events: BTreeMap<Dialect, u64>,
    pub(super) skipped: BTreeMap<Skipped, u64>,
    pub(super) bad_lines: u64,
}

impl Forms {
    fn merge(&mut self, other: &Self) {
        for (dialect, count) in &other.events {
            *self.events.entry(*dialect).or_default() += count;
        }
        for (skipped, count) in &other.skipped {
            *self.skipped.entry(*skipped).or_default() += count;
        }
        self.bad_lines += other.bad_lines;
    }

    pub(super) fn counts(&self) -> Vec<FormCount> {
        let counts = self.events.iter();
        counts
            .map(|(dialect, events)| FormCount {
                form: dialect.name().to_owned(),
                events: *events,
            })
            .collect()
    }

    pub(super) fn skipped(&self) -> Vec<SkippedCount> {
        let counts = self.skipped.iter();
        counts
            .map(|(skipped, records)| SkippedCount {
                what: skipped.name().to_owned(),
                records: *records,
            })
            .collect()
    }

    /// What the forms cannot carry.
    pub(super) fn lacks(&self) -> Vec<FormLacks> {
        let lacking = self
            .events
            .iter()
            .filter(|(dialect, _)| !dialect.about().lacks.is_empty());
        lacking
            .map(|(dialect, events)| FormLacks {
                form: dialect.name().to_owned(),
                events: *events,
                lacks: dialect.about().lacks.to_owned(),
            })
            .collect()
    }
}

/// What was found in all files and in each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FormsSeen {
    pub(super) total: Forms,
    /// By the source's key: those with the smallest, so that any split keeps the same ones.
    pub(super) files: BTreeMap<u64, Forms>,
}

impl FormsSeen {
    /// Takes note of a file, whatever is in it.
    pub(super) fn add_file(&mut self, source: u64) {
        self.file(source);
    }

    /// Takes note of what a part of a file holds: so many events of the plain form, and whatever else.
    pub(super) fn add(&mut self, source: u64, plain: u64, others: &Forms) {
        let note = |forms: &mut Forms| {
            if plain > 0 {
                *forms.events.entry(Dialect::Plain).or_default() += plain;
            }
            forms.merge(others);
        };
        note(&mut self.total);
        self.file(source).map(note);
    }

    /// The file, if it is listed. One that is dropped here has [`LISTED`] smaller ones in any sum that this is a part
    /// of, so that it is dropped there too.
    fn file(&mut self, source: u64) -> Option<&mut Forms> {
        let last = self.files.last_key_value().map(|(&last, _)| last);
        if self.files.len() >= LISTED && last.is_some_and(|last| source > last) {
            return None;
        }
        if self.files.len() >= LISTED && !self.files.contains_key(&source) {
            self.files.pop_last();
        }
        Some(self.files.entry(source).or_default())
    }

    /// Adds what another worker or run has found; the order does not matter.
    pub(super) fn merge(&mut self, other: Self) {
        self.total.merge(&other.total);
        for (source, forms) in other.files {
            if let Some(known) = self.file(source) {
                known.merge(&forms);
            }
        }
    }

    /// Each file, by name.
    pub(super) fn by_file(&self, places: &Places) -> Vec<FileForms> {
        let mut files: Vec<_> = (self.files.iter())
            .map(|(source, forms)| FileForms {
                file: places.name(*source).to_owned(),
                forms: forms.counts(),
                skipped: forms.skipped(),
                bad_lines: forms.bad_lines,
            })
            .collect();
        files.sort_by(|a, b| a.file.cmp(&b.file));
        files
    }

    /// One for each file in the legacy text format, and one for those that are not listed.
    pub(super) fn troubles(&self, places: &Places) -> Vec<Trouble> {
        let legacy = |forms: &Forms| forms.skipped.get(&Skipped::LegacyFormat).copied();
        let trouble = |file: &str, lines: u64| Trouble {
            file: file.to_owned(),
            why: format!(
                "{lines} lines are in the legacy text format (--audit-log-format=legacy), which names \
                 no object and no annotation and is not supported: let kube-apiserver write json"
            ),
            unreadable: false,
            incomplete: true,
        };
        let mut rest = legacy(&self.total).unwrap_or(0);
        let mut troubles = Vec::new();
        for (source, forms) in &self.files {
            if let Some(lines) = legacy(forms) {
                rest -= lines.min(rest);
                troubles.push(trouble(places.name(*source), lines));
            }
        }
        if rest > 0 {
            troubles.push(trouble("other files", rest));
        }
        troubles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_the_same_files_however_they_are_added() {
        let one = Forms {
            events: BTreeMap::from([(Dialect::Gke, 1)]),
            ..Forms::default()
        };
        let all: Vec<u64> = (0..3 * LISTED as u64)
            .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .collect();
        let seen = |sources: &mut dyn Iterator<Item = &u64>| {
            let mut seen = FormsSeen::default();
            for source in sources {
                seen.add_file(*source);
                seen.add(*source, 0, &one);
            }
            seen
        };
        let mut forwards = seen(&mut all.iter().chain(&all));
        forwards.add(all[0], 0, &Forms::default());
        let mut halves = seen(&mut all[LISTED..].iter());
        halves.merge(seen(&mut all.iter().rev()));
        halves.merge(seen(&mut all[..LISTED].iter().rev()));
        assert_eq!(forwards, halves);
        assert_eq!(forwards.files.len(), LISTED);
        assert_eq!(forwards.total.events[&Dialect::Gke], 6 * LISTED as u64);
        assert!(
            forwards
                .files
                .values()
                .all(|forms| forms.events[&Dialect::Gke] == 2)
        );
    }
}
