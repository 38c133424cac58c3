//! The traffic of a cluster, one audit line at a time.

use std::collections::VecDeque;

use satrail::finding::Timestamp;

use super::{
    bodies::{self, put},
    callers::{Caller, Kind, NAMESPACES, everybody},
    rng::Rng,
};

/// What the events hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Metadata level: no bodies, about 1.2 KB a line.
    Meta,
    /// One event in five at level `RequestResponse`, with bodies of 3 to 40 KB.
    Mixed,
}

/// A watch that has begun and not ended.
struct Watch {
    ends: i64,
    caller: usize,
    audit_id: String,
    uri: String,
    object: String,
    received: i64,
}

/// A cluster at work.
pub(crate) struct Traffic {
    rng: Rng,
    profile: Profile,
    callers: Vec<Caller>,
    /// Microseconds since 1970; moves on with every line.
    now: i64,
    watches: VecDeque<Watch>,
}

const RESOURCES: [(&str, &str); 10] = [
    ("pods", ""),
    ("configmaps", ""),
    ("services", ""),
    ("endpoints", ""),
    ("leases", "coordination.k8s.io"),
    ("deployments", "apps"),
    ("replicasets", "apps"),
    ("events", ""),
    ("ingresses", "networking.k8s.io"),
    ("secrets", ""),
];

impl Traffic {
    pub(crate) fn new(profile: Profile, seed: u64, accounts: usize) -> Self {
        let mut rng = Rng(seed);
        let callers = everybody(&mut rng, accounts);
        Self {
            rng,
            profile,
            callers,
            now: 1_767_600_000_000_000,
            watches: VecDeque::new(),
        }
    }

    /// Writes the next line, with its newline.
    pub(crate) fn line(&mut self, out: &mut String) {
        self.now += 200 + i64::try_from(self.rng.below(6000)).unwrap_or(0);
        if self
            .watches
            .front()
            .is_some_and(|watch| watch.ends <= self.now)
            && let Some(watch) = self.watches.pop_front()
        {
            self.watch_line(&watch, "ResponseComplete", out);
            return;
        }
        match self.rng.below(100) {
            0 => self.unauthorized(out),
            1..6 => self.start_watch(out),
            6..11 => self.discovery(out),
            _ => self.request(out),
        }
    }

    fn caller(&mut self) -> usize {
        // A few are much busier than the others.
        let first = self.rng.below(self.callers.len());
        if self.rng.below(2) == 0 {
            first
        } else {
            first * first / self.callers.len()
        }
    }

    fn request(&mut self, out: &mut String) {
        let at = self.caller();
        let rng = &mut self.rng;
        let caller = &self.callers[at];
        let (resource, group) = match (caller.kind, rng.below(50)) {
            (Kind::Kubelet, 0..25) => RESOURCES[4],
            (_, n) => RESOURCES[n % RESOURCES.len()],
        };
        let verb = rng.pick(&["get", "get", "get", "update", "patch", "list", "create"]);
        let path = if group.is_empty() {
            "/api/v1".to_owned()
        } else {
            format!("/apis/{group}/v1")
        };
        let namespace = if caller.kind == Kind::Account {
            &caller.namespace
        } else {
            rng.pick(&NAMESPACES)
        };
        let name = if matches!(verb, "list" | "create") {
            String::new()
        } else {
            format!("{resource}-{}", rng.hex(6))
        };
        let uri = request_uri(&path, namespace, resource, verb, &name);
        let object = object_ref(resource, namespace, &name, group);
        let denied = rng.below(25) == 0;
        let with_body = self.profile == Profile::Mixed && rng.below(5) == 0;
        let level = if with_body {
            "RequestResponse"
        } else {
            "Metadata"
        };
        let id = rng.uuid();
        head(out, level, &id, "ResponseComplete", &uri, verb, caller);
        put(out, format_args!(r#","objectRef":{object}"#));
        if denied {
            put(
                out,
                format_args!(
                    r#","responseStatus":{{"metadata":{{}},"status":"Failure","message":"{resource} \"{name}\" is forbidden: User cannot {verb} resource \"{resource}\" in API group \"{group}\" in the namespace \"{namespace}\"","reason":"Forbidden","details":{{"name":"{name}","kind":"{resource}"}},"code":403}}"#
                ),
            );
        } else {
            let code = if verb == "create" { 201 } else { 200 };
            put(
                out,
                format_args!(r#","responseStatus":{{"metadata":{{}},"code":{code}}}"#),
            );
        }
        if with_body {
            bodies(rng, namespace, verb, out);
        }
        tail(out, self.now, 4000, caller, !denied);
    }

    fn start_watch(&mut self, out: &mut String) {
        let caller = self.caller();
        let rng = &mut self.rng;
        let (resource, group) = RESOURCES[rng.below(RESOURCES.len())];
        let path = if group.is_empty() {
            "/api/v1".to_owned()
        } else {
            format!("/apis/{group}/v1")
        };
        let seconds = 300 + rng.below(300);
        let version = rng.below(9_000_000);
        let watch = Watch {
            // Cut short by then, so that a small file has whole watches too. In the order of their
            // beginning, which is near enough.
            ends: self.now + i64::try_from(seconds).unwrap_or(0) * 100_000,
            caller,
            audit_id: rng.uuid(),
            uri: format!(
                r"{path}/{resource}?allowWatchBookmarks=true\u0026resourceVersion={version}\u0026timeout={seconds}s\u0026timeoutSeconds={seconds}\u0026watch=true"
            ),
            object: if group.is_empty() {
                format!(r#"{{"resource":"{resource}","apiVersion":"v1"}}"#)
            } else {
                format!(r#"{{"resource":"{resource}","apiGroup":"{group}","apiVersion":"v1"}}"#)
            },
            received: self.now,
        };
        self.watch_line(&watch, "ResponseStarted", out);
        self.watches.push_back(watch);
    }

    fn watch_line(&self, watch: &Watch, stage: &str, out: &mut String) {
        let caller = &self.callers[watch.caller];
        head(
            out,
            "Metadata",
            &watch.audit_id,
            stage,
            &watch.uri,
            "watch",
            caller,
        );
        put(
            out,
            format_args!(
                r#","objectRef":{},"responseStatus":{{"metadata":{{}},"code":200}}"#,
                watch.object
            ),
        );
        tail(
            out,
            watch.received,
            self.now - watch.received + 900,
            caller,
            true,
        );
    }

    /// A request that is about no resource.
    fn discovery(&mut self, out: &mut String) {
        let at = self.caller();
        let uri = self.rng.pick(&[
            "/healthz",
            "/readyz",
            "/api",
            "/apis",
            "/version",
            "/openapi/v3",
        ]);
        let id = self.rng.uuid();
        let caller = &self.callers[at];
        head(out, "Metadata", &id, "ResponseComplete", uri, "get", caller);
        out.push_str(r#","responseStatus":{"metadata":{},"code":200}"#);
        tail(out, self.now, 700, caller, true);
    }

    /// No user, no annotations, and `ResponseStarted` only.
    fn unauthorized(&mut self, out: &mut String) {
        let id = self.rng.uuid();
        let address = self.rng.below(250);
        let (received, reached) = (time(self.now), time(self.now + 90));
        put(
            out,
            format_args!(
                r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{id}","stage":"ResponseStarted","requestURI":"/api/v1/namespaces/shop/pods?limit=500","verb":"list","user":{{}},"sourceIPs":["10.9.0.{address}"],"userAgent":"curl/8.5.0","objectRef":{{"resource":"pods","namespace":"shop","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}},"requestReceivedTimestamp":"{received}","stageTimestamp":"{reached}"}}"#
            ),
        );
        out.push('\n');
    }
}

fn request_uri(path: &str, namespace: &str, resource: &str, verb: &str, name: &str) -> String {
    let uri = format!("{path}/namespaces/{namespace}/{resource}");
    match verb {
        "list" => uri + r"?limit=500\u0026resourceVersion=0",
        "create" => uri,
        _ => format!("{uri}/{name}"),
    }
}

fn object_ref(resource: &str, namespace: &str, name: &str, group: &str) -> String {
    let mut object = format!(r#"{{"resource":"{resource}","namespace":"{namespace}""#);
    if !name.is_empty() {
        put(&mut object, format_args!(r#","name":"{name}""#));
    }
    if !group.is_empty() {
        put(&mut object, format_args!(r#","apiGroup":"{group}""#));
    }
    object + r#","apiVersion":"v1"}"#
}

fn bodies(rng: &mut Rng, namespace: &str, verb: &str, out: &mut String) {
    if verb != "get" && verb != "list" {
        out.push_str(r#","requestObject":"#);
        bodies::access_review(rng, out);
    }
    out.push_str(r#","responseObject":"#);
    let kind = rng.pick(&["Pod", "ConfigMap"]);
    let size = 3_000 + rng.below(37_000);
    bodies::list(rng, namespace, kind, size, out);
}

fn head(
    out: &mut String,
    level: &str,
    id: &str,
    stage: &str,
    uri: &str,
    verb: &str,
    caller: &Caller,
) {
    let Caller {
        user,
        address,
        agent,
        ..
    } = caller;
    put(
        out,
        format_args!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"{level}","auditID":"{id}","stage":"{stage}","requestURI":"{uri}","verb":"{verb}","user":{user},"sourceIPs":["{address}"],"userAgent":"{agent}""#
        ),
    );
}

fn tail(out: &mut String, received: i64, took: i64, caller: &Caller, allowed: bool) {
    let (received, reached) = (time(received), time(received + took));
    let (decision, reason) = match (allowed, caller.kind) {
        (false, _) => ("forbid", String::new()),
        (true, Kind::Kubelet) => ("allow", String::new()),
        (true, _) => (
            "allow",
            format!(
                r#"RBAC: allowed by RoleBinding \"work/{0}\" of Role \"work\" to ServiceAccount \"work/{0}\""#,
                caller.namespace
            ),
        ),
    };
    put(
        out,
        format_args!(
            r#","requestReceivedTimestamp":"{received}","stageTimestamp":"{reached}","annotations":{{{}"authorization.k8s.io/decision":"{decision}","authorization.k8s.io/reason":"{reason}"}}}}"#,
            caller.annotation
        ),
    );
    out.push('\n');
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}
