//! How the records of a source are told apart, by its first bytes.
//!
//! Nearly every log has one record a line, and is read so by all threads at once. What a provider's
//! command line prints (a pretty-printed document, one JSON array of gigabytes, objects behind each
//! other without newlines) has not, and neither have the parts into which a container runtime cuts long
//! lines.

use super::{
    documents::{Documents, space},
    parts::Parts,
    split::Mark,
};

/// Enough bytes to tell.
pub(super) const ENOUGH: usize = 4096;

/// How kube-apiserver begins every line.
const EVENT: &[u8] = br#"{"kind":"Event","apiVersion":"audit.k8s.io/"#;

/// How records are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Each line is one.
    Lines,
    /// Each JSON value is one, but for the containers that hold records: their items are.
    Documents,
    /// Each line that a container runtime took is one, of as many parts as it was cut into.
    Parts(Parts),
}

/// How the records of a text that starts with `head` are told apart; `head` is all of it if it is
/// shorter than [`ENOUGH`].
pub(super) fn framing(head: &[u8]) -> Framing {
    let blank = head.iter().take_while(|&&byte| space(byte)).count();
    let text = &head[blank..];
    if is_plain(text) {
        return Framing::Lines;
    }
    match text.first() {
        Some(b'[') if opens_a_list(text) => Framing::Documents,
        Some(b'{') => match Parts::of(text) {
            Some(parts) => Framing::Parts(parts),
            None if is_documents(text) => Framing::Documents,
            None => Framing::Lines,
        },
        Some(b'0'..=b'9') => Parts::of(text).map_or(Framing::Lines, Framing::Parts),
        _ => Framing::Lines,
    }
}

/// Whether the first line is as kube-apiserver writes it, and the next one begins anew: then no document is looked
/// for, which takes longer than all the rest that a small file takes.
fn is_plain(text: &[u8]) -> bool {
    let newline = || memchr::memchr(b'\n', text);
    let lines = |at| matches!(text.split_at(at), ([.., b'}'], [b'\n'] | [b'\n', b'{', ..]));
    text.starts_with(EVENT) && newline().is_some_and(lines)
}

/// `[` and a value; and not `[2026-01-02 ...] text`.
fn opens_a_list(text: &[u8]) -> bool {
    let inside = text[1..].iter().find(|&&byte| !space(byte));
    matches!(inside, None | Some(b'{' | b'[' | b'"' | b']'))
}

/// Whether a text that starts with an object is more than an object a line.
fn is_documents(text: &[u8]) -> bool {
    let mut splitter = Documents::default();
    let (mut at, mut list) = (0, false);
    while at < text.len() {
        let (taken, mark) = splitter.step(&text[at..]);
        at += taken;
        match mark {
            Mark::End(_) if !list => return ends_otherwise(text, at),
            Mark::Void => list = true,
            // The container is closed: nothing that follows it is of its making.
            Mark::Start if list && !splitter.is_within() => return ends_otherwise(text, at),
            Mark::Nothing | Mark::Start | Mark::End(_) => {}
        }
    }
    match memchr::memchr(b'\n', text) {
        // One long line. kube-apiserver's own are read by all threads; a container may be endless.
        None => list && !text.starts_with(EVENT),
        Some(newline) => breaks_within(text, newline),
    }
}

/// Whether the value that ends at `end` stands on several lines, or others behind it on the same.
fn ends_otherwise(text: &[u8], end: usize) -> bool {
    let (value, rest) = text.split_at(end);
    if memchr::memchr(b'\n', value.trim_ascii_end()).is_some() {
        return breaks_within(text, memchr::memchr(b'\n', text).unwrap_or(0));
    }
    // Two writers may glue two lines together: then lines follow.
    let glued = rest.trim_ascii_start().starts_with(b"{");
    glued && memchr::memchr(b'\n', text).is_none()
}

/// Whether the line that ends at `newline` is the first of a document: what stands at its end and what
/// the next line starts with go together in JSON. In a log they do not: a line cut by a crash is followed
/// by a whole one.
fn breaks_within(text: &[u8], newline: usize) -> bool {
    let before = text[..newline].iter().rfind(|&&byte| !space(byte));
    let after = text[newline..].iter().find(|&&byte| !space(byte));
    match (before, after) {
        (Some(b'{' | b','), Some(b'"') | None)
        | (Some(b'{'), Some(b'}'))
        | (Some(b'[' | b':'), _)
        | (Some(b'}' | b']' | b'"' | b'0'..=b'9' | b'e' | b'l'), Some(b'}' | b']' | b',')) => true,
        (Some(b','), Some(b'{' | b'[')) => !text.starts_with(EVENT),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_by_the_head() {
        let event = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata"}"#;
        let half = &event[..50];
        let long = "x".repeat(5000);
        for (text, framing) in [
            (String::new(), Framing::Lines),
            (format!("{event}\n{event}\n"), Framing::Lines),
            (event.to_owned(), Framing::Lines),
            (format!("{half}\n{event}\n"), Framing::Lines),
            (format!("{half}{event}\n{event}\n"), Framing::Lines),
            (format!("{event}{event}\n{event}\n"), Framing::Lines),
            (format!("{event}{event}"), Framing::Documents),
            (
                format!("\n{}\n", event.replace(',', ",\n ")),
                Framing::Documents,
            ),
            (
                "{\n  \"kind\": \"EventList\"".to_owned(),
                Framing::Documents,
            ),
            ("[\n".to_owned(), Framing::Documents),
            (format!("[{event},{event}]"), Framing::Documents),
            ("[2026-01-02] text".to_owned(), Framing::Lines),
            (
                "{\"records\":[{\"a\":1}]}\n{\"records\":[]}\n".to_owned(),
                Framing::Lines,
            ),
            (
                "{\"records\":[{\"a\":1}]}{\"records\":[]}".to_owned(),
                Framing::Documents,
            ),
            (
                format!("{{\"events\":[{{\"a\":\"{long}"),
                Framing::Documents,
            ),
            (format!("{{\"a\":\"{long}"), Framing::Lines),
            (
                format!("{{\"records\": [{{\"a\":1}},\n{{\"b\":\"{long}"),
                Framing::Documents,
            ),
            (
                "I0102 03:04:05.000006       1 a.go:1] x\n".to_owned(),
                Framing::Lines,
            ),
            (
                "2026-01-02T03:04:05.1Z stdout F {\n".to_owned(),
                Framing::Parts(Parts::cri()),
            ),
            ("2026-01-02T03:04:05.1Z {\n".to_owned(), Framing::Lines),
            (
                format!("{{\"log\":\"{long}"),
                Framing::Parts(Parts::docker()),
            ),
        ] {
            let head = &text.as_bytes()[..text.len().min(ENOUGH)];
            assert_eq!(super::framing(head), framing, "{text:.80}");
        }
    }
}
