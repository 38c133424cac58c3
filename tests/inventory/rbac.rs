//! RBAC once more, written another way, and held against what the recorded kube-apiserver decided.

use std::collections::BTreeSet;

use satrail::inventory::{Action, Cell, Grant, Rbac, granted_minus_used};
use serde_json::{Value, json};

use super::{cases, dumps_of};

/// A request, as the second evaluation takes it.
#[derive(Debug, Clone, Copy)]
struct Request<'a> {
    verb: &'a str,
    group: &'a str,
    resource: &'a str,
    namespace: &'a str,
    name: &'a str,
    url: &'a str,
}

fn has(list: &Value, wanted: &str) -> bool {
    list.as_array()
        .is_some_and(|list| list.iter().any(|item| item == "*" || item == wanted))
}

fn matches(rule: &Value, request: Request<'_>) -> bool {
    let list = |key: &str| rule[key].as_array().cloned().unwrap_or_default();
    if !has(&rule["verbs"], request.verb) {
        return false;
    }
    if !request.url.is_empty() {
        return list("nonResourceURLs")
            .iter()
            .map(|url| url.as_str().unwrap())
            .any(|url| match url.split_once('*') {
                Some((start, "")) => request.url.starts_with(start),
                _ => url == request.url,
            });
    }
    let names = list("resourceNames");
    let sub = request
        .resource
        .split('/')
        .nth(1)
        .map(|sub| format!("*/{sub}"));
    has(&rule["apiGroups"], request.group)
        && (has(&rule["resources"], request.resource)
            || sub.is_some_and(|sub| list("resources").contains(&json!(sub))))
        && (names.is_empty() || names.contains(&json!(request.name)))
}

/// Goes through all bindings and roles for every single question.
fn allowed(objects: &[Value], namespace: &str, account: &str, request: Request<'_>) -> bool {
    let user = format!("system:serviceaccount:{namespace}:{account}");
    let in_group = |group: &Value| {
        [
            json!("system:serviceaccounts"),
            json!(format!("system:serviceaccounts:{namespace}")),
            json!("system:authenticated"),
        ]
        .contains(group)
    };
    objects.iter().any(|binding| {
        let home = match binding["kind"].as_str() {
            Some("ClusterRoleBinding") => "",
            Some("RoleBinding") => binding["metadata"]["namespace"].as_str().unwrap(),
            _ => return false,
        };
        if !home.is_empty() && (home != request.namespace || !request.url.is_empty()) {
            return false;
        }
        let subjects = binding["subjects"].as_array().cloned().unwrap_or_default();
        let applies = subjects
            .iter()
            .any(|subject| match subject["kind"].as_str().unwrap() {
                "User" => subject["name"] == user,
                "Group" => in_group(&subject["name"]),
                _ => {
                    subject["name"] == account
                        && subject["namespace"].as_str().unwrap_or(home) == namespace
                }
            });
        applies
            && objects.iter().any(|role| {
                let place = role["metadata"]["namespace"].as_str().unwrap_or_default();
                role["kind"] == binding["roleRef"]["kind"]
                    && role["metadata"]["name"] == binding["roleRef"]["name"]
                    && (role["kind"] == "ClusterRole" || place == home)
                    && role["rules"]
                        .as_array()
                        .is_some_and(|rules| rules.iter().any(|rule| matches(rule, request)))
            })
    })
}

fn action(request: Request<'_>) -> Action {
    Action {
        verb: request.verb.to_owned(),
        group: request.group.to_owned(),
        resource: request.resource.to_owned(),
        namespace: request.namespace.to_owned(),
        url: request.url.to_owned(),
    }
}

fn accounts(objects: &[Value]) -> Vec<(String, String)> {
    let accounts = objects
        .iter()
        .filter(|object| object["kind"] == "ServiceAccount");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    accounts
        .map(|a| {
            (
                text(&a["metadata"]["namespace"]),
                text(&a["metadata"]["name"]),
            )
        })
        .collect()
}

const VERBS: [&str; 8] = [
    "get",
    "list",
    "create",
    "delete",
    "impersonate",
    "escalate",
    "bind",
    "head",
];

/// Resources that rules of the sample name, and some that they do not.
const RESOURCES: [(&str, &str); 14] = [
    ("", "pods"),
    ("", "pods/exec"),
    ("", "pods/log"),
    ("", "secrets"),
    ("", "configmaps"),
    ("", "serviceaccounts/token"),
    ("", "serviceaccounts"),
    ("", "nodes/proxy"),
    ("apps", "deployments"),
    ("apps", "deployments/scale"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authentication.k8s.io", "tokenreviews"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("example.com", "things"),
];

#[test]
fn two_evaluations_agree() {
    let case = cases().remove(0);
    let objects = case.objects();
    let rbac_objects: Vec<_> = objects
        .iter()
        .filter(|o| o["kind"].as_str().unwrap().contains("Role"))
        .cloned()
        .collect();
    // As a dump would be in which the controller has not filled the rules in yet.
    let mut unfilled = objects.clone();
    for role in &mut unfilled {
        if role["aggregationRule"].is_object() {
            role["rules"] = Value::Null;
        }
    }
    let (dumps, unfilled) = (case.dumps(), dumps_of(&unfilled));
    let (rbac, aggregated) = (Rbac::new(&dumps.inventory), Rbac::new(&unfilled.inventory));
    let mut asked = [0, 0];
    let urls = ["/metrics", "/healthz", "/api", "/openid/v1/jwks", "/logs"];
    for (namespace, account) in accounts(&objects) {
        let mut ask = |request| {
            let expected = allowed(&rbac_objects, &namespace, &account, request);
            let action = action(request);
            let name = request.name;
            assert_eq!(
                rbac.allows(&namespace, &account, &action, name),
                expected,
                "{namespace}/{account} {request:?}"
            );
            assert_eq!(
                aggregated.allows(&namespace, &account, &action, name),
                expected,
                "aggregated: {namespace}/{account} {request:?}"
            );
            asked[usize::from(expected)] += 1;
        };
        for verb in VERBS {
            for (group, resource) in RESOURCES {
                for (namespace, name) in [
                    ("", ""),
                    ("shop", ""),
                    ("shop", "db-pass"),
                    ("kube-public", "cluster-info"),
                ] {
                    ask(Request {
                        verb,
                        group,
                        resource,
                        namespace,
                        name,
                        url: "",
                    });
                }
            }
            for url in urls {
                ask(Request {
                    verb,
                    group: "",
                    resource: "",
                    namespace: "",
                    name: "",
                    url,
                });
            }
        }
    }
    assert!(asked[0] > 20_000 && asked[1] > 1_000, "{asked:?}");
}

/// What an event asked for: the action, and the object's name.
fn asked_for(event: &Value) -> (Action, &str) {
    let text = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
    let object = &event["objectRef"];
    let mut resource = text(&object["resource"]);
    if let Some(sub) = object["subresource"].as_str() {
        resource = format!("{resource}/{sub}");
    }
    let url = if object.is_object() {
        ""
    } else {
        event["requestURI"]
            .as_str()
            .unwrap()
            .split('?')
            .next()
            .unwrap()
    };
    let action = Action {
        verb: text(&event["verb"]),
        group: text(&object["apiGroup"]),
        resource,
        namespace: text(&object["namespace"]),
        url: url.to_owned(),
    };
    (action, object["name"].as_str().unwrap_or_default())
}

/// kube-apiserver's decisions on ServiceAccounts' own requests.
fn decisions(events: &[Value]) -> impl Iterator<Item = (&str, &str, bool, &Value)> {
    events.iter().filter_map(|event| {
        let user = event["user"]["username"]
            .as_str()?
            .strip_prefix("system:serviceaccount:")?;
        let (namespace, name) = user.split_once(':')?;
        let decision = event["annotations"]["authorization.k8s.io/decision"].as_str()?;
        event["impersonatedUser"]
            .is_null()
            .then_some((namespace, name, decision == "allow", event))
    })
}

#[test]
fn kube_apiserver_decided_the_same() {
    for case in cases() {
        let (dumps, events) = (case.dumps(), case.events());
        let rbac = Rbac::new(&dumps.inventory);
        let mut checked = [0, 0];
        for (namespace, account, allowed, event) in decisions(&events) {
            // It gave itself more rights on the way; the deleted accounts' bindings are gone with the end.
            if (namespace, account) == ("ops", "intruder") || namespace == "scratch" {
                continue;
            }
            let (action, name) = asked_for(event);
            assert_eq!(
                rbac.allows(namespace, account, &action, name),
                allowed,
                "{}: {event}",
                case.dump.display()
            );
            checked[usize::from(allowed)] += 1;
        }
        assert!(checked[0] > 100 && checked[1] > 5_000, "{checked:?}");
    }
}

fn cells(cells: &[Cell]) -> BTreeSet<(&str, &str, &str)> {
    cells
        .iter()
        .map(|cell| (&*cell.group, &*cell.resource, &*cell.verb))
        .collect()
}

#[test]
fn granted_minus_used_is_what_counting_by_hand_gives() {
    let case = cases().remove(0);
    let (dumps, usage, events) = (case.dumps(), case.usage(), case.events());
    let rbac = Rbac::new(&dumps.inventory);
    let mut seen = [0, 0];
    for account in &dumps.inventory.accounts {
        let (namespace, name) = (account.id.namespace.as_str(), account.id.name.as_str());
        let grants: Vec<_> = rbac
            .grants_to(namespace, name)
            .into_iter()
            .filter(Grant::is_direct)
            .collect();
        let Some((_, used)) = usage
            .of(namespace, name)
            .find(|(uid, _)| *uid == account.id.uid)
        else {
            continue;
        };
        let own: Vec<_> = decisions(&events)
            .filter(|(ns, n, allowed, event)| {
                (*ns, *n, *allowed) == (namespace, name, true)
                    && event["user"]["uid"] == account.id.uid
            })
            .map(|(.., event)| asked_for(event))
            .collect();
        for grant in granted_minus_used(&grants, used) {
            for rule in &grant.rules {
                let rule_value = json!(rule.rule.rule);
                let wild = rule_value.to_string().contains('*');
                let mut expected = BTreeSet::new();
                for group in &rule.rule.rule.api_groups {
                    for resource in &rule.rule.rule.resources {
                        for verb in &rule.rule.rule.verbs {
                            let hit = own.iter().any(|(action, name)| {
                                let here = grant.grant.binding.id.namespace.is_empty()
                                    || grant.grant.binding.id.namespace == action.namespace;
                                let names = &rule.rule.rule.resource_names;
                                here && action.group == *group
                                    && action.resource == *resource
                                    && action.verb == *verb
                                    && (names.is_empty() || names.iter().any(|n| n == name))
                            });
                            if !hit && !wild {
                                expected.insert((&**group, &**resource, &**verb));
                            }
                        }
                    }
                }
                // To impersonate is no request of its own: what it was is in other fields.
                let impersonates = rule
                    .rule
                    .rule
                    .verbs
                    .iter()
                    .any(|verb| verb == "impersonate");
                if !wild && !impersonates && rule.rule.rule.non_resource_urls.is_empty() {
                    assert_eq!(
                        cells(&rule.unused),
                        expected,
                        "{namespace}/{name} {rule_value}"
                    );
                    seen[usize::from(expected.is_empty())] += 1;
                }
            }
        }
    }
    assert!(seen[0] > 20 && seen[1] > 2, "{seen:?}");
}
