//! Docker's json-file: `{"log":"{...}\n","stream":"stdout","time":"..."}`, long lines in parts of 16 KiB
//! of which the last ends in `\n` (FACTS 5, `--audit-log-path=-`).

use crate::event::{Object, Text, Value};

use super::{About, Inside, Members};

pub(super) const ABOUT: About = About {
    name: "docker",
    what: "Docker's json-file; lines that Docker cut into parts are joined",
    example: r#"{"log":"{...}\n","stream":"stdout","time":"2026-01-02T03:04:05.123456789Z"}"#,
    lacks: "characters that stand where Docker cut a line within one",
};

pub(super) fn open<'a>(record: &Members<'a>, _scratch: &mut String) -> Option<Inside<'a>> {
    let (log, _, _) = (record.log?, record.stream?, record.time?);
    record.date.is_none().then_some(Inside::Value(log))
}

/// A line: its stream, its text, and whether that is the end of a line of the program's.
pub(super) fn part(line: &str) -> Option<(usize, Text<'_>, bool)> {
    let members = Members::of(Object::from_text(line));
    let (log, stream, _) = (members.log?.text()?, members.stream?.text()?, members.time?);
    let ended = log.literal().ends_with("\\n");
    Some((usize::from(stream == "stderr"), log, ended))
}

/// Whether a record of several lines is Docker's.
pub(super) fn is_parts(record: &str) -> bool {
    record.starts_with("{\"log\":\"") && Value::from_text(record).object().is_some()
}
