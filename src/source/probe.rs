//! Which file is this? Told by what stands in it, whatever it is called by now.
//!
//! A log that is followed over time is renamed, copied and truncated, compressed and moved. What stays is how
//! its text begins, and what stood before the place up to which it was read. Both are hashed here, always
//! over the decompressed text, so that `audit.log`, `audit-2026.log` and `audit-2026.log.gz` are one file.

use std::{
    fs::File,
    io::{self, ErrorKind},
    path::Path,
};

use memchr::{memchr, memchr_iter, memrchr};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    Compression, Input, Trouble,
    decode::Decoder,
    documents::Documents,
    framing::{ENOUGH, Framing, framing},
    input::{FileId, file_id, head_and_rest},
    position::Positioned,
    sniff::{Format, sniff},
    split::Mark,
    trouble::why,
};

/// What all names of one file have in common: hard links, symlinks and ways to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity(FileId);

impl Identity {
    /// The identity of what a path leads to; an error if it leads nowhere.
    pub fn of(path: &Path) -> io::Result<Self> {
        file_id(path).map(Self)
    }
}

/// How a file's text begins and how it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// How it is stored.
    pub compression: Compression,
    /// The first bytes of its text, up to [`Probe::HEAD`].
    pub head: Vec<u8>,
    /// Whether every record is a line; else they are documents, or lines in parts.
    pub lines: bool,
}

impl Probe {
    /// How many bytes of a text are enough to tell it from others: the first event with its audit ID is
    /// among them.
    pub const HEAD: usize = ENOUGH;

    /// So many lines are more than events have room for in [`Probe::HEAD`]; pretty-printed documents have more.
    const FIRST_LINES: usize = 16;

    /// The name that content gives to a file whose text begins with so many of these bytes; `None` if
    /// there are fewer.
    #[must_use]
    pub fn head_hash(&self, bytes: usize) -> Option<u128> {
        self.head.get(..bytes).map(xxh3_128)
    }

    /// Where the first lines of the text end, with [`Probe::head_hash`] of what stands before: what a copy is
    /// known by that is shorter than [`Probe::HEAD`].
    pub fn first_lines(&self) -> impl Iterator<Item = (usize, u128)> {
        let ends = memchr_iter(b'\n', &self.head).take(Self::FIRST_LINES);
        ends.map(|newline| (newline + 1, xxh3_128(&self.head[..=newline])))
    }
}

/// The text before a place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// A hash of the last bytes before the place, up to [`Seal::BYTES`].
    pub hash: u128,
    /// Whether there is more text behind it.
    pub more: bool,
    /// Whether that is the newline of the line that ends at the place.
    pub late_newline: bool,
}

impl Seal {
    /// How many bytes are hashed.
    pub const BYTES: usize = 4096;

    fn of(tail: &[u8], next: Option<u8>) -> Self {
        Self {
            hash: xxh3_128(tail),
            more: next.is_some(),
            late_newline: next == Some(b'\n') && tail.last().is_some_and(|&last| last != b'\n'),
        }
    }
}

/// What a text has behind its last newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastLine {
    /// Behind the last newline; no less than where the search began.
    pub start: u64,
    /// The end of the text.
    pub end: u64,
    /// Whether what stands there is one whole JSON value, which only lacks its newline.
    pub whole: bool,
}

/// A last line that is longer is taken for half a line without a look.
const LONGEST: u64 = 16 << 20;

impl Input {
    /// Looks at how the text begins.
    pub fn probe(&self) -> Result<Probe, Trouble> {
        let trouble = |error| Trouble::unreadable(self.name(), why(&error));
        let path = self
            .file()
            .ok_or_else(|| Trouble::unreadable(self.name(), "it is no file"))?;
        let (stored, rest) = head_and_rest(path).map_err(trouble)?;
        let compression = match sniff(&stored) {
            Format::Packed(compression) => compression,
            Format::Text { .. } => Compression::Plain,
            Format::Foreign(why) => return Err(Trouble::unreadable(self.name(), why)),
        };
        let head = match compression {
            Compression::Plain => stored,
            _ => take(&mut Decoder::new(stored, rest), Probe::HEAD),
        };
        let mark = match sniff(&head) {
            Format::Text { mark } => mark,
            // Opening it will say what is wrong.
            Format::Packed(_) | Format::Foreign(_) => 0,
        };
        let lines = framing(&head[mark..]) == Framing::Lines;
        Ok(Probe {
            compression,
            head,
            lines,
        })
    }

    /// What stands before `at` in the text; `None` if the text is shorter.
    pub fn seal(&self, compression: Compression, at: u64) -> io::Result<Option<Seal>> {
        match compression {
            Compression::Plain => {
                let file = self.plain()?;
                let size = file.metadata()?.len();
                let from = at.saturating_sub(Seal::BYTES as u64);
                let mut tail = vec![0; usize::try_from(at - from).unwrap_or(Seal::BYTES)];
                let (file, mut next) = (Positioned::new(file), [0]);
                let read = fill(&file, &mut tail, from)?;
                let more = size > at && fill(&file, &mut next, at)? > 0;
                Ok((read == tail.len()).then(|| Seal::of(&tail, more.then_some(next[0]))))
            }
            Compression::Gzip | Compression::Zstd => {
                let path = self.file().ok_or(ErrorKind::NotFound)?;
                let (head, rest) = head_and_rest(path)?;
                Ok(seal_of(&mut Decoder::new(head, rest), at))
            }
        }
    }

    /// What stands behind the last newline of a plain text; nothing before `from` is looked at.
    pub fn last_line(&self, from: u64) -> io::Result<LastLine> {
        let file = self.plain()?;
        let end = file.metadata()?.len().max(from);
        let file = Positioned::new(file);
        let mut block = vec![0; 64 << 10];
        let (mut start, mut at) = (from, end);
        while at > from {
            let size = (at - from).min(block.len() as u64);
            let block = &mut block[..usize::try_from(size).unwrap_or(0)];
            let read = fill(&file, block, at - size)?;
            if let Some(newline) = memrchr(b'\n', &block[..read]) {
                start = at - size + newline as u64 + 1;
                break;
            }
            at -= size;
        }
        let mut line = vec![0; usize::try_from((end - start).min(LONGEST)).unwrap_or(0)];
        let read = fill(&file, &mut line, start)?;
        Ok(LastLine {
            start,
            end,
            whole: end - start < LONGEST && is_whole(&line[..read]),
        })
    }

    /// Where the line ends that holds the byte at `at` of a plain text: behind its newline, or at `end`.
    pub fn line_end(&self, mut at: u64, end: u64) -> io::Result<u64> {
        let file = Positioned::new(self.plain()?);
        let mut block = vec![0; 64 << 10];
        while at < end {
            let read = fill(&file, &mut block, at)?;
            if let Some(newline) = memchr(b'\n', &block[..read]) {
                return Ok((at + newline as u64 + 1).min(end));
            }
            if read == 0 {
                break;
            }
            at += read as u64;
        }
        Ok(end)
    }

    fn plain(&self) -> io::Result<File> {
        File::open(self.file().ok_or(ErrorKind::NotFound)?)
    }
}

fn seal_of(decoder: &mut Decoder, at: u64) -> Option<Seal> {
    let mut block = vec![0; 256 << 10];
    let (mut tail, mut passed) = (Vec::new(), 0);
    while passed < at {
        let want = usize::try_from(at - passed).map_or(block.len(), |left| left.min(block.len()));
        let n = decoder.read(&mut block[..want]);
        if n == 0 {
            return None;
        }
        passed += n as u64;
        tail.extend_from_slice(&block[..n]);
        if tail.len() > Seal::BYTES {
            tail.drain(..tail.len() - Seal::BYTES);
        }
    }
    let more = decoder.read(&mut block[..1]) > 0;
    Some(Seal::of(&tail, more.then_some(block[0])))
}

fn take(decoder: &mut Decoder, bytes: usize) -> Vec<u8> {
    let (mut head, mut filled) = (vec![0; bytes], 0);
    while filled < bytes {
        match decoder.read(&mut head[filled..]) {
            0 => break,
            n => filled += n,
        }
    }
    head.truncate(filled);
    head
}

fn fill(file: &Positioned, room: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < room.len() {
        match file.read_at(&mut room[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whether a text is one JSON object with nothing behind it.
fn is_whole(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    if !line.starts_with(b"{") {
        return false;
    }
    let mut documents = Documents::default();
    let mut at = 0;
    while at < line.len() {
        let (taken, mark) = documents.step(&line[at..]);
        at += taken;
        if matches!(mark, Mark::End(_)) && !documents.is_within() {
            return at == line.len();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_told_from_one_without_its_newline() {
        for (line, whole) in [
            (&b"{\"a\":{\"b\":[1,\"}\"]}}"[..], true),
            (b"{\"a\":1} ", true),
            (b"{\"a\":{\"b\":[1,\"}\"]}", false),
            (b"{\"a\":1}{", false),
            (b"{\"a\":1}{\"b\":2}", false),
            (b"2026-01-01T00:00:00Z stdout F {}", false),
            (b"", false),
            (b"12", false),
        ] {
            assert_eq!(is_whole(line), whole, "{}", String::from_utf8_lossy(line));
        }
    }
}
