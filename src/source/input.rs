//! One input: named, not yet opened.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
};

use memchr::memchr;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::finding::Timestamp;

use super::{
    Bytes, Compression, Limits, Reader, Source, Trouble,
    framing::{Framing, framing},
    plain::Plain,
    position::Positioned,
    sniff::{Format, sniff},
    stream::Stream,
    trouble::{name_of, why},
};

/// The first bytes, which tell the format and make the key.
const HEAD: usize = 4096;
/// A file that is no longer than this is read by one call: directories hold such files by the hundred thousand.
const SMALL: usize = 64 << 10;

/// A file, or standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    name: String,
    place: At,
    stored_bytes: Option<u64>,
    /// Which file it was when it was listed: asking once for each is enough, in directories of hundreds of thousands.
    id: Option<FileId>,
    /// What of it is to be read, if not all.
    span: Option<Span>,
}

/// Which part of a file is to be read: what follows on what was read before.
///
/// Offsets are those of the decompressed stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What the source is known by, instead of by its name and its first line.
    pub key: u64,
    /// Where to begin: where a record starts.
    pub from: u64,
    /// Where to end, if the file is text with a record a line: behind a newline. Ignored otherwise.
    pub until: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Stdin,
    Path(PathBuf),
}

impl Input {
    pub(super) fn stdin() -> Self {
        Self {
            name: "<stdin>".to_owned(),
            place: At::Stdin,
            stored_bytes: None,
            id: None,
            span: None,
        }
    }

    /// A path, and what the file system says about it, symlinks followed.
    pub(super) fn path(path: PathBuf, metadata: &Metadata) -> Self {
        Self {
            name: name_of(&path),
            stored_bytes: metadata.is_file().then_some(metadata.len()),
            id: id_of(&path, metadata).ok(),
            place: At::Path(path),
            span: None,
        }
    }

    /// What all names of the file have in common, if it was there when it was listed.
    pub(super) fn id(&self) -> Option<&FileId> {
        self.id.as_ref()
    }

    /// The file, as named on the command line or found below it; `<stdin>`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size on the disk, if it has one.
    #[must_use]
    pub fn stored_bytes(&self) -> Option<u64> {
        self.stored_bytes
    }

    /// The same input, of which only a part is to be read. What stands at its end and may still be
    /// written to is left for later: half a line, a record that has no end.
    #[must_use]
    pub fn only(self, span: Span) -> Self {
        let span = Some(span);
        Self { span, ..self }
    }

    /// The same input, all of it.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { span: None, ..self }
    }

    /// Whether something of it was read before.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.span.is_some_and(|span| span.from > 0)
    }

    /// The path, unless it is standard input.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            At::Stdin => None,
            At::Path(path) => Some(path),
        }
    }

    /// When it was last changed, if it has such a time.
    #[must_use]
    pub fn modified(&self) -> Option<Timestamp> {
        let modified = self.file()?.metadata().ok()?.modified().ok()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
        let micros = i64::try_from(since.as_micros()).ok()?;
        Some(Timestamp::from_micros(micros))
    }

    /// Opens it as one stream of bytes, for documents that are no lines.
    pub fn bytes(&self) -> Result<Bytes, Trouble> {
        let trouble = |error| Trouble::unreadable(&self.name, why(&error));
        let opened = match &self.place {
            At::Stdin => stdin(),
            At::Path(path) => open(path),
        };
        let (mut opened, size) = opened.map_err(trouble)?;
        let head = head_of(&mut opened.reader(), size).map_err(trouble)?;
        Bytes::new(&self.name, head, opened.into_reader())
    }

    /// Opens it, to be read line by line. A FIFO blocks here until somebody writes to it.
    pub fn open(&self, limits: &Limits) -> Result<Source, Trouble> {
        self.open_as(limits, false)
    }

    /// Opens it, to be read record by record, where its first bytes say that its records are something
    /// else than lines: then chunks hold [`super::Content::Records`].
    pub fn open_records(&self, limits: &Limits) -> Result<Source, Trouble> {
        self.open_as(limits, true)
    }

    fn open_as(&self, limits: &Limits, any_framing: bool) -> Result<Source, Trouble> {
        let trouble = |error| Trouble::unreadable(&self.name, why(&error));
        let opened = match &self.place {
            At::Stdin => stdin(),
            At::Path(path) => open(path),
        };
        let (mut opened, size) = opened.map_err(trouble)?;
        let read = head_of(&mut opened.reader(), size).map_err(trouble)?;
        let head = &read[..read.len().min(HEAD)];
        let format = sniff(head);
        let compression = match format {
            Format::Foreign(why) => return Err(Trouble::unreadable(&self.name, why)),
            Format::Packed(compression) => compression,
            Format::Text { .. } => Compression::Plain,
        };
        let key = match self.span {
            Some(span) => span.key,
            None => key(&self.name, head, compression),
        };
        let reader = match (format, opened) {
            (Format::Text { mark }, Opened::File(file))
                if size > 0 && (!any_framing || framing(&head[mark..]) == Framing::Lines) =>
            {
                let (from, until) = match self.span {
                    Some(span) => (span.from.max(mark as u64), span.until.min(size)),
                    None => (mark as u64, size),
                };
                let mut plain = Plain::new(Positioned::new(file), from, until, limits);
                if read.len() as u64 == size {
                    plain = plain.knowing(read);
                }
                if self.goes_on() {
                    plain = plain.after_earlier_run();
                }
                Reader::Plain(plain)
            }
            (format, opened) => {
                let stream = match (format, opened) {
                    (Format::Packed(_), Opened::File(file)) if size > 0 => {
                        Stream::of_file(read, (file, size, compression), limits, any_framing)
                    }
                    (_, opened) => Stream::new(read, opened.into_reader(), limits, any_framing),
                };
                Reader::Stream(match self.span {
                    Some(span) => stream.from(span.from, compression == Compression::Plain),
                    None => stream,
                })
            }
        };
        Ok(Source {
            name: self.name.clone(),
            key,
            compression,
            reader,
        })
    }
}

/// Of a text only the first line counts, which stays when a live log grows.
fn key(name: &str, head: &[u8], compression: Compression) -> u64 {
    let end = match compression {
        Compression::Plain => memchr(b'\n', head).map_or(head.len(), |at| at + 1),
        Compression::Gzip | Compression::Zstd => head.len(),
    };
    xxh3_64_with_seed(&head[..end], xxh3_64(name.as_bytes()))
}

/// Something to read bytes from.
enum Opened {
    /// Can be read at offsets if its size is known.
    File(File),
    /// Standard input, where it cannot be had as a file.
    #[cfg_attr(unix, expect(dead_code, reason = "there it is a file"))]
    Stdin(io::Stdin),
}

impl Opened {
    fn reader(&mut self) -> Box<dyn Read + '_> {
        match self {
            Self::File(file) => Box::new(file),
            Self::Stdin(stdin) => Box::new(stdin),
        }
    }

    fn into_reader(self) -> Box<dyn Read + Send> {
        match self {
            Self::File(file) => Box::new(file),
            Self::Stdin(stdin) => Box::new(stdin),
        }
    }
}

/// The file, and its size if it can be read at offsets; else 0. Files in /proc say 0 and hold
/// something: they are read as streams.
fn open(path: &Path) -> io::Result<(Opened, u64)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let size = if metadata.is_file() {
        metadata.len()
    } else {
        0
    };
    Ok((Opened::File(file), size))
}

/// `satrail scan - < audit.log` is read by all threads like any file, if it is read from its start.
#[cfg(unix)]
fn stdin() -> io::Result<(Opened, u64)> {
    use std::{io::Seek, os::fd::AsFd};
    let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let metadata = file.metadata()?;
    let whole = metadata.is_file() && file.stream_position()? == 0;
    let size = if whole { metadata.len() } else { 0 };
    Ok((Opened::File(file), size))
}

#[cfg(not(unix))]
fn stdin() -> io::Result<(Opened, u64)> {
    Ok((Opened::Stdin(io::stdin()), 0))
}

/// What two names of one file have in common.
#[cfg(unix)]
pub(super) type FileId = (u64, u64);

/// The same for every name of a file: hard links and symlinks are read once.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn id_of(_: &Path, metadata: &Metadata) -> io::Result<FileId> {
    use std::os::unix::fs::MetadataExt;
    Ok((metadata.dev(), metadata.ino()))
}

/// What two names of one file have in common.
#[cfg(not(unix))]
pub(super) type FileId = PathBuf;

/// The same for every name of a file.
#[cfg(not(unix))]
fn id_of(path: &Path, _: &Metadata) -> io::Result<FileId> {
    path.canonicalize()
}

/// [`Input::id`] of whatever stands there now.
pub(super) fn file_id(path: &Path) -> io::Result<FileId> {
    id_of(path, &path.metadata()?)
}

/// The first bytes of a file and the rest, for a [`super::decode::Decoder`].
pub(super) fn head_and_rest(path: &Path) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut file = File::open(path)?;
    let head = head_of(&mut file, 0)?;
    Ok((head, Box::new(file)))
}

/// The first bytes; all of a small file. One call reads them where the size is known (else 0).
fn head_of(reader: &mut dyn Read, size: u64) -> io::Result<Vec<u8>> {
    let small = usize::try_from(size).ok().filter(|&size| size <= SMALL);
    let mut head = vec![0; small.map_or(HEAD, |size| size.max(HEAD))];
    let mut filled = 0;
    while filled < head.len() {
        match reader.read(&mut head[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if size > 0 && filled as u64 >= size {
            break;
        }
    }
    head.truncate(filled);
    Ok(head)
}
