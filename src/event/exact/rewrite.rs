//! Valid JSON -> the same JSON in its shortest spelling.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memmem};

use crate::event::text::decode_escape;

/// Copies `line` into `out`, each lone surrogate escape replaced by `\ufffd`, which is as long.
pub(super) fn mend_surrogates(line: &str, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(line.as_bytes());
    // Only \uD8.. to \uDF.. need a look.
    if memmem::find(out, b"\\ud").is_none() && memmem::find(out, b"\\uD").is_none() {
        return;
    }
    let mut at = 0;
    while let Some(found) = line
        .as_bytes()
        .get(at..)
        .and_then(|rest| memchr(b'\\', rest))
    {
        at += found;
        let rest = line.get(at..).unwrap_or_default();
        let (decoded, used) = decode_escape(rest);
        if decoded == char::REPLACEMENT_CHARACTER
            && is_surrogate(rest)
            && let Some(digits) = out.get_mut(at + 2..at + 6)
        {
            digits.copy_from_slice(b"fffd");
        }
        at += used;
    }
}

fn is_surrogate(escape: &str) -> bool {
    escape
        .get(2..6)
        .and_then(|digits| u16::from_str_radix(digits, 16).ok())
        .is_some_and(|unit| (0xd800..0xe000).contains(&unit))
        && escape.starts_with("\\u")
}

/// Writes the valid JSON `line` into `out`, without white space and with the fewest escapes.
pub(super) fn compact(line: &str, out: &mut String) {
    out.clear();
    out.reserve(line.len());
    let mut rest = line;
    while let Some(quote) = memchr(b'"', rest.as_bytes()) {
        let (between, string) = rest.split_at(quote);
        push_without_space(between, out);
        rest = push_string(string, out);
    }
    push_without_space(rest, out);
}

fn push_without_space(text: &str, out: &mut String) {
    for part in text.split([' ', '\t', '\n', '\r']) {
        out.push_str(part);
    }
}

/// Writes the string literal that `text` starts with, and returns what follows it.
fn push_string<'a>(text: &'a str, out: &mut String) -> &'a str {
    out.push('"');
    let mut rest = text.get(1..).unwrap_or_default();
    while let Some(stop) = memchr2(b'"', b'\\', rest.as_bytes()) {
        let (plain, tail) = rest.split_at(stop);
        out.push_str(plain);
        if let Some(after) = tail.strip_prefix('"') {
            out.push('"');
            return after;
        }
        let (decoded, used) = decode_escape(tail);
        out.push_str(&spell(decoded));
        rest = tail.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
    ""
}

/// A character as it must stand in a JSON string.
fn spell(char: char) -> Cow<'static, str> {
    match char {
        '"' => Cow::Borrowed("\\\""),
        '\\' => Cow::Borrowed("\\\\"),
        '\n' => Cow::Borrowed("\\n"),
        '\r' => Cow::Borrowed("\\r"),
        '\t' => Cow::Borrowed("\\t"),
        '\0'..' ' => Cow::Owned(format!("\\u{:04x}", u32::from(char))),
        _ => Cow::Owned(char.to_string()),
    }
}
