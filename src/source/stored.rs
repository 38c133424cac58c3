//! Stored bytes, read ahead: what a decoder takes as much of as it needs, to the byte.

use std::{
    io::{self, ErrorKind, Read},
    sync::Arc,
};

use super::position::Positioned;

/// Read at a time.
const AHEAD: usize = 128 << 10;

/// Where stored bytes come from.
pub(super) enum Reader {
    /// From front to back.
    Stream(Box<dyn Read + Send>),
    /// From this offset on.
    File(Arc<Positioned>, u64),
}

impl From<Box<dyn Read + Send>> for Reader {
    fn from(reader: Box<dyn Read + Send>) -> Self {
        Self::Stream(reader)
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stream(reader) => reader.read(out),
            Self::File(file, offset) => {
                let read = file.read_at(out, *offset)?;
                *offset += read as u64;
                Ok(read)
            }
        }
    }
}

/// A reader with some of its bytes in memory.
pub(super) struct Stored {
    reader: Reader,
    memory: Vec<u8>,
    /// `memory[start..end]` has been read and not been taken.
    start: usize,
    end: usize,
    /// How many bytes were read in all, ahead or not.
    pub(super) total: u64,
}

impl Stored {
    /// `head` are the first bytes, already read from `reader`.
    pub(super) fn new(head: Vec<u8>, reader: Reader) -> Self {
        let end = head.len();
        Self {
            reader,
            memory: head,
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

    /// Goes on at this stored offset, which was not reached before; `false` if the reader cannot.
    pub(super) fn go_to(&mut self, position: u64) -> bool {
        let in_memory = position <= self.total;
        match &mut self.reader {
            _ if in_memory => {
                self.start = self.end - usize::try_from(self.total - position).unwrap_or(self.end);
            }
            Reader::Stream(_) => return false,
            Reader::File(_, offset) => {
                *offset = position;
                self.total = position;
                (self.start, self.end) = (0, 0);
            }
        }
        true
    }

    /// Reads until there are `bytes` (a handful) or no more; whether there is any.
    pub(super) fn fill(&mut self, bytes: usize) -> io::Result<bool> {
        while self.end - self.start < bytes {
            if self.memory.len() < AHEAD {
                self.memory.resize(AHEAD, 0);
            }
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
