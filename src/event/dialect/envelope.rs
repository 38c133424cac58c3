//! Any other JSON object that carries the event in a member of a usual name: what shippers do unless
//! they are told otherwise.

use super::{About, Inside, Members, Skipped, text_of};

pub(super) const ABOUT: About = About {
    name: "envelope",
    what: "any other JSON with the event in `message`, `log`, `event.original`, `body` or `properties.log`",
    example: r#"{"host":"...","message":"{...}"}"#,
    lacks: "",
};

pub(super) fn open<'a>(record: &Members<'a>, _scratch: &mut String) -> Option<Inside<'a>> {
    // klog as JSON: {"ts":...,"caller":"...","msg":"...","v":0}
    if record.ts.is_some() && text_of(record.msg).is_some() && record.message.is_none() {
        return Some(Inside::Skipped(Skipped::Klog));
    }
    let properties = || record.properties?.object()?.get("log");
    let carrier = [
        record.message,
        record.log,
        record.event_original,
        record.body,
        record.body_upper,
    ];
    let text = carrier
        .into_iter()
        .flatten()
        .find(|value| value.text().is_some());
    let nested = |key: crate::event::Value<'a>| {
        key.object()
            .filter(|o| o.get("auditID").is_some())
            .map(|_| key)
    };
    let object = [
        record.message,
        record.log,
        record.event,
        record.body,
        record.json,
    ];
    text.or_else(properties)
        .or_else(|| object.into_iter().flatten().find_map(nested))
        .map(Inside::Value)
}
