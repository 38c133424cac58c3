use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    event::Parser,
    permission::{NAMES_KEPT, NAMESPACES_KEPT},
    source::Origin,
};

fn observe(used: &mut UsedByAccount, event: &serde_json::Value) {
    let mut line = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "a",
        "stage": "ResponseComplete", "requestURI": "/x", "verb": "get",
        "user": {"username": "system:serviceaccount:shop:web"}, "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z",
        "annotations": {"authorization.k8s.io/decision": "allow"},
    });
    for (key, value) in event.as_object().unwrap() {
        line[key] = value.clone();
    }
    let line = line.to_string();
    let mut parser = Parser::default();
    used.observe(&parser.parse(&line, Origin::default()).unwrap());
}

fn after(events: &[serde_json::Value]) -> UsedByAccount {
    let mut used = UsedByAccount::default();
    for event in events {
        observe(&mut used, event);
    }
    used
}

/// `action @namespace name` of everything allowed to `account`, and how many were refused.
fn told(used: &UsedByAccount, account: &str) -> (Vec<String>, u64) {
    let all = used.sorted();
    let Some((_, used)) = all
        .iter()
        .find(|(a, _)| format!("{}/{}", a.namespace, a.name) == account)
    else {
        return (Vec::new(), 0);
    };
    let mut told = Vec::new();
    for (action, spread) in used.allowed.sorted() {
        let cluster = spread.cluster_wide().map(|place| ("*", place));
        let namespaces = spread.namespaces().unwrap().iter();
        for (namespace, place) in cluster
            .into_iter()
            .chain(namespaces.map(|(n, p)| (n.as_str(), p)))
        {
            let names: Vec<_> = place.names.few().unwrap().keys().cloned().collect();
            told.push(format!("{action} @{namespace} {}", names.join(",")));
        }
    }
    (told, used.refused.uses().count)
}

fn pods(verb: &str, name: &str) -> serde_json::Value {
    json!({
        "verb": verb, "requestURI": "/api/v1/namespaces/shop/pods",
        "objectRef": {"resource": "pods", "namespace": "shop", "name": name},
    })
}

#[test]
fn names_count_only_where_the_authorizer_saw_them() {
    let used = after(&[
        pods("get", "a"),
        pods("create", "from-the-body"),
        pods("deletecollection", "x"),
        json!({
            "verb": "create", "requestURI": "/api/v1/namespaces/shop/pods/a/exec",
            "objectRef": {"resource": "pods", "subresource": "exec", "namespace": "shop", "name": "a"},
        }),
    ]);
    assert_eq!(
        told(&used, "shop/web").0,
        [
            "create pods @shop ",
            "deletecollection pods @shop ",
            "get pods @shop a",
            "create pods/exec @shop a"
        ]
    );
}

#[test]
fn a_namespace_that_only_the_body_names_is_none() {
    let used = after(&[json!({
        "verb": "create", "requestURI": "/apis/authorization.k8s.io/v1/subjectaccessreviews?x=/namespaces/",
        "objectRef": {"resource": "subjectaccessreviews", "apiGroup": "authorization.k8s.io", "namespace": "forged"},
    })]);
    let expected = "create subjectaccessreviews.authorization.k8s.io @* ";
    assert_eq!(told(&used, "shop/web").0, [expected]);
}

#[test]
fn what_would_name_more_is_left_out() {
    let odd = [
        json!({"objectRef": {"resource": "*"}}),
        json!({"objectRef": {"resource": "pods", "subresource": "*"}}),
        json!({"objectRef": {"resource": "pods", "apiGroup": "*"}}),
        json!({"objectRef": {"resource": "pods", "namespace": "../../etc"}}),
        json!({"objectRef": {"resource": "pods", "name": "x".repeat(301)}}),
        json!({"objectRef": {"resource": "pods"}, "verb": ""}),
        json!({"objectRef": {"resource": "pods"}, "verb": "*"}),
        json!({"requestURI": "/logs/*"}),
        json!({"requestURI": "/logs/%2a"}),
        json!({"requestURI": "/%00"}),
        json!({"requestURI": "*"}),
        json!({"requestURI": "/api/v1/pods"}),
    ];
    let used = after(&odd);
    assert_eq!(told(&used, "shop/web").0, [""; 0]);
    assert_eq!(used.sorted()[0].1.nameless.count, odd.len() as u64);
}

#[test]
fn the_decision_counts_and_the_code_where_it_is_missing() {
    let with = |code: u16, decision: Option<&str>| {
        let mut event = pods("get", "a");
        event["responseStatus"] = json!({"code": code});
        event["annotations"] = match decision {
            Some(decision) => json!({"authorization.k8s.io/decision": decision}),
            None => json!({}),
        };
        let used = after(&[event]);
        let used = used.sorted()[0].1.clone();
        let counts = [used.allowed.uses(), used.refused.uses(), used.undecided];
        counts.map(|uses| uses.count)
    };
    let (allowed, refused, unknown) = ([1, 0, 0], [0, 1, 0], [0, 0, 1]);
    for (code, decision, expected) in [
        (200, Some("allow"), allowed),
        (404, Some("allow"), allowed),
        (403, Some("allow"), allowed),
        (429, Some("allow"), allowed),
        (403, Some("forbid"), refused),
        (200, None, allowed),
        (409, None, allowed),
        (403, None, refused),
        (429, None, unknown),
        (500, None, unknown),
        (400, None, unknown),
    ] {
        assert_eq!(with(code, decision), expected, "{code} {decision:?}");
    }
}

#[test]
fn an_update_that_created_needs_both() {
    let mut event = pods("patch", "a");
    event["responseStatus"] = json!({"code": 201});
    assert_eq!(
        told(&after(&[event]), "shop/web").0,
        ["create pods @shop ", "patch pods @shop a"]
    );
}

#[test]
fn impersonation_is_the_callers_and_the_request_that_of_the_other() {
    let mut event = pods("get", "a");
    event["impersonatedUser"] = json!({
        "username": "system:serviceaccount:ci:bot", "uid": "u1",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated", "extra"],
        "extra": {"example.com/scopes": ["view", "edit"]},
    });
    let used = after(&[event]);
    assert_eq!(told(&used, "ci/bot").0, ["get pods @shop a"]);
    assert_eq!(
        told(&used, "shop/web").0,
        [
            "impersonate groups @* extra",
            "impersonate serviceaccounts @ci bot",
            "impersonate uids.authentication.k8s.io @* u1",
            "impersonate userextras.authentication.k8s.io/example.com/scopes @* edit,view",
        ]
    );
}

#[test]
fn a_refused_impersonation_is_no_refused_request() {
    let mut event = pods("list", "");
    event["annotations"] = json!({});
    event["responseStatus"] = json!({
        "code": 403, "details": {"name": "system:admin", "kind": "users"},
        "message": "users \"system:admin\" is forbidden: User \"system:serviceaccount:shop:web\" \
                    cannot impersonate resource \"users\" in API group \"\" at the cluster scope",
    });
    let used = after(&[event]);
    let refused = used.sorted()[0].1.refused.clone();
    let refused = refused.sorted();
    assert_eq!(refused[0].0.to_string(), "impersonate users");
    assert!(
        refused[0]
            .1
            .cluster_wide()
            .unwrap()
            .names
            .few()
            .unwrap()
            .contains_key("system:admin")
    );
}

#[test]
fn what_everybody_may_do_is_apart() {
    let used = after(&[
        json!({"requestURI": "/apis/apps/v1?timeout=32s"}),
        json!({"requestURI": "/version"}),
        json!({"requestURI": "/openid/v1/jwks"}),
        json!({"verb": "create", "objectRef": {"resource": "selfsubjectaccessreviews", "apiGroup": "authorization.k8s.io"}}),
        json!({"requestURI": "/metrics?x=y"}),
        json!({"requestURI": "/version", "verb": "post"}),
    ]);
    assert_eq!(used.sorted()[0].1.everybodys.count, 4);
    assert_eq!(
        told(&used, "shop/web").0,
        ["get /metrics @* ", "post /version @* "]
    );
}

#[test]
fn others_than_service_accounts_do_not_matter() {
    let used = after(&[json!({"user": {"username": "alice"}}), json!({"user": {}})]);
    assert!(used.sorted().is_empty());
}

/// Requests whose names, namespaces and actions overflow what is kept.
fn many(picks: &[(u16, u8, u8)]) -> Vec<serde_json::Value> {
    let event = |&(action, namespace, name): &(u16, u8, u8)| {
        json!({
            "verb": "get", "requestURI": "/api/v1/namespaces/x",
            "responseStatus": {"code": if name % 5 == 0 { 403 } else { 200 }},
            "annotations": {},
            "objectRef": {
                "resource": format!("r{}", action % 3), "namespace": format!("n{namespace}"),
                "name": if name == 0 { String::new() } else { format!("o{name}") },
            },
        })
    };
    picks.iter().map(event).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn does_not_depend_on_order_or_split(
        picks in prop::collection::vec((0_u16..9, 0_u8..90, 0_u8..90), 0..400), cut: prop::sample::Index,
    ) {
        let mut events = many(&picks);
        let whole = after(&events);
        let at = if events.is_empty() { 0 } else { cut.index(events.len()) };
        let mut left = after(&events[..at]);
        Merge::merge(&mut left, after(&events[at..]));
        prop_assert_eq!(&left, &whole);
        events.reverse();
        prop_assert_eq!(after(&events), whole);
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let picks: Vec<_> = (0..200_u8).map(|n| (0, n, n)).collect();
    let used = after(&many(&picks));
    let used = used.sorted()[0].1.clone();
    let (_, spread) = used.allowed.sorted()[0];
    assert!(spread.namespaces().is_none() && spread.anywhere().names.few().is_none());
    assert_eq!(spread.anywhere().uses.count, 160);
    const { assert!(NAMESPACES_KEPT < 160 && NAMES_KEPT < 160) };

    let resources: Vec<_> = (0..ACTIONS_KEPT + 10)
        .map(|n| json!({"verb": "get", "objectRef": {"resource": format!("r{n}")}}))
        .collect();
    let used = after(&resources);
    let allowed = &used.sorted()[0].1.allowed;
    assert_eq!(allowed.sorted().len(), ACTIONS_KEPT);
    assert!(allowed.overflowed());
    assert_eq!(allowed.uses().count, resources.len() as u64);
}
