//! Stored bytes -> decompressed bytes: text as it is, gzip members and zstd frames in any sequence.
//!
//! Never fails: whatever could be decompressed is delivered, then the stream ends and says why.

use std::{
    io::{self, Read},
    sync::Arc,
};

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{Decoder as ZstdFrame, Operation};

use super::{
    ahead::{Ahead, Whole},
    sniff::{Compression, ENOUGH, Format, sniff},
    stored::{Reader, Stored},
};

/// zstd decompresses so much at a time: its largest block.
const ZSTD_STEP: usize = 128 << 10;
/// What zstd is fed first, to learn how much it wants next.
const ZSTD_FIRST: usize = 5;

/// A stream of stored bytes, being decompressed.
pub(super) struct Decoder {
    stored: Stored,
    /// Members that are decompressed at once, in a file.
    ahead: Option<Arc<Ahead>>,
    member: Member,
    /// Why no more stored bytes can be had, before what was read of them is decompressed.
    failed: Option<String>,
    /// How many bytes were delivered.
    decompressed: u64,
    problems: Vec<Problem>,
}

/// What went wrong.
pub(super) struct Problem {
    pub(super) why: String,
    pub(super) loss: Loss,
}

/// What is missing because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Everything: it came before the first byte.
    All,
    /// What stands behind it.
    Rest,
    /// Nothing.
    Nothing,
}

/// What the next stored bytes are.
enum Member {
    /// Text.
    Text,
    /// Inside a gzip member.
    Gzip(Box<Decompress>),
    /// Inside a zstd frame, or with decompressed bytes of it left.
    Zstd(Box<Zstd>),
    /// Behind members that were decompressed at once, of whose text so many bytes were delivered.
    Whole(Whole, usize),
    /// The start of another member, padding, or the end.
    Between,
    /// Nothing more.
    Ended,
}

struct Zstd {
    frame: ZstdFrame<'static>,
    /// How many bytes it wants: up to the end of a block. An error loses what its call had already decompressed, so it
    /// gets no more, and what stands before the damage does not hang on how the bytes came.
    wanted: usize,
    room: Vec<u8>,
    /// What of `room` is decompressed, and up to where it was delivered.
    filled: usize,
    delivered: usize,
    frame_ended: bool,
}

/// What one step did.
enum Step {
    /// Produced this many bytes, perhaps none.
    Produced(usize),
    /// The same, and the member is complete.
    Complete(usize),
    /// The same, and then found this wrong.
    Corrupt(usize, String),
    /// Wants more stored bytes.
    Hungry,
}

impl Decoder {
    /// Decompresses `reader`; `head` are the first bytes, already read from it.
    pub(super) fn new(head: Vec<u8>, reader: Box<dyn Read + Send>) -> Self {
        Self::of(head, reader.into(), None)
    }

    /// The same of a file, with the members that are decompressed at once.
    pub(super) fn of(head: Vec<u8>, reader: Reader, ahead: Option<Arc<Ahead>>) -> Self {
        let member = match sniff(&head) {
            Format::Packed(_) => Member::Between,
            Format::Text { .. } | Format::Foreign(_) => Member::Text,
        };
        Self {
            stored: Stored::new(head, reader),
            ahead,
            member,
            failed: None,
            decompressed: 0,
            problems: Vec::new(),
        }
    }

    /// What was read of the stored bytes so far.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.stored.total
    }

    /// What went wrong so far.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Decompresses into `out`; 0 at the end.
    pub(super) fn read(&mut self, out: &mut [u8]) -> usize {
        if out.is_empty() {
            return 0;
        }
        loop {
            let produced = match &self.member {
                Member::Ended => return 0,
                Member::Text => self.copy(out),
                Member::Between => {
                    self.start_member();
                    0
                }
                Member::Gzip(_) | Member::Zstd(_) => self.step(out),
                Member::Whole(..) => self.deliver(out),
            };
            self.decompressed += produced as u64;
            if produced > 0 {
                return produced;
            }
        }
    }

    /// Ends after `read` bytes, before the end.
    fn end(&mut self, read: u64, why: String) {
        let loss = if read == 0 { Loss::All } else { Loss::Rest };
        self.problems.push(Problem { why, loss });
        self.member = Member::Ended;
    }

    /// Text: the stored bytes themselves.
    fn copy(&mut self, out: &mut [u8]) -> usize {
        match self.stored.read(out) {
            Ok(0) => self.member = Member::Ended,
            Ok(n) => return n,
            Err(error) => {
                let read = self.decompressed;
                let why =
                    format!("read error after {read} bytes: {error}; what could be read counts");
                self.end(read, why);
            }
        }
        0
    }

    /// Text of members that were decompressed at once.
    fn deliver(&mut self, out: &mut [u8]) -> usize {
        let Member::Whole(whole, delivered) = &mut self.member else {
            return 0;
        };
        let left = &whole.text[*delivered..whole.filled];
        let n = left.len().min(out.len());
        out[..n].copy_from_slice(&left[..n]);
        *delivered += n;
        if *delivered == whole.filled {
            let text = std::mem::take(&mut whole.text);
            if let Some(ahead) = &self.ahead {
                ahead.give_back(text);
            }
            self.member = Member::Between;
        }
        n
    }

    /// Takes what was decompressed at once of what stands here, if anything was.
    fn claim(&mut self) -> Option<Whole> {
        let whole = self.ahead.as_ref()?.claim(self.stored.position())?;
        self.stored.go_to(whole.until).then_some(whole)
    }

    /// Decompresses a bit of the member.
    fn step(&mut self, out: &mut [u8]) -> usize {
        let at_end = self.stored.bytes().is_empty() && !self.fill();
        let (taken, step) = match &mut self.member {
            Member::Gzip(inflate) => step_gzip(inflate, self.stored.bytes(), out),
            Member::Zstd(zstd) => zstd.step(self.stored.bytes(), out),
            _ => return 0,
        };
        self.stored.take(taken);
        match step {
            Step::Produced(n) => n,
            Step::Complete(n) => {
                self.member = Member::Between;
                n
            }
            Step::Hungry => {
                let cut = "it ends within compressed data; it is still being written or was \
                           copied in part: fetch it again";
                let why = match self.failed.take() {
                    Some(failed) => failed,
                    None if at_end => cut.to_owned(),
                    // It was fed, and neither took nor gave anything: it never will.
                    None => "corrupt data".to_owned(),
                };
                self.cut_short(0, &why);
                0
            }
            Step::Corrupt(n, why) => {
                self.cut_short(
                    n,
                    &format!("{why}: fetch it again, the rest is lost otherwise"),
                );
                n
            }
        }
    }

    /// Gets more stored bytes; `false` if there are none.
    fn fill(&mut self) -> bool {
        if self.failed.is_some() {
            return false;
        }
        self.stored.fill(1).unwrap_or_else(|error| {
            self.failed = Some(format!("read error: {error}"));
            false
        })
    }

    /// Ends after `n` bytes more than were delivered before: those count.
    fn cut_short(&mut self, n: usize, why: &str) {
        let read = self.decompressed + n as u64;
        let why = match read {
            0 => format!("nothing could be decompressed: {why}"),
            1 => format!("cut short after 1 decompressed byte, which counts: {why}"),
            _ => format!("cut short after {read} decompressed bytes, which count: {why}"),
        };
        self.end(read, why);
    }

    /// Looks at what follows a member: another one, padding, or something else.
    fn start_member(&mut self) {
        if let Some(whole) = self.claim() {
            self.member = Member::Whole(whole, 0);
            return;
        }
        let padding = self.skip_padding();
        if let Err(error) = self.stored.fill(ENOUGH) {
            self.failed = Some(format!("read error: {error}"));
        }
        if let Some(failed) = self.failed.take() {
            return self.cut_short(0, &failed);
        }
        if padding > 0 {
            let at = self.stored.position() - padding;
            self.problems.push(Problem {
                why: format!("{padding} NUL bytes of padding at stored byte {at} were skipped"),
                loss: Loss::Nothing,
            });
        }
        self.member = match sniff(self.stored.bytes()) {
            _ if self.stored.bytes().is_empty() => Member::Ended,
            Format::Packed(Compression::Gzip) => {
                // 15: the largest window, which every member fits.
                Member::Gzip(Box::new(Decompress::new_gzip(15)))
            }
            Format::Packed(_) => match Zstd::new() {
                Ok(zstd) => Member::Zstd(Box::new(zstd)),
                Err(error) => return self.cut_short(0, &format!("zstd: {error}")),
            },
            Format::Text { .. } | Format::Foreign(_) => return self.end_members(),
        };
    }

    /// What follows the members is no compressed data. `cat old.log.gz audit.log | satrail scan -`
    /// makes text of it, which is read: to ignore it would lose events.
    fn end_members(&mut self) {
        let at = self.stored.position();
        let is_text = matches!(
            self.stored.bytes(),
            [b' '..=b'~' | b'\n' | b'\r' | b'\t', ..]
        );
        let (is, member, loss) = if is_text {
            (
                "text, and read as such to the end",
                Member::Text,
                Loss::Nothing,
            )
        } else {
            (
                "neither compressed nor text: ignored",
                Member::Ended,
                Loss::Rest,
            )
        };
        self.problems.push(Problem {
            why: format!("what stands from stored byte {at} on is {is}"),
            loss,
        });
        self.member = member;
    }

    /// Tapes and block devices pad with NULs. Returns how many there were.
    fn skip_padding(&mut self) -> u64 {
        let mut padding = 0;
        while matches!(self.stored.fill(1), Ok(true)) {
            let bytes = self.stored.bytes();
            let nuls = bytes.iter().position(|&b| b != 0).unwrap_or(bytes.len());
            padding += nuls as u64;
            self.stored.take(nuls);
            if !self.stored.bytes().is_empty() {
                break;
            }
        }
        padding
    }
}

/// Inflates by single calls, and not through a reader: after an error the reader would withhold what
/// its last call had already inflated.
fn step_gzip(inflate: &mut Decompress, stored: &[u8], out: &mut [u8]) -> (usize, Step) {
    let (taken, made) = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(stored, out, FlushDecompress::None);
    let taken = small(inflate.total_in() - taken);
    let made = small(inflate.total_out() - made);
    let step = match status {
        Ok(Status::StreamEnd) => Step::Complete(made),
        Ok(_) if taken == 0 && made == 0 => Step::Hungry,
        Ok(_) => Step::Produced(made),
        // What exactly is wrong depends on how much room the call had.
        Err(_) => Step::Corrupt(made, "corrupt gzip data".to_owned()),
    };
    (taken, step)
}

impl Zstd {
    fn new() -> io::Result<Self> {
        Ok(Self {
            frame: ZstdFrame::new()?,
            wanted: ZSTD_FIRST,
            room: vec![0; ZSTD_STEP],
            filled: 0,
            delivered: 0,
            frame_ended: false,
        })
    }

    fn step(&mut self, stored: &[u8], out: &mut [u8]) -> (usize, Step) {
        let mut taken = 0;
        if self.delivered == self.filled && !self.frame_ended {
            let stored = &stored[..stored.len().min(self.wanted)];
            match self.frame.run_on_buffers(stored, &mut self.room) {
                Ok(status) => {
                    self.wanted = status.remaining.max(1);
                    taken = status.bytes_read;
                    (self.delivered, self.filled) = (0, status.bytes_written);
                    self.frame_ended = status.remaining == 0;
                }
                Err(error) => return (0, Step::Corrupt(0, format!("zstd: {error}"))),
            }
        }
        let ready = &self.room[self.delivered..self.filled];
        let n = ready.len().min(out.len());
        out[..n].copy_from_slice(&ready[..n]);
        self.delivered += n;
        let step = if self.frame_ended && self.delivered == self.filled {
            Step::Complete(n)
        } else if n == 0 && taken == 0 {
            Step::Hungry
        } else {
            Step::Produced(n)
        };
        (taken, step)
    }
}

/// Lengths that come from a slice fit into a `usize`.
fn small(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
