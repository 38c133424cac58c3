//! OpenTelemetry: OTLP as JSON, as the collector's file exporter and OpenShift's forwarder write it.
//!
//! `resourceLogs[].scopeLogs[].logRecords[].body.stringValue` is the event (FACTS 6).

use super::{About, Inside, Members, Skipped, members::object};

pub(super) const ABOUT: About = About {
    name: "otlp",
    what: "OpenTelemetry: OTLP JSON (`logRecords[].body.stringValue`)",
    example: r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"{...}"}}]}]}]}"#,
    lacks: "",
};

pub(super) fn open<'a>(record: &Members<'a>, _scratch: &mut String) -> Option<Inside<'a>> {
    let body = object(record.body)?;
    if let Some(text) = body.get("stringValue") {
        return Some(Inside::Value(text));
    }
    record.time_unix_nano?;
    Some(Inside::Skipped(Skipped::OtherLog))
}
