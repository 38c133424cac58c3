//! Accounts that nobody uses, rights that nobody uses, and names that meant several accounts.

use crate::finding::{Severity, Step, quote};

use super::{
    super::{
        Grant, GrantUse, Used,
        issue::{
            Check, Evidence, Issue, Object, by_hand, count, evidence, fix, role_of, rule_in_words,
            step,
        },
        unused::granted_minus_used,
        world::{Person, World},
    },
    access::{unbind, worst_power},
};

pub(in super::super) fn check(world: &World<'_>) -> Vec<Issue> {
    let mut issues = Vec::new();
    // Without requests of accounts the log cannot tell an idle account from a policy that hides it.
    let told = world.usage.is_some_and(|usage| !usage.accounts.is_empty());
    for person in world.people.iter().filter(|person| !person.built_in) {
        issues.extend(recreated(person));
        if !told {
            continue;
        }
        let idle = person.usage.requests == 0 && person.usage.impersonated == 0;
        if idle && person.account.id.name != "default" {
            issues.push(never_used(person));
        } else {
            issues.extend(unused_permissions(person));
        }
    }
    issues
}

fn never_used(person: &Person<'_>) -> Issue {
    let id = &person.account.id;
    let (namespace, name) = (quote(&id.namespace), quote(&id.name));
    let worst = person
        .grants
        .iter()
        .filter_map(worst_power)
        .map(|(severity, _)| severity)
        .max();
    let has = |n: usize, what| {
        if n == 0 {
            String::new()
        } else {
            format!(", {}", count(n, what))
        }
    };
    let held = format!(
        "{}{}",
        has(person.grants.len(), "binding"),
        has(person.pods.len(), "pod")
    );
    let mut proof: Vec<_> = (person.grants.iter())
        .map(|grant| evidence(grant, format!("gives {}", role_of(grant.binding))))
        .collect();
    proof.extend(person.pods.iter().take(5).map(|pod| Evidence {
        object: Object::of("Pod", &pod.id),
        says: "runs as it".to_owned(),
    }));
    let steps: Vec<Step> = if person.pods.is_empty() {
        let delete = format!("kubectl delete serviceaccount --namespace {namespace} {name}");
        let unbind = person.grants.iter().map(unbind);
        let ask = by_hand(
            "make sure that nothing outside of the period needs it: a yearly job, a restore",
        );
        [ask]
            .into_iter()
            .chain(unbind)
            .chain([step("delete the account", delete)])
            .collect()
    } else {
        let patch = format!(
            "kubectl patch serviceaccount --namespace {namespace} {name} --patch '{{\"automountServiceAccountToken\":false}}'"
        );
        vec![step(
            "its pods need no token: stop mounting it (for new pods)",
            patch,
        )]
    };
    Issue {
        check: Check::UnusedAccount,
        severity: worst.map_or(Severity::Low, |worst| {
            worst.clamp(Severity::Medium, Severity::High)
        }),
        subject: Object::of("ServiceAccount", id),
        summary: format!("{id} made no request in the log's period{held}"),
        evidence: proof,
        remediation: fix("delete it if nothing needs it", steps),
    }
}

/// Bindings of which nothing was used at all, and wide ones of which little was.
fn unused_permissions(person: &Person<'_>) -> Option<Issue> {
    let grants: &[Grant<'_>] = &person.grants;
    let uses = granted_minus_used(grants, &person.usage);
    let unused: Vec<&GrantUse<'_>> = uses
        .iter()
        .filter(|grant| grant.used() == Used::Unused)
        .collect();
    let partly: Vec<&GrantUse<'_>> = uses
        .iter()
        .filter(|grant| grant.used() == Used::Partly)
        .collect();
    let worst = unused
        .iter()
        .filter_map(|u| worst_power(&u.grant))
        .map(|(severity, _)| severity)
        .max();
    if unused.is_empty() && partly.is_empty() {
        return None;
    }
    let id = &person.account.id;
    let (words, only_parts) = in_words(&unused, &partly);
    let mut proof: Vec<_> = unused
        .iter()
        .map(|use_| {
            evidence(
                &use_.grant,
                format!("gives {}: unused", role_of(use_.grant.binding)),
            )
        })
        .collect();
    for use_ in &partly {
        proof.push(evidence(&use_.grant, partly_says(use_)));
    }
    let mut steps = vec![by_hand(format!(
        "write the role that it needs: satrail rbac AUDIT_LOG --account {}",
        quote(&id.to_string())
    ))];
    steps.extend(unused.iter().map(|use_| unbind(&use_.grant)));
    Some(Issue {
        check: Check::UnusedPermissions,
        severity: severity(worst, only_parts),
        subject: Object::of("ServiceAccount", id),
        summary: format!("{id} did not use {words} in the log's period"),
        evidence: proof,
        remediation: fix("take away what a longer log does not show either", steps),
    })
}

/// What was not used, and whether that is only parts of rules.
fn in_words(unused: &[&GrantUse<'_>], partly: &[&GrantUse<'_>]) -> (String, bool) {
    let rules = || partly.iter().flat_map(|grant| &grant.rules);
    let with = |used| rules().filter(|rule| rule.used == used).count();
    let (idle, halves) = (with(Used::Unused), with(Used::Partly));
    let mut words = Vec::new();
    if !unused.is_empty() {
        words.push(format!("any of {}", count(unused.len(), "binding")));
    }
    if idle > 0 {
        words.push(format!(
            "{idle} of {} of {}",
            count(rules().count(), "rule"),
            count(partly.len(), "other binding")
                .replace("other ", if unused.is_empty() { "" } else { "other " })
        ));
    }
    if halves > 0 {
        words.push(format!(
            "all of {}",
            count(halves, if idle > 0 { "other rule" } else { "rule" })
        ));
    }
    (words.join(", nor "), unused.is_empty() && idle == 0)
}

/// Parts of rules are for information: who writes a role gives `get`, `list` and `watch` together.
fn severity(worst: Option<Severity>, only_parts: bool) -> Severity {
    match worst {
        Some(worst) => worst.clamp(Severity::Low, Severity::Medium),
        None if only_parts => Severity::Info,
        None => Severity::Low,
    }
}

fn partly_says(use_: &GrantUse<'_>) -> String {
    let idle = use_.rules.iter().filter(|rule| rule.used == Used::Unused);
    let idle: Vec<_> = idle.map(|rule| rule_in_words(rule.rule.rule)).collect();
    let cells = use_
        .rules
        .iter()
        .filter(|rule| rule.used == Used::Partly)
        .flat_map(|rule| &rule.unused);
    let cells: Vec<_> = cells
        .map(|cell| format!("{} {}", cell.verb, cell.resource))
        .collect();
    let wild = use_
        .rules
        .iter()
        .any(|rule| rule.used == Used::Partly && rule.unused.is_empty());
    let some = |list: Vec<String>, separator: &str| {
        let shown = list
            .iter()
            .take(4)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(separator);
        match list.len().saturating_sub(4) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        }
    };
    let mut parts = Vec::new();
    if !idle.is_empty() {
        parts.push(format!("unused rules: {}", some(idle, "; ")));
    }
    if !cells.is_empty() {
        parts.push(format!("unused: {}", some(cells, ", ")));
    }
    if wild {
        parts.push("a rule with * was needed for little of it".to_owned());
    }
    format!(
        "gives {}; {}",
        role_of(use_.grant.binding),
        parts.join("; ")
    )
}

fn recreated(person: &Person<'_>) -> Option<Issue> {
    let id = &person.account.id;
    if person.others.is_empty() || id.uid.is_empty() {
        return None;
    }
    let requests: u64 = person.others.iter().map(|(_, usage)| usage.requests).sum();
    Some(Issue {
        check: Check::RecreatedAccount,
        severity: Severity::Info,
        subject: Object::of("ServiceAccount", id),
        summary: format!(
            "{requests} requests in the log were made by {} of the name {id} that no longer exists: not counted as this one's",
            count(person.others.len(), "earlier account")
        ),
        evidence: person
            .others
            .iter()
            .map(|(uid, usage)| Evidence {
                object: Object {
                    uid: Some((*uid).to_owned()),
                    ..Object::of("ServiceAccount", id)
                },
                says: format!("{} requests in the log", usage.requests),
            })
            .collect(),
        remediation: fix(
            "nothing to do: bindings go by name, so make sure that the new one should have them",
            Vec::new(),
        ),
    })
}
