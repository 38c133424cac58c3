//! Which file is this, and what of it is new?
//!
//! A file is known by how its text begins and by what stood before the place up to which it was read. Its name
//! tells nothing: `audit.log` is another file after rotation, and `audit-2026.log.gz` is the one that was
//! `audit.log` before. So
//!
//! - a file that has grown is read from where the last run has stopped, under whatever name;
//! - a copy (copytruncate), or the compressed form, of what was read is not read again, but for what follows;
//! - half a line at the end waits for the rest, and so does a document that has no end yet.
//!
//! A file that looks as it did (size, time, inode) is not even opened.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use crate::{
    finding::Timestamp,
    pipeline::Harvest,
    source::{Input, Probe, Trouble},
};

use super::{
    book_entry::{Entry, Seen, Stat},
    part::{Part, SETTLED, Taken},
};

/// So many stored bytes are read in one go, and are read again if a file was replaced meanwhile. A plain file is cut
/// for it, a compressed one is not.
const BATCH: u64 = 256 << 20;

/// Every file that is followed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Book {
    files: BTreeMap<u64, Entry>,
    /// What was found under each name.
    names: BTreeMap<String, Seen>,
    /// Scrapes that were read, by content.
    scrapes: BTreeMap<u128, Timestamp>,
    next: u64,
    /// Files by how they begin: by length and hash of their heads.
    #[serde(skip)]
    heads: BTreeMap<usize, BTreeMap<u128, BTreeSet<u64>>>,
}

/// What is to be read now, what after that, and what cannot be.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) parts: Vec<Part>,
    pub(super) later: Vec<Input>,
    pub(super) troubles: Vec<Trouble>,
}

/// The moment of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) system: SystemTime,
    pub(super) now: Timestamp,
}

/// What a look at a file says.
enum Look {
    /// There is nothing new in it.
    Nothing,
    /// A part of it is to be read.
    Part(Box<Part>),
    /// It must wait until another that begins alike was read.
    Later,
}

impl Book {
    /// The same, ready to recognise files, once it was read from where it is kept.
    pub(super) fn indexed(mut self) -> Self {
        let heads: Vec<_> = (self.files.iter())
            .map(|(id, file)| (*id, file.head_bytes, file.head))
            .collect();
        for (id, bytes, head) in heads {
            self.index(id, bytes, head);
        }
        self
    }

    fn index(&mut self, id: u64, bytes: usize, head: u128) {
        let alike = self.heads.entry(bytes).or_default().entry(head);
        alike.or_default().insert(id);
    }

    fn keep(&mut self, id: u64, entry: Entry) {
        let (bytes, head) = (entry.head_bytes, entry.head);
        if let Some(old) = self.files.insert(id, entry)
            && let Some(alike) = self.heads.get_mut(&old.head_bytes)
            && let Some(ids) = alike.get_mut(&old.head)
        {
            ids.remove(&id);
        }
        self.index(id, bytes, head);
    }

    /// Looks at every input; puts aside those that begin like one that is read in this round, and those that
    /// are too much for it.
    pub(super) fn plan(&mut self, mut inputs: Vec<Input>, clock: Clock) -> Round {
        let mut round = Round::default();
        let (mut taken, mut bytes) = (Taken::default(), 0);
        // The longest of those that begin alike holds what the others do.
        inputs.sort_by_key(|input| std::cmp::Reverse(input.stored_bytes()));
        for input in inputs {
            let room = BATCH.saturating_sub(bytes);
            if room == 0 {
                round.later.push(input);
                continue;
            }
            match self.look(&input, room, &mut taken, clock) {
                Ok(Look::Nothing) => {}
                Ok(Look::Later) => round.later.push(input),
                Ok(Look::Part(part)) => {
                    bytes += part.bytes();
                    if part.is_cut {
                        round.later.push(input);
                    }
                    round.parts.push(*part);
                }
                Err(trouble) => round.troubles.push(trouble),
            }
        }
        round
    }

    fn look(
        &mut self,
        input: &Input,
        room: u64,
        taken: &mut Taken,
        clock: Clock,
    ) -> Result<Look, Trouble> {
        let name = input.name();
        let failed = |error: io::Error| Trouble::failed(name, &error);
        if input.stored_bytes().is_none() {
            let error = io::Error::other("it is no regular file: only those can be followed");
            return Err(failed(error));
        }
        let stat = Stat::of(input).map_err(failed)?;
        if let Some(seen) = self.names.get(name)
            && seen.stat == stat
            && (!seen.waits || stat.age(clock.system) < SETTLED)
        {
            if let Some(file) = seen.file.and_then(|id| self.files.get_mut(&id)) {
                file.last_seen = clock.now;
            }
            return Ok(Look::Nothing);
        }
        let probe = input.probe()?;
        if probe.head.is_empty() {
            let seen = Seen {
                stat,
                file: None,
                waits: false,
            };
            self.names.insert(name.to_owned(), seen);
            return Ok(Look::Nothing);
        }
        let known = self.recognise(input, &probe).map_err(failed)?;
        if !taken.take(known.as_ref().map(|known| known.id), &probe) {
            return Ok(Look::Later);
        }
        let (id, from, more) = match known {
            // A last line was read before its newline came.
            Some(known) if known.late_newline && probe.lines => {
                (known.id, known.from + 1, known.more)
            }
            Some(known) => (known.id, known.from, known.more),
            None => (self.next_id(), 0, true),
        };
        let part = Part::of(input, stat, probe, (id, from), room, clock).map_err(failed)?;
        if more && !part.is_empty() {
            return Ok(Look::Part(Box::new(part)));
        }
        let file = self.files.get_mut(&id).map(|file| {
            file.last_seen = clock.now;
            // A copy that holds less than was read does not give the file its name.
            if from < u64::MAX {
                name.clone_into(&mut file.name);
            }
            id
        });
        let seen = Seen {
            stat,
            file,
            waits: part.waits,
        };
        self.names.insert(name.to_owned(), seen);
        Ok(Look::Nothing)
    }

    /// The file that this is, if it was read before.
    fn recognise(&self, input: &Input, probe: &Probe) -> io::Result<Option<Known>> {
        let alike = self.heads.iter().filter_map(|(bytes, heads)| {
            let head = probe.head_hash(*bytes).filter(|_| *bytes > 0)?;
            heads.get(&head)
        });
        let alike = alike
            .flatten()
            .filter_map(|id| Some((*id, self.files.get(id)?)));
        let mut alike: Vec<(u64, &Entry)> = alike.collect();
        alike.sort_by_key(|(_, file)| std::cmp::Reverse(file.read_to));
        let mut shorter = None;
        for (id, file) in alike {
            match input.seal(probe.compression, file.read_to)? {
                Some(seal) if seal.hash == file.seal => {
                    return Ok(Some(Known {
                        id,
                        from: file.read_to,
                        more: seal.more,
                        late_newline: seal.late_newline,
                    }));
                }
                // Begins alike and goes on differently: another file.
                Some(_) => {}
                // A copy that is not complete, or was made before more was written.
                None => shorter = shorter.or(Some(id)),
            }
        }
        let shorter = shorter.or_else(|| self.copied_from(probe));
        Ok(shorter.map(|id| Known {
            id,
            from: u64::MAX,
            more: false,
            late_newline: false,
        }))
    }

    /// The file that begins with all lines of this one, which is too short to be known by its head.
    fn copied_from(&self, probe: &Probe) -> Option<u64> {
        if probe.head.len() >= Probe::HEAD {
            return None;
        }
        let lines = probe.first_lines().last()?;
        let holds = |file: &&Entry| {
            file.first_lines.contains(&lines) && file.read_to >= probe.head.len() as u64
        };
        let mut files = self.files.iter();
        files.find(|(_, file)| holds(file)).map(|(id, _)| *id)
    }

    fn next_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Takes note of what was read. An error, the number of its part, if a file is not what it was when it was planned:
    /// nothing of the round can be trusted then.
    pub(super) fn done(
        &mut self,
        parts: &[Part],
        harvest: &Harvest,
        clock: Clock,
    ) -> Result<(), Overtaken> {
        for (at, part) in parts.iter().enumerate() {
            // What could not be opened at all is a trouble of this run, and is tried again.
            let Some((end, seal)) = harvest.end(part.id) else {
                continue;
            };
            let entry = part.read(end, seal, clock);
            let entry = entry.map_err(|error| Overtaken {
                at,
                error: Some(error),
            })?;
            let entry = entry.ok_or(Overtaken { at, error: None })?;
            let name = part.input.name();
            let troubles = harvest.troubles().filter(|trouble| trouble.file == name);
            let troubles = troubles.cloned().collect();
            let seen = Seen {
                stat: part.stat,
                file: Some(part.id),
                waits: part.waits,
            };
            if !part.is_cut {
                self.names.insert(name.to_owned(), seen);
            }
            self.keep(part.id, Entry { troubles, ..entry });
        }
        Ok(())
    }

    /// What the files are called by now.
    pub(super) fn file_names(&self) -> impl Iterator<Item = (u64, &str)> {
        self.files
            .iter()
            .map(|(id, file)| (*id, file.name.as_str()))
    }

    /// What could not be read of the files that are still there. That the last document of a file has no end is one
    /// only if nobody goes on writing it.
    pub(super) fn troubles(&self, clock: Clock) -> impl Iterator<Item = &Trouble> {
        let files = self.files.values();
        let here = files.filter(move |file| file.last_seen == clock.now);
        here.flat_map(move |file| {
            let seen = self.names.get(&file.name);
            let grows = seen.is_some_and(|seen| seen.stat.age(clock.system) < SETTLED);
            let troubles = file.troubles.iter();
            troubles.filter(move |trouble| !(grows && trouble.is_open_end()))
        })
    }

    /// Forgets names that were not met in this run, and files that nobody has seen since `horizon`: these.
    pub(super) fn forget(&mut self, met: &BTreeSet<&str>, horizon: Timestamp) -> BTreeSet<u64> {
        self.names.retain(|name, _| met.contains(name.as_str()));
        let old = self
            .files
            .iter()
            .filter(|(_, file)| file.last_seen < horizon);
        let old: BTreeSet<u64> = old.map(|(id, _)| *id).collect();
        self.files.retain(|id, _| !old.contains(id));
        self.scrapes.retain(|_, seen| *seen >= horizon);
        old
    }

    /// Whether a scrape with this content was not read before; takes note of it.
    pub(super) fn is_new_scrape(&mut self, hash: u128, now: Timestamp) -> bool {
        self.scrapes.insert(hash, now).is_none()
    }
}

/// A file that was read before.
struct Known {
    id: u64,
    from: u64,
    /// Whether there is text behind what was read.
    more: bool,
    /// Whether that begins with the newline of a line that was read without it.
    late_newline: bool,
}

/// A file was truncated or replaced while it was read.
#[derive(Debug)]
pub(super) struct Overtaken {
    /// The number of its part.
    pub(super) at: usize,
    /// Why it could not be looked at, if that is how it was noticed.
    pub(super) error: Option<io::Error>,
}
