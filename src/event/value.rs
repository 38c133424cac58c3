//! JSON values as they stand in the line, walked on demand.
//!
//! These walkers trust the text to be one well-formed value (the parser vouches for that) and never
//! read past its end: on text that is not, they end early instead of panicking.

use super::Text;

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
        Some(Text::from_literal(inside, inside.contains('\\')))
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
            let (value, after) = split_value(rest)?;
            rest = after
                .trim_start_matches(space)
                .strip_prefix(',')
                .unwrap_or("");
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
        self.entries().next().is_none()
    }

    /// The entries, in the order of the text.
    pub fn entries(self) -> impl Iterator<Item = (Text<'a>, Value<'a>)> {
        let mut rest = self.0.strip_prefix('{').unwrap_or("");
        std::iter::from_fn(move || {
            let (key, after) = split_value(rest)?;
            let after = after.trim_start_matches(space).strip_prefix(':')?;
            let (value, after) = split_value(after)?;
            rest = after
                .trim_start_matches(space)
                .strip_prefix(',')
                .unwrap_or("");
            Some((key.text()?, value))
        })
    }

    /// The value of `key`; the last one if the key is there twice, as in Go. `null` counts as absent.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        let value = self.entries().filter(|(name, _)| name == key).last()?.1;
        (value.0 != "null").then_some(value)
    }
}

const fn space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Splits the first JSON value off `text`.
fn split_value(text: &str) -> Option<(Value<'_>, &str)> {
    let text = text.trim_start_matches(space);
    let end = match text.as_bytes().first()? {
        b'"' => string_end(text.as_bytes(), 0)?,
        b'{' | b'[' => nested_end(text.as_bytes())?,
        b'}' | b']' | b',' | b':' => return None,
        _ => text
            .find([',', '}', ']', ' ', '\t', '\n', '\r'])
            .unwrap_or(text.len()),
    };
    Some((Value(text.get(..end)?), text.get(end..)?))
}

/// The end of the string literal that starts at `start`.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        let hit = at + memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[hit] == b'"' {
            return Some(hit + 1);
        }
        at = hit + 2;
    }
}

/// The end of the object or array that starts at 0.
fn nested_end(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = string_end(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}
