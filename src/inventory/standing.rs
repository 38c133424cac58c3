//! All that a dump says of one account: what runs as it, what it is given, and what of that the log shows in use.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::finding::{Step, Timestamp};

use super::{
    AccountUsage, Action, Binding, Grant, GrantRow, GrantUse, Inventory, LegacyToken, Owner,
    PodRow, Power, Rbac, Rule, Usage, Used, UsedPermission,
    checks::{legacy_tokens, unbind},
    issue::{role_of, rule_in_words},
    report::{grants, pod_row},
    unused::granted_minus_used,
    world::World,
};

/// What a dump says of one account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// The kinds of object that the dump does not have: what is missing below may only be missing there.
    pub lacks: Vec<&'static str>,
    /// Whether there is such an account; `null` where the dump has no accounts.
    pub exists: Option<bool>,
    /// Its uid.
    pub uid: Option<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Other accounts that had its name, by the log: it was deleted and made again.
    pub other_uids: Vec<OtherUid>,
    /// Its `automountServiceAccountToken`; `null` where it is not set, which means true.
    pub automount: Option<bool>,
    /// The pods that run as it.
    pub pods: Vec<PodRow>,
    /// What these pods belong to, each once.
    pub workloads: Vec<Workload>,
    /// Secrets with tokens of it.
    pub legacy_tokens: Vec<LegacyToken>,
    /// What bindings give it by name.
    pub grants: Vec<GrantRow>,
    /// What bindings give its groups, those aside that kube-apiserver makes for everybody.
    pub grants_to_groups: Vec<GrantRow>,
    /// The groups of these.
    pub groups: BTreeSet<String>,
    /// How many different permissions it used that its groups are given, so that it would keep them.
    pub kept_by_groups: usize,
    /// What it is given by name and did not use; `null` without a log.
    pub unused: Option<Unused>,
    /// How each binding that names it would be taken away. Not those that `satrail rbac` makes for it, nor
    /// kube-apiserver's own.
    pub take_away: Vec<Step>,
}

/// An account that had the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherUid {
    /// Its uid, from the log.
    pub uid: String,
    /// Its requests.
    pub requests: u64,
}

/// What pods belong to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Workload {
    /// `Deployment`, `DaemonSet`, `Job`, ...; `Pod` for one that stands alone.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Granted minus used, in sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Unused {
    /// How many rules bindings give it by name.
    pub rules: usize,
    /// Of these, those that no request needed.
    pub unused_rules: usize,
    /// Of these, those of which a part was needed.
    pub partly_used_rules: usize,
    /// How many verbs on resources were never asked for, as far as rules without `*` tell.
    pub permissions: usize,
    /// What of that is worth more than it looks, the greatest first.
    pub powers: Vec<UnusedPower>,
}

/// A dangerous right that no request needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UnusedPower {
    /// Which.
    pub power: Power,
    /// The role, and where it is given: `ClusterRole edit in shop`.
    pub role: String,
    /// The binding: `RoleBinding shop/ci-edit`.
    pub binding: String,
    /// The rule in words.
    pub rule: String,
}

/// What a dump says of each of these accounts (namespace, name), in their order; `usage` is what the log says.
#[must_use]
pub fn standings(
    inventory: &Inventory,
    usage: Option<&Usage>,
    accounts: &[(&str, &str)],
) -> Vec<Standing> {
    let rbac = Rbac::new(inventory);
    let world = World::new(&rbac, inventory, usage);
    let mut tokens = BTreeMap::<(String, String), Vec<LegacyToken>>::new();
    for token in legacy_tokens(&world) {
        let namespace = token.secret.namespace.clone().unwrap_or_default();
        let key = (namespace, token.account.clone());
        tokens.entry(key).or_default().push(token);
    }
    let one = |&(namespace, name): &(&str, &str)| {
        let key = (namespace.to_owned(), name.to_owned());
        let tokens = tokens.get(&key).cloned().unwrap_or_default();
        standing(namespace, name, tokens, &world)
    };
    accounts.iter().map(one).collect()
}

const KINDS: [&str; 7] = [
    "ServiceAccount",
    "Pod",
    "Secret",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
];

fn standing(
    namespace: &str,
    name: &str,
    legacy_tokens: Vec<LegacyToken>,
    world: &World<'_>,
) -> Standing {
    let inventory = world.inventory;
    let account = inventory.account(namespace, name);
    let (direct, groups): (Vec<_>, Vec<_>) = (world.rbac.grants_to(namespace, name).into_iter())
        .filter(|grant| grant.is_direct() || !grant.binding.bootstrapped)
        .partition(Grant::is_direct);
    let (usage, other_uids) = used(namespace, name, world);
    let log = world.usage.is_some();
    let uses = granted_minus_used(&direct, &usage);
    let of_groups = granted_minus_used(&groups, &usage);
    let pods: Vec<_> = match world.person(namespace, name) {
        Some(person) => person.pods.clone(),
        None => inventory.pods_of(namespace, name).collect(),
    };
    let pods: Vec<_> = pods.into_iter().map(|pod| pod_row(pod, world)).collect();
    Standing {
        lacks: KINDS.into_iter().filter(|k| !inventory.has(k)).collect(),
        exists: inventory.has("ServiceAccount").then_some(account.is_some()),
        uid: account
            .map(|account| account.id.uid.clone())
            .filter(|uid| !uid.is_empty()),
        created: account.and_then(|account| account.id.created),
        other_uids,
        automount: account.and_then(|account| account.automount),
        workloads: workloads(&pods),
        pods,
        legacy_tokens,
        groups: groups.iter().map(|g| g.subject.name.clone()).collect(),
        kept_by_groups: kept(&groups, &usage),
        unused: log.then(|| unused(&uses, &usage)),
        take_away: direct
            .iter()
            .filter(|grant| goes(grant.binding, namespace, name))
            .map(unbind)
            .collect(),
        grants: grants(uses, log),
        grants_to_groups: grants(of_groups, log),
    }
}

/// What the account did, and who else had its name.
fn used(namespace: &str, name: &str, world: &World<'_>) -> (AccountUsage, Vec<OtherUid>) {
    if let Some(person) = world.person(namespace, name) {
        let others = person.others.iter().map(|(uid, usage)| OtherUid {
            uid: (*uid).to_owned(),
            requests: usage.requests,
        });
        return (person.usage.clone(), others.collect());
    }
    let nothing = AccountUsage {
        complete: true,
        ..AccountUsage::default()
    };
    let all = world.usage.into_iter().flat_map(|u| u.of(namespace, name));
    (all.fold(nothing, |sum, (_, u)| sum.and(u)), Vec::new())
}

fn workloads(pods: &[PodRow]) -> Vec<Workload> {
    let of = |pod: &PodRow| match pod.owner.clone() {
        Some(Owner { kind, name }) => Workload { kind, name },
        None => Workload {
            kind: "Pod".to_owned(),
            name: pod.name.clone(),
        },
    };
    let all: BTreeSet<_> = pods.iter().map(of).collect();
    all.into_iter().collect()
}

/// Whether a binding is one to be replaced by the roles of `satrail rbac`.
fn goes(binding: &Binding, namespace: &str, name: &str) -> bool {
    !binding.bootstrapped && binding.id.name != format!("satrail:{namespace}:{name}")
}

/// How many of the used permissions groups are given, whatever the names of objects are.
fn kept(groups: &[Grant<'_>], usage: &AccountUsage) -> usize {
    let all = |permission: &&UsedPermission| {
        let action = &permission.action;
        let given = |name: &String| groups.iter().any(|grant| grant.allows(action, name));
        permission.all_names && permission.names.iter().all(given)
    };
    usage.permissions.iter().filter(all).count()
}

fn unused(uses: &[GrantUse<'_>], usage: &AccountUsage) -> Unused {
    let mut sum = Unused::default();
    let mut powers = BTreeSet::new();
    for grant in uses {
        for rule in &grant.rules {
            sum.rules += 1;
            sum.unused_rules += usize::from(rule.used == Used::Unused);
            sum.partly_used_rules += usize::from(rule.used == Used::Partly);
            sum.permissions += rule.unused.len();
            if matches!(rule.used, Used::Unused | Used::Partly) && usage.complete {
                powers.extend(not_needed(&grant.grant, rule.rule.rule, usage));
            }
        }
    }
    sum.powers = powers.into_iter().collect();
    sum
}

/// What a rule gives that no request needed. Nothing needs a wildcard.
fn not_needed(grant: &Grant<'_>, rule: &Rule, usage: &AccountUsage) -> Vec<UnusedPower> {
    let needed = |power: &Power| {
        let mut permissions = usage.permissions.iter();
        let used = |action: &Action| power.is_used_by(action) || may_have_needed(*power, action);
        permissions.any(|p| used(&p.action) && grant.reaches(&p.action))
    };
    let unused = Power::of(rule).into_iter().filter(|power| !needed(power));
    let binding = grant.binding;
    unused
        .map(|power| UnusedPower {
            power,
            role: role_of(binding),
            binding: format!("{} {}", binding.kind(), binding.id),
            rule: rule_in_words(rule),
        })
        .collect()
}

/// Whether the request may have needed `escalate` or `bind`: kube-apiserver asks for them when roles and bindings
/// are written, and logs neither (kubernetes `pkg/registry/rbac`).
fn may_have_needed(power: Power, action: &Action) -> bool {
    let written: &[&str] = match power {
        Power::Escalate => &["roles", "clusterroles"],
        Power::Bind => &["rolebindings", "clusterrolebindings"],
        _ => return false,
    };
    action.group == "rbac.authorization.k8s.io"
        && written.contains(&action.resource.as_str())
        && ["create", "update", "patch"].contains(&action.verb.as_str())
}
