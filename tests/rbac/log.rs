//! What a log says was asked of the authorizer: read with `serde_json`, derived from URLs.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    io::Read,
    path::Path,
};

use serde_json::Value;

use crate::authorizer::{Attributes, Authorizer};

/// Every event that stands for a request.
pub(crate) fn requests(folder: &Path) -> Vec<Value> {
    let mut events = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let mut text = String::new();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
            decoder.read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        events.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()),
        );
    }
    let key = |event: &Value| {
        ["auditID", "requestReceivedTimestamp", "verb", "requestURI"].map(|k| event[k].to_string())
    };
    let complete: HashSet<_> = events
        .iter()
        .filter(|event| event["stage"] == "ResponseComplete")
        .map(key)
        .collect();
    events.retain(|event| event["stage"] != "ResponseStarted" || !complete.contains(&key(event)));
    events
}

fn account(user: &Value) -> Option<String> {
    let name = user["username"]
        .as_str()?
        .strip_prefix("system:serviceaccount:")?;
    Some(name.replace(':', "/"))
}

fn effective(event: &Value) -> Option<String> {
    let user = event.get("impersonatedUser").unwrap_or(&event["user"]);
    account(user)
}

fn decision(event: &Value) -> &str {
    let decision = event.pointer("/annotations/authorization.k8s.io~1decision");
    decision.and_then(Value::as_str).unwrap_or_default()
}

/// Everything that ServiceAccounts were allowed, and what they were refused.
pub(crate) fn asked(folder: &Path) -> (BTreeSet<Attributes>, BTreeSet<Attributes>) {
    let (mut allowed, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for event in requests(folder) {
        if let Some(account) = effective(&event) {
            let asked = attributes(&event, account);
            match decision(&event) {
                "allow" => drop(allowed.insert(asked.clone())),
                "forbid" => drop(refused.insert(asked.clone())),
                _ => {}
            }
            if decision(&event) == "allow" && event["responseStatus"]["code"] == 201 {
                let upsert = ["update", "patch"].contains(&asked.verb.as_str());
                allowed.extend(upsert.then(|| Attributes {
                    verb: "create".to_owned(),
                    ..asked
                }));
            }
        }
        if event.get("impersonatedUser").is_some()
            && let Some(caller) = account(&event["user"])
        {
            allowed.extend(impersonation(&event["impersonatedUser"], &caller));
        }
    }
    (allowed, refused)
}

/// Questions allowed and refused, by account.
pub(crate) fn counts(folder: &Path) -> BTreeMap<String, (u64, u64)> {
    let mut counts = BTreeMap::<String, (u64, u64)>::new();
    for event in requests(folder) {
        if let Some(account) = effective(&event) {
            let (allowed, refused) = counts.entry(account).or_default();
            *allowed += u64::from(decision(&event) == "allow");
            let forbidden = event["responseStatus"]["code"] == 403 && decision(&event) != "allow";
            *refused += u64::from(forbidden);
        }
        if event.get("impersonatedUser").is_some()
            && let Some(caller) = account(&event["user"])
        {
            let asked = impersonation(&event["impersonatedUser"], &caller);
            counts.entry(caller).or_default().0 += asked.len() as u64;
        }
    }
    counts
}

/// What the impersonator is asked for (apiserver `pkg/endpoints/filters/impersonation`).
fn impersonation(user: &Value, caller: &str) -> Vec<Attributes> {
    let ask = |group: &str, resource: &str, namespace: &str, name: &str| Attributes {
        account: caller.to_owned(),
        verb: "impersonate".to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        path: String::new(),
    };
    let mut asked = Vec::new();
    let username = user["username"].as_str().unwrap();
    let other = account(user);
    match other.as_deref().and_then(|other| other.split_once('/')) {
        Some((namespace, name)) => asked.push(ask("", "serviceaccounts", namespace, name)),
        None => asked.push(ask("", "users", "", username)),
    }
    let groups = user["groups"].as_array().cloned().unwrap_or_default();
    for group in groups.iter().filter_map(Value::as_str) {
        let added = group == "system:authenticated"
            || other.is_some() && group.starts_with("system:serviceaccounts");
        asked.extend((!added).then(|| ask("", "groups", "", group)));
    }
    if let Some(uid) = user["uid"].as_str() {
        asked.push(ask("authentication.k8s.io", "uids", "", uid));
    }
    for (key, values) in user["extra"].as_object().into_iter().flatten() {
        for value in values.as_array().unwrap() {
            let resource = format!("userextras/{key}");
            asked.push(ask(
                "authentication.k8s.io",
                &resource,
                "",
                value.as_str().unwrap(),
            ));
        }
    }
    asked
}

/// What kube-apiserver makes of a URL (apiserver `pkg/endpoints/request/requestinfo.go` `NewRequestInfo`).
fn attributes(event: &Value, account: String) -> Attributes {
    let uri = event["requestURI"].as_str().unwrap();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let mut asked = Attributes {
        account,
        verb: event["verb"].as_str().unwrap().to_owned(),
        ..Attributes::default()
    };
    let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let is_resource = match parts[0] {
        "api" => parts.len() >= 3,
        "apis" => parts.len() >= 4,
        _ => false,
    };
    if !is_resource {
        path.clone_into(&mut asked.path);
        return asked;
    }
    if parts.remove(0) == "apis" {
        parts.remove(0).clone_into(&mut asked.group);
    }
    parts.remove(0);
    if parts.len() > 1 && ["watch", "proxy"].contains(&parts[0]) {
        parts.remove(0);
    }
    if parts[0] == "namespaces" && parts.len() > 1 {
        parts[1].clone_into(&mut asked.namespace);
        if parts.len() > 2 && !["status", "finalize"].contains(&parts[2]) {
            parts.drain(..2);
        }
    }
    parts[0].clone_into(&mut asked.resource);
    if let Some(name) = parts.get(1) {
        (*name).clone_into(&mut asked.name);
    }
    if let Some(subresource) = parts.get(2) {
        asked.resource = format!("{}/{subresource}", asked.resource);
    }
    if asked.name.is_empty() && ["list", "watch"].contains(&asked.verb.as_str()) {
        let selector = query
            .split('&')
            .find_map(|p| p.strip_prefix("fieldSelector="));
        let selector = selector.unwrap_or_default().replace("%3D", "=");
        let mut terms = selector.split("%2C").flat_map(|terms| terms.split(','));
        if let Some(name) = terms.find_map(|term| term.strip_prefix("metadata.name=")) {
            name.trim_start_matches('=').clone_into(&mut asked.name);
        }
    }
    asked
}

#[test]
fn urls_are_read_as_kube_apiserver_does() {
    for (verb, uri, expected) in [
        (
            "get",
            "/api/v1/namespaces/a/pods/b/log?x=y",
            ["", "pods/log", "a", "b", ""],
        ),
        (
            "list",
            "/apis/apps/v1/deployments",
            ["apps", "deployments", "", "", ""],
        ),
        (
            "get",
            "/api/v1/namespaces/a",
            ["", "namespaces", "a", "a", ""],
        ),
        (
            "update",
            "/api/v1/namespaces/a/finalize",
            ["", "namespaces/finalize", "a", "a", ""],
        ),
        (
            "watch",
            "/api/v1/pods?watch=1&fieldSelector=metadata.name%3Dx",
            ["", "pods", "", "x", ""],
        ),
        ("get", "/apis/apps/v1", ["", "", "", "", "/apis/apps/v1"]),
    ] {
        let event = serde_json::json!({"verb": verb, "requestURI": uri});
        let asked = attributes(&event, String::new());
        let got = [
            asked.group,
            asked.resource,
            asked.namespace,
            asked.name,
            asked.path,
        ];
        assert_eq!(got, expected, "{uri}");
    }
    let everybody = Authorizer::of(&[]);
    let event = serde_json::json!({"verb": "get", "requestURI": "/version"});
    assert!(everybody.allows(&attributes(&event, String::new())));
}
