//! A part of a file that is to be read, and what the file is known by once it was.

use std::{collections::BTreeSet, io, time::Duration};

use xxhash_rust::xxh3::xxh3_128;

use crate::source::{Compression, Input, Probe, Span};

use super::{
    book::Clock,
    book_entry::{Entry, Stat},
};

/// A last line without its newline is taken as it is, if it is one whole JSON value, when nothing was written
/// to the file for so long.
pub(super) const SETTLED: Duration = Duration::from_secs(600);

/// A file that is to be read, from where to where.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) input: Input,
    pub(super) id: u64,
    pub(super) stat: Stat,
    compression: Compression,
    from: u64,
    /// Of a plain text with a record a line: where to end, and the seal there before it was read.
    until: Option<(u64, u128)>,
    probe: Probe,
    /// Whether something stands behind that which waits for its end.
    pub(super) waits: bool,
    /// Whether more of it is to be read in the next round.
    pub(super) is_cut: bool,
}

impl Part {
    /// What of a file is to be read: no more than `room` bytes and a line, where it can be cut.
    pub(super) fn of(
        input: &Input,
        stat: Stat,
        probe: Probe,
        (id, from): (u64, u64),
        room: u64,
        clock: Clock,
    ) -> io::Result<Self> {
        let (mut until, mut waits, mut is_cut) = (None, false, false);
        if probe.compression == Compression::Plain && probe.lines && from < u64::MAX {
            let last = input.last_line(from)?;
            let settled = last.whole && stat.age(clock.system) >= SETTLED;
            let mut end = if settled { last.end } else { last.start };
            if end.saturating_sub(from) > room {
                end = input.line_end(from + room, end)?;
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
        Ok(Self {
            input: input.clone().only(span),
            id,
            stat,
            compression: probe.compression,
            from,
            until,
            probe,
            waits,
            is_cut,
        })
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.until.is_some_and(|(until, _)| until <= self.from)
    }

    /// How many stored bytes are to be read. What is compressed, or no lines, is read from its beginning.
    pub(super) fn bytes(&self) -> u64 {
        self.until.map_or(self.stat.bytes, |(until, _)| {
            until.saturating_sub(self.from)
        })
    }

    /// What the file is known by from now on; `None` if it is not what it was.
    pub(super) fn read(
        &self,
        end: u64,
        seal: Option<u128>,
        clock: Clock,
    ) -> io::Result<Option<Entry>> {
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
            // Another kind of file by now, or none that can be opened: another one, then.
            let Ok(now) = self.input.probe() else {
                return Ok(None);
            };
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
            head: xxh3_128(&probe.head[..head_bytes]),
            read_to: end,
            seal,
            name: self.input.name().to_owned(),
            last_seen: clock.now,
            troubles: Vec::new(),
        }))
    }
}

/// The files of a round: each is read once in it.
#[derive(Debug, Default)]
pub(super) struct Taken {
    ids: BTreeSet<u64>,
    /// Hashes of their first lines.
    heads: BTreeSet<u128>,
}

impl Taken {
    /// Whether nothing in this round is the same file, or begins like it.
    pub(super) fn take(&mut self, id: Option<u64>, probe: &Probe) -> bool {
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
