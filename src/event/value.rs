//! JSON values as they stand in the line, walked on demand.
//!
//! These walkers trust the text to be one well-formed value (the parser vouches for its structure) and
//! never read past its end: on text that is not, they end early instead of panicking.

use std::cmp::Ordering;

use memchr::memchr;

use super::{
    Text,
    scan::simd::{nested_end, string_stop},
};

/// A JSON value as it stands in the line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Value<'a>(&'a str);

/// A JSON object as it stands in the line; the empty string stands for an absent one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Object<'a>(&'a str);

impl<'a> Value<'a> {
    /// A value from its text, which must be one well-formed JSON value without space around it.
    pub(super) const fn from_text(text: &'a str) -> Self {
        Self(text)
    }

    /// The JSON text.
    #[must_use]
    pub const fn json(self) -> &'a str {
        self.0
    }

    /// The string, if it is one.
    #[must_use]
    pub fn text(self) -> Option<Text<'a>> {
        let inside = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(text_of(inside))
    }

    /// Whether it is a string that means `key`. Most keys differ in length, and escapes only add to it.
    fn means(self, key: &str) -> bool {
        let literal = self.0.len().saturating_sub(2);
        match literal.cmp(&key.len()) {
            Ordering::Less => false,
            Ordering::Equal => self.0.get(1..=literal) == Some(key) && !key.contains('\\'),
            Ordering::Greater => self.text().is_some_and(|text| text == key),
        }
    }

    /// The object, if it is one.
    #[must_use]
    pub fn object(self) -> Option<Object<'a>> {
        self.0.starts_with('{').then_some(Object(self.0))
    }

    /// The items, if it is an array; none otherwise.
    pub fn items(self) -> impl Iterator<Item = Value<'a>> {
        let mut rest = self.0.strip_prefix('[').unwrap_or("");
        std::iter::from_fn(move || {
            let (value, tail) = split_value(rest)?;
            rest = after(tail, ',').unwrap_or_default();
            Some(value)
        })
    }

    /// The last item, if it is an array that has one.
    #[must_use]
    pub fn last_item(self) -> Option<Value<'a>> {
        self.items().last()
    }
}

impl<'a> Object<'a> {
    /// An object from its text, which must be one well-formed JSON object.
    pub(super) const fn from_text(text: &'a str) -> Self {
        Self(text)
    }

    /// The JSON text; empty if the object is absent.
    #[must_use]
    pub const fn json(self) -> &'a str {
        self.0
    }

    /// Whether the object is absent or has no entries.
    #[must_use]
    pub fn is_empty(self) -> bool {
        let Some((b'{', inside)) = self.0.as_bytes().split_first() else {
            return true;
        };
        let first = inside.iter().find(|&&byte| !space(char::from(byte)));
        first == Some(&b'}')
    }

    /// The entries, in the order of the text.
    pub fn entries(self) -> impl Iterator<Item = (Text<'a>, Value<'a>)> {
        self.members()
            .map_while(|(key, value)| Some((key.text()?, value)))
    }

    /// The entries, with the keys as they stand in the text.
    fn members(self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> {
        let mut rest = self.0.strip_prefix('{').unwrap_or("");
        std::iter::from_fn(move || {
            let (key, tail) = split_value(rest)?;
            let (value, tail) = split_value(after(tail, ':')?)?;
            rest = after(tail, ',').unwrap_or_default();
            Some((key, value))
        })
    }

    /// The value of `key`; the last one if the key is there twice, as in Go. `null` counts as absent.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        let mut found = None;
        for (name, value) in self.members() {
            if name.means(key) {
                found = Some(value);
            }
        }
        found.filter(|value| value.0 != "null")
    }
}

/// The text of a string literal, from what stands between its quotes.
fn text_of(inside: &str) -> Text<'_> {
    Text::from_literal(inside, memchr(b'\\', inside.as_bytes()).is_some())
}

const fn space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// What follows `punctuation` (and white space before it); nothing if something else stands there.
#[inline]
fn after(text: &str, punctuation: char) -> Option<&str> {
    text.strip_prefix(punctuation)
        .or_else(|| text.trim_start_matches(space).strip_prefix(punctuation))
}

/// Splits the first JSON value off `text`.
#[inline]
fn split_value(text: &str) -> Option<(Value<'_>, &str)> {
    let text = match text.as_bytes().first()? {
        b'"' | b'{' | b'[' => text,
        _ => text.trim_start_matches(space),
    };
    let bytes = text.as_bytes();
    let end = match bytes.first()? {
        b'"' => string_end(bytes, 1)?,
        b'{' | b'[' => single_end(bytes)
            .or_else(|| nested_end(bytes, 1))
            .or_else(|| loose_end(bytes))?,
        b'}' | b']' | b',' | b':' => return None,
        _ => text
            .find([',', '}', ']', ' ', '\t', '\n', '\r'])
            .unwrap_or(text.len()),
    };
    let (value, rest) = text.split_at_checked(end)?;
    Some((Value(value), rest))
}

/// The end of the string literal whose opening quote stands before `from`.
#[inline]
fn string_end(text: &[u8], from: usize) -> Option<usize> {
    let mut at = string_stop(text, from);
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = string_stop(text, at + 2),
            // A control byte, which JSON does not allow and which changes nothing here.
            _ => at = string_stop(text, at + 1),
        }
    }
}

/// The end of an array of one string, which every value of `extra` is: not worth a block.
#[inline]
fn single_end(text: &[u8]) -> Option<usize> {
    let [b'[', b'"', ..] = text else { return None };
    let end = string_end(text, 2)?;
    (text.get(end) == Some(&b']')).then_some(end + 1)
}

/// The end of the object or array that starts at 0, white space after strings or not.
#[cold]
fn loose_end(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => {
                at = string_end(text, at + 1)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn walks_objects_and_arrays() {
        let object = Object::from_text(
            r#"{ "a" : [ 1 , "x\"]" , { } ] , "\u0062":{"c":null},"a":[[],"last"],"n":null}"#,
        );
        let keys: Vec<_> = object.entries().map(|(key, _)| key.read()).collect();
        assert_eq!(keys, ["a", "b", "a", "n"]);
        let a = object.get("a").unwrap();
        assert_eq!(a.json(), r#"[[],"last"]"#);
        assert_eq!(a.last_item().unwrap().text().unwrap(), "last");
        assert!(
            object
                .get("b")
                .unwrap()
                .object()
                .unwrap()
                .get("c")
                .is_none()
        );
        assert!(object.get("n").is_none());
        assert!(Object::default().is_empty() && Object::from_text("{}").is_empty());
        assert_eq!(Value::from_text(r#"{"a":1}"#).items().count(), 0);
    }

    proptest! {
        #[test]
        fn walking_anything_ends(text in r#"[\[\]{}",:\\ a1é\x00]{0,60}"#) {
            let value = Value::from_text(&text);
            let _ = (value.text().map(Text::read), value.items().count(), value.last_item());
            if let Some(object) = value.object() {
                for (key, _) in object.entries() {
                    let _ = object.get(&key.read());
                }
            }
        }
    }
}
