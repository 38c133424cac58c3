//! JSON values that stand in a stream in any layout, each a record.
//!
//! Knows of JSON where values begin and end, and under which keys lists of records hang. A document that
//! holds such a list is no record itself: the items of the list are, one after the other, however long
//! the list is.
//!
//! Broken values cost themselves: a string that holds a raw newline ends there, and so does a value
//! whose next line cannot go on with it. What stands between values up to the end of the line is handed
//! out as it is, for whoever reads it to judge.

mod key;
#[cfg(test)]
mod tests;

use memchr::memchr3;

use super::split::Mark;
use key::{Key, Named};

/// Under which name the items of a list without a key go.
const ARRAY: &str = "[]";

/// Lists within items of lists are opened down to this depth; below, the items are records whole.
const MAX_FRAMES: usize = 8;

/// Finds where values begin and end.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// The lists that are open, the outermost first.
    frames: Vec<Frame>,
    at: At,
    /// Brackets open in the value, or in the container, that is being read.
    depth: u32,
    inside: Inside,
    key: Key,
    /// The list or the object that the last key opens, if the next byte is its bracket.
    named: Option<Named>,
    /// Whether the object at depth 1 of a container is one that a list may hang in.
    via: bool,
    /// The last byte outside of strings that was no space.
    last: u8,
    edge: Edge,
    /// Whether lists were given up, whose closing brackets are still to come.
    adrift: bool,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    list: &'static str,
    /// Brackets open around the list, within its container.
    depth: u32,
}

/// What is being read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    /// What stands between values.
    #[default]
    Between,
    /// The first byte of a value.
    Begin,
    /// A value.
    Value,
    /// The rest of an object whose list has ended.
    Container,
    /// The bracket of a list was read; whether of records, its first item will tell.
    List(&'static str, bool),
    /// What is no value, up to the end of the line or of the item.
    Bare,
}

/// What a newline leaves to the next byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Edge {
    /// No newline stands before it.
    #[default]
    No,
    /// It is the first of a line.
    Fresh,
    /// It is, and the line before broke off within a string.
    Broken,
}

/// Where in a string.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Nothing,
    String,
    Escape,
}

/// White space, and the NULs that copytruncate leaves.
pub(super) const fn space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0)
}

impl Documents {
    /// Whether a container is open.
    pub(super) fn is_within(&self) -> bool {
        !self.frames.is_empty() || matches!(self.at, At::Container | At::List(..))
    }

    pub(super) fn step(&mut self, bytes: &[u8]) -> (usize, Mark) {
        let mut at = 0;
        while at < bytes.len() {
            let (taken, mark) = match self.at {
                At::Between => self.between(&bytes[at..]),
                At::Begin => (self.begin(bytes[at]), Mark::Nothing),
                At::List(list, in_value) => self.list(&bytes[at..], list, in_value),
                At::Bare => self.bare(&bytes[at..]),
                At::Value | At::Container => self.value(&bytes[at..]),
            };
            at += taken;
            if mark != Mark::Nothing {
                return (at, mark);
            }
        }
        (at, Mark::Nothing)
    }

    fn between(&mut self, bytes: &[u8]) -> (usize, Mark) {
        for (at, &byte) in bytes.iter().enumerate() {
            // A document starts at the start of a line: after a broken line, that is where to go on.
            if std::mem::take(&mut self.edge) == Edge::Broken && matches!(byte, b'{' | b'[') {
                self.give_up_lists();
            }
            let top = self.frames.is_empty();
            match byte {
                _ if space(byte) => {}
                b',' => {}
                b']' | b'}' if top && self.adrift => {}
                // A byte-order mark, as concatenated files have them.
                0xef | 0xbb | 0xbf if top => {}
                b'[' if top => self.frames.push(Frame {
                    list: ARRAY,
                    depth: 0,
                }),
                b']' if !top => {
                    self.depth = self.frames.pop().map_or(0, |frame| frame.depth);
                    if self.depth > 0 {
                        self.enter(At::Container);
                        self.last = byte;
                        return (at + 1, Mark::Nothing);
                    }
                }
                _ => {
                    self.at = At::Begin;
                    return (at, Mark::Start);
                }
            }
        }
        (bytes.len(), Mark::Nothing)
    }

    fn give_up_lists(&mut self) {
        self.adrift |= self.is_within();
        self.frames.clear();
    }

    fn enter(&mut self, at: At) {
        self.at = at;
        self.inside = Inside::Nothing;
        self.key = Key::default();
        self.named = None;
        self.via = self.depth == 2;
        self.edge = Edge::No;
    }

    /// The first byte of a value; always taken.
    fn begin(&mut self, byte: u8) -> usize {
        self.depth = u32::from(matches!(byte, b'{' | b'['));
        self.enter(At::Value);
        self.last = byte;
        match byte {
            b'{' | b'[' => {}
            b'"' => self.inside = Inside::String,
            _ => self.at = At::Bare,
        }
        1
    }

    /// Anything, up to where it must end.
    fn bare(&mut self, bytes: &[u8]) -> (usize, Mark) {
        let top = self.frames.is_empty();
        let stop = |byte: &u8| *byte == b'\n' || !top && matches!(byte, b',' | b']');
        match bytes.iter().position(stop) {
            Some(end) => (end, self.end()),
            None => (bytes.len(), Mark::Nothing),
        }
    }

    fn end(&mut self) -> Mark {
        self.at = At::Between;
        Mark::End(self.frames.last().map_or("", |frame| frame.list))
    }

    /// The first item of what may be a list of records.
    fn list(&mut self, bytes: &[u8], list: &'static str, in_value: bool) -> (usize, Mark) {
        let blank = bytes.iter().take_while(|&&byte| space(byte)).count();
        let Some(first) = bytes.get(blank) else {
            return (bytes.len(), Mark::Nothing);
        };
        if !matches!(first, b'{' | b'[' | b']') {
            self.at = if in_value { At::Value } else { At::Container };
            return (blank, Mark::Nothing);
        }
        self.frames.push(Frame {
            list,
            depth: self.depth - 1,
        });
        self.at = At::Between;
        let mark = if in_value { Mark::Void } else { Mark::Nothing };
        (blank, mark)
    }

    /// A value or the rest of a container, up to its end or to a list in it.
    fn value(&mut self, bytes: &[u8]) -> (usize, Mark) {
        let mut at = 0;
        while at < bytes.len() {
            if self.inside != Inside::Nothing {
                match self.string(&bytes[at..]) {
                    (taken, true) => return self.broken_string(at + taken),
                    (taken, false) => at += taken,
                }
                if self.depth == 0 && self.inside == Inside::Nothing {
                    return (at, self.end());
                }
                continue;
            }
            let byte = bytes[at];
            if std::mem::take(&mut self.edge) == Edge::Fresh
                && byte == b'{'
                && !matches!(self.last, b'[' | b',' | b':')
            {
                self.give_up_lists();
                return (at, self.end_here());
            }
            at += 1;
            match byte {
                b'"' => {
                    self.inside = Inside::String;
                    self.key = Key::default();
                }
                b'\n' => {
                    self.edge = Edge::Fresh;
                    continue;
                }
                _ if space(byte) => continue,
                b':' => {
                    let keyed = self.depth == 1 || self.depth == 2 && self.via;
                    self.named = if keyed { self.key.named() } else { None };
                    self.last = byte;
                    continue;
                }
                b'{' | b'[' => {
                    self.depth += 1;
                    if let Some(list) = self.opens(byte) {
                        self.last = byte;
                        self.at = At::List(list, self.at == At::Value);
                        return (at, Mark::Nothing);
                    }
                }
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (at, self.end_here());
                    }
                    self.via &= self.depth > 1;
                }
                _ => {}
            }
            self.named = None;
            self.last = byte;
        }
        (at, Mark::Nothing)
    }

    /// The list that an opening bracket opens, if it may.
    fn opens(&mut self, bracket: u8) -> Option<&'static str> {
        let named = self.named.take()?;
        match (named, bracket) {
            (Named::Via | Named::Both(_), b'{') if self.depth == 2 => {
                self.via = true;
                None
            }
            (Named::List(list) | Named::Both(list), b'[') if self.frames.len() < MAX_FRAMES => {
                Some(list)
            }
            _ => None,
        }
    }

    /// The value or the container ends, and was read to here.
    fn end_here(&mut self) -> Mark {
        if self.at == At::Container {
            self.at = At::Between;
            return Mark::Nothing;
        }
        self.end()
    }

    /// A string breaks off at the end of its line.
    fn broken_string(&mut self, at: usize) -> (usize, Mark) {
        self.edge = Edge::Broken;
        self.inside = Inside::Nothing;
        (at, self.end_here())
    }

    /// A string, up to its end; whether a newline stands before that.
    fn string(&mut self, bytes: &[u8]) -> (usize, bool) {
        if self.inside == Inside::Escape {
            self.inside = Inside::String;
            return (1, bytes[0] == b'\n');
        }
        let stop = memchr3(b'"', b'\\', b'\n', bytes);
        let plain = stop.unwrap_or(bytes.len());
        if self.depth <= 2 {
            self.key.push(&bytes[..plain]);
        }
        match stop.map(|stop| bytes[stop]) {
            None => (plain, false),
            Some(b'\n') => (plain + 1, true),
            Some(b'"') => {
                self.inside = Inside::Nothing;
                self.last = b'"';
                (plain + 1, false)
            }
            Some(_) => {
                self.inside = Inside::Escape;
                self.key.spoil();
                (plain + 1, false)
            }
        }
    }
}
