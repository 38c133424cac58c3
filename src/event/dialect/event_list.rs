//! Bodies of the audit webhook, `kubectl`-style lists, and arrays of events.
//!
//! Items of an EventList have neither `kind` nor `apiVersion` (FACTS 1.2).

use super::About;

pub(super) const ABOUT: About = About {
    name: "event-list",
    what: "webhook bodies (EventList), lists and JSON arrays of events, on one line or many",
    example: r#"{"kind":"EventList","items":[{"level":"Metadata","auditID":...}, ...]}"#,
    lacks: "",
};
