//! A made-up cluster of any size, as `kubectl get ... -A -o json` would write it; shared by the bench and an
//! example.

use std::io::{self, Write};

use serde_json::{Value, json};

/// How large it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Pods.
    pub(crate) pods: usize,
    /// ServiceAccounts, each with a Role and a RoleBinding.
    pub(crate) accounts: usize,
}

/// Writes one list with everything in it.
pub(crate) fn write(size: Size, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n")?;
    let accounts = (0..size.accounts).flat_map(|i| [account(i), role(i), binding(i)]);
    let secrets = (0..size.accounts / 10).map(secret);
    let pods = (0..size.pods).map(|i| pod(i, size.accounts));
    for (i, object) in cluster_wide()
        .into_iter()
        .chain(accounts)
        .chain(secrets)
        .chain(pods)
        .enumerate()
    {
        if i > 0 {
            out.write_all(b",\n")?;
        }
        serde_json::to_writer_pretty(&mut *out, &object)?;
    }
    out.write_all(
        b"\n    ],\n    \"kind\": \"List\",\n    \"metadata\": {\"resourceVersion\": \"\"}\n}\n",
    )
}

fn namespace(account: usize) -> String {
    format!("team-{}", account / 25)
}

fn name(account: usize) -> String {
    if account.is_multiple_of(25) {
        "default".to_owned()
    } else {
        format!("app-{account}")
    }
}

/// What every object carries and nobody here reads.
fn metadata(namespace: &str, name: &str, kind: &str) -> Value {
    let managed = json!([{"apiVersion": "v1", "fieldsType": "FieldsV1", "manager": "kube-controller-manager",
        "operation": "Update", "time": "2026-01-01T00:00:00Z",
        "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}, "f:pod-template-hash": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}, "f:name": {}, "f:resources": {}}}}}}]);
    json!({"name": name, "namespace": namespace, "uid": format!("{kind}-{namespace}-{name}"), "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": name, "pod-template-hash": "6d4f7c9b8"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x".repeat(400)}, "managedFields": managed})
}

fn account(i: usize) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(&namespace(i), &name(i), "sa")})
}

fn role(i: usize) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata(&namespace(i), &name(i), "role"),
        "rules": [{"apiGroups": [""], "resources": ["configmaps", "pods"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}]})
}

fn binding(i: usize) -> Value {
    let (role, kind) = if i.is_multiple_of(7) {
        ("edit".to_owned(), "ClusterRole")
    } else {
        (name(i), "Role")
    };
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata(&namespace(i), &name(i), "rb"),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": name(i), "namespace": namespace(i)}]})
}

fn secret(i: usize) -> Value {
    let owner = i * 10;
    let mut metadata = metadata(
        &namespace(owner),
        &format!("{}-token", name(owner)),
        "secret",
    );
    metadata["annotations"]["kubernetes.io/service-account.name"] = json!(name(owner));
    metadata["labels"]["kubernetes.io/legacy-token-last-used"] = json!("2025-06-01");
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/service-account-token",
        "data": {"token": "eA==".repeat(300), "ca.crt": "eA==".repeat(400)}})
}

fn pod(i: usize, accounts: usize) -> Value {
    let account = i % accounts.max(1);
    let owner = format!("{}-6d4f7c9b8", name(account));
    let mut metadata = metadata(&namespace(account), &format!("{owner}-{i}"), "pod");
    metadata["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "controller": true}]);
    let container = |name: &str| {
        json!({"name": name, "image": format!("registry.example.com/{name}:1.2.3"), "env":
            (0..20).map(|n| json!({"name": format!("SETTING_{n}"), "value": "some value of ordinary length"})).collect::<Vec<_>>(),
        "resources": {"limits": {"cpu": "1", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
        "volumeMounts": [{"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": "kube-api-access-x2x5z", "readOnly": true}]})
    };
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"containers": [container("app"), container("sidecar")], "nodeName": format!("node-{}", i % 300),
            "serviceAccount": name(account), "serviceAccountName": name(account),
            "volumes": [{"name": "kube-api-access-x2x5z", "projected": {"sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}]}}]},
        "status": {"phase": "Running", "conditions": (0..5).map(|n| json!({"type": format!("C{n}"), "status": "True",
            "lastTransitionTime": "2026-01-01T00:00:00Z"})).collect::<Vec<_>>()}})
}

fn cluster_wide() -> Vec<Value> {
    let meta = |name: &str, label: Option<&str>| json!({"name": name, "labels": label.map_or_else(|| json!({}), |label| json!({label: "true"}))});
    let parts = (0..20).map(|i| {
        json!({"kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": meta(&format!("edit-part-{i}"), Some("aggregate-to-edit")),
            "rules": [{"apiGroups": [format!("group-{i}.example.com")], "resources": ["things", "others", "more"],
                "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]}]})
    });
    let mut all: Vec<Value> = parts.collect();
    all.push(json!({"kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": meta("edit", None),
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"aggregate-to-edit": "true"}}]}, "rules": null}));
    all
}
