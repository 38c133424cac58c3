//! Chunks of records whose ends only a [`Splitter`] knows: documents, lines in parts.
//!
//! The splitter goes through the decompressed stream from front to back, one thread at a time; what the
//! records hold is parsed by all threads. Chunks end where the content says, whatever the size of the
//! pieces that it is read in, so that an event has the same origin however it is read.

use memchr::memchr_iter;

use super::{
    buffer::{Buffer, Piece},
    split::{Mark, Splitter},
    stream::Text,
};

/// A chunk ends with the first record that ends behind so many bytes.
pub(super) const CHUNK: usize = 256 << 10;

/// The buffer grows by so much at most while it looks for the end of a long record.
const STEP: usize = 1 << 20;

/// One record of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Where it starts in the chunk.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// The line that it starts on, counted from 0, within the chunk.
    pub line: u32,
    /// The key of the list whose item it is (`items`, `records`, ...), `[]` for an array without a key;
    /// empty for a record by itself.
    pub list: &'static str,
}

/// Cuts a stream into records.
#[derive(Debug)]
pub(super) struct Records {
    splitter: Splitter,
    chunk: usize,
    /// What was skipped so far of a record that is too long.
    skipped: Option<Skipped>,
    /// Whether what was handed out ends within a line.
    within_line: bool,
    /// Whether the stream ended within a container.
    pub(super) cut: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Skipped {
    bytes: u64,
    lines: u64,
    last: Option<u8>,
    /// Whether it ended, or was no record after all.
    ended: Option<bool>,
}

impl Skipped {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.lines += memchr_iter(b'\n', bytes).count() as u64;
        self.last = bytes.last().copied().or(self.last);
    }
}

/// A chunk while it is filled.
#[derive(Debug, Default)]
struct Filling {
    /// How far the splitter has come.
    at: usize,
    /// How far newlines were counted, and how many there were.
    counted: usize,
    lines: u32,
    /// Where the open record starts, and on which line.
    start: Option<(usize, u32)>,
}

impl Filling {
    fn count(&mut self, buffer: &Buffer, to: usize) -> u32 {
        let newlines = memchr_iter(b'\n', buffer.get(self.counted..to)).count();
        self.counted = to;
        self.lines = self
            .lines
            .saturating_add(u32::try_from(newlines).unwrap_or(u32::MAX));
        self.lines
    }
}

impl Records {
    pub(super) fn new(splitter: Splitter, chunk: usize) -> Self {
        Self {
            splitter,
            chunk,
            skipped: None,
            within_line: false,
            cut: false,
        }
    }

    /// The next chunk. `text.carry` holds what was read and not yet looked at.
    ///
    /// Chunks count newlines. If the last line has none, an empty chunk at the end counts it.
    pub(super) fn next(
        &mut self,
        text: &mut Text,
        buffer: &mut Buffer,
        max: usize,
    ) -> Option<Piece> {
        buffer.records.clear();
        if let Some(skipped) = self.skipped.take() {
            return Some(self.skip(skipped, text, buffer));
        }
        if let Some(piece) = self.fill(text, buffer, max) {
            if let Piece::Records { range, .. } = &piece
                && let Some(last) = buffer.get(range.clone()).last()
            {
                self.within_line = *last != b'\n';
            }
            return Some(piece);
        }
        let unended = std::mem::take(&mut self.within_line) && !text.tail_waits();
        unended.then_some(Piece::Records {
            offset: text.offset,
            range: 0..0,
            lines: 1,
            bytes: 0,
        })
    }

    fn fill(&mut self, text: &mut Text, buffer: &mut Buffer, max: usize) -> Option<Piece> {
        let mut filled = text.take_carry(buffer, self.chunk);
        let mut filling = Filling::default();
        loop {
            while filling.at < filled {
                if let Some(piece) = self.advance(&mut filling, text, buffer, filled, max) {
                    return Some(piece);
                }
            }
            let goal = if filled < self.chunk {
                self.chunk
            } else {
                filled + filled.min(STEP)
            };
            let more = text.fill(buffer, filled, goal);
            if more == filled {
                return self.end(filling, text, buffer, filled);
            }
            filled = more;
        }
    }

    /// One step; the chunk, if it is complete.
    fn advance(
        &mut self,
        filling: &mut Filling,
        text: &mut Text,
        buffer: &mut Buffer,
        filled: usize,
        max: usize,
    ) -> Option<Piece> {
        // Looks no further than to where the chunk, or a record that is too long, must be told.
        let limit = match filling.start {
            Some((from, _)) => from + max + 1,
            None => self.chunk,
        };
        let end = filled.min(limit.max(filling.at + 1));
        let (taken, mark) = self.splitter.step(buffer.get(filling.at..end));
        filling.at += taken;
        let at = filling.at;
        match mark {
            Mark::Nothing => {}
            Mark::Start => {
                let line = filling.count(buffer, at);
                filling.start = Some((at, line));
            }
            Mark::Void => filling.start = None,
            Mark::End(list) => {
                if let Some((start, line)) = filling.start
                    && at - start <= max
                {
                    let end = at;
                    buffer.records.push(Record {
                        start,
                        end,
                        line,
                        list,
                    });
                    filling.start = None;
                }
            }
        }
        match filling.start {
            Some((from, _)) if at - from > max => {
                let ended = matches!(mark, Mark::End(_)).then_some(true);
                let mut skipped = Skipped {
                    ended,
                    ..Skipped::default()
                };
                skipped.add(buffer.get(from..at));
                text.carry.extend_from_slice(buffer.get(at..filled));
                if from == 0 {
                    return Some(self.skip(skipped, text, buffer));
                }
                self.skipped = Some(skipped);
                Some(lines(from, filling, text, buffer))
            }
            None if at >= self.chunk => {
                text.carry.extend_from_slice(buffer.get(at..filled));
                Some(lines(at, filling, text, buffer))
            }
            _ => None,
        }
    }

    /// The last chunk.
    fn end(
        &mut self,
        mut filling: Filling,
        text: &mut Text,
        buffer: &mut Buffer,
        filled: usize,
    ) -> Option<Piece> {
        self.cut |= !self.splitter.may_end();
        if filled == 0 {
            return None;
        }
        if let Some((start, _)) = filling.start
            && text.tail_waits()
        {
            return (start > 0).then(|| lines(start, &mut filling, text, buffer));
        }
        if let Some((start, line)) = filling.start.take() {
            let end = filled;
            // A splitter says where a record starts before it looks at its first byte.
            if start < end {
                buffer.records.push(Record {
                    start,
                    end,
                    line,
                    list: "",
                });
            }
        }
        Some(lines(filled, &mut filling, text, buffer))
    }

    /// Reads to the end of a record that is too long, and keeps nothing of it.
    fn skip(&mut self, mut skipped: Skipped, text: &mut Text, buffer: &mut Buffer) -> Piece {
        while skipped.ended.is_none() {
            let carried = text.take_carry(buffer, self.chunk);
            let filled = text.fill(buffer, carried, self.chunk.max(carried));
            if filled == 0 {
                break;
            }
            let mut at = 0;
            while at < filled && skipped.ended.is_none() {
                let (taken, mark) = self.splitter.step(buffer.get(at..filled));
                at += taken;
                skipped.ended = match mark {
                    Mark::End(_) => Some(true),
                    Mark::Void => Some(false),
                    Mark::Nothing | Mark::Start => None,
                };
            }
            skipped.add(buffer.get(0..at));
            text.carry.extend_from_slice(buffer.get(at..filled));
        }
        let Skipped {
            bytes,
            lines,
            last,
            ended,
        } = skipped;
        self.within_line = last != Some(b'\n');
        let offset = text.offset;
        text.skips(bytes);
        if ended == Some(false) {
            let lines = u32::try_from(lines).unwrap_or(u32::MAX);
            return Piece::Records {
                offset,
                range: 0..0,
                lines,
                bytes,
            };
        }
        Piece::TooLong {
            offset,
            bytes,
            lines,
        }
    }
}

/// The chunk up to `end`.
fn lines(end: usize, filling: &mut Filling, text: &mut Text, buffer: &Buffer) -> Piece {
    let lines = if filling.counted <= end {
        filling.count(buffer, end)
    } else {
        filling.lines
    };
    let offset = text.offset;
    text.offset += end as u64;
    text.passes(buffer.get(0..end));
    Piece::Records {
        offset,
        range: 0..end,
        lines,
        bytes: end as u64,
    }
}
