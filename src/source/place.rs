//! Where a line stands: cheap to note while reading, exact when a person asks.
//!
//! While reading, nobody knows how many lines the other threads' chunks hold. So a line is noted as
//! (source, chunk, line in the chunk), each chunk leaves its number of lines behind, and the line
//! number is summed up only for the few lines that are shown. That costs no second pass.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::AddAssign,
};

use serde::{Deserialize, Serialize};

/// A line, as noted while reading.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Origin {
    /// The source's key: a hash of its path and first bytes.
    pub source: u64,
    /// Offset of the chunk's first byte in the decompressed stream.
    pub chunk: u64,
    /// The line within the chunk, counted from 0.
    pub line: u32,
}

/// A line, as a person looks it up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file, as named on the command line or found below it.
    pub file: String,
    /// The line in the decompressed file, counted from 1.
    pub line: u64,
}

/// What it takes to turn every [`Origin`] of a run into a [`Place`]. Grows by one small entry a chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    sources: BTreeMap<u64, Lines>,
    /// With `--dedup`: events that stand twice, by identity, and the first place of those that were
    /// passed over.
    twins: BTreeMap<u64, Origin>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Lines {
    name: String,
    /// Lines that start in each chunk, by the chunk's offset. Not a map, which would cost small files a node each.
    chunks: Vec<(u64, u32)>,
}

impl Lines {
    /// Nearly always the last chunk so far.
    fn add_chunk(&mut self, chunk: u64, lines: u32) {
        let at = self.chunks.partition_point(|known| known.0 < chunk);
        match self.chunks.get_mut(at) {
            Some(known) if known.0 == chunk => known.1 = lines,
            _ => {
                if self.chunks.is_empty() {
                    self.chunks.reserve_exact(1);
                }
                self.chunks.insert(at, (chunk, lines));
            }
        }
    }

    fn merge(&mut self, other: Self) {
        if self.name.is_empty() {
            self.name = other.name;
        }
        if self.chunks.is_empty() {
            self.chunks = other.chunks;
            return;
        }
        self.chunks.extend(other.chunks);
        self.chunks.sort_unstable();
        // Of a file that was read twice and had changed meanwhile.
        self.chunks.dedup_by(|later, known| {
            let same = later.0 == known.0;
            if same {
                known.1 = later.1;
            }
            same
        });
    }
}

impl Places {
    /// Notes a source's name.
    pub fn add_source(&mut self, source: u64, name: &str) {
        name.clone_into(&mut self.sources.entry(source).or_default().name);
    }

    /// Notes how many lines one chunk holds.
    pub fn add_chunk(&mut self, source: u64, chunk: u64, lines: u32) {
        let source = self.sources.entry(source).or_default();
        source.add_chunk(chunk, lines);
    }

    /// Notes that the event `identity` also stands at `origin`, where it was passed over.
    pub fn add_twin(&mut self, identity: u64, origin: Origin) {
        let first = self.twins.entry(identity).or_insert(origin);
        *first = origin.min(*first);
    }

    /// Forgets these sources.
    pub fn forget(&mut self, sources: &BTreeSet<u64>) {
        self.sources.retain(|source, _| !sources.contains(source));
    }

    /// The name of a source.
    #[must_use]
    pub fn name(&self, source: u64) -> &str {
        self.sources.get(&source).map_or("?", |lines| &lines.name)
    }

    /// Every chunk: its source, its offset, and how many lines stand before it in that source.
    pub fn chunks(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        self.sources.iter().flat_map(|(&source, lines)| {
            let mut before = 0;
            lines.chunks.iter().map(move |&(chunk, n)| {
                let start = before;
                before += u64::from(n);
                (source, chunk, start)
            })
        })
    }

    /// The name of a source of `part` that is not among these, or had other lines when it was read.
    #[must_use]
    pub fn lacks<'a>(&self, part: &'a Self) -> Option<&'a str> {
        let other = |(key, theirs): &(&u64, &Lines)| {
            let ours = self.sources.get(key);
            ours.is_none_or(|ours| ours.chunks != theirs.chunks)
        };
        let lacking = part.sources.iter().find(other);
        lacking.map(|(_, lines)| &*lines.name)
    }

    /// The same, for looking up origins.
    #[must_use]
    pub fn lookup(&self) -> Lookup<'_> {
        let mut before = Vec::new();
        for (&source, lines) in &self.sources {
            let mut sum = 0;
            for &(chunk, n) in &lines.chunks {
                before.push(((source, chunk), sum));
                sum += u64::from(n);
            }
            before.push(((source, u64::MAX), sum));
        }
        Lookup {
            places: self,
            before,
        }
    }
}

/// [`Places`] in which every origin can be looked up.
#[derive(Debug)]
pub struct Lookup<'a> {
    places: &'a Places,
    /// Sources and chunks, sorted, with the lines that stand before them; behind the last chunk of each source, its end.
    before: Vec<((u64, u64), u64)>,
}

impl Lookup<'_> {
    /// The file and the line number of `origin`.
    #[must_use]
    pub fn resolve(&self, origin: Origin) -> Place {
        let unknown = || Place {
            file: "?".to_owned(),
            line: 0,
        };
        let wanted = (origin.source, origin.chunk);
        let at = self.before.partition_point(|(chunk, _)| *chunk < wanted);
        let Some(&((source, _), before)) = self.before.get(at) else {
            return unknown();
        };
        if source != origin.source {
            return unknown();
        }
        Place {
            file: self.places.name(origin.source).to_owned(),
            line: before + u64::from(origin.line) + 1,
        }
    }

    /// The file and the line number of the event `identity`, which was read at `origin`: its first
    /// place, whichever of its copies was read first.
    #[must_use]
    pub fn resolve_event(&self, identity: u64, origin: Origin) -> Place {
        let twin = self.places.twins.get(&identity);
        self.resolve(twin.map_or(origin, |twin| origin.min(*twin)))
    }
}

/// Puts two runs' notes together; the order does not matter.
impl AddAssign for Places {
    fn add_assign(&mut self, other: Self) {
        for (key, theirs) in other.sources {
            self.sources.entry(key).or_default().merge(theirs);
        }
        for (identity, origin) in other.twins {
            self.add_twin(identity, origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_over_chunks_noted_in_any_order() {
        let mut places = Places::default();
        places.add_source(7, "audit.log");
        places.add_chunk(7, 900, 5);
        let mut other = Places::default();
        other.add_chunk(7, 0, 10);
        other.add_chunk(7, 400, 20);
        places += other;
        let place = places.lookup().resolve(Origin {
            source: 7,
            chunk: 900,
            line: 2,
        });
        assert_eq!(
            place,
            Place {
                file: "audit.log".to_owned(),
                line: 33
            }
        );
    }
}
