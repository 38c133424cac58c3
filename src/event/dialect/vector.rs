//! Vector: `{"file":"/var/log/...","host":"...","message":"{...}","source_type":"file","timestamp":"..."}`
//! (vector `website/cue/reference/components/sources/file.cue`).

use super::{About, Inside, Members};

pub(super) const ABOUT: About = About {
    name: "vector",
    what: "Vector",
    example: r#"{"file":"/var/log/...","message":"{...}","source_type":"file","timestamp":"..."}"#,
    lacks: "",
};

pub(super) fn open<'a>(record: &Members<'a>, _scratch: &mut String) -> Option<Inside<'a>> {
    record.source_type?;
    record.message.map(Inside::Value)
}
