//! The lines, or the records, of a chunk -> events and requests, each noted once.

use memchr::memchr;

use crate::{
    event::{BadLine, Dialect, Event, Found, Parser, Standing, Unwrapper, resync},
    source::{Origin, Record},
};

use super::{
    day::Day,
    duplicates::Seen,
    fold::Study,
    forms::Forms,
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
    unwrapper: Unwrapper,
    /// Whether the last line was wrapped: then the next one is likely to be.
    wrapped: bool,
    /// Events of the plain form in this chunk, and whatever else is in it.
    plain: u64,
    forms: Forms,
    span: Span,
    seen: Option<&'a Seen>,
}

impl<'a, S: Study> Lines<'a, S> {
    pub(super) fn new(study: S, span: Span, seen: Option<&'a Seen>, only: Option<Dialect>) -> Self {
        Self {
            reading: Reading::default(),
            study,
            entries: Vec::new(),
            unwrapper: Unwrapper::only(only),
            wrapped: false,
            plain: 0,
            forms: Forms::default(),
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
        self.end(source, chunk, origin.line);
    }

    /// Takes in the records of one chunk, in which so many lines end.
    pub(super) fn records(
        &mut self,
        (source, chunk): (u64, u64),
        text: &[u8],
        records: &[Record],
        lines: u32,
    ) {
        for record in records {
            let origin = Origin {
                source,
                chunk,
                line: record.line,
            };
            let bytes = text.get(record.start..record.end).unwrap_or_default();
            match simdutf8::basic::from_utf8(bytes) {
                Ok(text) if record.list.is_empty() => self.line(origin, text),
                Ok(text) => {
                    if let Err(bad) = self.open(origin, text, record.list) {
                        self.bad(bad);
                    }
                }
                Err(_) => self.bytes(origin, bytes),
            }
        }
        self.end(source, chunk, lines);
    }

    /// Takes stock of a chunk.
    fn end(&mut self, source: u64, chunk: u64, lines: u32) {
        self.reading.lines += u64::from(lines);
        self.reading.places.add_chunk(source, chunk, lines);
        let (plain, others) = (
            std::mem::take(&mut self.plain),
            std::mem::take(&mut self.forms),
        );
        self.reading.forms.add(source, plain, &others);
        self.wrapped = false;
    }

    /// Takes note of a line or a record that was too long to be read.
    pub(super) fn too_long(
        &mut self,
        (source, chunk): (u64, u64),
        bytes: u64,
        lines: u64,
        limit: u64,
    ) {
        let why = format!(
            "{bytes} bytes long, more than the limit of {limit}: skipped (--max-line-bytes raises the limit)"
        );
        let origin = Origin {
            source,
            chunk,
            line: 0,
        };
        self.bad(BadLine { origin, why });
        self.end(source, chunk, u32::try_from(lines).unwrap_or(u32::MAX));
    }

    fn bad(&mut self, bad: BadLine) {
        self.forms.bad_lines += 1;
        self.reading.bad(bad);
    }

    /// A line that is not known to be text.
    fn bytes(&mut self, origin: Origin, line: &[u8]) {
        let mut rest = line;
        for tries in 0.. {
            let error = match simdutf8::compat::from_utf8(rest) {
                Ok(text) => return self.line(origin, text),
                Err(error) => error,
            };
            let at = line.len() - rest.len() + error.valid_up_to() + 1;
            self.bad(BadLine {
                origin,
                why: format!("invalid UTF-8 at byte {at}"),
            });
            // The damage may be of a half line that the next event is glued to.
            let damaged = &rest[error.valid_up_to()..];
            let next = if tries < MOST_GLUED {
                resync(damaged)
            } else {
                None
            };
            let Some(next) = next else { return };
            rest = &damaged[next..];
        }
    }

    fn line(&mut self, origin: Origin, line: &str) {
        // The source takes a byte-order mark off the start of a file; concatenated files have more.
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        let text = line.trim_matches(padding);
        if text.len() < line.len() {
            self.reading.nul_bytes += nul_bytes(line) - nul_bytes(text);
        }
        if !text.is_empty() {
            self.events(origin, text);
        }
    }

    /// The event of a line, if it is of the plain form; else whatever is in it.
    fn events(&mut self, origin: Origin, text: &str) {
        // Opening comes to the same for a plain line, so that what the last one was decides nothing.
        if !self.wrapped
            && let Some(event) = Parser::parse_fast(text, origin)
            && Unwrapper::is_plain(text, &event)
        {
            self.plain += 1;
            note(
                (&event, Some(text)),
                self.span,
                self.seen,
                &mut self.reading,
                &mut self.entries,
                &mut self.study,
            );
            return;
        }
        self.others(origin, text);
    }

    /// What is in a line that is not certain to be one plain event: wrapped ones, or a plain one that is
    /// spelled oddly, or that is glued to half a line that a crash left.
    #[cold]
    fn others(&mut self, origin: Origin, text: &str) {
        let mut rest = text;
        for tries in 0.. {
            let Err(bad) = self.open(origin, rest, "") else {
                return;
            };
            let next = if tries < MOST_GLUED {
                resync(rest)
            } else {
                None
            };
            let Some(at) = next else {
                return self.bad(bad);
            };
            let front = rest[..at].trim_end_matches(padding);
            if self.open(origin, front, "").is_err() {
                self.bad(bad);
            }
            rest = &rest[at..];
        }
    }

    /// Opens a record and takes note of everything in it; an error if it is of no known form.
    fn open(&mut self, origin: Origin, record: &str, list: &str) -> Result<(), BadLine> {
        let Self {
            reading,
            study,
            entries,
            unwrapper,
            wrapped,
            forms,
            span,
            seen,
            ..
        } = self;
        *wrapped = true;
        unwrapper.read(record, list, origin, &mut |found| match found {
            Found::Event(event) => {
                *wrapped = event.dialect != Dialect::Plain;
                *forms.events.entry(event.dialect).or_default() += 1;
                note((&event, None), *span, *seen, reading, entries, study);
            }
            Found::Skipped(skipped) => *forms.skipped.entry(skipped).or_default() += 1,
            Found::Bad(why) => {
                forms.bad_lines += 1;
                reading.bad(BadLine { origin, why });
            }
        })
    }
}

/// How often a line is searched for another event start: enough for what crashes leave, and a bound on
/// what a hostile body in a broken line can cost.
const MOST_GLUED: u32 = 64;

/// A line without bodies that is no longer than this is kept as it stands while its request is open: it is hardly
/// longer than what [`Event::compact`] puts together piece by piece.
const LONGEST_KEPT: usize = 2048;

/// What may stand around an event: white space, and the NULs that copytruncate leaves.
const fn padding(c: char) -> bool {
    c == '\0' || c.is_ascii_whitespace()
}

fn nul_bytes(text: &str) -> u64 {
    memchr::memchr_iter(0, text.as_bytes()).count() as u64
}

/// Takes note of one event, and of its request if it stands for one. With the line, if it is one event and nothing else.
fn note<S: Study>(
    (event, line): (&Event<'_>, Option<&str>),
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
            let has_bodies = event.request_body.is_some() || event.response_body.is_some();
            let line = line.filter(|line| !has_bodies && line.len() <= LONGEST_KEPT);
            let opening = Opening {
                origin: event.origin,
                line: line.map_or_else(|| event.compact(), str::to_owned),
                day: Day::of(event.time()),
            };
            entries.push(Entry::Open(event.key(), opening));
        }
        Standing::Closes => {
            study.request(event);
            entries.push(Entry::Close(event.key(), Day::of(event.time())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a","stage":"ResponseComplete","requestURI":"/x","verb":"get","user":{"username":"u"}}"#;

    /// Counts requests and does nothing else.
    #[derive(Debug, Default)]
    struct Count(u64);

    impl Study for Count {
        fn event(&mut self, _event: &Event<'_>) {}

        fn request(&mut self, _event: &Event<'_>) {
            self.0 += 1;
        }

        fn merge(&mut self, other: Self) {
            self.0 += other.0;
        }
    }

    /// Requests, bad lines and lines of a chunk.
    fn read(chunk: &[u8]) -> (u64, u64, u64) {
        let mut lines = Lines::new(Count::default(), Span::default(), None, None);
        lines.chunk(1, 0, chunk);
        (lines.study.0, lines.reading.bad_lines, lines.reading.lines)
    }

    #[test]
    fn events_are_found_behind_what_crashes_leave() {
        let half = &EVENT[..90];
        let nuls = "\0".repeat(500);
        for (text, expected) in [
            (format!("{EVENT}\n{EVENT}"), (2, 0, 2)),
            (format!("{EVENT}\r\n\r\n  \n{EVENT}\n"), (2, 0, 4)),
            (format!("{half}{EVENT}\n"), (1, 1, 1)),
            (format!("{half}{nuls}{EVENT}\n{EVENT}"), (2, 1, 2)),
            (format!("{nuls}{EVENT}\n{nuls}"), (1, 0, 2)),
            (format!("{EVENT}{EVENT}{half}{EVENT}\n"), (3, 1, 1)),
            (format!("{EVENT}\u{fffd}{EVENT}\n"), (1, 1, 1)),
            (format!("\u{feff}{EVENT}\n\u{feff}{EVENT}"), (2, 0, 2)),
            (format!("{half}\n{EVENT}"), (1, 1, 2)),
            ("no json\n\n".to_owned(), (0, 1, 2)),
        ] {
            assert_eq!(read(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn broken_text_costs_its_own_line_alone() {
        let mut bytes = EVENT.as_bytes()[..40].to_vec();
        bytes.extend_from_slice(b"\xff\xfe");
        bytes.extend_from_slice(EVENT.as_bytes());
        bytes.extend_from_slice(b"\n\xff\n");
        bytes.extend_from_slice(EVENT.as_bytes());
        assert_eq!(read(&bytes), (2, 2, 3));
    }

    #[test]
    fn a_hostile_line_of_event_starts_ends_soon() {
        let starts = br#"{"kind":"Event","apiVersion":"audit.k8s.io/"#.repeat(50_000);
        let (requests, bad, _) = read(&starts);
        assert_eq!((requests, bad), (0, u64::from(MOST_GLUED) + 1));
        let mut broken = starts;
        for at in (50..broken.len()).step_by(44) {
            broken[at] = 0xff;
        }
        assert_eq!(read(&broken).0, 0);
    }
}
