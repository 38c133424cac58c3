//! Lines that a container runtime has cut into parts of 16 KiB, taken together again.
//!
//! A record is a line with all of its parts, and with what the other stream wrote in between. Who reads
//! it puts the parts together; here it is only found out where the last one ends.
//!
//! - CRI: `2026-01-02T03:04:05.123456789Z stdout P <part>`, the last part with `F`.
//! - Docker's json-file: `{"log":"<part>","stream":"stdout","time":"..."}`, the last part with `\n` at
//!   its end. Other writers' records look alike and have no newline there, so that only what is as long
//!   as a part counts as one.

use memchr::{memchr, memchr3};

use super::split::Mark;

/// The size of a part of Docker's (moby `daemon/logger/copier.go`, `defaultBufSize`).
const PART: usize = 16 << 10;

/// As much of a CRI line as names its stream and tag.
const ENOUGH: usize = 64;

const DOCKER: &[u8] = br#"{"log":""#;
const STREAM: &[u8] = br#","stream":"std"#;

/// Finds the ends of lines that may consist of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    form: Form,
    line: Line,
    /// Whether a record has started.
    started: bool,
    /// Which of stdout and stderr still lacks its last part.
    open: [bool; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Cri,
    Docker,
}

/// What is known of the line so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    /// CRI: the first bytes.
    head: [u8; ENOUGH],
    /// CRI: how many of them there are. Docker: how many bytes of [`DOCKER`] were there.
    known: usize,
    /// Docker: how long the text is so far, as written.
    text: usize,
    /// Docker: whether the last byte was a backslash.
    escaped: bool,
    /// Docker: whether the text ends in `\n` so far.
    newline: bool,
    /// Docker: whether the text is over, and how many bytes of [`STREAM`] followed it.
    after: Option<usize>,
    /// Docker: the stream, once known.
    stream: Option<usize>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            head: [0; ENOUGH],
            known: 0,
            text: 0,
            escaped: false,
            newline: false,
            after: None,
            stream: None,
        }
    }
}

impl Parts {
    /// If a text that starts with `head` has lines in parts: how to find them.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(DOCKER) {
            return Some(Self::docker());
        }
        cri_tag(head).map(|_| Self::cri())
    }

    pub(super) fn cri() -> Self {
        Self::new(Form::Cri)
    }

    pub(super) fn docker() -> Self {
        Self::new(Form::Docker)
    }

    fn new(form: Form) -> Self {
        Self {
            form,
            line: Line::default(),
            started: false,
            open: [false; 2],
        }
    }

    pub(super) fn step(&mut self, bytes: &[u8]) -> (usize, Mark) {
        if bytes.is_empty() {
            return (0, Mark::Nothing);
        }
        if !self.started {
            self.started = true;
            return (0, Mark::Start);
        }
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let newline = match self.form {
                Form::Cri => self.line.cri(rest),
                Form::Docker => self.line.docker(rest),
            };
            let Some(newline) = newline else {
                return (bytes.len(), Mark::Nothing);
            };
            at += newline + 1;
            self.end_line();
            if self.open == [false; 2] {
                self.started = false;
                return (at, Mark::End(""));
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let part = match self.form {
            Form::Cri => cri_tag(&line.head[..line.known]),
            Form::Docker => {
                (line.stream).map(|stream| (stream, !line.newline && line.text >= PART))
            }
        };
        if let Some((stream, partial)) = part {
            self.open[stream] = partial;
        }
    }
}

/// The stream of a CRI line, and whether more parts of it follow.
fn cri_tag(line: &[u8]) -> Option<(usize, bool)> {
    let mut fields = line.splitn(4, |&byte| byte == b' ');
    let time = fields.next()?;
    let is_time = matches!(
        time,
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..]
    ) && time.contains(&b'T');
    let stream = match fields.next()? {
        b"stdout" => 0,
        b"stderr" => 1,
        _ => return None,
    };
    let tag = fields.next()?;
    fields.next()?;
    match tag {
        [b'P'] | [b'P', b':', ..] if is_time => Some((stream, true)),
        [b'F'] | [b'F', b':', ..] if is_time => Some((stream, false)),
        _ => None,
    }
}

impl Line {
    /// Takes bytes up to the end of the line: where that is, if it is among them.
    fn cri(&mut self, bytes: &[u8]) -> Option<usize> {
        let newline = memchr(b'\n', bytes);
        let line = &bytes[..newline.unwrap_or(bytes.len())];
        let room = &mut self.head[self.known..];
        let more = room.len().min(line.len());
        room[..more].copy_from_slice(&line[..more]);
        self.known += more;
        newline
    }

    /// As [`Line::cri`].
    fn docker(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let is_text = self.known == DOCKER.len() && self.after.is_none();
            if is_text && !self.escaped {
                let stop = memchr3(b'"', b'\\', b'\n', &bytes[at..]);
                let plain = stop.unwrap_or(bytes.len() - at);
                self.newline &= plain == 0;
                self.text += plain;
                at += plain;
                match bytes.get(at) {
                    None => return None,
                    Some(b'\n') => return Some(at),
                    Some(b'"') => self.after = Some(0),
                    Some(_) => {
                        self.escaped = true;
                        self.text += 1;
                    }
                }
                at += 1;
                continue;
            }
            if byte == b'\n' {
                return Some(at);
            }
            if is_text {
                self.escaped = false;
                self.newline = byte == b'n';
                self.text += 1;
            } else if let Some(after) = self.after {
                match STREAM.get(after) {
                    Some(&expected) if expected == byte => self.after = Some(after + 1),
                    None if self.stream.is_none() => match byte {
                        b'o' => self.stream = Some(0),
                        b'e' => self.stream = Some(1),
                        _ => self.is_not_docker(),
                    },
                    None => return newline(bytes, at),
                    Some(_) => self.is_not_docker(),
                }
            } else if DOCKER.get(self.known) == Some(&byte) {
                self.known += 1;
            } else {
                self.is_not_docker();
                return newline(bytes, at);
            }
            at += 1;
        }
        None
    }

    /// There is no more to learn of the line.
    fn is_not_docker(&mut self) {
        self.known = DOCKER.len() + 1;
        self.after = None;
    }
}

fn newline(bytes: &[u8], from: usize) -> Option<usize> {
    memchr(b'\n', &bytes[from..]).map(|at| from + at)
}
