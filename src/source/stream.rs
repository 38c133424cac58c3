//! What can only be read from front to back: gzip, zstd, standard input, FIFOs, devices.
//!
//! One thread at a time decodes the next chunk, straight into its own buffer, while the others parse
//! theirs. Decoding is the limit, so that costs nothing.

use std::{
    io::Read,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use memchr::{memchr, memrchr};

use super::{
    Limits, Trouble,
    buffer::{Buffer, Piece},
    decode::{Decoder, Loss},
    lock,
    sniff::{ENOUGH, Format, sniff},
};

/// A buffer grows by this much at most while it looks for the end of a long line.
const STEP: usize = 1 << 20;

/// A source that is read from front to back.
#[derive(Debug)]
pub(super) struct Stream {
    block: usize,
    max_line: usize,
    state: Mutex<State>,
    /// Beside the lock, so that progress can be shown while a thread decodes.
    stored_bytes: AtomicU64,
}

struct State {
    decoder: Decoder,
    /// Decompressed bytes that were looked at to tell the format.
    peeked: Vec<u8>,
    /// The start of a line whose end was not in the last chunk.
    carry: Vec<u8>,
    /// Offset of the next chunk, in the decompressed stream.
    offset: u64,
    stage: Stage,
    foreign: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unread,
    Reading,
    Ended,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("offset", &self.offset)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl Stream {
    /// Reads `reader`; `head` are the first bytes, already read from it.
    pub(super) fn new(head: Vec<u8>, reader: Box<dyn Read + Send>, limits: &Limits) -> Self {
        let (block, max_line) = limits.checked();
        Self {
            block,
            max_line,
            stored_bytes: AtomicU64::new(head.len() as u64),
            state: Mutex::new(State {
                decoder: Decoder::new(head, reader),
                peeked: Vec::new(),
                carry: Vec::new(),
                offset: 0,
                stage: Stage::Unread,
                foreign: None,
            }),
        }
    }

    pub(super) fn next(&self, buffer: &mut Buffer) -> Option<Piece> {
        let mut state = lock(&self.state);
        if state.stage == Stage::Unread {
            state.begin();
        }
        let piece = state.next(buffer, self.block, self.max_line);
        self.stored_bytes
            .store(state.decoder.stored_bytes(), Ordering::Relaxed);
        piece
    }

    pub(super) fn stored_bytes_read(&self) -> u64 {
        self.stored_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn troubles(&self, name: &str) -> Vec<Trouble> {
        let state = lock(&self.state);
        if let Some(why) = state.foreign {
            return vec![Trouble::unreadable(name, why)];
        }
        let problems = state.decoder.problems();
        problems
            .iter()
            .map(|problem| match problem.loss {
                Loss::All => Trouble::unreadable(name, &problem.why),
                Loss::Rest => Trouble::cut(name, &problem.why),
                Loss::Nothing => Trouble::note(name, &problem.why),
            })
            .collect()
    }
}

impl State {
    /// Looks at the first decompressed bytes: a byte-order mark, or something that is no text.
    fn begin(&mut self) {
        self.stage = Stage::Reading;
        let mut head = [0; ENOUGH];
        let mut filled = 0;
        while filled < ENOUGH {
            match self.decoder.read(&mut head[filled..]) {
                0 => break,
                n => filled += n,
            }
        }
        let head = &head[..filled];
        match sniff(head) {
            Format::Text { mark } => {
                self.peeked = head[mark..].to_vec();
                self.offset = mark as u64;
            }
            Format::Packed(_) => self.refuse(
                "it is compressed twice, and only one layer is undone here: decompress it once and \
                 read that",
            ),
            Format::Foreign(why) => self.refuse(why),
        }
    }

    fn refuse(&mut self, why: &'static str) {
        self.foreign = Some(why);
        self.stage = Stage::Ended;
    }

    fn next(&mut self, buffer: &mut Buffer, block: usize, max_line: usize) -> Option<Piece> {
        let mut filled = self.carry.len();
        buffer.reserve(block.max(filled));
        buffer.all_mut()[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        let mut searched = 0;
        loop {
            let goal = if filled < block {
                block
            } else {
                (filled + filled.min(STEP)).min(max_line + 1)
            };
            filled = self.fill(buffer, filled, goal);
            // No line here is too long: the buffer holds one byte more than the limit at most, and
            // a newline is among them.
            if let Some(at) = memrchr(b'\n', buffer.get(searched..filled)) {
                let end = searched + at + 1;
                self.carry.extend_from_slice(buffer.get(end..filled));
                return Some(self.lines(end));
            }
            if filled > max_line {
                let bytes = filled as u64 + self.skip(buffer, block);
                let offset = self.offset;
                self.offset += bytes;
                return Some(Piece::TooLong { offset, bytes });
            }
            if self.stage == Stage::Ended {
                return (filled > 0).then(|| self.lines(filled));
            }
            searched = filled;
        }
    }

    fn lines(&mut self, end: usize) -> Piece {
        let offset = self.offset;
        self.offset += end as u64;
        Piece::Lines {
            offset,
            range: 0..end,
        }
    }

    /// Fills the buffer from `filled` up to `goal`, or to the end of the stream.
    fn fill(&mut self, buffer: &mut Buffer, mut filled: usize, goal: usize) -> usize {
        buffer.reserve(goal);
        while filled < goal && self.stage == Stage::Reading {
            match self.read(&mut buffer.all_mut()[filled..goal]) {
                0 => self.stage = Stage::Ended,
                n => filled += n,
            }
        }
        filled
    }

    fn read(&mut self, out: &mut [u8]) -> usize {
        if self.peeked.is_empty() {
            return self.decoder.read(out);
        }
        let n = out.len().min(self.peeked.len());
        out[..n].copy_from_slice(&self.peeked[..n]);
        self.peeked.drain(..n);
        n
    }

    /// Reads to the end of the line and keeps nothing of it. Returns how many bytes that were.
    fn skip(&mut self, buffer: &mut Buffer, block: usize) -> u64 {
        let mut skipped = 0;
        while self.stage == Stage::Reading {
            let filled = self.fill(buffer, 0, block);
            if let Some(at) = memchr(b'\n', buffer.get(0..filled)) {
                self.carry.extend_from_slice(buffer.get(at + 1..filled));
                return skipped + at as u64 + 1;
            }
            skipped += filled as u64;
        }
        skipped
    }
}
