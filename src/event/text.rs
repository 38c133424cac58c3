//! A JSON string as it stands in the line, compared and read as what it means.

use std::{borrow::Cow, fmt};

use memchr::memchr;

/// The inside of a JSON string literal, still escaped, and the knowledge whether it has escapes.
///
/// Most strings of an audit event have none and cost nothing to read; request URIs have many
/// (`\u0026`). Every comparison goes through the meaning, so that `\u0067et` equals `get`.
#[derive(Clone, Copy, Default)]
pub struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// Text that stands for itself.
    #[must_use]
    #[inline]
    pub const fn plain(text: &'a str) -> Self {
        Self {
            raw: text,
            escaped: false,
        }
    }

    /// The inside of a JSON string literal; `escaped` says whether a backslash is in it.
    #[inline]
    pub(super) const fn from_literal(raw: &'a str, escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// The inside of the JSON string literal, as it stands in the line: good for hashing, not for reading.
    #[inline]
    pub(crate) const fn literal(self) -> &'a str {
        self.raw
    }

    /// What the string means. Borrowed unless it has escapes.
    #[inline]
    #[must_use]
    pub fn read(self) -> Cow<'a, str> {
        if self.escaped {
            let mut text = String::with_capacity(self.raw.len());
            unescape(self.raw, &mut text);
            Cow::Owned(text)
        } else {
            Cow::Borrowed(self.raw)
        }
    }

    /// Appends what the string means.
    pub(super) fn read_into(self, out: &mut String) {
        if self.escaped {
            unescape(self.raw, out);
        } else {
            out.push_str(self.raw);
        }
    }

    /// The string, if it can be had without decoding.
    #[must_use]
    #[inline]
    pub const fn as_plain(self) -> Option<&'a str> {
        if self.escaped { None } else { Some(self.raw) }
    }

    /// Whether the string starts with `prefix`.
    #[must_use]
    #[inline]
    pub fn starts_with(self, prefix: &str) -> bool {
        if self.escaped {
            self.read().starts_with(prefix)
        } else {
            self.raw.starts_with(prefix)
        }
    }

    /// Whether the string is empty.
    #[must_use]
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.raw.is_empty()
    }
}

impl PartialEq<str> for Text<'_> {
    #[inline]
    fn eq(&self, other: &str) -> bool {
        if self.escaped {
            self.read() == other
        } else {
            self.raw == other
        }
    }
}

impl PartialEq<&str> for Text<'_> {
    #[inline]
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl PartialEq for Text<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        if self.escaped {
            *other == *self.read()
        } else {
            other == self.raw
        }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.read())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.read())
    }
}

/// Decodes escapes as Go's encoding/json does: a lone surrogate becomes U+FFFD.
fn unescape(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some(at) = memchr(b'\\', rest.as_bytes()) {
        let (plain, escape) = rest.split_at(at);
        out.push_str(plain);
        let (decoded, used) = decode_escape(escape);
        out.push(decoded);
        rest = escape.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// The character that the escape at the start of `text` stands for, and the escape's length.
/// U+FFFD for what is no escape, which a literal that the parser has vouched for does not have.
pub(super) fn decode_escape(text: &str) -> (char, usize) {
    match text.as_bytes().get(1).copied() {
        Some(b'u') => unescape_unicode(text),
        Some(b'n') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'r') => ('\r', 2),
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(byte @ (b'"' | b'\\' | b'/')) => (char::from(byte), 2),
        _ => (char::REPLACEMENT_CHARACTER, 1),
    }
}

/// Decodes the `\uXXXX` (or surrogate pair of two) that `text` starts with, and says how long it is.
fn unescape_unicode(text: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        digits
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let Some(first) = unit(0) else {
        return (char::REPLACEMENT_CHARACTER, 2);
    };
    match (first, unit(6)) {
        (0xD800..0xDC00, Some(second @ 0xDC00..0xE000)) => {
            let pair = char::decode_utf16([first, second])
                .next()
                .and_then(Result::ok);
            (pair.unwrap_or(char::REPLACEMENT_CHARACTER), 12)
        }
        _ => (
            char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER),
            6,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_escapes_as_go_does() {
        for (raw, means) in [
            (r"a\u0026b", "a&b"),
            (r"\u0067et", "get"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"\ud83d\ude00", "😀"),
            (r"\ud83d", "\u{fffd}"),
            (r"\ud83dx", "\u{fffd}x"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
        ] {
            let text = Text::from_literal(raw, true);
            assert_eq!(text.read(), means, "{raw}");
            assert_eq!(text, *means, "{raw}");
            assert_eq!(text, Text::plain(means), "{raw}");
        }
    }

    #[test]
    fn survives_what_is_no_escape() {
        for raw in [
            r"\",
            r"\u",
            r"\u12",
            r"\ué000",
            r"\u+123",
            r"\é",
            r"\ud83d\u",
        ] {
            assert!(
                Text::from_literal(raw, true).read().contains('\u{fffd}'),
                "{raw}"
            );
        }
    }
}
