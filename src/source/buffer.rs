//! The memory that a chunk stands in: one buffer a thread, used again for every chunk.

use std::ops::Range;

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
