//! Documents that list records, and under which keys.

use crate::event::Value;

use super::members::{Members, object};

/// The list in a document that is one, with its key; the same keys as in `source/documents.rs`, which
/// opens the documents that do not stand on one line.
pub(super) fn list<'a>(record: &Members<'a>) -> Option<(&'static str, Value<'a>)> {
    let keyed = [
        ("items", record.items),
        ("records", record.records),
        ("Records", record.records_upper),
        ("events", record.events),
        ("logEvents", record.log_events),
        ("results", record.results),
        ("resourceLogs", record.resource_logs),
        ("scopeLogs", record.scope_logs),
        ("logRecords", record.log_records),
        ("entries", record.entries),
        ("hits", record.hits),
        ("result", record.result),
        ("values", record.values),
        ("streams", record.streams),
    ];
    let direct = keyed
        .into_iter()
        .find_map(|(key, value)| Some((key, value.filter(|value| lists_records(*value))?)));
    direct.or_else(|| {
        let hits = object(record.hits)
            .and_then(|hits| hits.get("hits"))
            .map(|hits| ("hits", hits));
        let data = || object(record.data).and_then(|data| list(&Members::of(data)));
        hits.filter(|(_, hits)| lists_records(*hits)).or_else(data)
    })
}

/// Whether a value is an array that is empty or begins with an object or an array.
fn lists_records(value: Value<'_>) -> bool {
    let inside = value.json().strip_prefix('[').unwrap_or("x").trim_start();
    inside.starts_with(['{', '[', ']'])
}
