//! A regular text file, read by all threads at once.
//!
//! Blocks are handed out by a counter and read with `pread`. A block owns the lines that *start* in
//! it: it skips the line that started before it and reads on past its end to finish its last one.
//!
//! ```text
//!   block 0      block 1      block 2
//!   |--------- ..|..... -----.|............|.... ---   ..... one line
//!   `-- 0 ------------'`- 1 --------------------'`- 3
//! ```
//!
//! A line over many blocks is read twice at most: by its owner, and by the blocks that find no line
//! start in themselves. No mmap: a log that is truncated meanwhile would end the program by SIGBUS.

use std::{
    io::ErrorKind,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use memchr::{memchr, memrchr};

use super::{
    Limits, Trouble,
    buffer::{Buffer, Piece},
    lock,
    position::Positioned,
};

/// Read along with a block, so that most last lines need no second read. Metadata lines have 1-3 KB.
const ALONG: u64 = 4096;
/// What is read at once in search of a line's end, at most.
const STEP: u64 = 1 << 20;

/// A regular text file.
#[derive(Debug)]
pub(super) struct Plain {
    file: Positioned,
    /// All of a small one, which was read to tell its format; else nothing.
    known: Vec<u8>,
    /// Where the first line starts: behind a byte-order mark, or where an earlier run has stopped.
    begin: u64,
    /// Where to end: the size when it was opened, at most. What is appended later is left to the next run.
    size: u64,
    /// How many of the bytes before were read by an earlier run.
    before: u64,
    block: u64,
    max_line: u64,
    /// Where the next block starts.
    next: AtomicU64,
    /// Too long lines, found at the end of a block whose other lines had to be returned first.
    waiting: Mutex<Vec<Piece>>,
    /// The first byte that could not be read, and why.
    stopped: Mutex<Option<(u64, String)>>,
}

impl Plain {
    pub(super) fn new(file: Positioned, begin: u64, size: u64, limits: &Limits) -> Self {
        let (block, max_line) = limits.checked();
        Self {
            file,
            known: Vec::new(),
            begin,
            size,
            before: 0,
            block: block as u64,
            max_line: max_line as u64,
            next: AtomicU64::new(begin),
            waiting: Mutex::default(),
            stopped: Mutex::default(),
        }
    }

    /// The same, all of which is known already.
    pub(super) fn knowing(self, known: Vec<u8>) -> Self {
        Self { known, ..self }
    }

    /// The same, where an earlier run has read all that stands before.
    pub(super) fn after_earlier_run(self) -> Self {
        let before = self.begin;
        Self { before, ..self }
    }

    pub(super) fn next(&self, buffer: &mut Buffer) -> Option<Piece> {
        loop {
            if let Some(piece) = lock(&self.waiting).pop() {
                return Some(piece);
            }
            let start = self.next.fetch_add(self.block, Ordering::Relaxed);
            if start >= self.size {
                return None;
            }
            let found = Block::read(self, buffer, start).lines();
            if found.is_some() {
                return found;
            }
        }
    }

    pub(super) fn stored_bytes_read(&self) -> u64 {
        let at = self.next.load(Ordering::Relaxed).min(self.end());
        at.saturating_sub(self.before)
    }

    /// How far it could be read.
    pub(super) fn end(&self) -> u64 {
        lock(&self.stopped)
            .as_ref()
            .map_or(self.size, |(at, _)| *at)
    }

    pub(super) fn troubles(&self, name: &str) -> Vec<Trouble> {
        lock(&self.stopped)
            .iter()
            .map(|(_, why)| Trouble::cut(name, why))
            .collect()
    }

    /// Fills `room` from `offset` on, as far as the file and the disk allow.
    fn fill(&self, room: &mut [u8], offset: u64) -> usize {
        let known = self.known.get(index(offset)..).unwrap_or_default();
        let mut filled = known.len().min(room.len());
        room[..filled].copy_from_slice(&known[..filled]);
        while filled < room.len() {
            let at = offset + filled as u64;
            match self.file.read_at(&mut room[filled..], at) {
                Ok(0) => {
                    self.stop(at, || self.shrunk(at));
                    break;
                }
                Ok(n) => filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.stop(at, || {
                        format!("read error at byte {at}: {error}; what could be read counts")
                    });
                    break;
                }
            }
        }
        filled
    }

    /// Keeps the first byte that is missing: the one figure that all interleavings agree on.
    fn stop(&self, at: u64, why: impl FnOnce() -> String) {
        let mut stopped = lock(&self.stopped);
        if stopped.as_ref().is_none_or(|(first, _)| at < *first) {
            *stopped = Some((at, why()));
        }
    }

    fn shrunk(&self, at: u64) -> String {
        format!(
            "it shrank from {} to {at} bytes while it was read, as logrotate's copytruncate does: \
             the rest is in the rotated copy",
            self.size
        )
    }
}

/// A block while it is read.
struct Block<'a> {
    plain: &'a Plain,
    buffer: &'a mut Buffer,
    /// Offset in the file of the buffer's first byte: of the byte before the block.
    from: u64,
    /// Where the block ends, in the buffer.
    end: usize,
    /// How much of the buffer is filled.
    filled: usize,
    /// Whether a line starts at the buffer's first byte.
    at_begin: bool,
}

impl<'a> Block<'a> {
    fn read(plain: &'a Plain, buffer: &'a mut Buffer, start: u64) -> Self {
        let at_begin = start == plain.begin;
        // The byte before tells whether a line starts right here.
        let from = if at_begin { start } else { start - 1 };
        let end = (start + plain.block).min(plain.size);
        let until = (end + plain.block.min(ALONG)).min(plain.size);
        let want = index(until - from);
        buffer.reserve(want);
        let filled = plain.fill(&mut buffer.all_mut()[..want], from);
        let end = index(end - from);
        Self {
            plain,
            buffer,
            from,
            end,
            filled,
            at_begin,
        }
    }

    /// The lines that start in the block.
    fn lines(mut self) -> Option<Piece> {
        // A line starts behind a newline; the block's last byte can only end the last line.
        let search = ..self.filled.min(self.end - 1);
        let first = if self.at_begin {
            0
        } else {
            memchr(b'\n', &self.buffer.all()[search])? + 1
        };
        if first >= self.filled {
            return None;
        }
        let last = memrchr(b'\n', &self.buffer.all()[first..search.end.max(first)])
            .map_or(first, |at| first + at + 1);
        let end = self.end_of_line(last, self.end - 1);
        // Only the last line can be too long: the block is not longer than the limit.
        let bytes = match end {
            End::At(end) => return self.piece(first..end),
            End::TooLong { bytes } => bytes,
        };
        let too_long = Piece::TooLong {
            offset: self.from + last as u64,
            bytes,
            lines: 1,
        };
        let Some(lines) = self.piece(first..last) else {
            return Some(too_long);
        };
        lock(&self.plain.waiting).push(too_long);
        Some(lines)
    }

    fn piece(&self, range: Range<usize>) -> Option<Piece> {
        let offset = self.from + range.start as u64;
        (!range.is_empty()).then_some(Piece::Lines { offset, range })
    }

    /// Where the line that starts at `line` ends; it holds no newline before `searched`. Reads on
    /// as far as it takes, in steps that double, so that the cost stays linear.
    fn end_of_line(&mut self, line: usize, mut searched: usize) -> End {
        let mut step = self.plain.block.min(ALONG);
        loop {
            let unsearched = self.buffer.all().get(searched..self.filled);
            let newline = unsearched.and_then(|bytes| memchr(b'\n', bytes));
            let end = newline.map_or(self.filled, |at| searched + at);
            let length = (end - line) as u64;
            if length > self.plain.max_line {
                let read_on = newline.is_none().then(|| self.skip(line));
                let bytes = read_on.unwrap_or(length + 1);
                return End::TooLong { bytes };
            }
            if newline.is_some() {
                return End::At(end + 1);
            }
            searched = self.filled;
            step = (step * 2).min(STEP);
            let at = self.from + self.filled as u64;
            let want = step
                .min(self.plain.max_line + 1 - length)
                .min(self.plain.size.saturating_sub(at));
            let until = self.filled + index(want);
            self.buffer.reserve(until);
            let n = self
                .plain
                .fill(&mut self.buffer.all_mut()[self.filled..until], at);
            if n == 0 {
                return End::At(self.filled);
            }
            self.filled += n;
        }
    }

    /// The length of the too long line that starts at `line` and has been read up to `filled`.
    /// Keeps nothing of the rest.
    fn skip(&mut self, line: usize) -> u64 {
        let mut at = self.from + self.filled as u64;
        let room = line..self.filled;
        loop {
            let want = self.plain.size.saturating_sub(at).min(room.len() as u64);
            let room = &mut self.buffer.all_mut()[room.start..room.start + index(want)];
            let n = self.plain.fill(room, at);
            let newline = memchr(b'\n', &room[..n]);
            at += newline.map_or(n, |newline| newline + 1) as u64;
            if n == 0 || newline.is_some() {
                return at - self.from - line as u64;
            }
        }
    }
}

/// Where a line ends.
enum End {
    /// Here in the buffer, behind its newline if it has one.
    At(usize),
    /// So many bytes behind its start, which is too far.
    TooLong { bytes: u64 },
}

/// Lengths that come from a buffer fit into a `usize`.
fn index(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
