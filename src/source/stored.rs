//! Stored bytes, read ahead: what a decoder takes as much of as it needs, to the byte.

use std::io::{self, ErrorKind, Read};

/// Read at a time.
const AHEAD: usize = 128 << 10;

/// A reader with some of its bytes in memory.
pub(super) struct Stored {
    reader: Box<dyn Read + Send>,
    memory: Vec<u8>,
    /// `memory[start..end]` has been read and not been taken.
    start: usize,
    end: usize,
    /// How many bytes were read in all, ahead or not.
    pub(super) total: u64,
}

impl Stored {
    /// `head` are the first bytes, already read from `reader`.
    pub(super) fn new(head: Vec<u8>, reader: Box<dyn Read + Send>) -> Self {
        let (end, mut memory) = (head.len(), head);
        memory.resize(AHEAD.max(end), 0);
        Self {
            reader,
            memory,
            start: 0,
            end,
            total: end as u64,
        }
    }

    /// What is in memory.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    /// Marks so many of them as used.
    pub(super) fn take(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }

    /// The stored offset of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.total - self.bytes().len() as u64
    }

    /// Reads until there are `bytes` (a handful) or no more; whether there is any.
    pub(super) fn fill(&mut self, bytes: usize) -> io::Result<bool> {
        while self.end - self.start < bytes {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            match self.reader.read(&mut self.memory[self.end..]) {
                Ok(0) => break,
                Ok(n) => {
                    self.end += n;
                    self.total += n as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(!self.bytes().is_empty())
    }

    /// Reads past the memory, once that is empty.
    pub(super) fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.bytes().is_empty() {
            let n = out.len().min(self.bytes().len());
            out[..n].copy_from_slice(&self.bytes()[..n]);
            self.take(n);
            return Ok(n);
        }
        loop {
            match self.reader.read(out) {
                Ok(n) => {
                    self.total += n as u64;
                    return Ok(n);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
