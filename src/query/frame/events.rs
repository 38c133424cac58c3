//! The columns of `events`, and what of an event each one holds.

use std::borrow::Cow;

use crate::{
    detect::legacy_secret,
    event::{Event, Standing, Text, TokenKind, Value},
    finding::Timestamp,
};

use super::{
    Column, Kind, day_of,
    reason::{self, Part},
    start_of,
};

/// Where the values of a column come from.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// A string of the event; empty where it has none.
    Text(for<'a> fn(&Event<'a>) -> Cow<'a, str>),
    /// A whole number.
    Integer(fn(&Event<'_>) -> Option<i64>),
    /// True or false.
    Flag(fn(&Event<'_>) -> Option<bool>),
    /// A time in microseconds since 1970.
    Time(fn(&Event<'_>) -> Option<i64>),
    /// A day in days since 1970.
    Day(fn(&Event<'_>) -> Option<i32>),
    /// What only the whole input tells.
    Input(FromInput),
}

/// What only the whole input tells of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromInput {
    /// Whether it stands for its request.
    IsRequest,
    /// The file.
    File,
    /// The line in it.
    Line,
}

/// One column of `events`.
#[derive(Debug, Clone, Copy)]
pub struct EventColumn {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Where its values come from.
    pub source: Source,
}

impl EventColumn {
    /// What there is to say about it.
    #[must_use]
    pub fn about(&self) -> Column {
        let kind = match self.source {
            Source::Text(_) | Source::Input(FromInput::File) => Kind::Text,
            Source::Integer(_) | Source::Input(FromInput::Line) => Kind::Integer,
            Source::Flag(_) | Source::Input(FromInput::IsRequest) => Kind::Flag,
            Source::Time(_) => Kind::Time,
            Source::Day(_) => Kind::Day,
        };
        Column {
            name: self.name,
            kind,
            meaning: self.meaning,
        }
    }
}

/// Bodies: large, and secrets may be in them, so that an export leaves them out unless asked for them.
pub const BODIES: [&str; 2] = ["request_body", "response_body"];

macro_rules! columns {
    ($($name:ident: $source:expr, $meaning:literal;)*) => {
        /// The columns, in the order in which `SELECT *` shows them.
        pub static EVENTS: &[EventColumn] = &[$(EventColumn {
            name: stringify!($name),
            meaning: $meaning,
            source: $source,
        },)*];
    };
}

columns! {
    time: Source::Time(|e| micros(e.time())), "When the request arrived: the same on all its stages (requestReceivedTimestamp; the stage's time where that is missing)";
    time_us: Source::Integer(|e| micros(e.time())), "The same in microseconds since 1970, to count with";
    minute: Source::Time(|e| span(e, 60)), "The minute in which it arrived, by its start";
    hour: Source::Time(|e| span(e, 3600)), "The hour in which it arrived, by its start";
    day: Source::Day(|e| micros(e.time()).and_then(day_of)), "The day on which it arrived";
    stage_time: Source::Time(|e| micros(e.stage_time)), "When this stage was reached (stageTimestamp)";
    latency_us: Source::Integer(latency), "Microseconds from the arrival to this stage; of a watch that is how long it lasted";
    is_request: Source::Input(FromInput::IsRequest), "Whether this event stands for its request: true once for each request in all that was read together, so count requests with WHERE is_request";
    stage: Source::Text(|e| e.stage.as_str().into()), "RequestReceived, ResponseStarted, ResponseComplete or Panic";
    level: Source::Text(|e| e.level.as_str().into()), "How much the audit policy lets the event say: Metadata, Request, RequestResponse";
    audit_id: Source::Text(|e| e.audit_id.read()), "The request's ID; a client may choose it (header Audit-ID)";
    verb: Source::Text(|e| e.verb.read()), "get, list, watch, create, update, patch, delete, deletecollection; an HTTP method for URLs that are no resource";
    request_uri: Source::Text(|e| e.request_uri.read()), "Path and query, as sent";
    path: Source::Text(path), "The path alone";
    code: Source::Integer(|e| e.code.map(i64::from)), "The HTTP status; NULL before the response";
    reason: Source::Text(|e| status(e, "reason")), "Why the request failed, in a word: Forbidden, NotFound (responseStatus.reason)";
    message: Source::Text(|e| status(e, "message")), "Why the request failed, as the client was told (Kubernetes 1.24 and later)";
    succeeded: Source::Flag(|e| e.code.map(|code| code < 400)), "Whether the status is below 400; NULL before the response";
    refused: Source::Flag(|e| Some(e.refused())), "Whether the request was refused: 401, 403, or an authorization decision of forbid";
    username: Source::Text(|e| e.user.name.read()), "Who authenticated; empty on a 401";
    user_uid: Source::Text(|e| text(e.user.object.get("uid"))), "The UID of that user";
    user_groups: Source::Text(|e| json(e.user.object.get("groups"))), "The groups of that user, a JSON array";
    user_extra: Source::Text(|e| e.user.extra.json().into()), "What else the authenticator said, a JSON object";
    account: Source::Text(account), "The ServiceAccount as namespace/name; empty for everybody else";
    sa_namespace: Source::Text(|e| e.service_account().map_or(Cow::Borrowed(""), |a| a.namespace.into())), "The ServiceAccount's namespace";
    sa_name: Source::Text(|e| e.service_account().map_or(Cow::Borrowed(""), |a| a.name.into())), "The ServiceAccount's name";
    token_kind: Source::Text(|e| e.token_kind().map_or("", TokenKind::as_str).into()), "What a ServiceAccount came with: pod-bound, pod-bound-stale, node-bound, requested, legacy-auto, legacy-manual, legacy, not-a-token, unknown";
    credential_id: Source::Text(|e| extra(e, "credential-id")), "Which token or certificate: JTI=... or X509SHA256=... (Kubernetes 1.30 and later)";
    issued_credential_id: Source::Text(|e| annotation(e, "authentication.kubernetes.io/issued-credential-id")), "The credential ID of the token that this request made (create of serviceaccounts/token)";
    legacy_secret: Source::Text(|e| legacy_secret(e).unwrap_or_default().into()), "The Secret of a legacy token (Kubernetes 1.29 and later)";
    stale_seconds: Source::Integer(stale_seconds), "How long ago a stale token should have been renewed, in seconds";
    pod_name: Source::Text(|e| extra(e, "pod-name")), "The pod that the token is bound to";
    pod_uid: Source::Text(|e| extra(e, "pod-uid")), "The UID of that pod";
    node_name: Source::Text(|e| extra(e, "node-name")), "The node that the token is bound to, or that its pod was on when it was made";
    impersonated_user: Source::Text(|e| e.impersonated_user.map_or(Cow::Borrowed(""), |u| u.name.read())), "As whom the user acted, once that was allowed";
    acting_user: Source::Text(|e| e.impersonated_user.unwrap_or(e.user).name.read()), "Whose rights were asked for: impersonated_user, else username";
    source_ips: Source::Text(|e| e.source_ips.json().into()), "The addresses, a JSON array: the last one is the real peer, the others are what the client claimed";
    peer: Source::Text(|e| e.peer().map_or(Cow::Borrowed(""), Text::read)), "The real peer: the last address, which may be a load balancer's";
    user_agent: Source::Text(|e| e.user_agent.read()), "What the client calls itself: it may lie";
    api_group: Source::Text(|e| object(e, |o| o.group)), "The API group; empty for the core group and for URLs that are no resource";
    api_version: Source::Text(api_version), "The API version of the path: v1, v1beta1";
    resource: Source::Text(|e| object(e, |o| o.resource)), "The resource, plural: secrets; empty for URLs that are no resource";
    subresource: Source::Text(|e| object(e, |o| o.subresource)), "The subresource: token, exec, status";
    namespace: Source::Text(|e| object(e, |o| o.namespace)), "The object's namespace; empty for requests over all namespaces and for what has none";
    name: Source::Text(|e| object(e, |o| o.name)), "The object's name; set on list and watch of a single object as well";
    decision: Source::Text(|e| annotation(e, "authorization.k8s.io/decision")), "allow or forbid; empty where the request did not come as far (401, 429)";
    decision_reason: Source::Text(|e| annotation(e, "authorization.k8s.io/reason")), "Why, in the authorizer's words";
    binding_kind: Source::Text(|e| granted(e, Part::BindingKind)), "The binding that allowed it, the first that RBAC found: ClusterRoleBinding or RoleBinding";
    binding_namespace: Source::Text(|e| granted(e, Part::BindingNamespace)), "The namespace of a RoleBinding";
    binding_name: Source::Text(|e| granted(e, Part::Binding)), "The binding's name";
    role_kind: Source::Text(|e| granted(e, Part::RoleKind)), "ClusterRole or Role";
    role_name: Source::Text(|e| granted(e, Part::Role)), "The role's name";
    granted_to: Source::Text(|e| granted(e, Part::GrantedTo)), "Whom the binding names: kind, then name; a ServiceAccount as name/namespace";
    deprecated: Source::Flag(|e| Some(e.annotation("k8s.io/deprecated").is_some_and(|t| t == "true"))), "Whether the API that was asked for is deprecated";
    removed_release: Source::Text(|e| annotation(e, "k8s.io/removed-release")), "The Kubernetes release that does without that API: 1.25";
    pod_security: Source::Text(|e| annotation(e, "pod-security.kubernetes.io/audit-violations")), "What Pod Security found";
    server_latency_us: Source::Integer(|e| e.annotation("apiserver.latency.k8s.io/total").and_then(|t| duration_us(&t.read()))), "The server's own figure in microseconds; only for requests slower than 500 ms";
    truncated: Source::Flag(|e| Some(e.annotation("audit.k8s.io/truncated").is_some_and(|t| t == "true"))), "Whether kube-apiserver cut the bodies out";
    annotations: Source::Text(|e| e.annotations.json().into()), "All annotations, a JSON object";
    request_body: Source::Text(|e| body(e.request_body)), "The request's body, JSON, if the policy logs it";
    response_body: Source::Text(|e| body(e.response_body)), "The response's body, JSON, if the policy logs it";
    dialect: Source::Text(|e| e.dialect.name().into()), "The form in which the event came (docs/formats.md)";
    file: Source::Input(FromInput::File), "The file";
    line: Source::Input(FromInput::Line), "The line in that file, decompressed, from 1";
}

/// Whether an event stands for its request, as far as it can tell itself.
#[must_use]
pub fn stands_alone(event: &Event<'_>) -> bool {
    matches!(event.standing(), Standing::Counts | Standing::Closes)
}

fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::micros)
}

fn latency(event: &Event<'_>) -> Option<i64> {
    event.duration()
}

fn span(event: &Event<'_>, seconds: i64) -> Option<i64> {
    micros(event.time()).map(|time| start_of(time, seconds))
}

fn text(value: Option<Value<'_>>) -> Cow<'_, str> {
    let text = value.and_then(Value::text);
    text.map_or(Cow::Borrowed(""), Text::read)
}

fn json(value: Option<Value<'_>>) -> Cow<'_, str> {
    value.map_or("", Value::json).into()
}

fn body(value: Option<Value<'_>>) -> Cow<'_, str> {
    json(value)
}

fn status<'a>(event: &Event<'a>, key: &str) -> Cow<'a, str> {
    text(event.status.get(key))
}

fn annotation<'a>(event: &Event<'a>, key: &str) -> Cow<'a, str> {
    text(event.annotations.get(key))
}

/// A key of `authentication.kubernetes.io` in the user's `extra`.
fn extra<'a>(event: &Event<'a>, key: &str) -> Cow<'a, str> {
    let found = event.user.extra.entries().filter(|(name, _)| {
        let name = name.read();
        name.strip_prefix("authentication.kubernetes.io/") == Some(key)
    });
    let value = found.last().map(|(_, value)| value);
    text(value.and_then(|value| value.items().next()))
}

fn object<'a>(
    event: &Event<'a>,
    part: fn(&crate::event::ObjectRef<'a>) -> Text<'a>,
) -> Cow<'a, str> {
    event
        .object
        .map_or(Cow::Borrowed(""), |object| part(&object).read())
}

fn account<'a>(event: &Event<'a>) -> Cow<'a, str> {
    match event.service_account() {
        Some(account) => format!("{}/{}", account.namespace, account.name).into(),
        None => Cow::Borrowed(""),
    }
}

fn granted<'a>(event: &Event<'a>, part: Part) -> Cow<'a, str> {
    match event.annotation("authorization.k8s.io/reason") {
        Some(reason) => reason::part(&reason.read(), part).into(),
        None => Cow::Borrowed(""),
    }
}

fn path<'a>(event: &Event<'a>) -> Cow<'a, str> {
    let end = |uri: &str| uri.find('?').unwrap_or(uri.len());
    match event.request_uri.read() {
        Cow::Borrowed(uri) => Cow::Borrowed(uri.get(..end(uri)).unwrap_or(uri)),
        Cow::Owned(mut uri) => {
            uri.truncate(end(&uri));
            Cow::Owned(uri)
        }
    }
}

/// `/api/VERSION/...` and `/apis/GROUP/VERSION/...`.
fn api_version<'a>(event: &Event<'a>) -> Cow<'a, str> {
    let path = path(event);
    let mut parts = path.split('/').skip(1);
    let version = match parts.next() {
        Some("api") => parts.next(),
        Some("apis") => parts.nth(1),
        _ => None,
    };
    version.unwrap_or_default().to_owned().into()
}

/// Of `subject: system:serviceaccount:ns:name, seconds after warning threshold: 4185802`.
fn stale_seconds(event: &Event<'_>) -> Option<i64> {
    let text = event.annotation("authentication.k8s.io/stale-token")?;
    let text = text.read();
    text.rsplit_once("seconds after warning threshold: ")?
        .1
        .parse()
        .ok()
}

/// A Go duration such as `1m2.345678901s`, to the microsecond; `None` for what is none.
fn duration_us(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let value: f64 = rest.get(..number)?.parse().ok()?;
        rest = rest.get(number..)?;
        let unit = rest
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len());
        total += value
            * match rest.get(..unit)? {
                "h" => 3.6e9,
                "m" => 6e7,
                "s" => 1e6,
                "ms" => 1e3,
                "us" | "µs" => 1.0,
                "ns" => 1e-3,
                _ => return None,
            };
        rest = rest.get(unit..)?;
    }
    // 9e15 us are 285 years.
    #[expect(clippy::cast_possible_truncation, reason = "checked to be within 9e15")]
    (!text.is_empty() && total < 9e15).then(|| total.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read_to_the_microsecond() {
        for (text, expected) in [
            ("1.234567s", Some(1_234_567)),
            ("1m2.5s", Some(62_500_000)),
            ("612.345678ms", Some(612_346)),
            ("2h", Some(7_200_000_000)),
            ("15µs", Some(15)),
            ("", None),
            ("12", None),
            ("s", None),
            ("1.5.2s", None),
            ("99999999999999h", None),
        ] {
            assert_eq!(duration_us(text), expected, "{text}");
        }
    }

    #[test]
    fn column_names_are_words_that_occur_once() {
        for table in super::super::tables() {
            let mut names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
            let fine = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(names.iter().all(|name| name.chars().all(fine)), "{names:?}");
            names.sort_unstable();
            let all = names.len();
            names.dedup();
            assert_eq!(names.len(), all, "{}", table.name);
        }
    }
}
