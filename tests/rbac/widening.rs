//! What the flags widen, and that nothing widens by itself.

use serde_json::{Value, json};

use crate::{
    authorizer::{Attributes, Authorizer},
    manifests, satrail,
};

/// Requests of `shop/web`, as (verb, resource, namespace, name).
pub(crate) fn log(requests: &[(&str, &str, &str, &str)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let line = |&(verb, resource, namespace, name): &(&str, &str, &str, &str)| {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let place = if namespace.is_empty() {
            String::new()
        } else {
            format!("/namespaces/{namespace}")
        };
        json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "a",
            "stage": "ResponseComplete", "requestURI": format!("/api/v1{place}/{resource}/{name}"),
            "verb": verb, "user": {"username": "system:serviceaccount:shop:web"},
            "objectRef": {"resource": resource, "subresource": subresource, "namespace": namespace, "name": name},
            "responseStatus": {"code": 200},
            "requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z",
            "annotations": {"authorization.k8s.io/decision": "allow"},
        })
        .to_string()
    };
    let lines: Vec<_> = requests.iter().map(line).collect();
    std::fs::write(home.path().join("audit.log"), lines.join("\n")).unwrap();
    home
}

fn allows(flags: &[&str], log: &tempfile::TempDir, wanted: (&str, &str, &str, &str)) -> bool {
    let manifests = manifests::read(&satrail(flags, &[log.path()]));
    let (verb, resource, namespace, name) = wanted.map_all();
    Authorizer::of(&manifests).allows(&Attributes {
        account: "shop/web".to_owned(),
        verb,
        resource,
        namespace,
        name,
        ..Attributes::default()
    })
}

trait MapAll {
    fn map_all(self) -> (String, String, String, String);
}

impl MapAll for (&str, &str, &str, &str) {
    fn map_all(self) -> (String, String, String, String) {
        (
            self.0.to_owned(),
            self.1.to_owned(),
            self.2.to_owned(),
            self.3.to_owned(),
        )
    }
}

#[test]
fn names_stay_while_they_are_few() {
    let names: Vec<String> = (0..12).map(|n| format!("cm{n}")).collect();
    let log_of = |n: usize| {
        let requests: Vec<_> = names[..n]
            .iter()
            .map(|name| ("get", "configmaps", "shop", name.as_str()))
            .collect();
        log(&requests)
    };
    let other = ("get", "configmaps", "shop", "other");
    assert!(!allows(&[], &log_of(10), other));
    assert!(allows(&[], &log_of(11), other));
    assert!(!allows(&["--expand-multi-name=12"], &log_of(12), other));
    assert!(allows(&["--expand-multi-name"], &log_of(2), other));
    assert!(!allows(&["--expand-multi-name"], &log_of(1), other));
    assert!(allows(&["--expand-multi-name=0"], &log_of(1), other));
}

#[test]
fn one_request_without_a_name_is_for_any_name() {
    let requests = [
        ("list", "pods", "shop", "a"),
        ("watch", "pods", "shop", "a"),
        ("list", "pods", "shop", ""),
    ];
    let log = log(&requests);
    assert!(allows(&[], &log, ("list", "pods", "shop", "b")));
    assert!(!allows(&[], &log, ("watch", "pods", "shop", "b")));
    assert!(allows(&[], &log, ("watch", "pods", "shop", "a")));
}

#[test]
fn namespaces_stay_apart_unless_asked_for() {
    let log = log(&[
        ("get", "pods", "a", "x"),
        ("get", "pods", "b", "x"),
        ("get", "secrets", "a", "s"),
    ]);
    let elsewhere = ("get", "pods", "c", "x");
    assert!(!allows(&[], &log, elsewhere));
    assert!(!allows(&["--expand-multi-namespace=2"], &log, elsewhere));
    assert!(allows(&["--expand-multi-namespace"], &log, elsewhere));
    // Names are kept, and what was used in one namespace stays there.
    assert!(!allows(
        &["--expand-multi-namespace"],
        &log,
        ("get", "pods", "c", "y")
    ));
    assert!(!allows(
        &["--expand-multi-namespace"],
        &log,
        ("get", "secrets", "c", "s")
    ));
    let text = satrail(&["--expand-multi-namespace"], &[log.path()]);
    assert!(text.contains("Granted in all namespaces"), "{text}");
    assert_eq!(manifests::read(&text).len(), 4);
}

#[test]
fn more_namespaces_than_are_kept_are_all() {
    let names: Vec<String> = (0..70).map(|n| format!("ns{n}")).collect();
    let requests: Vec<_> = names
        .iter()
        .map(|ns| ("get", "configmaps", ns.as_str(), "root-ca"))
        .collect();
    let log = log(&requests);
    assert!(allows(
        &[],
        &log,
        ("get", "configmaps", "elsewhere", "root-ca")
    ));
    assert!(!allows(
        &[],
        &log,
        ("get", "configmaps", "elsewhere", "other")
    ));
}

#[test]
fn what_the_cluster_role_grants_stands_in_no_role() {
    let log = log(&[
        ("list", "pods", "", ""),
        ("list", "pods", "shop", ""),
        ("get", "pods", "shop", "a"),
    ]);
    let manifests = manifests::read(&satrail(&[], &[log.path()]));
    let verbs = |kind: &str| -> Value {
        let role = manifests.iter().find(|m| m["kind"] == kind).unwrap();
        role["rules"][0]["verbs"].clone()
    };
    assert_eq!(verbs("ClusterRole"), json!(["list"]));
    assert_eq!(verbs("Role"), json!(["get"]));
}

#[test]
fn verbs_imply_others_only_when_told_to() {
    let log = log(&[
        ("list", "pods", "shop", ""),
        ("patch", "configmaps", "shop", "c"),
    ]);
    for (flag, verb, resource, expected) in [
        ("", "watch", "pods", false),
        ("", "update", "configmaps", false),
        ("--expand-verbs", "watch", "pods", true),
        ("--expand-verbs", "get", "pods", true),
        ("--expand-verbs", "update", "configmaps", true),
        ("--expand-verbs=read", "watch", "pods", true),
        ("--expand-verbs=read", "update", "configmaps", false),
        ("--expand-verbs=write", "get", "configmaps", true),
        ("--expand-verbs=write", "watch", "pods", false),
        ("--expand-verbs", "delete", "pods", false),
    ] {
        let flags: Vec<_> = [flag].into_iter().filter(|f| !f.is_empty()).collect();
        let wanted = (verb, resource, "shop", "c");
        assert_eq!(
            allows(&flags, &log, wanted),
            expected,
            "{flag} {verb} {resource}"
        );
    }
    assert!(!allows(
        &["--expand-verbs"],
        &log,
        ("update", "configmaps", "shop", "other")
    ));
}

#[test]
fn accounts_are_chosen_and_missed() {
    let log = log(&[("list", "pods", "shop", "")]);
    let text = satrail(
        &["--account", "shop/w*", "--account", "shop/idle"],
        &[log.path()],
    );
    assert_eq!(manifests::read(&text).len(), 2);
    assert!(
        text.contains("# shop/idle: no request in this log"),
        "{text}"
    );
    let text = satrail(
        &["--account", "system:serviceaccount:ci:web"],
        &[log.path()],
    );
    assert!(manifests::read(&text).is_empty());
}

#[test]
fn what_the_log_cannot_show_is_said() {
    let home = log(&[("create", "serviceaccounts/token", "shop", "x")]);
    assert!(!satrail(&[], &[home.path()]).contains("escalate"));
    let text = std::fs::read_to_string(home.path().join("audit.log")).unwrap();
    let text = text
        .replace(
            "\"resource\":\"serviceaccounts\"",
            "\"resource\":\"clusterroles\",\"apiGroup\":\"rbac.authorization.k8s.io\"",
        )
        .replace("\"subresource\":\"token\"", "\"subresource\":\"\"");
    std::fs::write(home.path().join("audit.log"), text + "\nno event\n").unwrap();
    let text = satrail(&[], &[home.path()]);
    assert!(
        text.contains("escalate") && text.contains("1 line could not be read"),
        "{text}"
    );
}
