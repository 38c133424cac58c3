//! What can only be read from front to back: gzip, zstd, standard input, FIFOs, devices.
//!
//! One thread at a time decodes the next chunk, straight into its own buffer, while the others parse
//! theirs. Decoding is the limit, so that costs nothing. Who has nothing to parse decompresses what stands ahead, where
//! the archive allows (`ahead.rs`).

use std::{
    fs::File,
    io::Read,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
};

use memchr::{memchr, memrchr};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    Compression, Limits, Trouble,
    ahead::Ahead,
    buffer::{Buffer, Piece},
    decode::{Decoder, Loss},
    documents::Documents,
    framing::{self, Framing, framing},
    lock,
    position::Positioned,
    probe::Seal,
    records::{CHUNK, Records},
    sniff::{ENOUGH, Format, sniff},
    split::Splitter,
    stored::Reader,
};

/// A buffer grows by this much at most while it looks for the end of a long line.
const STEP: usize = 1 << 20;

/// A source that is read from front to back.
#[derive(Debug)]
pub(super) struct Stream {
    block: usize,
    max_line: usize,
    /// Whether records may be something else than lines.
    any_framing: bool,
    /// Where to begin: what stands before was read by an earlier run.
    from: u64,
    state: Mutex<State>,
    /// What threads do that would otherwise wait for their turn.
    ahead: Option<Arc<Ahead>>,
    /// Beside the lock, so that progress can be shown while a thread decodes.
    stored_bytes: AtomicU64,
}

struct State {
    text: Text,
    /// How records are told apart, if not by lines. Unknown before the first bytes are read.
    records: Option<Records>,
    foreign: Option<&'static str>,
}

/// The decompressed stream.
pub(super) struct Text {
    decoder: Decoder,
    /// Decompressed bytes that were looked at to tell the format, and how many of them were read.
    peeked: Vec<u8>,
    used: usize,
    /// What the last chunk left over: the start of a line, or what was not looked at.
    pub(super) carry: Vec<u8>,
    /// Offset of the next chunk, in the decompressed stream.
    pub(super) offset: u64,
    stage: Stage,
    tail: Tail,
    /// The last bytes before `offset`, if they were kept.
    before: Option<Vec<u8>>,
}

/// What becomes of a last record that has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// It is read as it is.
    Final,
    /// It is left for a later run.
    Waits,
    /// It is left for a later run if the compressed stream has no end either.
    WaitsIfCut,
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
            .field("offset", &self.text.offset)
            .field("stage", &self.text.stage)
            .finish_non_exhaustive()
    }
}

impl Stream {
    /// Reads `reader`; `head` are the first bytes, already read from it.
    /// With `any_framing`, records are found in documents and in lines in parts as well.
    pub(super) fn new(
        head: Vec<u8>,
        reader: Box<dyn Read + Send>,
        limits: &Limits,
        any_framing: bool,
    ) -> Self {
        let decoder = Decoder::new(head, reader);
        Self::of(decoder, None, limits, any_framing)
    }

    /// The same of a compressed file of so many bytes, of which threads may decompress several members at once.
    pub(super) fn of_file(
        head: Vec<u8>,
        (file, size, compression): (File, u64, Compression),
        limits: &Limits,
        any_framing: bool,
    ) -> Self {
        let file = Arc::new(Positioned::new(file));
        let ahead = Arc::new(Ahead::new(Arc::clone(&file), size, compression));
        let read = head.len() as u64;
        let decoder = Decoder::of(head, Reader::File(file, read), Some(Arc::clone(&ahead)));
        Self::of(decoder, Some(ahead), limits, any_framing)
    }

    fn of(decoder: Decoder, ahead: Option<Arc<Ahead>>, limits: &Limits, any_framing: bool) -> Self {
        let (block, max_line) = limits.checked();
        Self {
            block,
            max_line,
            any_framing,
            from: 0,
            ahead,
            stored_bytes: AtomicU64::new(decoder.stored_bytes()),
            state: Mutex::new(State {
                text: Text {
                    decoder,
                    peeked: Vec::new(),
                    used: 0,
                    carry: Vec::new(),
                    offset: 0,
                    stage: Stage::Unread,
                    tail: Tail::Final,
                    before: None,
                },
                records: None,
                foreign: None,
            }),
        }
    }

    /// The same from an offset on, where an earlier run has stopped, without what may still be written to:
    /// the last record if it has no end, of a file that grows or was cut short.
    pub(super) fn from(mut self, from: u64, grows: bool) -> Self {
        self.from = from;
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.text.tail = if grows { Tail::Waits } else { Tail::WaitsIfCut };
        state.text.before = Some(Vec::new());
        self
    }

    pub(super) fn next(&self, buffer: &mut Buffer) -> Option<Piece> {
        let mut state = self.turn();
        if state.text.stage == Stage::Unread {
            state.begin(self.any_framing);
        }
        let State { text, records, .. } = &mut *state;
        let piece = loop {
            let piece = if let Some(records) = records {
                records.next(text, buffer, self.max_line)
            } else {
                text.skip_to(self.from, buffer, self.block);
                text.next(buffer, self.block, self.max_line)
            };
            let Some(piece) = piece else { break None };
            // A splitter must have seen all of what stands before.
            if let Some(piece) = piece.behind(self.from, buffer) {
                break Some(piece);
            }
        };
        self.stored_bytes
            .store(text.decoder.stored_bytes(), Ordering::Relaxed);
        piece
    }

    /// Waits for its turn to decode, and makes itself useful meanwhile.
    fn turn(&self) -> MutexGuard<'_, State> {
        loop {
            match self.state.try_lock() {
                Ok(state) => return state,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    if !self.ahead.as_ref().is_some_and(|ahead| ahead.help()) {
                        return lock(&self.state);
                    }
                }
            }
        }
    }

    /// How far it was read, in the decompressed stream.
    pub(super) fn end(&self) -> u64 {
        lock(&self.state).text.offset.max(self.from)
    }

    /// A hash of what stands before that, if it is known: [`super::Seal::hash`].
    pub(super) fn seal(&self) -> Option<u128> {
        lock(&self.state).text.before.as_deref().map(xxh3_128)
    }

    pub(super) fn stored_bytes_read(&self) -> u64 {
        self.stored_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn troubles(&self, name: &str) -> Vec<Trouble> {
        let state = lock(&self.state);
        if let Some(why) = state.foreign {
            return vec![Trouble::unreadable(name, why)];
        }
        let problems = state.text.decoder.problems();
        let troubles = problems.iter().map(|problem| match problem.loss {
            Loss::All => Trouble::unreadable(name, &problem.why),
            Loss::Rest => Trouble::cut(name, &problem.why),
            Loss::Nothing => Trouble::note(name, &problem.why),
        });
        let cut = state.records.as_ref().is_some_and(|records| records.cut);
        let cut = cut && problems.iter().all(|problem| problem.loss == Loss::Nothing);
        let cut = cut.then(|| Trouble::open_end(name));
        troubles.chain(cut).collect()
    }
}

impl State {
    /// Looks at the first decompressed bytes: a byte-order mark, or something that is no text; and how
    /// its records are told apart.
    fn begin(&mut self, any_framing: bool) {
        let text = &mut self.text;
        text.stage = Stage::Reading;
        let enough = if any_framing {
            ENOUGH.max(framing::ENOUGH)
        } else {
            ENOUGH
        };
        let mut head = vec![0; enough];
        let mut filled = 0;
        while filled < enough {
            match text.decoder.read(&mut head[filled..]) {
                0 => break,
                n => filled += n,
            }
        }
        head.truncate(filled);
        match sniff(&head) {
            Format::Text { mark } => {
                text.used = mark;
                text.offset = mark as u64;
                text.passes(&head[..mark]);
                let framing = if any_framing {
                    framing(&head[mark..])
                } else {
                    Framing::Lines
                };
                text.peeked = head;
                let splitter = match framing {
                    Framing::Lines => return,
                    Framing::Documents => Splitter::Documents(Documents::default()),
                    Framing::Parts(parts) => Splitter::Parts(parts),
                };
                self.records = Some(Records::new(splitter, CHUNK));
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
        self.text.stage = Stage::Ended;
    }
}

impl Text {
    fn next(&mut self, buffer: &mut Buffer, block: usize, max_line: usize) -> Option<Piece> {
        let mut filled = self.take_carry(buffer, block);
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
                return Some(self.lines(buffer, end));
            }
            if filled > max_line {
                let bytes = filled as u64 + self.skip(buffer, block);
                let offset = self.offset;
                self.skips(bytes);
                return Some(Piece::TooLong {
                    offset,
                    bytes,
                    lines: 1,
                });
            }
            if self.stage == Stage::Ended {
                return (filled > 0 && !self.tail_waits()).then(|| self.lines(buffer, filled));
            }
            searched = filled;
        }
    }

    /// Whether a last record without an end is left for a later run; asked at the end.
    pub(super) fn tail_waits(&self) -> bool {
        let lost = |loss| loss != Loss::Nothing;
        match self.tail {
            Tail::Final => false,
            Tail::Waits => true,
            Tail::WaitsIfCut => (self.decoder.problems().iter()).any(|problem| lost(problem.loss)),
        }
    }

    /// Leaves out what stands before `from`.
    fn skip_to(&mut self, from: u64, buffer: &mut Buffer, block: usize) {
        while self.offset < from && self.stage == Stage::Reading {
            let carried = self.take_carry(buffer, block);
            let filled = self.fill(buffer, carried, block.max(carried));
            let skipped = usize::try_from(from - self.offset).unwrap_or(usize::MAX);
            let skipped = skipped.min(filled);
            self.offset += skipped as u64;
            self.passes(buffer.get(0..skipped));
            self.carry.extend_from_slice(buffer.get(skipped..filled));
        }
    }

    /// Keeps the last of the bytes that `offset` has gone past.
    pub(super) fn passes(&mut self, bytes: &[u8]) {
        if let Some(before) = &mut self.before {
            let last = bytes.len().saturating_sub(Seal::BYTES);
            before.extend_from_slice(&bytes[last..]);
            let old = before.len().saturating_sub(Seal::BYTES);
            before.drain(..old);
        }
    }

    /// Goes past bytes that nobody has kept.
    pub(super) fn skips(&mut self, bytes: u64) {
        self.offset += bytes;
        self.before = None;
    }

    /// Puts what the last chunk left over into the buffer; how much that is.
    pub(super) fn take_carry(&mut self, buffer: &mut Buffer, block: usize) -> usize {
        let filled = self.carry.len();
        buffer.reserve(block.max(filled));
        buffer.all_mut()[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        filled
    }

    fn lines(&mut self, buffer: &Buffer, end: usize) -> Piece {
        let offset = self.offset;
        self.offset += end as u64;
        self.passes(buffer.get(0..end));
        Piece::Lines {
            offset,
            range: 0..end,
        }
    }

    /// Fills the buffer from `filled` up to `goal`, or to the end of the stream.
    pub(super) fn fill(&mut self, buffer: &mut Buffer, mut filled: usize, goal: usize) -> usize {
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
        let peeked = &self.peeked[self.used..];
        if peeked.is_empty() {
            return self.decoder.read(out);
        }
        let n = out.len().min(peeked.len());
        out[..n].copy_from_slice(&peeked[..n]);
        self.used += n;
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
