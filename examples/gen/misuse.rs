//! A cluster in which every ServiceAccount does a bit of everything that satrail reports, day after day: far worse than
//! any real one, and what the memory and the state of `satrail cron` are measured with.

use satrail::finding::Timestamp;

use super::{
    bodies::put,
    callers::{Caller, accounts},
    rng::Rng,
};

/// Every account does each of them once a day.
const DEEDS: [Deed; 20] = [
    Deed::of("get", "configmaps").named("settings"),
    Deed::of("list", "pods"),
    Deed::of("update", "leases")
        .group("coordination.k8s.io")
        .named("leader"),
    Deed::of("list", "secrets"),
    Deed::of("get", "secrets").any_name(),
    Deed::of("get", "secrets").elsewhere().any_name(),
    Deed::of("list", "secrets").everywhere().refused(),
    Deed::of("get", "secrets").any_name().refused(),
    Deed::of("create", "pods").elsewhere().refused(),
    Deed::of("delete", "nodes")
        .everywhere()
        .any_name()
        .refused(),
    Deed::of("list", "pods").by_hand(),
    Deed::of("get", "configmaps").any_name().by_hand(),
    Deed::of("create", "pods")
        .named("web-0")
        .sub("exec")
        .query("command=sh\\u0026stdin=true"),
    Deed::of("list", "secrets")
        .everywhere()
        .noted(Note::Impersonates),
    Deed::of("get", "configmaps")
        .named("settings")
        .noted(Note::LegacyToken),
    Deed::of("get", "configmaps")
        .named("settings")
        .noted(Note::StaleToken),
    Deed::of("create", "serviceaccounts")
        .named("builder")
        .sub("token"),
    Deed::of("create", "rolebindings")
        .group("rbac.authorization.k8s.io")
        .any_name()
        .body(BINDING),
    Deed::of("create", "pods").any_name().body(PRIVILEGED),
    Deed::of("create", "selfsubjectrulesreviews")
        .group("authorization.k8s.io")
        .everywhere()
        .body(REVIEW),
];

const BINDING: &str = r#"{"kind":"RoleBinding","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{},"subjects":[{"kind":"ServiceAccount","name":"builder","namespace":"ci"}],"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"}}"#;
const PRIVILEGED: &str = r#"{"kind":"Pod","apiVersion":"v1","metadata":{},"spec":{"containers":[{"name":"c","image":"registry.example/tool:1","securityContext":{"privileged":true}}],"hostPID":true,"volumes":[{"name":"v","hostPath":{"path":"/"}}],"serviceAccountName":"builder"}}"#;
const REVIEW: &str = r#"{"kind":"SelfSubjectRulesReview","apiVersion":"authorization.k8s.io/v1","metadata":{},"spec":{"namespace":"default"}}"#;

/// 2026-01-05, at midnight UTC, so that a day of the log is a day of the calendar.
const START: i64 = 1_767_571_200_000_000;
const DAY: i64 = 86_400_000_000;

/// One thing that an account does.
struct Deed {
    verb: &'static str,
    resource: &'static str,
    group: &'static str,
    sub: &'static str,
    query: &'static str,
    place: Place,
    name: Name,
    /// The request body, if the policy logs one.
    body: Option<&'static str>,
    allowed: bool,
    /// With the pod's token, from somewhere else, by a person's tool.
    by_hand: bool,
    note: Note,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Own,
    Elsewhere,
    Everywhere,
}

#[derive(Clone, Copy)]
enum Name {
    None,
    One(&'static str),
    /// Another one each time, of a thousand.
    Any,
}

/// What else the event says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Note {
    Nothing,
    Impersonates,
    LegacyToken,
    StaleToken,
}

impl Deed {
    const fn of(verb: &'static str, resource: &'static str) -> Self {
        Self {
            verb,
            resource,
            group: "",
            sub: "",
            query: "",
            place: Place::Own,
            name: Name::None,
            body: None,
            allowed: true,
            by_hand: false,
            note: Note::Nothing,
        }
    }

    const fn group(self, group: &'static str) -> Self {
        Self { group, ..self }
    }

    const fn sub(self, sub: &'static str) -> Self {
        Self { sub, ..self }
    }

    const fn query(self, query: &'static str) -> Self {
        Self { query, ..self }
    }

    const fn elsewhere(self) -> Self {
        Self {
            place: Place::Elsewhere,
            ..self
        }
    }

    const fn everywhere(self) -> Self {
        Self {
            place: Place::Everywhere,
            ..self
        }
    }

    const fn named(self, name: &'static str) -> Self {
        Self {
            name: Name::One(name),
            ..self
        }
    }

    const fn any_name(self) -> Self {
        Self {
            name: Name::Any,
            ..self
        }
    }

    const fn body(self, body: &'static str) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    const fn refused(self) -> Self {
        Self {
            allowed: false,
            ..self
        }
    }

    const fn by_hand(self) -> Self {
        Self {
            by_hand: true,
            ..self
        }
    }

    const fn noted(self, note: Note) -> Self {
        Self { note, ..self }
    }
}

/// The accounts, one deed after the other, evenly over each day.
pub(crate) struct Misuse {
    rng: Rng,
    accounts: Vec<Caller>,
    lines: usize,
}

impl Misuse {
    pub(crate) fn new(seed: u64, count: usize) -> Self {
        let mut rng = Rng(seed);
        let accounts = accounts(&mut rng, count);
        Self {
            rng,
            accounts,
            lines: 0,
        }
    }

    /// How many whole days the log has.
    pub(crate) fn days(&self) -> usize {
        self.lines / self.lines_a_day()
    }

    fn lines_a_day(&self) -> usize {
        self.accounts.len() * DEEDS.len()
    }

    /// Writes the next line, with its newline.
    pub(crate) fn line(&mut self, out: &mut String) {
        let (day, of_day) = (self.days(), self.lines % self.lines_a_day());
        let step = DAY / i64::try_from(self.lines_a_day()).unwrap_or(DAY);
        let at = |n: usize| i64::try_from(n).unwrap_or(0);
        let time = START + at(day) * DAY + at(of_day) * step;
        let caller = &self.accounts[of_day % self.accounts.len()];
        let deed = &DEEDS[of_day / self.accounts.len()];
        self.lines += 1;
        deed.write(&mut self.rng, caller, time, out);
    }
}

impl Deed {
    fn write(&self, rng: &mut Rng, caller: &Caller, time: i64, out: &mut String) {
        let name = match self.name {
            Name::None => String::new(),
            Name::One(name) => name.to_owned(),
            Name::Any => format!("{}-{}", self.resource, rng.below(1000)),
        };
        let namespace = match self.place {
            Place::Own => caller.namespace.as_str(),
            Place::Elsewhere => "kube-system",
            Place::Everywhere => "",
        };
        let (id, uri) = (rng.uuid(), self.uri(namespace, &name));
        let (address, agent) = if self.by_hand {
            (format!("203.0.113.{}", rng.below(250)), "curl/8.5.0")
        } else {
            (caller.address.clone(), caller.agent.as_str())
        };
        let level = self.body.map_or("Metadata", |_| "Request");
        let (verb, user) = (self.verb, &caller.user);
        put(
            out,
            format_args!(
                r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"{level}","auditID":"{id}","stage":"ResponseComplete","requestURI":"{uri}","verb":"{verb}","user":{user}"#
            ),
        );
        if self.note == Note::Impersonates {
            out.push_str(r#","impersonatedUser":{"username":"alice@example.com","groups":["system:masters","system:authenticated"]}"#);
        }
        put(
            out,
            format_args!(
                r#","sourceIPs":["{address}"],"userAgent":"{agent}","objectRef":{{"resource":"{}""#,
                self.resource
            ),
        );
        for (key, value) in [
            ("namespace", namespace),
            ("name", &name),
            ("apiGroup", self.group),
            ("subresource", self.sub),
        ] {
            if !value.is_empty() {
                put(out, format_args!(r#","{key}":"{value}""#));
            }
        }
        out.push_str(r#","apiVersion":"v1"}"#);
        self.answer(out);
        self.end(rng, caller, time, out);
    }

    fn uri(&self, namespace: &str, name: &str) -> String {
        let mut uri = match self.group {
            "" => "/api/v1".to_owned(),
            group => format!("/apis/{group}/v1"),
        };
        if !namespace.is_empty() {
            put(&mut uri, format_args!("/namespaces/{namespace}"));
        }
        put(&mut uri, format_args!("/{}", self.resource));
        // What is created is named in the body only, but for subresources.
        if !name.is_empty() && (self.verb != "create" || !self.sub.is_empty()) {
            put(&mut uri, format_args!("/{name}"));
        }
        for (before, more) in [("/", self.sub), ("?", self.query)] {
            if !more.is_empty() {
                put(&mut uri, format_args!("{before}{more}"));
            }
        }
        uri
    }

    fn answer(&self, out: &mut String) {
        let code = match (self.allowed, self.verb, self.sub) {
            (false, ..) => 403,
            (true, _, "exec") => 101,
            (true, "create", _) => 201,
            _ => 200,
        };
        let failure = if self.allowed {
            ""
        } else {
            r#""status":"Failure","reason":"Forbidden","#
        };
        put(
            out,
            format_args!(r#","responseStatus":{{"metadata":{{}},{failure}"code":{code}}}"#),
        );
        if let Some(body) = self.body {
            put(out, format_args!(r#","requestObject":{body}"#));
        }
    }

    fn end(&self, rng: &mut Rng, caller: &Caller, time: i64, out: &mut String) {
        let received = Timestamp::from_micros(time);
        let reached = Timestamp::from_micros(time + 4000);
        put(
            out,
            format_args!(
                r#","requestReceivedTimestamp":"{received}","stageTimestamp":"{reached}","annotations":{{"#
            ),
        );
        let (namespace, name) = (&caller.namespace, &caller.name);
        match self.note {
            Note::LegacyToken => put(
                out,
                format_args!(
                    r#""authentication.k8s.io/legacy-token":"system:serviceaccount:{namespace}:{name}","authentication.k8s.io/legacy-token-manual-secret":"{name}-token","#
                ),
            ),
            Note::StaleToken => put(
                out,
                format_args!(
                    r#""authentication.k8s.io/stale-token":"subject: system:serviceaccount:{namespace}:{name}, seconds after warning threshold: {}","#,
                    3600 + rng.below(80_000)
                ),
            ),
            Note::Nothing | Note::Impersonates => {}
        }
        if self.sub == "token" {
            let id = rng.uuid();
            put(
                out,
                format_args!(r#""authentication.kubernetes.io/issued-credential-id":"JTI={id}","#),
            );
        }
        if self.allowed {
            put(
                out,
                format_args!(
                    r#""authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by ClusterRoleBinding \"all\" of ClusterRole \"cluster-admin\" to ServiceAccount \"{name}/{namespace}\""}}}}"#
                ),
            );
        } else {
            out.push_str(
                r#""authorization.k8s.io/decision":"forbid","authorization.k8s.io/reason":""}}"#,
            );
        }
        out.push('\n');
    }
}
