//! AKS: rows of Log Analytics' tables AKSAudit and AKSAuditAdmin, as JSON.
//!
//! The columns are the event's members in PascalCase; those that are objects come as objects or as
//! strings of JSON, or, too large, as the string `skipped-too-big-size-object` (FACTS 6; the list of
//! columns is partly from memory there, so that columns which are missing cost nothing here).

use crate::event::Value;

use super::{About, Inside, Members, canon::Canon};

pub(super) const ABOUT: About = About {
    name: "log-analytics",
    what: "AKS: rows of Log Analytics' tables AKSAudit and AKSAuditAdmin as JSON",
    example: r#"{"Level":"Metadata","AuditId":"...","Verb":"get","User":{"username":...},...}"#,
    lacks: "parts that Azure found too large (`skipped-too-big-size-object`); AKSAuditAdmin has no get \
            and list",
};

/// What stands where an object was too large.
const TOO_BIG: &str = "\"skipped-too-big-size-object\"";

/// Columns of strings, and what they are called in the event.
const STRINGS: [(&str, &str); 8] = [
    ("Level", "level"),
    ("AuditId", "auditID"),
    ("Stage", "stage"),
    ("RequestUri", "requestURI"),
    ("Verb", "verb"),
    ("UserAgent", "userAgent"),
    ("RequestReceivedTime", "requestReceivedTimestamp"),
    ("StageReceivedTime", "stageTimestamp"),
];

/// Columns of objects and arrays, and what they are called in the event.
const VALUES: [(&str, &str); 8] = [
    ("User", "user"),
    ("ImpersonatedUser", "impersonatedUser"),
    ("SourceIps", "sourceIPs"),
    ("ObjectRef", "objectRef"),
    ("ResponseStatus", "responseStatus"),
    ("RequestObject", "requestObject"),
    ("ResponseObject", "responseObject"),
    ("Annotations", "annotations"),
];

pub(super) fn open<'a>(record: &Members<'a>, scratch: &mut String) -> Option<Inside<'a>> {
    record.audit_id_column?.text()?;
    record.stage_column?.text()?;
    let mut event = Canon::begin(scratch);
    for (column, key) in STRINGS {
        if let Some(text) = record.other(column).and_then(Value::text) {
            event.text(key, text);
        }
    }
    let mut cut = false;
    for (column, key) in VALUES {
        match record.other(column) {
            Some(value) if value.json() == TOO_BIG => cut = true,
            Some(value) => event.dynamic(key, value),
            None => {}
        }
    }
    event.end();
    Some(if cut {
        Inside::MappedInPart
    } else {
        Inside::Mapped
    })
}
