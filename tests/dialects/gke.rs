//! GKE's entries, written from events; and the events without what an entry cannot hold.

use serde_json::{Map, Value, json};

/// The groups as GKE's method names have them.
fn method_group(group: &str) -> String {
    match group {
        "" => "io.k8s.core".to_owned(),
        "rbac.authorization.k8s.io" => "io.k8s.authorization.rbac".to_owned(),
        group => {
            let mut labels: Vec<&str> = group.split('.').collect();
            labels.reverse();
            labels.join(".")
        }
    }
}

fn text<'e>(event: &'e Value, at: &str) -> &'e str {
    event.pointer(at).and_then(Value::as_str).unwrap_or("")
}

/// The gRPC code for an HTTP code, those that Kubernetes answers with.
fn grpc(code: u64) -> u64 {
    match code {
        ..400 => 0,
        400 | 422 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        409 => 6,
        429 => 8,
        504 => 4,
        503 => 14,
        _ => 2,
    }
}

/// Whether an event can be an entry at all: a completed request on a resource, by a user.
pub(crate) fn fits(event: &Value) -> bool {
    let long_running =
        text(event, "/verb") == "watch" || !text(event, "/objectRef/subresource").is_empty();
    event["stage"] == "ResponseComplete"
        && !text(event, "/objectRef/resource").is_empty()
        && !text(event, "/user/username").is_empty()
        && event["impersonatedUser"].is_null()
        && !long_running
        && !text(event, "/objectRef/name").contains(['/', '\0', '\n'])
}

pub(crate) fn entry(event: &Value) -> Value {
    let reference = |key: &str| text(event, &format!("/objectRef/{key}")).to_owned();
    let (group, version, namespace) = (
        reference("apiGroup"),
        reference("apiVersion"),
        reference("namespace"),
    );
    let (resource, name) = (reference("resource"), reference("name"));
    let mut path = vec![
        if group.is_empty() {
            "core".to_owned()
        } else {
            group.clone()
        },
        version.clone(),
    ];
    if !namespace.is_empty() {
        path.extend(["namespaces".to_owned(), namespace]);
    }
    if resource != "namespaces" || path.len() == 2 {
        path.push(resource.clone());
        if !name.is_empty() {
            path.push(name);
        }
    }
    let status = grpc(
        event
            .pointer("/responseStatus/code")
            .and_then(Value::as_u64)
            .unwrap_or(200),
    );
    json!({
        "insertId": event["auditID"],
        "labels": event["annotations"].as_object().cloned().unwrap_or_else(Map::new),
        "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity",
        "operation": {"first": true, "id": event["auditID"], "last": true, "producer": "k8s.io"},
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "authenticationInfo": {"principalEmail": event["user"]["username"]},
            "methodName": format!("{}.{version}.{resource}.{}", method_group(&group), text(event, "/verb")),
            "requestMetadata": {
                "callerIp": event["sourceIPs"].as_array().and_then(|ips| ips.last()),
                "callerSuppliedUserAgent": event["userAgent"],
            },
            "resourceName": path.join("/"),
            "serviceName": "k8s.io",
            "status": {"code": status},
        },
        "receiveTimestamp": "2026-11-22T04:25:44Z",
        "resource": {"type": "k8s_cluster", "labels": {"cluster_name": "c"}},
        "timestamp": event["requestReceivedTimestamp"],
    })
}

/// The event that an entry can hold.
pub(crate) fn reduced(event: &Value) -> Value {
    let reference = |key: &str| text(event, &format!("/objectRef/{key}")).to_owned();
    let code = event
        .pointer("/responseStatus/code")
        .and_then(Value::as_u64)
        .unwrap_or(200);
    let code = match grpc(code) {
        0 => 200,
        2 => 500,
        3 => 400,
        4 => 504,
        5 => 404,
        6 => 409,
        7 => 403,
        8 => 429,
        14 => 503,
        _ => 401,
    };
    let (group, namespace) = (reference("apiGroup"), reference("namespace"));
    let (resource, name) = (reference("resource"), reference("name"));
    let mut uri = if group.is_empty() {
        "/api/".to_owned()
    } else {
        format!("/apis/{group}/")
    };
    uri += &reference("apiVersion");
    if !namespace.is_empty() && resource != "namespaces" {
        uri.extend(["/namespaces/", namespace.as_str()]);
    }
    uri.extend(["/", resource.as_str()]);
    // Of a namespace, the name is what a list of namespaces has not.
    let own_name = if resource == "namespaces" && name.is_empty() {
        namespace.clone()
    } else {
        name
    };
    if !own_name.is_empty() {
        uri.extend(["/", own_name.as_str()]);
    }
    let mut reference = event["objectRef"].clone();
    let members = reference.as_object_mut().unwrap();
    members.remove("uid");
    members.remove("resourceVersion");
    let mut reduced = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
        "auditID": event["auditID"], "stage": "ResponseComplete", "requestURI": uri, "verb": event["verb"],
        "user": {"username": event["user"]["username"]},
        "sourceIPs": [event["sourceIPs"].as_array().and_then(|ips| ips.last())],
        "objectRef": reference,
        "responseStatus": {"metadata": {}, "code": code},
        "requestReceivedTimestamp": event["requestReceivedTimestamp"],
        "stageTimestamp": event["requestReceivedTimestamp"],
        "annotations": event["annotations"],
    });
    if !event["userAgent"].is_null() {
        reduced["userAgent"] = event["userAgent"].clone();
    }
    reduced
}
