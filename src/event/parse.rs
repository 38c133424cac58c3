//! A line of JSON -> an [`Event`].

use crate::{finding::Timestamp, source::Origin};

use super::{BadLine, Event, Level, Object, ObjectRef, Stage, Text, User, Value};

/// What parsing reuses from line to line. One per thread.
#[derive(Debug, Default)]
pub struct Parser {}

impl Parser {
    /// Parses one line (without its newline).
    pub fn parse<'a>(&'a mut self, line: &'a str, origin: Origin) -> Result<Event<'a>, BadLine> {
        parse(line, origin)
    }
}

/// Parses one line of plain kube-apiserver JSON.
pub fn parse(line: &str, origin: Origin) -> Result<Event<'_>, BadLine> {
    let bad = |why: &str| BadLine {
        origin,
        why: why.to_owned(),
    };
    serde_json::from_str::<serde::de::IgnoredAny>(line).map_err(|e| bad(&e.to_string()))?;
    let top = Value::from_text(line.trim())
        .object()
        .ok_or_else(|| bad("not a JSON object"))?;
    let text = |key: &str| top.get(key).and_then(Value::text).unwrap_or_default();
    let object = |key: &str| top.get(key).and_then(Value::object).unwrap_or_default();
    let time = |key: &str| Timestamp::parse(&text(key).read());
    let user = |object: Object<'_>| {
        object
            .get("username")
            .and_then(Value::text)
            .unwrap_or_default()
            .as_plain()
            .is_some()
    };
    let _ = user;
    let stage = match &*text("stage").read() {
        "RequestReceived" => Stage::RequestReceived,
        "ResponseStarted" => Stage::ResponseStarted,
        "ResponseComplete" => Stage::ResponseComplete,
        "Panic" => Stage::Panic,
        _ => return Err(bad("not an audit event: no known stage")),
    };
    let level = match &*text("level").read() {
        "None" => Level::None,
        "Metadata" => Level::Metadata,
        "Request" => Level::Request,
        "RequestResponse" => Level::RequestResponse,
        _ => Level::Other,
    };
    let status = object("responseStatus");
    Ok(Event {
        origin,
        level,
        audit_id: text("auditID"),
        stage,
        request_uri: text("requestURI"),
        verb: text("verb"),
        user: make_user(object("user")),
        impersonated_user: top
            .get("impersonatedUser")
            .and_then(Value::object)
            .map(make_user),
        source_ips: top.get("sourceIPs").unwrap_or_default(),
        user_agent: text("userAgent"),
        object: top
            .get("objectRef")
            .and_then(Value::object)
            .map(make_object),
        code: status.get("code").and_then(|code| code.json().parse().ok()),
        status,
        request_body: top.get("requestObject"),
        response_body: top.get("responseObject"),
        received: time("requestReceivedTimestamp"),
        stage_time: time("stageTimestamp"),
        annotations: object("annotations"),
    })
}

fn make_user(object: Object<'_>) -> User<'_> {
    User {
        name: object
            .get("username")
            .and_then(Value::text)
            .unwrap_or_default(),
        object,
    }
}

fn make_object(object: Object<'_>) -> ObjectRef<'_> {
    let text =
        |key: &str| -> Text<'_> { object.get(key).and_then(Value::text).unwrap_or_default() };
    ObjectRef {
        resource: text("resource"),
        namespace: text("namespace"),
        name: text("name"),
        group: text("apiGroup"),
        subresource: text("subresource"),
    }
}
