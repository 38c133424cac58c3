//! GKE: entries of Cloud Logging, which are no audit events but hold most of one.
//!
//! Shapes: FACTS 6 "GKE mapping", and recorded entries of GoogleCloudPlatform/khi. Written down anew as an
//! event:
//!
//! | event | entry |
//! |---|---|
//! | verb, resource, subresource | `protoPayload.methodName`: `io.k8s.core.v1.pods.exec.create` |
//! | group, version, namespace, name | `protoPayload.resourceName`: `core/v1/namespaces/NS/pods/NAME/exec` |
//! | user | `authenticationInfo.principalEmail`, else `principalSubject` |
//! | status | `status.code`, a gRPC code, as HTTP's (google/rpc/code.proto); absent: 200 |
//! | annotations | `labels` |
//! | audit ID | `operation.id`, else `insertId` |
//! | stage | first and last entry of an operation: complete; first alone: started; last alone: complete |
//! | URI | made from the resource: the entry has none |
//!
//! The two entries of a long-running operation have times of their own. Their events have no time of
//! arrival, so that the operation's id joins them.

use crate::event::{Object, Text, Value};

use super::{About, Inside, Members, Skipped, canon::Canon, members::object, text_of};

pub(super) const ABOUT: About = About {
    name: "gke",
    what: "GKE: Cloud Logging entries, as lines, arrays or `gcloud logging read --format json`",
    example: r#"{"protoPayload":{"methodName":"io.k8s.core.v1.secrets.list","serviceName":"k8s.io",...}}"#,
    lacks: "groups and user.extra, so that pods and token IDs are unknown and kinds of tokens are told by \
            annotations alone; request URIs; reads, unless Data Access logs are enabled, which they are \
            not by default",
};

pub(super) fn open<'a>(record: &Members<'a>, scratch: &mut String) -> Option<Inside<'a>> {
    let payload = object(record.proto_payload)?;
    let service = payload.get("serviceName").and_then(Value::text);
    let log = text_of(record.log_name).map(Text::read);
    let of_audit = log.is_none_or(|log| {
        ["activity", "data_access"]
            .iter()
            .any(|name| log.ends_with(name))
    });
    let method = payload.get("methodName").and_then(Value::text);
    let kubernetes = service.is_some_and(|service| service == "k8s.io");
    let Some(method) = method.filter(|_| kubernetes && of_audit) else {
        return Some(Inside::Skipped(Skipped::OtherService));
    };
    map(record, payload, &method.read(), scratch);
    Some(Inside::Mapped)
}

fn map(record: &Members<'_>, payload: Object<'_>, method: &str, scratch: &mut String) {
    let name = payload.get("resourceName").and_then(Value::text);
    let name = name.map(Text::read).unwrap_or_default();
    let target = Target::of(method, &name);
    let part = |key: &str| payload.get(key).and_then(Value::object);
    let member =
        |object: Option<Object<'_>>, key: &str| object.is_some_and(|o| o.get(key).is_some());
    let mut event = Canon::begin(scratch);
    let level = match (payload.get("request"), payload.get("response")) {
        (None, None) => "Metadata",
        (_, None) => "Request",
        (_, Some(_)) => "RequestResponse",
    };
    event.string("level", level);
    let operation = object(record.other("operation"));
    let id = operation.and_then(|operation| operation.get("id")?.text());
    if let Some(id) = id.or(text_of(record.other("insertId"))) {
        event.text("auditID", id);
    }
    let (first, last) = (flag(operation, "first"), flag(operation, "last"));
    event.string(
        "stage",
        if first && !last {
            "ResponseStarted"
        } else {
            "ResponseComplete"
        },
    );
    event.string("requestURI", &target.uri());
    event.string("verb", target.verb);
    event.json("user", &user(part("authenticationInfo")));
    let request = part("requestMetadata");
    let of_request = |key: &str| request.and_then(|request| request.get(key)?.text());
    if let Some(address) = of_request("callerIp") {
        event.texts("sourceIPs", address);
    }
    if let Some(agent) = of_request("callerSuppliedUserAgent") {
        event.text("userAgent", agent);
    }
    target.write(&mut event);
    event.json("responseStatus", &status(part("status")));
    for (key, body) in [("requestObject", "request"), ("responseObject", "response")] {
        if member(Some(payload), body)
            && let Some(value) = payload.get(body)
        {
            event.json(key, value.json());
        }
    }
    if let Some(time) = text_of(record.timestamp) {
        if operation.is_none() || first == last {
            event.text("requestReceivedTimestamp", time);
        }
        event.text("stageTimestamp", time);
    }
    if let Some(labels) = object(record.labels) {
        event.json("annotations", labels.json());
    }
    event.end();
}

fn flag(object: Option<Object<'_>>, key: &str) -> bool {
    object
        .and_then(|object| object.get(key))
        .is_some_and(|value| value.json() == "true")
}

fn user(info: Option<Object<'_>>) -> String {
    let named = |key: &str| {
        info.and_then(|info| info.get(key)?.text())
            .filter(|text| !text.is_empty())
    };
    match named("principalEmail").or_else(|| named("principalSubject")) {
        Some(name) => format!("{{\"username\":\"{}\"}}", name.literal()),
        None => "{}".to_owned(),
    }
}

fn status(status: Option<Object<'_>>) -> String {
    let code = status
        .and_then(|status| status.get("code"))
        .map_or("0", Value::json);
    // google/rpc/code.proto names the HTTP code for each.
    let code = match code {
        "0" => 200,
        "1" => 499,
        "3" | "9" | "11" => 400,
        "4" => 504,
        "5" => 404,
        "6" | "10" => 409,
        "7" => 403,
        "8" => 429,
        "12" => 501,
        "14" => 503,
        "16" => 401,
        _ => 500,
    };
    let message = status.and_then(|status| status.get("message")?.text());
    match message {
        Some(message) => {
            format!(
                "{{\"metadata\":{{}},\"message\":\"{}\",\"code\":{code}}}",
                message.literal()
            )
        }
        None => format!("{{\"metadata\":{{}},\"code\":{code}}}"),
    }
}

/// What the request was about, from its method and its resource's name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Target<'a> {
    verb: &'a str,
    /// The group as in a URI: empty for the core group.
    group: &'a str,
    version: &'a str,
    namespace: &'a str,
    resource: &'a str,
    name: &'a str,
    subresource: &'a str,
    /// The path, of something that is no resource.
    path: &'a str,
}

impl<'a> Target<'a> {
    fn of(method: &'a str, resource_name: &'a str) -> Self {
        let (path, verb) = method.rsplit_once('.').unwrap_or(("", method));
        let segments: Vec<&str> = path.split('.').collect();
        let version = segments.iter().rposition(|segment| is_version(segment));
        let Some(version) = version.filter(|at| at + 1 < segments.len()) else {
            return Self {
                verb,
                path: resource_name,
                ..Self::default()
            };
        };
        let resource = segments[version + 1];
        let mut target = Self {
            verb,
            version: segments[version],
            resource,
            subresource: segments.get(version + 2).copied().unwrap_or(""),
            ..Self::default()
        };
        target.locate(resource_name);
        target
    }

    /// Takes group, namespace and name from `group/version/namespaces/NS/resource/NAME/SUB`.
    fn locate(&mut self, resource_name: &'a str) {
        let mut parts = resource_name.trim_start_matches('/').split('/');
        self.group = match parts.next().unwrap_or("") {
            "core" => "",
            group => group,
        };
        parts.next();
        let mut kind = parts.next().unwrap_or("");
        if kind == "namespaces" {
            self.namespace = parts.next().unwrap_or("");
            if self.resource == "namespaces" {
                self.name = self.namespace;
                return;
            }
            kind = parts.next().unwrap_or("");
        }
        if kind == self.resource {
            self.name = parts.next().unwrap_or("");
        }
    }

    fn uri(&self) -> String {
        if self.resource.is_empty() {
            return format!("/{}", self.path.trim_start_matches('/'));
        }
        let mut uri = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        let namespace = (self.resource != "namespaces").then_some(self.namespace);
        if let Some(namespace) = namespace.filter(|namespace| !namespace.is_empty()) {
            uri = format!("{uri}/namespaces/{namespace}");
        }
        for part in [self.resource, self.name, self.subresource] {
            if !part.is_empty() {
                uri = format!("{uri}/{part}");
            }
        }
        uri
    }

    fn write(&self, event: &mut Canon<'_>) {
        if self.resource.is_empty() {
            return;
        }
        let mut reference = String::from("{");
        let mut separator = "";
        for (key, text) in [
            ("resource", self.resource),
            ("namespace", self.namespace),
            ("name", self.name),
            ("apiGroup", self.group),
            ("apiVersion", self.version),
            ("subresource", self.subresource),
        ] {
            if !text.is_empty() {
                reference.push_str(separator);
                super::canon::escape(key, &mut reference);
                reference.push(':');
                super::canon::escape(text, &mut reference);
                separator = ",";
            }
        }
        reference.push('}');
        event.json("objectRef", &reference);
    }
}

/// `v1`, `v2beta1`
fn is_version(segment: &str) -> bool {
    let digits = segment.strip_prefix('v').unwrap_or("");
    let major = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    let minor = major
        .strip_prefix("alpha")
        .or_else(|| major.strip_prefix("beta"));
    digits.starts_with(|c: char| c.is_ascii_digit())
        && (major.is_empty()
            || minor.is_some_and(|minor| minor.bytes().all(|b| b.is_ascii_digit())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_methods_and_names() {
        for (method, name, uri, verb) in [
            (
                "io.k8s.core.v1.secrets.list",
                "core/v1/secrets",
                "/api/v1/secrets",
                "list",
            ),
            (
                "io.k8s.core.v1.pods.exec.create",
                "core/v1/namespaces/shop/pods/web-0/exec",
                "/api/v1/namespaces/shop/pods/web-0/exec",
                "create",
            ),
            (
                "io.k8s.authorization.rbac.v1.clusterrolebindings.create",
                "rbac.authorization.k8s.io/v1/clusterrolebindings/x",
                "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/x",
                "create",
            ),
            (
                "io.k8s.core.v1.namespaces.get",
                "core/v1/namespaces/shop",
                "/api/v1/namespaces/shop",
                "get",
            ),
            (
                "io.k8s.core.v1.nodes.proxy.get",
                "core/v1/nodes/n1/proxy/metrics",
                "/api/v1/nodes/n1/proxy",
                "get",
            ),
            (
                "com.example.v1beta1.widgets.patch",
                "example.com/v1beta1/namespaces/a/widgets/w",
                "/apis/example.com/v1beta1/namespaces/a/widgets/w",
                "patch",
            ),
            ("io.k8s.get", "version", "/version", "get"),
            ("x", "", "/", "x"),
        ] {
            let target = Target::of(method, name);
            assert_eq!(
                (target.uri().as_str(), target.verb),
                (uri, verb),
                "{method} {name}"
            );
        }
    }
}
