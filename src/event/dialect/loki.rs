//! Grafana Loki: what logcli prints (`{"labels":{...},"line":"{...}","timestamp":"..."}`, or time, labels
//! and line), and what its API answers and takes (`values` of `["<nanoseconds>","{...}"]`).

use crate::event::Value;

use super::{
    About, Inside, Members,
    text::{first_word, is_time},
};

pub(super) const ABOUT: About = About {
    name: "loki",
    what: "Loki: logcli's lines, answers of the API",
    example: r#"{"labels":{...},"line":"{...}","timestamp":"..."}"#,
    lacks: "",
};

pub(super) fn open<'a>(record: &Members<'a>, _scratch: &mut String) -> Option<Inside<'a>> {
    record
        .line
        .filter(|line| line.text().is_some())
        .map(Inside::Value)
}

/// `["1700000000000000000","{...}"]`, perhaps with metadata behind.
pub(super) fn open_pair(pair: &str) -> Option<Inside<'_>> {
    let mut items = Value::from_text(pair).items();
    let time = items.next()?.text()?.as_plain()?;
    let line = items.next().filter(|line| line.text().is_some())?;
    let nanoseconds = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
    nanoseconds.then_some(Inside::Value(line))
}

/// `2026-01-02T03:04:05Z {app="x", node="y"} {...}`
pub(super) fn strip(line: &str) -> Option<Inside<'_>> {
    let (time, rest) = first_word(line, 40)?;
    let labels = rest
        .trim_start()
        .strip_prefix('{')
        .filter(|_| is_time(time))?;
    if labels.starts_with('"') {
        return None;
    }
    let end = memchr::memmem::find(labels.as_bytes(), b"} ")?;
    let is_labels = labels.get(..end)?.contains("=\"") || labels.starts_with('}');
    is_labels.then_some(Inside::Text(labels.get(end + 2..)?))
}
