//! Opens a record, whatever it is wrapped in, down to the events in it.
//!
//! What is wrapped is decoded into scratch texts, one for each level, from which the event borrows. The
//! levels are bounded ([`MAX_DEPTH`]), and so is what each can hold: a decoded text is no longer than its
//! literal, and packed data ends at a limit of its own.

mod flat;
mod items;
mod parts;
mod place;

use std::fmt;

use crate::{
    event::{
        BadLine, Event, Level, Object, Parser, Text, Value,
        scan::simd::{nested_end, string_stop},
    },
    source::Origin,
};

use super::{
    Dialect, Inside, LINES, Members, OBJECTS, Skipped, cri, docker, lists,
    text::{judge, known},
};
use place::{Place, dialect_of};

/// Levels of wrapping, lists in lists included. An OTLP document in a Docker log takes six.
const MAX_DEPTH: usize = 12;

/// Longer scratch texts are given back.
const KEEP: usize = 4 << 20;

/// What kube-apiserver begins every event with.
const EVENT: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/"#;

/// What was found in a record.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "handed on at once, and never kept"
)]
pub enum Found<'a> {
    /// An event.
    Event(Event<'a>),
    /// Something else that is in its place there.
    Skipped(Skipped),
    /// What should be an event and is none; why, without its own text.
    Bad(String),
}

type Sink<'s> = dyn FnMut(Found<'_>) + 's;

/// Opens records. Keeps its memory from one to the next; one per thread.
#[derive(Default)]
pub struct Unwrapper {
    parser: Parser,
    only: Option<Dialect>,
    texts: Vec<String>,
}

/// The buffers are nobody's business.
impl fmt::Debug for Unwrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unwrapper")
            .field("only", &self.only)
            .finish_non_exhaustive()
    }
}

impl Unwrapper {
    /// Opens records of this form only (and events as they are), or whatever comes.
    #[must_use]
    pub fn only(only: Option<Dialect>) -> Self {
        Self {
            only,
            ..Self::default()
        }
    }

    /// Hands everything that is in `record` to `found`. `list` is the key of the list whose item it is, if
    /// any ([`crate::source::Record::list`]). An error if the record is of no form that is known here.
    pub fn read(
        &mut self,
        record: &str,
        list: &str,
        origin: Origin,
        found: &mut Sink<'_>,
    ) -> Result<(), BadLine> {
        let place = Place {
            origin,
            depth: 0,
            dialect: dialect_of(list),
            list,
        };
        match self.record(record, place, found) {
            Err(why) if list.is_empty() => Err(BadLine { origin, why }),
            Err(why) => {
                unknown(record, why, place, found);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Whether a line is an event of the plain form for certain, wherever it stands.
    #[inline]
    #[must_use]
    pub fn is_plain(line: &str, event: &Event<'_>) -> bool {
        line.starts_with(EVENT) && event.level != Level::Other
    }

    fn record(&mut self, text: &str, place: Place<'_>, found: &mut Sink<'_>) -> Result<(), String> {
        let text = trim(text);
        if place.depth > MAX_DEPTH {
            found(Found::Bad(format!(
                "wrapped more than {MAX_DEPTH} levels deep"
            )));
            return Ok(());
        }
        if text.starts_with(EVENT) {
            let event = self
                .parser
                .parse(text, place.origin)
                .map_err(|bad| bad.why)?;
            if event.level != Level::Other {
                let dialect = place.dialect.unwrap_or_default();
                found(Found::Event(Event { dialect, ..event }));
                return Ok(());
            }
        }
        match text.as_bytes().first() {
            Some(b'{') if docker::is_parts(text) && text.contains('\n') => {
                self.parts(text, place, found);
                Ok(())
            }
            Some(b'{') => self.objects(text, place, found),
            Some(b'[') => self.array(text, place, found),
            Some(b'"') => self.string(text, place, found),
            _ => self.line(text, place, found),
        }
    }

    /// Why a text is no event, in the words of the plain form.
    fn why(&mut self, text: &str, place: Place<'_>) -> String {
        match self.parser.parse(text, place.origin) {
            Err(bad) => bad.why,
            Ok(_) => "not an audit event".to_owned(),
        }
    }

    /// An object, or several without newlines between.
    fn objects(
        &mut self,
        text: &str,
        place: Place<'_>,
        found: &mut Sink<'_>,
    ) -> Result<(), String> {
        let (mut rest, mut first) = (text, true);
        loop {
            let end = nested_end(rest.as_bytes(), 1);
            let (object, tail) = rest.split_at(end.unwrap_or(rest.len()));
            let tail = trim(tail);
            let read = if end.is_none() || !tail.is_empty() && !tail.starts_with('{') {
                return match self.compacted(rest, place, found) {
                    Err(why) if !first => {
                        unknown(rest, why, place, found);
                        Ok(())
                    }
                    read => read,
                };
            } else {
                self.object(Object::from_text(object), place, found)
            };
            match read {
                Err(why) if first => return Err(why),
                Err(why) => unknown(object, why, place, found),
                Ok(()) => {}
            }
            if tail.is_empty() {
                return Ok(());
            }
            (rest, first) = (tail, false);
        }
    }

    /// An object or an array with white space in it, which is taken out first.
    fn compacted(
        &mut self,
        text: &str,
        place: Place<'_>,
        found: &mut Sink<'_>,
    ) -> Result<(), String> {
        let mut compact = self.take();
        let read = self.parser.compact_into(text, &mut compact).and_then(|()| {
            if compact.starts_with('[') {
                self.items(Value::from_text(&compact), place, found)
            } else {
                self.object(Object::from_text(&compact), place, found)
            }
        });
        self.give(compact);
        read
    }

    fn object(
        &mut self,
        object: Object<'_>,
        place: Place<'_>,
        found: &mut Sink<'_>,
    ) -> Result<(), String> {
        let record = Members::of(object);
        if record.is_event() {
            return self.event(&record, place, found);
        }
        if self.only == Some(Dialect::Plain) {
            return Err(self.why(object.json(), place));
        }
        if let Some((key, list)) = lists::list(&record) {
            for item in list.items() {
                self.item(item.json(), place.item(key), found);
            }
            return Ok(());
        }
        let mut scratch = self.take();
        for (dialect, open) in OBJECTS {
            if self.is_wanted(*dialect, place)
                && let Some(inside) = open(&record, &mut scratch)
            {
                self.inside(inside, &scratch, place.inside(*dialect), found);
                self.give(scratch);
                return Ok(());
            }
        }
        self.give(scratch);
        Err(self.why(object.json(), place))
    }

    fn is_wanted(&self, dialect: Dialect, place: Place<'_>) -> bool {
        let outermost = place
            .dialect
            .is_none_or(|known| known == Dialect::EventList);
        !outermost || self.only.is_none_or(|only| only == dialect)
    }

    /// A string that is a record by itself.
    fn string(&mut self, text: &str, place: Place<'_>, found: &mut Sink<'_>) -> Result<(), String> {
        if string_end(text) != Some(text.len()) || self.only == Some(Dialect::Plain) {
            return Err(self.why(text, place));
        }
        let place = place.inside(place.dialect.unwrap_or(Dialect::Envelope));
        self.inside(Inside::Value(Value::from_text(text)), "", place, found);
        Ok(())
    }

    /// Text that something stands before.
    fn line(&mut self, text: &str, place: Place<'_>, found: &mut Sink<'_>) -> Result<(), String> {
        if let Some(skipped) = known(text) {
            found(Found::Skipped(skipped));
            return Ok(());
        }
        if self.only != Some(Dialect::Plain) {
            if cri::part(text).is_some() && self.is_wanted(Dialect::Cri, place) {
                self.parts(text, place, found);
                return Ok(());
            }
            for (dialect, strip) in LINES {
                if self.is_wanted(*dialect, place)
                    && let Some(inside) = strip(text)
                {
                    self.inside(inside, "", place.inside(*dialect), found);
                    return Ok(());
                }
            }
        }
        Err(self.why(text, place))
    }

    fn inside(
        &mut self,
        inside: Inside<'_>,
        scratch: &str,
        place: Place<'_>,
        found: &mut Sink<'_>,
    ) {
        match inside {
            Inside::Value(value) => match value.text() {
                Some(text) => self.decoded(text, place, found),
                None => self.content(value.json(), place, found),
            },
            Inside::Text(text) => self.content(text, place, found),
            Inside::Scratch => self.content(scratch, place, found),
            Inside::MappedInPart => {
                found(Found::Skipped(Skipped::CutPart));
                self.inside(Inside::Mapped, scratch, place, found);
            }
            Inside::Mapped => match self.parser.parse(scratch, place.origin) {
                Ok(event) => found(Found::Event(Event {
                    dialect: place.dialect.unwrap_or_default(),
                    ..event
                })),
                Err(bad) => found(Found::Bad(bad.why)),
            },
            Inside::Skipped(skipped) => found(Found::Skipped(skipped)),
            // What is an event itself was read before.
            Inside::Itself(_) => {}
        }
    }

    fn decoded(&mut self, text: Text<'_>, place: Place<'_>, found: &mut Sink<'_>) {
        if let Some(plain) = text.as_plain() {
            return self.content(plain, place, found);
        }
        let mut decoded = self.take();
        text.read_into(&mut decoded);
        self.content(&decoded, place, found);
        self.give(decoded);
    }

    /// What was wrapped.
    fn content(&mut self, text: &str, place: Place<'_>, found: &mut Sink<'_>) {
        if let Err(why) = self.record(text, place, found) {
            unknown(text, why, place, found);
        }
    }

    fn take(&mut self) -> String {
        self.texts.pop().unwrap_or_default()
    }

    fn give(&mut self, mut text: String) {
        if text.capacity() <= KEEP && self.texts.len() < MAX_DEPTH {
            text.clear();
            self.texts.push(text);
        }
    }
}

/// Says what something is that is of no form.
#[cold]
fn unknown(text: &str, why: String, place: Place<'_>, found: &mut Sink<'_>) {
    let text = trim(text);
    let start = text
        .as_bytes()
        .get(..4096.min(text.len()))
        .unwrap_or_default();
    let is_event = text.starts_with(EVENT) || memchr::memmem::find(start, b"\"auditID\"").is_some();
    found(match judge(text) {
        Skipped::Cut => Found::Skipped(Skipped::Cut),
        _ if is_event || place.is_bare() => Found::Bad(why),
        skipped => Found::Skipped(skipped),
    });
}

/// What may stand around a record: white space, and the NULs that copytruncate leaves.
const fn padding(c: char) -> bool {
    c == '\0' || c.is_ascii_whitespace()
}

fn trim(text: &str) -> &str {
    text.trim_matches(padding)
}

/// The end of the string literal that `text` starts with.
fn string_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = string_stop(bytes, 1);
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = string_stop(bytes, at + 2),
            _ => at = string_stop(bytes, at + 1),
        }
    }
}
