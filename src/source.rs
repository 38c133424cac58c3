//! Paths -> bytes -> line-aligned chunks that know where they came from.
//!
//! Owns files, directories, globs, standard input, compression and the boundaries of records: lines,
//! mostly. Of JSON it knows where values begin and end, for files that are documents (`documents.rs`);
//! of audit events, nothing.
//!
//! ```text
//!   paths --walk--> Input --open--> Source --next--> Chunk      (any number of threads pull)
//!                                    |  regular text file: blocks by pread, all threads at once
//!                                    `- gzip, zstd, stdin, FIFO, documents: one thread decodes and
//!                                       finds the records, others parse
//! ```
//!
//! One law: the lines, their order and their offsets are the same for any chunk size, number of
//! threads and compression.

mod place;
mod trouble;
mod find;
mod twin;
mod input;
mod probe;
mod sniff;
mod buffer;
mod plain;
mod position;
mod split;
mod documents;
mod parts;
mod framing;
mod records;
mod stream;
mod decode;
mod ahead;
mod runs;
mod stored;
mod bytes;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use buffer::Buffer;
pub use bytes::Bytes;
pub use find::{Found, Walk, find};
pub use input::{Input, Span};
pub use place::{Lookup, Origin, Place, Places};
pub use probe::{Identity, LastLine, Probe, Seal};
pub use records::Record;
pub use sniff::Compression;
pub use trouble::Trouble;

use buffer::Piece;
use plain::Plain;
use stream::Stream;

/// What bounds the memory that reading takes: about one chunk and one line for each thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How much is read at a time. A chunk is longer by the end of its last line.
    pub chunk_bytes: usize,
    /// Longer lines, their line end not counted, are skipped unread: [`Content::TooLong`].
    pub max_line_bytes: u64,
}

impl Limits {
    /// The two in usable bounds. A chunk is never longer than a line may be, so that only its last
    /// line can be too long; no line is so long that sums overflow.
    fn checked(&self) -> (usize, usize) {
        const MOST: usize = usize::MAX >> 8;
        let max_line = usize::try_from(self.max_line_bytes).map_or(MOST, |n| n.clamp(1, MOST));
        (self.chunk_bytes.clamp(1, max_line), max_line)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chunk_bytes: 256 << 10,
            max_line_bytes: 64 << 20,
        }
    }
}

/// Whole lines of a source, or one that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'b> {
    /// Offset of the first byte in the decompressed stream; orders the chunks of a source.
    pub offset: u64,
    /// The lines.
    pub content: Content<'b>,
}

/// What a chunk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'b> {
    /// Whole lines, at least one byte; each ends in `\n` except perhaps the last of the source.
    Lines(&'b [u8]),
    /// Whole records, in documents or in lines that were cut into parts
    /// ([`Input::open_records`]).
    Records {
        /// What they stand in.
        text: &'b [u8],
        /// The records, in order; none if the chunk only has what stands around them.
        records: &'b [Record],
        /// How many lines end in the chunk; the last of the source ends there in any case.
        lines: u32,
        /// How long the chunk is: longer than `text` if what stands between records was skipped.
        bytes: u64,
    },
    /// One line or record over the limit, skipped.
    TooLong {
        /// Its length, with its line end.
        bytes: u64,
        /// How many lines it takes up.
        lines: u64,
    },
}

/// An opened source, shared by the threads that read it.
#[derive(Debug)]
pub struct Source {
    name: String,
    key: u64,
    compression: Compression,
    reader: Reader,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a source")]
enum Reader {
    Plain(Plain),
    Stream(Stream),
}

impl Source {
    /// The same for the same file read again, also when it has grown: a hash of the name and of the
    /// first bytes (of the first line, in text).
    #[must_use]
    pub fn key(&self) -> u64 {
        self.key
    }

    /// The file, as named on the command line or found below it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is stored, told by its first bytes and never by its name.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The next chunk, in `buffer`'s memory; `None` at the end. Several threads may call it at once:
    /// each chunk goes to one of them, in no particular order.
    ///
    /// A byte-order mark is no part of any chunk: the first one then starts at offset 3.
    pub fn next<'b>(&self, buffer: &'b mut Buffer) -> Option<Chunk<'b>> {
        let piece = match &self.reader {
            Reader::Plain(plain) => plain.next(buffer),
            Reader::Stream(stream) => stream.next(buffer),
        }?;
        Some(match piece {
            Piece::Lines { offset, range } => Chunk {
                offset,
                content: Content::Lines(buffer.get(range)),
            },
            Piece::Records {
                offset,
                range,
                lines,
                bytes,
            } => Chunk {
                offset,
                content: Content::Records {
                    text: buffer.get(range),
                    records: &buffer.records,
                    lines,
                    bytes,
                },
            },
            Piece::TooLong {
                offset,
                bytes,
                lines,
            } => Chunk {
                offset,
                content: Content::TooLong { bytes, lines },
            },
        })
    }

    /// How many bytes were read so far, as stored.
    #[must_use]
    pub fn stored_bytes_read(&self) -> u64 {
        match &self.reader {
            Reader::Plain(plain) => plain.stored_bytes_read(),
            Reader::Stream(stream) => stream.stored_bytes_read(),
        }
    }

    /// How far it was read, in the decompressed stream: behind a record. Complete once every thread has
    /// got its `None`.
    #[must_use]
    pub fn end(&self) -> u64 {
        match &self.reader {
            Reader::Plain(plain) => plain.end(),
            Reader::Stream(stream) => stream.end(),
        }
    }

    /// [`Seal::hash`] at [`Source::end`], if it came along with reading: of streams that are read in part.
    #[must_use]
    pub fn seal(&self) -> Option<u128> {
        match &self.reader {
            Reader::Plain(_) => None,
            Reader::Stream(stream) => stream.seal(),
        }
    }

    /// What kept it from being read to its end, and what was left out. Complete once every thread
    /// has got its `None`.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        match &self.reader {
            Reader::Plain(plain) => plain.troubles(&self.name),
            Reader::Stream(stream) => stream.troubles(&self.name),
        }
    }
}

/// Locks, also when another thread panicked meanwhile: what the locks here guard is always whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
