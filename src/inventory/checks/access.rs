//! Accounts that may do more than a workload should: everything, or what leads there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use serde::Serialize;
use serde_json::json;

use crate::finding::{Remediation, Severity, Step, quote};

use super::super::{
    Binding, Grant, Power,
    issue::{
        Check, Evidence, Issue, Object, by_hand, count, evidence, fix, role_of, rule_in_words, step,
    },
    power::lists_secrets,
    world::{Person, World},
};

/// Somebody who holds something, and by which binding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Holder {
    /// Who: a ServiceAccount, a group or a user.
    pub subject: Object,
    /// The namespaces where; empty: in all of them.
    pub namespaces: Vec<String>,
    /// The bindings.
    pub bindings: Vec<Object>,
    /// Whether the control plane comes with it.
    pub built_in: bool,
}

pub(in super::super) fn check(world: &World<'_>) -> Vec<Issue> {
    world
        .people
        .iter()
        .filter_map(|person| judge(person, world))
        .collect()
}

/// What an account holds of one power.
#[derive(Default)]
struct Held {
    cluster_wide: bool,
    namespaces: BTreeSet<String>,
    evidence: Vec<Evidence>,
    used: u64,
}

fn judge(person: &Person<'_>, world: &World<'_>) -> Option<Issue> {
    let held = held(person);
    let severity = |(power, held): (&Power, &Held)| {
        // What runs in kube-system can be taken over for the whole cluster.
        let wide = held.cluster_wide || held.namespaces.contains("kube-system");
        power.severity(wide)
    };
    let worst = held.iter().map(severity).max()?;
    let everything = held
        .get(&Power::Everything)
        .is_some_and(|held| held.cluster_wide);
    if person.built_in && !everything {
        return None;
    }
    let check = if everything {
        Check::ClusterAdmin
    } else {
        Check::DangerousPermissions
    };
    Some(Issue {
        check,
        severity: worst,
        subject: Object::of("ServiceAccount", &person.account.id),
        summary: summary(person, &held, everything, world.usage.is_some()),
        remediation: remediation(person, &held),
        evidence: proof(held),
    })
}

/// The bindings with the rules that matter, each once: a rule may give several powers.
fn proof(held: BTreeMap<Power, Held>) -> Vec<Evidence> {
    let mut proof = Vec::new();
    for evidence in held.into_values().flat_map(|held| held.evidence) {
        if !proof.contains(&evidence) {
            proof.push(evidence);
        }
    }
    proof
}

fn held(person: &Person<'_>) -> BTreeMap<Power, Held> {
    let mut powers = BTreeMap::<Power, Held>::new();
    for grant in &person.grants {
        for granted in grant.rules {
            for power in Power::of(granted.rule) {
                // One named secret is what least privilege looks like.
                if !granted.rule.resource_names.is_empty() && power != Power::Escalate {
                    continue;
                }
                let held = powers.entry(power).or_default();
                let namespace = &grant.binding.id.namespace;
                held.cluster_wide |= namespace.is_empty();
                if !namespace.is_empty() {
                    held.namespaces.insert(namespace.clone());
                }
                let from = granted
                    .from
                    .map(|from| format!(", from {from}"))
                    .unwrap_or_default();
                let rule = rule_in_words(granted.rule);
                let says = format!("gives {}{from}: {rule}", role_of(grant.binding));
                let new = evidence(grant, says);
                if !held.evidence.contains(&new) {
                    held.evidence.push(new);
                }
            }
        }
    }
    let permissions = &person.usage.permissions;
    for (power, held) in &mut powers {
        let used = permissions.iter().filter(|p| power.is_used_by(&p.action));
        held.used = used.map(|p| p.requests).sum();
    }
    powers
}

fn summary(
    person: &Person<'_>,
    held: &BTreeMap<Power, Held>,
    everything: bool,
    log: bool,
) -> String {
    let id = &person.account.id;
    let requests = person.usage.requests;
    if everything {
        let used = match (log, requests) {
            (false, _) => String::new(),
            (true, 0) => "; it made no request in the log".to_owned(),
            (true, n) => {
                let permissions = count(person.usage.permissions.len(), "permission");
                format!("; in the log it used {permissions} ({n} requests)")
            }
        };
        return format!("{id} may do everything in the cluster{used}");
    }
    let powers: Vec<_> = held
        .iter()
        .map(|(power, held)| {
            let mut words = power.words().to_owned();
            if held.cluster_wide {
                words.push_str(" everywhere");
            } else {
                let shown: Vec<_> = held.namespaces.iter().take(3).map(String::as_str).collect();
                words.push_str(" in ");
                words.push_str(&shown.join(", "));
                if held.namespaces.len() > 3 {
                    let _ = write!(words, " and {} more", held.namespaces.len() - 3);
                }
            }
            if held.used > 0 {
                let _ = write!(words, " (used {} times)", held.used);
            }
            words
        })
        .collect();
    let idle = if log && held.values().all(|held| held.used == 0) {
        "; the log shows no use of it"
    } else {
        ""
    };
    format!("{id} may {}{idle}", powers.join(", "))
}

fn remediation(person: &Person<'_>, held: &BTreeMap<Power, Held>) -> Remediation {
    let id = &person.account.id;
    let objects: BTreeSet<&Object> = held
        .values()
        .flat_map(|h| &h.evidence)
        .map(|e| &e.object)
        .collect();
    let mut steps = vec![by_hand(format!(
        "see what it needs: satrail rbac AUDIT_LOG --account {}",
        quote(&id.to_string())
    ))];
    for grant in &person.grants {
        if objects.contains(&Object::binding(grant.binding)) {
            steps.push(unbind(grant));
        }
    }
    fix(
        "give it a role with what it needs, then take these bindings away",
        steps,
    )
}

/// Takes a role away from one account: deletes the binding if nobody else is in it.
pub(in super::super) fn unbind(grant: &Grant<'_>) -> Step {
    let binding = grant.binding;
    let name = quote(&binding.id.name);
    let others = binding.subjects.len() - 1;
    if others > 0 {
        let at = binding
            .subjects
            .iter()
            .position(|subject| subject == grant.subject)
            .unwrap_or(0);
        // Patches of several accounts shift the places: the test makes a late one fail.
        let place = format!("/subjects/{at}");
        let patch = json!([
            {"op": "test", "path": format!("{place}/name"), "value": grant.subject.name},
            {"op": "remove", "path": place},
        ])
        .to_string();
        let text = format!(
            "take it out of {} {} ({} stay in it)",
            binding.kind(),
            binding.id,
            count(others, "other subject")
        );
        return step(
            text,
            format!(
                "kubectl patch {}{name} --type json --patch {}",
                kind_and_namespace(binding),
                quote(&patch)
            ),
        );
    }
    step(
        format!("take {} away", role_of(binding)),
        format!("kubectl delete {}{name}", kind_and_namespace(binding)),
    )
}

/// `rolebinding --namespace shop `, with a space behind it.
pub(super) fn kind_and_namespace(binding: &Binding) -> String {
    if binding.id.namespace.is_empty() {
        "clusterrolebinding ".to_owned()
    } else {
        format!("rolebinding --namespace {} ", quote(&binding.id.namespace))
    }
}

/// Everybody who may do everything in the cluster.
pub(in super::super) fn cluster_admins(world: &World<'_>) -> Vec<Holder> {
    holders(world, |grant| {
        grant.binding.id.namespace.is_empty()
            && grant
                .rules
                .iter()
                .any(|granted| Power::of(granted.rule).contains(&Power::Everything))
    })
}

/// Everybody who may list (or watch) all secrets, of the cluster or of a namespace.
pub(in super::super) fn secret_readers(world: &World<'_>) -> Vec<Holder> {
    holders(world, |grant| {
        grant
            .rules
            .iter()
            .any(|granted| lists_secrets(granted.rule))
    })
}

fn holders(world: &World<'_>, holds: impl Fn(&Grant<'_>) -> bool) -> Vec<Holder> {
    let mut holders = Vec::new();
    for (subject, grants) in world.rbac.subjects() {
        let grants: Vec<_> = grants.into_iter().filter(|grant| holds(grant)).collect();
        if grants.is_empty() {
            continue;
        }
        let account = world.inventory.account(&subject.namespace, &subject.name);
        let object = match (subject.kind.as_str(), account) {
            ("ServiceAccount", Some(account)) => Object::of("ServiceAccount", &account.id),
            (kind, _) => Object {
                namespace: (kind == "ServiceAccount").then(|| subject.namespace.clone()),
                ..Object::named(kind, &subject.name)
            },
        };
        let everywhere = grants
            .iter()
            .any(|grant| grant.binding.id.namespace.is_empty());
        let namespaces: BTreeSet<_> = grants
            .iter()
            .map(|g| g.binding.id.namespace.clone())
            .collect();
        holders.push(Holder {
            subject: object,
            namespaces: if everywhere {
                Vec::new()
            } else {
                namespaces.into_iter().collect()
            },
            built_in: grants
                .iter()
                .all(|grant| comes_with_kubernetes(grant.binding)),
            bindings: grants
                .iter()
                .map(|grant| Object::binding(grant.binding))
                .collect(),
        });
    }
    holders.sort_by(|a, b| {
        let key = |h: &Holder| (h.built_in, !h.namespaces.is_empty());
        key(a).cmp(&key(b)).then_with(|| a.cmp(b))
    });
    holders
}

/// A binding that kube-apiserver makes, of a role that it makes, to whom it makes it for.
pub(super) fn comes_with_kubernetes(binding: &Binding) -> bool {
    let named = |name: &str| name.starts_with("system:");
    let own = |name: &str| named(name) || name == "cluster-admin";
    binding.bootstrapped
        && own(&binding.id.name)
        && own(&binding.role.name)
        && binding
            .subjects
            .iter()
            .all(|subject| match subject.kind.as_str() {
                "ServiceAccount" => {
                    subject.namespace == "kube-system" && binding.role.name != "cluster-admin"
                }
                _ => named(&subject.name),
            })
}

/// How bad a role is in the hands of somebody who should have none of this.
pub(super) fn worst_power(grant: &Grant<'_>) -> Option<(Severity, Power)> {
    let wide = grant.binding.id.namespace.is_empty() || grant.binding.id.namespace == "kube-system";
    let rules = grant
        .rules
        .iter()
        .filter(|granted| granted.rule.resource_names.is_empty());
    rules
        .flat_map(|granted| Power::of(granted.rule))
        .map(|power| (power.severity(wide), power))
        .max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)))
}
