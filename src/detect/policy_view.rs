//! What an audit policy lets a log say, as far as the log shows: levels, bodies and fields by kind of
//! resource.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, Level, ObjectRef, ServiceAccount},
    finding::{Attribute, Attributes},
};

use super::{Aspects, Run, deed, mark::Mark, request::Request};

static CREDENTIAL_ID: Mark = Mark::new("/credential-id\"");
static X509: Mark = Mark::new("\"X509SHA256=");
static GROUPS: Mark = Mark::new("\"groups\"");
static QUOTE: Mark = Mark::new("\"");
static MESSAGE: Mark = Mark::new("\"message\"");
static DECISION: Mark = Mark::new("authorization.k8s.io/decision\"");
/// Ends in `-auto…` or `-manual…`; the plain `legacy-token` is older.
static LEGACY_SECRET: Mark = Mark::new("authentication.k8s.io/legacy-token-");
static ISSUED_ID: Mark = Mark::new("/issued-credential-id\"");
static LATENCY: Mark = Mark::new("apiserver.latency.k8s.io/authentication\"");

/// Resources that policies tell apart, and detectors care about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Class {
    Secrets,
    TokenRequests,
    TokenReviews,
    Roles,
    Pods,
    PodEntry,
    Workloads,
    Admission,
    Others,
    NoResource,
}

/// What a request does, as far as policies tell verbs apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Doing {
    Reads,
    Writes,
    Other,
}

/// Requests of one class, doing and level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    requests: u64,
    request_bodies: u64,
    response_bodies: u64,
}

/// What the log says, by class, doing and level, and which fields it ever has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PolicyView {
    seen: BTreeMap<(Class, Doing, Level), Seen>,
    signs: Signs,
    /// Requests that failed and were answered: those that could carry a message.
    failed: u64,
}

/// Fields and values that the log has at least once: a set of bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Signs(u16);

impl Signs {
    pub(super) const CREDENTIAL_ID: Self = Self(1);
    pub(super) const X509_CREDENTIAL_ID: Self = Self(1 << 1);
    pub(super) const GROUPS: Self = Self(1 << 2);
    pub(super) const ADDRESSES: Self = Self(1 << 3);
    pub(super) const USER_AGENT: Self = Self(1 << 4);
    pub(super) const MESSAGE: Self = Self(1 << 5);
    pub(super) const DECISION: Self = Self(1 << 6);
    pub(super) const LEGACY_SECRET: Self = Self(1 << 7);
    pub(super) const ISSUED_ID: Self = Self(1 << 8);
    pub(super) const AUTHENTICATION_LATENCY: Self = Self(1 << 9);

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What the user, the addresses and the user agent have.
    pub(super) fn of_caller(event: &Event<'_>) -> Self {
        let (user, extra) = (event.user.object.json(), event.user.extra.json());
        let account = event.user.name.starts_with(ServiceAccount::PREFIX);
        Self::found([
            (Self::CREDENTIAL_ID, CREDENTIAL_ID.is_in(extra)),
            (Self::X509_CREDENTIAL_ID, !account && X509.is_in(extra)),
            (Self::GROUPS, GROUPS.is_in(user)),
            (Self::ADDRESSES, QUOTE.is_in(event.source_ips.json())),
            (Self::USER_AGENT, !event.user_agent.is_empty()),
        ])
    }

    /// What the annotations have, whether it means anything in this request or not.
    pub(super) fn of_notes(event: &Event<'_>) -> Self {
        let notes = event.annotations.json();
        Self::found([
            (Self::DECISION, DECISION.is_in(notes)),
            (Self::LEGACY_SECRET, LEGACY_SECRET.is_in(notes)),
            (Self::ISSUED_ID, ISSUED_ID.is_in(notes)),
            (Self::AUTHENTICATION_LATENCY, LATENCY.is_in(notes)),
        ])
    }

    fn found<const N: usize>(signs: [(Self, bool); N]) -> Self {
        let found = signs.into_iter().filter(|(_, found)| *found);
        Self(found.fold(0, |bits, (sign, _)| bits | sign.0))
    }
}

impl Class {
    pub(super) const ALL: [Self; 10] = [
        Self::Secrets,
        Self::TokenRequests,
        Self::TokenReviews,
        Self::Roles,
        Self::Pods,
        Self::PodEntry,
        Self::Workloads,
        Self::Admission,
        Self::Others,
        Self::NoResource,
    ];

    pub(super) fn of(event: &Event<'_>) -> Self {
        match event.object {
            None => Self::NoResource,
            Some(object) if object.group.is_empty() => Self::of_core(event, &object),
            Some(object) => match object.group {
                group if group == "apps" || group == "batch" => Self::Workloads,
                group if group == "rbac.authorization.k8s.io" => Self::Roles,
                group if group == "admissionregistration.k8s.io" => Self::Admission,
                group if group == "authentication.k8s.io" && object.resource == "tokenreviews" => {
                    Self::TokenReviews
                }
                _ => Self::Others,
            },
        }
    }

    fn of_core(event: &Event<'_>, object: &ObjectRef<'_>) -> Self {
        let resource = object.resource;
        match () {
            () if resource == "secrets" => Self::Secrets,
            () if resource == "pods" && deed::enters_pod(event) => Self::PodEntry,
            () if resource == "pods" && object.subresource.is_empty() => Self::Pods,
            () if resource == "serviceaccounts" && object.subresource == "token" => {
                Self::TokenRequests
            }
            () => Self::Others,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::TokenRequests => "token-requests",
            Self::TokenReviews => "token-reviews",
            Self::Roles => "roles",
            Self::Pods => "pods",
            Self::PodEntry => "pod-entry",
            Self::Workloads => "workloads",
            Self::Admission => "admission",
            Self::Others => "others",
            Self::NoResource => "no-resource",
        }
    }
}

impl Doing {
    const ALL: [Self; 3] = [Self::Reads, Self::Writes, Self::Other];

    pub(super) fn of(event: &Event<'_>) -> Self {
        match event.verb {
            verb if verb == "get" || verb == "list" || verb == "watch" => Self::Reads,
            _ if deed::is_write(event) => Self::Writes,
            _ => Self::Other,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Other => "other",
        }
    }
}

impl PolicyView {
    /// Takes note of one request.
    pub(super) fn add(&mut self, event: &Request<'_>) {
        let key = (event.kind.class, event.kind.doing, event.level);
        let seen = self.seen.entry(key).or_default();
        seen.requests += 1;
        seen.request_bodies += u64::from(event.request_body.is_some());
        seen.response_bodies += u64::from(event.response_body.is_some());
        let failed = event
            .code
            .is_some_and(|code| code >= 400 && !event.user.name.is_empty());
        self.failed += u64::from(failed);
        self.look(event, failed);
    }

    /// Takes note of the requests of `run`.
    pub(super) fn add_run(&mut self, run: &Run) {
        let (form, count) = (run.form, run.batch.count());
        let key = (run.kind.class, run.kind.doing, form.level);
        let seen = self.seen.entry(key).or_default();
        seen.requests += count;
        seen.request_bodies += count * u64::from(form.request_body);
        seen.response_bodies += count * u64::from(form.response_body);
        self.failed += count * u64::from(run.aspects.has(Aspects::FAILED));
        let mut possible = Signs::DECISION.0;
        if run.caller.named_like_account && run.caller.lacks_extra {
            possible |= Signs::LEGACY_SECRET.0;
        }
        self.signs.0 |= run.caller.signs.0 | run.notes.signs.0 & possible;
    }

    /// Takes note of what a run does not have of one of its requests.
    pub(super) fn add_each(&mut self, event: &Request<'_>) {
        if event.aspects().has(Aspects::FAILED) {
            self.look_for_message(event);
        }
    }

    fn look_for_message(&mut self, event: &Request<'_>) {
        if !self.has(Signs::MESSAGE) && MESSAGE.is_in(event.status.json()) {
            self.signs.0 |= Signs::MESSAGE.0;
        }
    }

    fn look(&mut self, event: &Request<'_>, failed: bool) {
        let mut possible = Signs::DECISION.0;
        // Legacy tokens have no extra (FACTS 3).
        if event.caller.named_like_account && event.user.extra.is_empty() {
            possible |= Signs::LEGACY_SECRET.0;
        }
        let mints = event
            .object
            .is_some_and(|object| object.subresource == "token");
        if mints {
            possible |= Signs::ISSUED_ID.0;
        }
        // Latencies are only written of requests that took longer than this (FACTS 2).
        if event.duration() > Some(500_000) {
            possible |= Signs::AUTHENTICATION_LATENCY.0;
        }
        self.signs.0 |= event.caller.signs.0 | event.notes.signs.0 & possible;
        if failed {
            self.look_for_message(event);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (key, theirs) in other.seen {
            let ours = self.seen.entry(key).or_default();
            ours.requests += theirs.requests;
            ours.request_bodies += theirs.request_bodies;
            ours.response_bodies += theirs.response_bodies;
        }
        self.signs.0 |= other.signs.0;
        self.failed += other.failed;
    }

    pub(super) const fn has(&self, sign: Signs) -> bool {
        self.signs.has(sign)
    }

    pub(super) const fn failed(&self) -> u64 {
        self.failed
    }

    /// Requests of `class` that write, and how many of them have their body.
    pub(super) fn writes(&self, class: Class) -> (u64, u64) {
        let of = |(key, seen): (&(Class, Doing, Level), &Seen)| {
            (key.0 == class && key.1 == Doing::Writes)
                .then_some((seen.requests, seen.request_bodies))
        };
        let counts = self.seen.iter().filter_map(of);
        counts.fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1))
    }

    /// Requests of `class` whose response body is in the log.
    pub(super) fn response_bodies(&self, class: Class) -> u64 {
        let of = self.seen.iter().filter(|(key, _)| key.0 == class);
        of.map(|(_, seen)| seen.response_bodies).sum()
    }

    /// By class and doing: requests by level, and how many have bodies.
    pub(super) fn attribute(&self) -> Attribute {
        let mut classes = Attributes::new();
        for class in Class::ALL {
            let mut doings = Attributes::new();
            for doing in Doing::ALL {
                let levels = self.levels(class, doing);
                if !levels.is_empty() {
                    doings.insert(doing.as_str().to_owned(), Attribute::Map(levels));
                }
            }
            if !doings.is_empty() {
                classes.insert(class.as_str().to_owned(), Attribute::Map(doings));
            }
        }
        Attribute::Map(classes)
    }

    fn levels(&self, class: Class, doing: Doing) -> Attributes {
        let mut levels = Attributes::new();
        let mut bodies = (0, 0);
        for (&(_, _, level), seen) in self
            .seen
            .iter()
            .filter(|(key, _)| (key.0, key.1) == (class, doing))
        {
            levels.insert(level.as_str().to_owned(), seen.requests.into());
            bodies.0 += seen.request_bodies;
            bodies.1 += seen.response_bodies;
        }
        if !levels.is_empty() {
            levels.insert("request_bodies".to_owned(), bodies.0.into());
            levels.insert("response_bodies".to_owned(), bodies.1.into());
        }
        levels
    }

    /// The oldest version of Kubernetes that writes what the log has, and what tells (FACTS 1 and 2).
    pub(super) fn server_at_least(&self) -> Option<(&'static str, &'static str)> {
        let told = [
            (
                Signs::AUTHENTICATION_LATENCY,
                "1.33",
                "annotation apiserver.latency.k8s.io/authentication",
            ),
            (
                Signs::X509_CREDENTIAL_ID,
                "1.32",
                "credential IDs of client certificates",
            ),
            (
                Signs::ISSUED_ID,
                "1.30",
                "annotation authentication.kubernetes.io/issued-credential-id",
            ),
            (Signs::CREDENTIAL_ID, "1.30", "credential IDs of tokens"),
            (
                Signs::LEGACY_SECRET,
                "1.29",
                "annotations that name the Secret of a legacy token",
            ),
            (Signs::MESSAGE, "1.24", "messages in responseStatus"),
        ];
        let found = told.into_iter().find(|told| self.has(told.0));
        found.map(|(_, version, by)| (version, by))
    }
}
