//! SIEM intakes: `{"input":{"message":"{...}\n",...}}` (SEKOIA-IO/intake-formats, Kubernetes/audit-log).

use super::{About, Inside, Members, members::object};

pub(super) const ABOUT: About = About {
    name: "siem",
    what: "SIEM intake records (`input.message`)",
    example: r#"{"input":{"message":"{...}"}}"#,
    lacks: "",
};

pub(super) fn open<'a>(record: &Members<'a>, _scratch: &mut String) -> Option<Inside<'a>> {
    object(record.input)?.get("message").map(Inside::Value)
}
