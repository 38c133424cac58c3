//! The memory that a chunk stands in: one buffer a thread, used again for every chunk.

use std::ops::Range;

use memchr::memchr_iter;

use super::Record;

/// Memory for one chunk. Grows to what the longest line needs and is never given back.
#[derive(Debug, Default)]
pub struct Buffer {
    memory: Vec<u8>,
    /// Where the content starts in `memory`.
    base: usize,
    /// The records of the chunk, where they are not its lines.
    pub(super) records: Vec<Record>,
}

/// What `next` found, in positions, so that a search can go on in the same buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Lines that stand in this range of the buffer.
    Lines { offset: u64, range: Range<usize> },
    /// The buffer's records, in this range; so many newlines and bytes, which may be more than there
    /// are in the buffer.
    Records {
        offset: u64,
        range: Range<usize>,
        lines: u32,
        bytes: u64,
    },
    /// One line or record that was skipped, with its newlines.
    TooLong { offset: u64, bytes: u64, lines: u64 },
}

impl Piece {
    /// What of it stands behind `from`, which is where a record starts.
    pub(super) fn behind(self, from: u64, buffer: &mut Buffer) -> Option<Self> {
        let (Self::Lines { offset, .. }
        | Self::Records { offset, .. }
        | Self::TooLong { offset, .. }) = self;
        if offset >= from {
            return Some(self);
        }
        let Self::Records {
            range,
            lines,
            bytes,
            ..
        } = self
        else {
            return None;
        };
        let cut = usize::try_from(from - offset).unwrap_or(usize::MAX);
        if bytes <= from - offset || cut >= range.len() {
            return None;
        }
        let (before, range) = (range.start..range.start + cut, range.start + cut..range.end);
        let newlines = memchr_iter(b'\n', buffer.get(before)).count();
        let newlines = u32::try_from(newlines).unwrap_or(u32::MAX);
        buffer.records.retain_mut(|record| {
            let behind = record.start >= cut;
            if behind {
                record.start -= cut;
                record.end -= cut;
                record.line = record.line.saturating_sub(newlines);
            }
            behind
        });
        Some(Self::Records {
            offset: from,
            range,
            lines: lines.saturating_sub(newlines),
            bytes: bytes - cut as u64,
        })
    }
}

const PAGE: usize = 4096;

/// The kernel copies into a page boundary + 64 up to four times as fast as into the page offset 16,
/// where large allocations land; how much depends on the processor (benches/read.rs, `alignment`).
const SHIFT: usize = 64;

impl Buffer {
    /// An empty buffer. It takes memory when it is first read into.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for `bytes` in all. Keeps what is there.
    pub(super) fn reserve(&mut self, bytes: usize) {
        let room = self.memory.len() - self.base;
        if bytes <= room {
            return;
        }
        let room = bytes.max(room * 2);
        let mut memory = vec![0; room + PAGE + SHIFT];
        let base = (PAGE - memory.as_ptr().addr() % PAGE) % PAGE + SHIFT;
        let old = self.all();
        memory[base..base + old.len()].copy_from_slice(old);
        (self.memory, self.base) = (memory, base);
    }

    /// Everything that there is room for.
    pub(super) fn all(&self) -> &[u8] {
        &self.memory[self.base..]
    }

    pub(super) fn all_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.base..]
    }

    pub(super) fn get(&self, range: Range<usize>) -> &[u8] {
        &self.all()[range]
    }
}
