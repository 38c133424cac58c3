//! What a request did, as far as severity is concerned.

use std::collections::BTreeMap;

use memchr::memchr;
use serde::{Deserialize, Serialize};

use crate::event::{Event, Text};

use super::{judge::Graded, keyed};

/// What a request did, the gravest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Deed {
    /// Asked what every authenticated user may ask: discovery, version, health, its own rights.
    Discovered,
    /// Was refused: 401 or 403.
    Refused,
    /// Came to nothing: a read that failed, or anything that was throttled before authorization.
    Failed,
    /// Read something, or asked for a review of others' rights or tokens.
    Read,
    /// Was authorized to change something and did not: a failed write, or a dry run.
    Attempted,
    /// Changed something.
    Changed,
    /// Read secrets.
    ReadSecrets,
    /// Went into a pod: exec, attach, port-forward, an ephemeral container.
    Entered,
    /// Made a token (TokenRequest).
    Minted,
    /// Changed roles or bindings.
    WroteRbac,
}

impl Deed {
    /// All of them, in their order.
    pub(super) const ALL: [Self; 10] = [
        Self::Discovered,
        Self::Refused,
        Self::Failed,
        Self::Read,
        Self::Attempted,
        Self::Changed,
        Self::ReadSecrets,
        Self::Entered,
        Self::Minted,
        Self::WroteRbac,
    ];

    /// What `event` did if it was not refused and no dry run: for all events of one verb, resource and status the
    /// same (where there is no resource, of one URI).
    pub(super) fn of_kind(event: &Event<'_>) -> Self {
        let Some(object) = event.object else {
            return match is_discovery(event) {
                true => Self::Discovered,
                false if event.succeeded() => Self::Read,
                false => Self::Failed,
            };
        };
        let reviews = [
            "selfsubjectaccessreviews",
            "selfsubjectrulesreviews",
            "selfsubjectreviews",
        ];
        if reviews.iter().any(|review| object.resource == *review) {
            return Self::Discovered;
        }
        // Throttled before authorization (FACTS 1.3): says nothing about what the account may do.
        if event.code == Some(429) {
            return Self::Failed;
        }
        let reviews = [
            "tokenreviews",
            "subjectaccessreviews",
            "localsubjectaccessreviews",
        ];
        let review = reviews.iter().any(|review| object.resource == *review);
        let enters = enters_pod(event);
        if !enters && (review || !is_write(event)) {
            return match event.succeeded() {
                true if event.is_core("secrets") => Self::ReadSecrets,
                true => Self::Read,
                false => Self::Failed,
            };
        }
        if !event.succeeded() {
            return Self::Attempted;
        }
        let mints = object.resource == "serviceaccounts" && object.subresource == "token";
        match () {
            () if enters => Self::Entered,
            () if mints => Self::Minted,
            () if object.group == "rbac.authorization.k8s.io" => Self::WroteRbac,
            () => Self::Changed,
        }
    }

    /// The name used in the attribute `did`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Discovered => "discovery",
            Self::Refused => "denied",
            Self::Failed => "failed",
            Self::Read => "read",
            Self::Attempted => "attempted-change",
            Self::Changed => "change",
            Self::ReadSecrets => "secrets-read",
            Self::Entered => "pod-entered",
            Self::Minted => "token-minted",
            Self::WroteRbac => "rbac-written",
        }
    }
}

impl Graded for Deed {
    fn is_denial(self) -> bool {
        self == Self::Refused
    }
}

/// The gravest of what was done, in words.
pub(super) fn in_words(deeds: &BTreeMap<Deed, u64>) -> String {
    let mut parts = Vec::new();
    for (deed, n) in deeds.iter().rev() {
        let what = match deed {
            Deed::WroteRbac => "wrote RBAC objects",
            Deed::Minted => "requested tokens",
            Deed::Entered => "went into pods",
            Deed::ReadSecrets => "read secrets",
            Deed::Changed => "changed objects",
            Deed::Attempted => "tried to change objects",
            Deed::Read => "read objects",
            Deed::Failed => "failed",
            Deed::Refused => "was refused",
            Deed::Discovered => "asked for discovery",
        };
        parts.push(format!("{what} ({n})"));
    }
    parts.truncate(3);
    parts.join(", ")
}

/// `verb resource.group/subresource`, or `verb /path` for other URLs: the words for one kind of request.
pub(super) fn describe(event: &Event<'_>) -> String {
    let verb = event.verb.read();
    let Some(object) = event.object else {
        let uri = event.request_uri.read();
        return format!("{verb} /{}", first_segment(&uri));
    };
    let mut text = format!("{verb} {}", object.resource);
    for (mark, part) in [('.', object.group), ('/', object.subresource)] {
        if !part.is_empty() {
            text.push(mark);
            text.push_str(&part.read());
        }
    }
    text
}

/// What it takes a right for: what [`describe`] says, and in which namespace (`*`: in all of them).
pub(super) fn permission(event: &Event<'_>) -> String {
    let what = describe(event);
    match event.object {
        Some(object) if object.namespace.is_empty() => what + " in *",
        Some(object) => format!("{what} in {}", object.namespace),
        None => what,
    }
}

/// A hash that tells apart what [`describe`] and the HTTP status tell apart, without building the words.
pub(super) fn describe_hash(event: &Event<'_>) -> u64 {
    request_hash(event, event.code.map_or(0, |code| u64::from(code) + 1))
}

/// A hash that tells apart what [`describe`] tells apart, and `number`.
pub(super) fn request_hash(event: &Event<'_>, number: u64) -> u64 {
    let verb = event.verb.read();
    let Some(object) = event.object else {
        let uri = event.request_uri.read();
        return keyed::hash(number, &[&verb, "/", first_segment(&uri)]);
    };
    let [resource, group, subresource] =
        [object.resource, object.group, object.subresource].map(Text::read);
    keyed::hash(number, &[&verb, &resource, &group, &subresource])
}

/// `a` of `/a/b?c`.
fn first_segment(uri: &str) -> &str {
    let path = uri.split('?').next().unwrap_or("");
    path.split('/').nth(1).unwrap_or("")
}

/// The parameters of the query of `uri`, by name and value, as they stand there.
pub(super) fn parameters(uri: &str) -> impl Iterator<Item = (&str, &str)> {
    let cut = |text: &'_ str, byte: u8| memchr(byte, text.as_bytes());
    let mut rest = cut(uri, b'?').and_then(|at| uri.get(at + 1..));
    std::iter::from_fn(move || {
        let query = rest?;
        let end = cut(query, b'&');
        rest = end.and_then(|at| query.get(at + 1..));
        let pair = query.get(..end.unwrap_or(query.len()))?;
        let value = cut(pair, b'=').and_then(|at| Some((pair.get(..at)?, pair.get(at + 1..)?)));
        Some(value.unwrap_or((pair, "")))
    })
}

/// The value of the parameter `name` of `uri`, as it stands there; the first one if there are several.
pub(super) fn parameter<'a>(uri: &'a str, name: &str) -> Option<&'a str> {
    let mut named = parameters(uri).filter(|(key, _)| *key == name);
    named.next().map(|(_, value)| value)
}

/// What the roles system:discovery and system:public-info-viewer give to everybody (kubernetes
/// `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`), and the paths below them.
fn is_discovery(event: &Event<'_>) -> bool {
    let uri = event.request_uri.read();
    let open = [
        "api",
        "apis",
        "openapi",
        "version",
        "healthz",
        "livez",
        "readyz",
        "openid",
        ".well-known",
        "",
    ];
    open.contains(&first_segment(&uri))
}

pub(super) fn is_write(event: &Event<'_>) -> bool {
    ["create", "update", "patch", "delete", "deletecollection"]
        .iter()
        .any(|verb| event.verb == *verb)
}

/// exec, attach and port-forward are `create` or `get` (websockets): the subresource tells (FACTS 1.1).
pub(super) fn enters_pod(event: &Event<'_>) -> bool {
    event.object.is_some_and(|object| {
        let streams = ["exec", "attach", "portforward"];
        object.resource == "pods"
            && (streams.iter().any(|name| object.subresource == *name)
                || object.subresource == "ephemeralcontainers" && is_write(event))
    })
}

/// Whether the query of `uri` asks for a dry run.
pub(super) fn is_dry_run(uri: &str) -> bool {
    parameters(uri).any(|parameter| parameter == ("dryRun", "All"))
}
