//! What an event says, read by `serde_json`: slow, independent, and as plain as can be.

use std::collections::BTreeMap;

use satrail::{
    event::{Event, Level, Stage, User, Value as Json},
    finding::Timestamp,
};
use serde_json::{Map, Value};

/// Everything an event says, decoded.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plain {
    level: String,
    audit_id: String,
    stage: String,
    request_uri: String,
    verb: String,
    user: PlainUser,
    impersonated_user: Option<PlainUser>,
    source_ips: Vec<String>,
    user_agent: String,
    object: Option<[String; 5]>,
    code: Option<u16>,
    status: Value,
    request_body: Option<Value>,
    response_body: Option<Value>,
    received: Option<Timestamp>,
    stage_time: Option<Timestamp>,
    annotations: BTreeMap<String, Option<String>>,
}

#[derive(Debug, Default, PartialEq)]
struct PlainUser {
    name: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Option<String>>,
}

/// What the parser under test has found.
pub(crate) fn plain(event: &Event<'_>) -> Plain {
    let json = |text: &str| serde_json::from_str::<Value>(&mend(text)).unwrap_or(Value::Null);
    let peer = event.peer().map(|ip| ip.read().into_owned());
    let source_ips: Vec<String> = event
        .source_ips
        .items()
        .filter_map(|ip| Some(ip.text()?.read().into_owned()))
        .collect();
    if peer.is_some() {
        assert_eq!(peer.as_ref(), source_ips.last());
    }
    Plain {
        level: event.level.as_str().to_owned(),
        audit_id: event.audit_id.read().into_owned(),
        stage: event.stage.as_str().to_owned(),
        request_uri: event.request_uri.read().into_owned(),
        verb: event.verb.read().into_owned(),
        user: plain_user(event.user),
        impersonated_user: event.impersonated_user.map(plain_user),
        source_ips,
        user_agent: event.user_agent.read().into_owned(),
        object: event.object.map(|object| {
            let parts = [
                object.resource,
                object.namespace,
                object.name,
                object.group,
                object.subresource,
            ];
            parts.map(|part| part.read().into_owned())
        }),
        code: event.code,
        status: json(event.status.json()),
        request_body: event.request_body.map(|body| json(body.json())),
        response_body: event.response_body.map(|body| json(body.json())),
        received: event.received,
        stage_time: event.stage_time,
        annotations: event
            .annotations
            .entries()
            .map(|(key, _)| {
                let value = event.annotation(&key.read());
                (
                    key.read().into_owned(),
                    value.map(|text| text.read().into_owned()),
                )
            })
            .collect(),
    }
}

fn plain_user(user: User<'_>) -> PlainUser {
    let extra = user.object.get("extra").and_then(Json::object);
    PlainUser {
        name: user.name.read().into_owned(),
        groups: user
            .groups()
            .map(|group| group.read().into_owned())
            .collect(),
        extra: extra
            .unwrap_or_default()
            .entries()
            .map(|(key, _)| {
                let value = user.extra(&key.read());
                (
                    key.read().into_owned(),
                    value.map(|text| text.read().into_owned()),
                )
            })
            .collect(),
    }
}

/// What a line is.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Event(Box<Plain>),
    NotAnEvent,
    NotJson,
}

/// What `serde_json` makes of a line.
pub(crate) fn verdict(line: &str) -> Verdict {
    match serde_json::from_str::<Value>(&mend(line)) {
        Err(_) => Verdict::NotJson,
        Ok(Value::Object(top)) => {
            read(&top).map_or(Verdict::NotAnEvent, |plain| Verdict::Event(Box::new(plain)))
        }
        Ok(_) => Verdict::NotAnEvent,
    }
}

/// Replaces lone surrogate escapes, which `serde_json` refuses and Go reads as U+FFFD.
pub(crate) fn mend(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let unit = |at: usize| {
        let hex: String = chars.get(at + 2..at + 6)?.iter().collect();
        let escape = chars[at] == '\\' && chars[at + 1] == 'u';
        u16::from_str_radix(&hex, 16).ok().filter(|_| escape)
    };
    let mut out = String::with_capacity(line.len());
    let mut at = 0;
    while at < chars.len() {
        let taken = match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str("\\ufffd");
                at += 6;
                continue;
            }
            _ if chars[at] == '\\' => 2,
            _ => 1,
        };
        out.extend(chars.iter().skip(at).take(taken));
        at += taken;
    }
    out
}

/// `null` is absent.
fn get<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !value.is_null())
}

/// The string there; `None` in the outer option for another type.
fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    match get(object, key) {
        None => Some(String::new()),
        Some(value) => Some(value.as_str()?.to_owned()),
    }
}

#[expect(clippy::option_option, reason = "no object, and one of the wrong type")]
fn object<'a>(top: &'a Map<String, Value>, key: &str) -> Option<Option<&'a Map<String, Value>>> {
    match get(top, key) {
        None => Some(None),
        Some(value) => Some(Some(value.as_object()?)),
    }
}

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| Some(item.as_str()?.to_owned()))
        .collect()
}

fn user(object: &Map<String, Value>) -> Option<PlainUser> {
    let extra = get(object, "extra").and_then(Value::as_object);
    Some(PlainUser {
        name: text(object, "username")?,
        groups: get(object, "groups").map(strings).unwrap_or_default(),
        extra: extra
            .into_iter()
            .flatten()
            .map(|(key, values)| {
                let first = values.get(0).and_then(Value::as_str);
                (key.clone(), first.map(str::to_owned))
            })
            .collect(),
    })
}

#[expect(
    clippy::option_option,
    reason = "no code, and a code of the wrong type"
)]
fn code(status: Option<&Map<String, Value>>) -> Option<Option<u16>> {
    match status.and_then(|status| get(status, "code")) {
        None => Some(None),
        Some(code) => Some(Some(u16::try_from(code.as_u64()?).ok()?)),
    }
}

#[expect(clippy::option_option, reason = "no object, and one of the wrong type")]
fn object_ref(top: &Map<String, Value>) -> Option<Option<[String; 5]>> {
    let Some(parts) = object(top, "objectRef")? else {
        return Some(None);
    };
    let names = ["resource", "namespace", "name", "apiGroup", "subresource"];
    let mut out = <[String; 5]>::default();
    for (slot, name) in out.iter_mut().zip(names) {
        *slot = text(parts, name)?;
    }
    Some(Some(out))
}

fn read(top: &Map<String, Value>) -> Option<Plain> {
    let kind = get(top, "kind");
    if kind.is_some_and(|kind| kind != "Event") || kind.is_none() && get(top, "auditID").is_none() {
        return None;
    }
    text(top, "apiVersion")?;
    let stages = [
        Stage::RequestReceived,
        Stage::ResponseStarted,
        Stage::ResponseComplete,
        Stage::Panic,
    ];
    let stage = text(top, "stage")?;
    stages.iter().find(|known| known.as_str() == stage)?;
    let level = text(top, "level")?;
    let levels = [
        Level::None,
        Level::Metadata,
        Level::Request,
        Level::RequestResponse,
    ];
    let level = levels.iter().find(|known| known.as_str() == level);
    let source_ips = get(top, "sourceIPs");
    if source_ips.is_some_and(|ips| !ips.is_array()) {
        return None;
    }
    let status = object(top, "responseStatus")?;
    let annotations = object(top, "annotations")?;
    Some(Plain {
        level: level.map_or("other", |level| level.as_str()).to_owned(),
        audit_id: text(top, "auditID")?,
        stage,
        request_uri: text(top, "requestURI")?,
        verb: text(top, "verb")?,
        user: match object(top, "user")? {
            Some(object) => user(object)?,
            None => PlainUser::default(),
        },
        impersonated_user: match object(top, "impersonatedUser")? {
            Some(object) => Some(user(object)?),
            None => None,
        },
        source_ips: source_ips.map(strings).unwrap_or_default(),
        user_agent: text(top, "userAgent")?,
        object: object_ref(top)?,
        code: code(status)?,
        status: status.map_or(Value::Null, |status| Value::Object(status.clone())),
        request_body: get(top, "requestObject").cloned(),
        response_body: get(top, "responseObject").cloned(),
        received: Timestamp::parse(&text(top, "requestReceivedTimestamp")?),
        stage_time: Timestamp::parse(&text(top, "stageTimestamp")?),
        annotations: annotations
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.as_str().map(ToOwned::to_owned)))
            .collect(),
    })
}
