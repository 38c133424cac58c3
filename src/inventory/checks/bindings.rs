//! Bindings that reach further than they look: groups, default accounts, other namespaces, nobody.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Severity, quote};

use super::{
    super::{
        Binding, Grant, Rule, Subject,
        issue::{Check, Evidence, Issue, Object, by_hand, count, evidence, fix, role_of, step},
        world::World,
    },
    access::{comes_with_kubernetes, kind_and_namespace, unbind, worst_power},
};

pub(in super::super) fn check(world: &World<'_>) -> Vec<Issue> {
    let mut issues = groups(world);
    for person in &world.people {
        let id = &person.account.id;
        if id.name == "default" {
            issues.extend(default_account(
                &person.grants,
                Object::of("ServiceAccount", id),
            ));
        }
        if !person.built_in {
            let foreign = |grant: &&Grant<'_>| {
                let home = &grant.binding.id.namespace;
                !home.is_empty() && *home != id.namespace
            };
            let grants: Vec<_> = person.grants.iter().filter(foreign).collect();
            issues.extend(cross_namespace(&grants, Object::of("ServiceAccount", id)));
        }
    }
    issues.extend(dangling(world));
    issues
}

/// Groups (and a user) that anybody is in.
fn reach(subject: &Subject) -> Option<&'static str> {
    Some(match (subject.kind.as_str(), subject.name.as_str()) {
        ("Group", "system:unauthenticated") | ("User", "system:anonymous") => {
            "everybody who reaches the API server, without any credential,"
        }
        ("Group", "system:authenticated") => "everybody with any credential",
        ("Group", "system:serviceaccounts") => "every ServiceAccount of the cluster",
        ("Group", name) if name.starts_with("system:serviceaccounts:") => {
            "every ServiceAccount of the namespace"
        }
        _ => return None,
    })
}

fn groups(world: &World<'_>) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (subject, grants) in world.rbac.subjects() {
        let Some(who) = reach(subject) else { continue };
        let anonymous = who.contains("without");
        for grant in grants {
            let known = grant.role.is_some();
            if known && grant.rules.iter().all(|granted| is_harmless(granted.rule)) {
                continue;
            }
            let power = worst_power(&grant);
            let severity = match (anonymous, power) {
                (true, Some(_)) => Severity::Critical,
                (_, Some((severity, _))) => severity.max(Severity::High),
                (true, None) => Severity::High,
                (false, None) => Severity::Medium,
            };
            let what = power.map(|(_, power)| format!(", by which it may {}", power.words()));
            let delete = format!(
                "kubectl delete {}{}",
                kind_and_namespace(grant.binding),
                quote(&grant.binding.id.name)
            );
            issues.push(Issue {
                check: Check::GroupBinding,
                severity,
                subject: Object::named(&subject.kind, &subject.name),
                summary: format!(
                    "{who} has {}{}",
                    role_of(grant.binding),
                    what.unwrap_or_default()
                ),
                evidence: vec![evidence(&grant, format!("gives it to {subject}"))],
                remediation: fix(
                    "name the accounts that need it instead of a group",
                    vec![
                        by_hand("find out who uses it: satrail scan AUDIT_LOG"),
                        step("take it away", delete),
                    ],
                ),
            });
        }
    }
    issues
}

/// What kube-apiserver itself gives to groups: discovery, health, and questions about oneself.
fn is_harmless(rule: &Rule) -> bool {
    let about_oneself = |resource: &String| {
        [
            "selfsubjectaccessreviews",
            "selfsubjectrulesreviews",
            "selfsubjectreviews",
        ]
        .contains(&resource.as_str())
    };
    let asks = rule.verbs.iter().all(|verb| verb == "create");
    let reads = rule
        .verbs
        .iter()
        .all(|verb| verb == "get" || verb == "head");
    let public = |url: &String| {
        [
            "/api",
            "/apis",
            "/openapi",
            "/version",
            "/healthz",
            "/livez",
            "/readyz",
            "/openid",
            "/.well-known",
        ]
        .iter()
        .any(|start| {
            url.strip_prefix(start)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    (rule.resources.is_empty() || asks && rule.resources.iter().all(about_oneself))
        && (rule.non_resource_urls.is_empty() || reads && rule.non_resource_urls.iter().all(public))
}

fn default_account(grants: &[Grant<'_>], subject: Object) -> Option<Issue> {
    let worst = grants
        .iter()
        .filter_map(worst_power)
        .map(|(severity, _)| severity)
        .max();
    if grants.is_empty() {
        return None;
    }
    let roles: Vec<_> = grants
        .iter()
        .take(3)
        .map(|grant| role_of(grant.binding))
        .collect();
    let more = match grants.len().saturating_sub(3) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(Issue {
        check: Check::DefaultAccountBinding,
        severity: worst.unwrap_or(Severity::Medium).max(Severity::Medium),
        summary: format!(
            "every pod of the namespace that names no account of its own has {}{more}",
            roles.join(", ")
        ),
        evidence: grants
            .iter()
            .map(|grant| evidence(grant, format!("gives {}", role_of(grant.binding))))
            .collect(),
        remediation: fix(
            "give the workloads that need this accounts of their own, then unbind the default one",
            grants.iter().map(unbind).collect(),
        ),
        subject,
    })
}

fn cross_namespace(grants: &[&Grant<'_>], subject: Object) -> Option<Issue> {
    if grants.is_empty() {
        return None;
    }
    let powerful = grants.iter().any(|grant| worst_power(grant).is_some());
    let namespaces: BTreeSet<_> = grants
        .iter()
        .map(|g| g.binding.id.namespace.as_str())
        .collect();
    let shown: Vec<_> = namespaces.iter().take(3).copied().collect();
    let more = match namespaces.len().saturating_sub(3) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(Issue {
        check: Check::CrossNamespaceBinding,
        severity: if powerful {
            Severity::Medium
        } else {
            Severity::Low
        },
        summary: format!(
            "{subject} has rights in {}{more}: whoever runs a pod in {} has them too",
            shown.join(", "),
            subject.namespace.as_deref().unwrap_or_default()
        ),
        evidence: grants
            .iter()
            .map(|grant| evidence(grant, format!("gives {}", role_of(grant.binding))))
            .collect(),
        remediation: fix(
            "keep it if it is meant so; otherwise run the workload where it works",
            grants.iter().map(|grant| unbind(grant)).collect(),
        ),
        subject,
    })
}

/// Bindings that name what is not there.
fn dangling(world: &World<'_>) -> Vec<Issue> {
    let inventory = world.inventory;
    let mut missing = BTreeMap::<(&str, &str), Vec<&Binding>>::new();
    let mut issues = Vec::new();
    for binding in inventory
        .bindings
        .iter()
        .filter(|binding| !comes_with_kubernetes(binding))
    {
        for subject in binding
            .subjects
            .iter()
            .filter(|s| s.kind == "ServiceAccount")
        {
            let known = inventory
                .account(&subject.namespace, &subject.name)
                .is_some();
            if inventory.has("ServiceAccount") && !known && !subject.namespace.is_empty() {
                missing
                    .entry((&subject.namespace, &subject.name))
                    .or_default()
                    .push(binding);
            }
        }
        let role = &binding.role;
        if inventory.has(&role.kind) && world.rbac.role(binding).is_none() {
            issues.push(no_role(binding));
        }
    }
    issues.extend(
        missing
            .into_iter()
            .map(|(name, bindings)| no_account(name, &bindings, world)),
    );
    issues
}

fn no_role(binding: &Binding) -> Issue {
    let delete = format!(
        "kubectl delete {}{}",
        kind_and_namespace(binding),
        quote(&binding.id.name)
    );
    Issue {
        check: Check::DanglingBinding,
        severity: Severity::Low,
        subject: Object::binding(binding),
        summary: format!(
            "{} {} names {} {}, which does not exist: whoever makes it decides what this gives",
            binding.kind(),
            binding.id,
            binding.role.kind,
            binding.role.name
        ),
        evidence: vec![Evidence {
            object: Object::binding(binding),
            says: format!("gives {}", role_of(binding)),
        }],
        remediation: fix("delete it", vec![step("delete the binding", delete)]),
    }
}

fn no_account((namespace, name): (&str, &str), bindings: &[&Binding], world: &World<'_>) -> Issue {
    let subject = Object {
        namespace: Some(namespace.to_owned()),
        ..Object::named("ServiceAccount", name)
    };
    let used = world
        .usage
        .into_iter()
        .flat_map(|usage| usage.of(namespace, name));
    let requests: u64 = used.map(|(_, usage)| usage.requests).sum();
    let was = match requests {
        0 => String::new(),
        n => format!(" any more (it made {n} requests in the log)"),
    };
    let names = |binding: &Binding| {
        binding
            .subjects
            .iter()
            .filter(|s| (s.namespace.as_str(), s.name.as_str()) == (namespace, name))
            .count()
    };
    let step = |binding: &&Binding| {
        if names(binding) == binding.subjects.len() {
            let delete = format!(
                "kubectl delete {}{}",
                kind_and_namespace(binding),
                quote(&binding.id.name)
            );
            step("delete the binding", delete)
        } else {
            let edit = format!(
                "kubectl edit {}{}",
                kind_and_namespace(binding),
                quote(&binding.id.name)
            );
            step(format!("take {subject} out of its subjects"), edit)
        }
    };
    Issue {
        check: Check::DanglingBinding,
        severity: Severity::Medium,
        summary: format!(
            "{subject} does not exist{was}, and has {}: whoever may make that account gets them",
            count(bindings.len(), "binding")
        ),
        evidence: bindings
            .iter()
            .map(|binding| Evidence {
                object: Object::binding(binding),
                says: format!("gives {}", role_of(binding)),
            })
            .collect(),
        remediation: fix(
            "take it out of the bindings",
            bindings.iter().map(step).collect(),
        ),
        subject,
    }
}
