//! Splunk: what its HTTP Event Collector takes (`{"event":...,"sourcetype":"..."}`) and what searches
//! export (`{"result":{"_raw":"{...}"}}`).

use super::{About, Inside, Members, members::object};

pub(super) const ABOUT: About = About {
    name: "splunk",
    what: "Splunk: HEC records, exports of searches as JSON",
    example: r#"{"result":{"_raw":"{...}","_time":"..."}}"#,
    lacks: "",
};

pub(super) fn open<'a>(record: &Members<'a>, _scratch: &mut String) -> Option<Inside<'a>> {
    let raw = object(record.result).and_then(|result| result.get("_raw"));
    // Filebeat has an object `event` of its own, with what it knows of the event.
    let event = record.event.filter(|event| {
        record.at_timestamp.is_none()
            && (event.text().is_some()
                || event.object().is_some_and(|e| e.get("auditID").is_some()))
    });
    raw.or(record.raw).or(event).map(Inside::Value)
}
