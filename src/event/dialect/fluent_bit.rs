//! Fluent Bit: its file output (`tag: [1700000000.123, {...}]`), and records as JSON lines with their
//! time under `date` (docs.fluentbit.io, outputs/file; FACTS 6).

use crate::event::Value;

use super::{About, Inside, Members};

pub(super) const ABOUT: About = About {
    name: "fluent-bit",
    what: "Fluent Bit: the file output, or JSON lines with `date` (event in `log` or `message`, or flattened)",
    example: r#"kube-audit: [1700000000.123, {"log":"{...}"}]"#,
    lacks: "",
};

pub(super) fn open<'a>(record: &Members<'a>, _scratch: &mut String) -> Option<Inside<'a>> {
    record.date?;
    record.log.or(record.message).map(Inside::Value)
}

/// `tag: [time, {...}]`
pub(super) fn strip(line: &str) -> Option<Inside<'_>> {
    let start = line.get(..512.min(line.len())).unwrap_or(line);
    let at = memchr::memmem::find(start.as_bytes(), b": [")?;
    let tag = line.get(..at)?;
    if tag.contains(['{', '"', ' ']) {
        return None;
    }
    open_pair(line.get(at + 2..)?.trim_end())
}

/// `[time, {...}]`, or with metadata `[[time, {}], {...}]`
pub(super) fn open_pair(pair: &str) -> Option<Inside<'_>> {
    let mut items = Value::from_text(pair).items();
    let time = items.next()?.json();
    let is_time = time.starts_with(|c: char| c == '[' || c.is_ascii_digit());
    let record = items.next().filter(|_| is_time)?;
    let alone = items.next().is_none();
    record.object().filter(|_| alone)?;
    Some(Inside::Value(record))
}
