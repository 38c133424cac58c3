//! The lines of a chunk -> events and requests, each noted once.

use memchr::{memchr, memmem};

use crate::{
    event::{BadLine, Event, Parser, Standing},
    source::Origin,
};

use super::{
    duplicates::Seen,
    fold::Study,
    ledger::{Entry, Opening},
    reading::Reading,
    window::Span,
};

/// One worker's place of work.
pub(super) struct Lines<'a, S> {
    pub(super) reading: Reading,
    pub(super) study: S,
    /// Long-running requests that began or ended in this chunk.
    pub(super) entries: Vec<Entry>,
    parser: Parser,
    span: Span,
    seen: Option<&'a Seen>,
}

impl<'a, S: Study> Lines<'a, S> {
    pub(super) fn new(span: Span, seen: Option<&'a Seen>) -> Self {
        Self {
            reading: Reading::default(),
            study: S::default(),
            entries: Vec::new(),
            parser: Parser::default(),
            span,
            seen,
        }
    }

    /// Takes in the lines of one chunk.
    pub(super) fn chunk(&mut self, source: u64, chunk: u64, bytes: &[u8]) {
        let mut origin = Origin {
            source,
            chunk,
            line: 0,
        };
        // One check for the whole chunk, so that cutting it into strings costs nothing.
        if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
            let mut rest = text;
            while !rest.is_empty() {
                let end = memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len());
                let (line, after) = rest.split_at(end);
                self.line(origin, line);
                rest = after.strip_prefix('\n').unwrap_or("");
                origin.line += 1;
            }
        } else {
            for line in bytes
                .strip_suffix(b"\n")
                .unwrap_or(bytes)
                .split(|&byte| byte == b'\n')
            {
                self.bytes(origin, line);
                origin.line += 1;
            }
        }
        self.reading.lines += u64::from(origin.line);
        self.reading.places.add_chunk(source, chunk, origin.line);
    }

    /// Takes note of a line that was too long to be read.
    pub(super) fn too_long(&mut self, source: u64, chunk: u64, bytes: u64, limit: u64) {
        self.reading.lines += 1;
        self.reading.places.add_chunk(source, chunk, 1);
        let why = format!(
            "{bytes} bytes long, more than the limit of {limit}: skipped (--max-line-bytes raises the limit)"
        );
        self.reading.bad(BadLine {
            origin: Origin {
                source,
                chunk,
                line: 0,
            },
            why,
        });
    }

    /// A line that is not known to be text.
    fn bytes(&mut self, origin: Origin, line: &[u8]) {
        match simdutf8::compat::from_utf8(line) {
            Ok(line) => self.line(origin, line),
            Err(error) => {
                let why = format!("invalid UTF-8 at byte {}", error.valid_up_to() + 1);
                self.reading.bad(BadLine { origin, why });
                // The damage may be of a half line that the next event is glued to.
                let starts: Vec<usize> = memmem::find_iter(line, EVENT_START).collect();
                if let Some(&start) = starts.iter().find(|&&at| at > error.valid_up_to()) {
                    self.bytes(origin, &line[start..]);
                }
            }
        }
    }

    fn line(&mut self, origin: Origin, line: &str) {
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        let text = line.trim_matches(|c: char| c == '\0' || c.is_ascii_whitespace());
        if text.len() < line.len() {
            self.reading.nul_bytes += nul_bytes(line) - nul_bytes(text);
        }
        if !text.is_empty() {
            self.piece(origin, text);
        }
    }

    /// A line, or what stands on it from some event start on.
    fn piece(&mut self, origin: Origin, text: &str) {
        let bad = match self.parser.parse(text, origin) {
            Ok(event) => {
                let (reading, entries) = (&mut self.reading, &mut self.entries);
                return note(
                    &event,
                    self.span,
                    self.seen,
                    reading,
                    entries,
                    &mut self.study,
                );
            }
            Err(bad) => bad,
        };
        // A crash leaves half a line, and the next event is glued to it; two writers glue whole ones.
        let Some(at) = memmem::find_iter(text.as_bytes(), EVENT_START).find(|&at| at > 0) else {
            return self.reading.bad(bad);
        };
        let (front, rest) = text.split_at(at);
        self.line_front(origin, front, bad);
        self.piece(origin, rest);
    }

    /// What stands before the next event start on a line that is no event as a whole.
    fn line_front(&mut self, origin: Origin, front: &str, bad: BadLine) {
        match self.parser.parse(front.trim_matches('\0'), origin) {
            Ok(event) => {
                let (reading, entries) = (&mut self.reading, &mut self.entries);
                note(
                    &event,
                    self.span,
                    self.seen,
                    reading,
                    entries,
                    &mut self.study,
                );
            }
            Err(_) => self.reading.bad(bad),
        }
    }
}

/// What every event written by kube-apiserver starts with (apiserver `types.go`, field order).
const EVENT_START: &[u8] = br#"{"kind":"Event""#;

fn nul_bytes(text: &str) -> u64 {
    memchr::memchr_iter(0, text.as_bytes()).count() as u64
}

/// Takes note of one event, and of its request if it stands for one.
fn note<S: Study>(
    event: &Event<'_>,
    span: Span,
    seen: Option<&Seen>,
    reading: &mut Reading,
    entries: &mut Vec<Entry>,
    study: &mut S,
) {
    if !span.contains(event.time()) {
        reading.outside_window += 1;
        return;
    }
    if seen.is_some_and(|seen| !seen.is_new(event)) {
        reading.duplicates += 1;
        reading.places.add_twin(event.identity(), event.origin);
        return;
    }
    study.event(event);
    match event.standing() {
        Standing::Announces => {}
        Standing::Counts => study.request(event),
        Standing::Opens => {
            let opening = Opening {
                origin: event.origin,
                line: event.compact(),
            };
            entries.push(Entry::Open(event.key(), opening));
        }
        Standing::Closes => {
            study.request(event);
            entries.push(Entry::Close(event.key()));
        }
    }
}
