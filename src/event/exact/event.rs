//! Compact, valid JSON -> an event.

use crate::{
    event::{Dialect, Event, Level, Object, ObjectRef, Stage, Text, User, Value},
    finding::Timestamp,
    source::Origin,
};

use super::why::expected;

const FIELDS: [&str; 18] = [
    "kind",
    "level",
    "auditID",
    "stage",
    "requestURI",
    "verb",
    "user",
    "impersonatedUser",
    "sourceIPs",
    "userAgent",
    "objectRef",
    "responseStatus",
    "requestObject",
    "responseObject",
    "requestReceivedTimestamp",
    "stageTimestamp",
    "annotations",
    "apiVersion",
];

const OBJECT_FIELDS: [&str; 5] = ["resource", "namespace", "name", "apiGroup", "subresource"];

/// The event in `text`, or why it is none.
pub(super) fn read(text: &str, origin: Origin) -> Result<Event<'_>, String> {
    let top = Value::from_text(text);
    let Some(top) = top.object() else {
        return Err(expected("line", "an object", top));
    };
    let fields = Fields::new("", &FIELDS, top);
    let stage = stage(&fields)?;
    fields.text("apiVersion")?;
    let status = fields.object("responseStatus")?;
    Ok(Event {
        origin,
        dialect: Dialect::Plain,
        level: Level::from_name(&fields.text("level")?.read()),
        audit_id: fields.text("auditID")?,
        stage,
        request_uri: fields.text("requestURI")?,
        verb: fields.text("verb")?,
        user: user(&fields, "user")?.unwrap_or_default(),
        impersonated_user: user(&fields, "impersonatedUser")?,
        source_ips: fields.array("sourceIPs")?,
        user_agent: fields.text("userAgent")?,
        object: object_ref(&fields)?,
        code: code(status)?,
        status: status.unwrap_or_default(),
        request_body: fields.get("requestObject"),
        response_body: fields.get("responseObject"),
        received: Timestamp::parse(&fields.text("requestReceivedTimestamp")?.read()),
        stage_time: Timestamp::parse(&fields.text("stageTimestamp")?.read()),
        annotations: fields.object("annotations")?.unwrap_or_default(),
    })
}

/// The stage, which every event has and nothing else does.
fn stage(fields: &Fields<'_, 18>) -> Result<Stage, String> {
    let kind = fields.text("kind")?;
    if kind == "EventList" {
        return Err("an EventList: unwrap it first (one event per line is read)".to_owned());
    }
    if fields.get("kind").is_some() && kind != "Event" {
        let name = kind.read();
        let tame = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        return Err(if tame && !name.is_empty() {
            format!("not an audit event: kind is {name}, not Event")
        } else {
            "not an audit event: kind is not Event".to_owned()
        });
    }
    // The items of an EventList have no kind; an audit ID makes up for it.
    if fields.get("kind").is_none() && fields.get("auditID").is_none() {
        return Err("not an audit event: neither kind nor auditID".to_owned());
    }
    if fields.get("stage").is_none() {
        return Err("not an audit event: no stage".to_owned());
    }
    Stage::from_name(&fields.text("stage")?.read())
        .ok_or_else(|| "not an audit event: no stage of audit.k8s.io/v1".to_owned())
}

fn user<'a>(fields: &Fields<'a, 18>, field: &'static str) -> Result<Option<User<'a>>, String> {
    let Some(object) = fields.object(field)? else {
        return Ok(None);
    };
    let name = Fields::new(field, &["username"], object).text("username")?;
    Ok(Some(User::new(name, object)))
}

fn object_ref<'a>(fields: &Fields<'a, 18>) -> Result<Option<ObjectRef<'a>>, String> {
    let Some(object) = fields.object("objectRef")? else {
        return Ok(None);
    };
    let parts = Fields::new("objectRef", &OBJECT_FIELDS, object);
    Ok(Some(ObjectRef {
        resource: parts.text("resource")?,
        namespace: parts.text("namespace")?,
        name: parts.text("name")?,
        group: parts.text("apiGroup")?,
        subresource: parts.text("subresource")?,
    }))
}

fn code(status: Option<Object<'_>>) -> Result<Option<u16>, String> {
    let Some(value) = status.and_then(|status| status.get("code")) else {
        return Ok(None);
    };
    let digits = value.json();
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(code) if plain => Ok(Some(code)),
        _ if digits.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            Err("responseStatus.code: expected an HTTP status, found another number".to_owned())
        }
        _ => Err(expected("responseStatus.code", "a number", value)),
    }
}

/// The values of some of an object's keys: the last one of each, `null` as absent.
struct Fields<'a, const N: usize> {
    prefix: &'static str,
    names: &'static [&'static str; N],
    values: [Option<Value<'a>>; N],
}

impl<'a, const N: usize> Fields<'a, N> {
    fn new(prefix: &'static str, names: &'static [&'static str; N], object: Object<'a>) -> Self {
        let mut values = [None; N];
        for (key, value) in object.entries() {
            if let Some(slot) = names
                .iter()
                .position(|name| key == *name)
                .and_then(|i| values.get_mut(i))
            {
                *slot = (value.json() != "null").then_some(value);
            }
        }
        Self {
            prefix,
            names,
            values,
        }
    }

    fn get(&self, name: &str) -> Option<Value<'a>> {
        let at = self.names.iter().position(|known| *known == name)?;
        self.values.get(at).copied().flatten()
    }

    fn text(&self, name: &str) -> Result<Text<'a>, String> {
        let Some(value) = self.get(name) else {
            return Ok(Text::default());
        };
        value
            .text()
            .ok_or_else(|| self.expected(name, "a string", value))
    }

    fn object(&self, name: &str) -> Result<Option<Object<'a>>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match value.object() {
            Some(object) => Ok(Some(object)),
            None => Err(self.expected(name, "an object", value)),
        }
    }

    fn array(&self, name: &str) -> Result<Value<'a>, String> {
        match self.get(name) {
            Some(value) if !value.json().starts_with('[') => {
                Err(self.expected(name, "an array", value))
            }
            value => Ok(value.unwrap_or_default()),
        }
    }

    fn expected(&self, name: &str, wanted: &str, found: Value<'_>) -> String {
        if self.prefix.is_empty() {
            expected(name, wanted, found)
        } else {
            expected(&format!("{}.{name}", self.prefix), wanted, found)
        }
    }
}
