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
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    finding::Timestamp,
    pipeline::Harvest,
    source::{Compression, Input, Probe, Span, Trouble},
};

use super::book_entry::{Entry, Part, Seen, Stat};

/// A last line without its newline is taken as it is, if it is one whole JSON value, when nothing was written
/// to the file for so long.
const SETTLED: Duration = Duration::from_secs(600);

/// So many stored bytes are read in one go: what bounds the memory of a first run, whose days are packed in between.
/// A plain file is cut for it, a compressed one is not.
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
    pub(super) fn plan(&mut self, inputs: Vec<Input>, clock: Clock) -> Round {
        let mut round = Round::default();
        let (mut taken, mut bytes) = (Taken::default(), 0);
        // The longest of those that begin alike holds what the others do.
        let mut inputs = inputs;
        inputs.sort_by_key(|input| std::cmp::Reverse(input.stored_bytes()));
        for input in inputs {
            if bytes >= BATCH {
                round.later.push(input);
                continue;
            }
            match self.look(&input, &mut taken, clock) {
                Ok(Look::Nothing) => {}
                Ok(Look::Later) => round.later.push(input),
                Ok(Look::Part(part)) => {
                    bytes += part.stat.bytes;
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

    fn look(&mut self, input: &Input, taken: &mut Taken, clock: Clock) -> Result<Look, Trouble> {
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
        let part = part(input, stat, probe, (id, from), clock).map_err(failed)?;
        let nothing_new = !more || part.until.is_some_and(|(until, _)| until <= from);
        if !nothing_new {
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

    /// Takes note of what was read. An error if a file is not what it was when it was planned: it was
    /// truncated or replaced meanwhile, and nothing of the round can be trusted.
    pub(super) fn done(
        &mut self,
        parts: &[Part],
        harvest: &Harvest,
        clock: Clock,
    ) -> Result<(), Overtaken> {
        for part in parts {
            // What could not be opened at all is a trouble of this run, and is tried again.
            let Some((end, seal)) = harvest.end(part.id) else {
                continue;
            };
            let entry = part.read(end, seal, clock).map_err(|_| Overtaken)?;
            let entry = entry.ok_or(Overtaken)?;
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

    /// What could not be read of the files that are still there.
    pub(super) fn troubles(&self, now: Timestamp) -> impl Iterator<Item = &Trouble> {
        let here = self
            .files
            .values()
            .filter(move |file| file.last_seen == now);
        here.flat_map(|file| &file.troubles)
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

    /// How many files are followed.
    pub(super) fn len(&self) -> usize {
        self.files.len()
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overtaken;

/// The files of a round: each is read once in it.
#[derive(Debug, Default)]
struct Taken {
    ids: BTreeSet<u64>,
    /// Hashes of their first lines.
    heads: BTreeSet<u128>,
}

impl Taken {
    /// Whether nothing in this round is the same file, or begins like it.
    fn take(&mut self, id: Option<u64>, probe: &Probe) -> bool {
        let line = probe.head.split_inclusive(|&byte| byte == b'\n').next();
        let head = xxh3_128(line.unwrap_or_default());
        if id.is_some_and(|id| self.ids.contains(&id)) || self.heads.contains(&head) {
            return false;
        }
        self.ids.extend(id);
        self.heads.insert(head);
        true
    }
}

/// What of a file is to be read.
fn part(
    input: &Input,
    stat: Stat,
    probe: Probe,
    (id, from): (u64, u64),
    clock: Clock,
) -> io::Result<Part> {
    let (mut until, mut waits, mut is_cut) = (None, false, false);
    if probe.compression == Compression::Plain && probe.lines && from < u64::MAX {
        let last = input.last_line(from)?;
        let settled = last.whole && stat.age(clock.system) >= SETTLED;
        let mut end = if settled { last.end } else { last.start };
        if end.saturating_sub(from) > BATCH {
            end = input.line_end(from + BATCH, end)?;
            is_cut = true;
        }
        waits = end < last.end;
        let seal = input.seal(Compression::Plain, end)?;
        until = Some((end, seal.map_or(0, |seal| seal.hash)));
    }
    let span = Span {
        key: id,
        from,
        until: until.map_or(u64::MAX, |(end, _)| end),
    };
    Ok(Part {
        input: input.clone().only(span),
        id,
        stat,
        compression: probe.compression,
        until,
        probe,
        waits,
        is_cut,
    })
}

impl Part {
    /// What the file is known by from now on; `None` if it is not what it was.
    fn read(&self, end: u64, seal: Option<u128>, clock: Clock) -> io::Result<Option<Entry>> {
        let seal = match (self.until, seal) {
            // Read by several threads: it must still be what it was before.
            (Some((until, before)), _) => {
                let now = self.input.seal(self.compression, until)?;
                let same = end == until && now.is_some_and(|now| now.hash == before);
                same.then_some(before)
            }
            (None, Some(seal)) => Some(seal),
            (None, None) => (self.input.seal(self.compression, end)?).map(|seal| seal.hash),
        };
        let Some(seal) = seal else { return Ok(None) };
        let mut probe = self.probe.clone();
        if self.compression == Compression::Plain {
            let now = self.input.probe().map_err(|_| io::ErrorKind::InvalidData)?;
            if !now.head.starts_with(&probe.head) {
                return Ok(None);
            }
            probe = now;
        }
        let head_bytes = usize::try_from(end).map_or(Probe::HEAD, |end| end.min(Probe::HEAD));
        let head_bytes = head_bytes.min(probe.head.len());
        let first_lines = probe.first_lines();
        let first_lines = first_lines.filter(|(bytes, _)| *bytes <= head_bytes);
        Ok(Some(Entry {
            head_bytes,
            first_lines: first_lines.collect(),
            head: probe.head_hash(head_bytes).unwrap_or_default(),
            read_to: end,
            seal,
            name: self.input.name().to_owned(),
            last_seen: clock.now,
            troubles: Vec::new(),
        }))
    }
}
