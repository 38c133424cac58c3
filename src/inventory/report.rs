//! The whole report: what was read, what is wrong, and the tables behind it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{finding::Timestamp, source::Trouble};

use super::{
    Cell, Dumps, GrantUse, Holder, Inventory, Issue, LegacyToken, Owner, Pod, Practice,
    ProjectedToken, Rbac, Usage, Used,
    checks::{cluster_admins, issues, legacy_tokens, secret_readers, workloads},
    issue::{Object, rule_in_words},
    manifests::{Manifest, manifests},
    practices::practices,
    unused::granted_minus_used,
    world::{Person, World},
};

/// What a dump, and a log if there was one, come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What was read.
    pub input: Read,
    /// What is wrong, the most severe first.
    pub issues: Vec<Issue>,
    /// Eight habits, kept or not.
    pub practices: Vec<Practice>,
    /// Who may do everything in the cluster.
    pub cluster_admins: Vec<Holder>,
    /// Who may list secrets.
    pub secret_readers: Vec<Holder>,
    /// Secrets with legacy tokens, those in use first.
    pub legacy_tokens: Vec<LegacyToken>,
    /// ServiceAccounts, with what they were given and what they used of it.
    pub accounts: Vec<AccountRow>,
    /// Pods, and which tokens they have.
    pub pods: Vec<PodRow>,
    /// Accounts that the log knows and the dump does not: deleted since, or not in the dump.
    pub accounts_not_in_dump: Vec<Gone>,
    /// Manifests that mend part of it. Not part of the document: they go into files.
    #[serde(skip)]
    pub manifests: Vec<Manifest>,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Read {
    /// Files with dumps.
    pub dumps: u64,
    /// Objects by kind, of those that are looked at. A kind that is missing was not in the dump.
    pub objects: BTreeMap<&'static str, u64>,
    /// Objects of other kinds, by kind.
    pub other_objects: BTreeMap<String, u64>,
    /// Secrets whose data was in the dump; it was not looked at.
    pub secrets_with_data: u64,
    /// The log; `null` without one.
    pub log: Option<Log>,
    /// What could not be read, or was left out.
    pub troubles: Vec<Trouble>,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Log {
    /// Arrival of the first event.
    pub first_event: Option<Timestamp>,
    /// Arrival of the last event.
    pub last_event: Option<Timestamp>,
    /// Requests by anybody.
    pub requests: u64,
    /// ServiceAccounts that made some.
    pub accounts: usize,
    /// Pods that made some, as far as their tokens name them.
    pub pods: usize,
}

/// One ServiceAccount.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccountRow {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Whether it is one of kube-controller-manager's own.
    pub built_in: bool,
    /// Its `automountServiceAccountToken`; `null` where it is not set.
    pub automount: Option<bool>,
    /// How many pods run as it.
    pub pods: usize,
    /// Its requests in the log; `null` without a log.
    pub requests: Option<u64>,
    /// Requests that others made in its name.
    pub impersonated: Option<u64>,
    /// Arrival of its first request.
    pub first_seen: Option<Timestamp>,
    /// Arrival of its last request.
    pub last_seen: Option<Timestamp>,
    /// What bindings give it by name. What its groups are given is not repeated for every account.
    pub grants: Vec<GrantRow>,
}

/// One binding of an account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GrantRow {
    /// The binding.
    pub binding: Object,
    /// The kind of its role.
    pub role_kind: String,
    /// The name of its role.
    pub role: String,
    /// Whether the dump has the role.
    pub role_found: bool,
    /// How much of it was used; `null` without a log.
    pub used: Option<Used>,
    /// Its rules, with what was used of them; empty without a log.
    pub rules: Vec<RuleRow>,
}

/// One rule of a grant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleRow {
    /// The rule in words.
    pub rule: String,
    /// The aggregated ClusterRole that it comes from.
    pub from: Option<String>,
    /// How much of it was used.
    pub used: Used,
    /// Requests that it would have allowed.
    pub requests: u64,
    /// What nobody asked for.
    pub unused: Vec<Cell>,
    /// What was asked for.
    pub needed: Vec<Cell>,
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PodRow {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its ServiceAccount.
    pub account: String,
    /// Its node; empty for none.
    pub node: String,
    /// Its controller.
    pub owner: Option<Owner>,
    /// Its phase.
    pub phase: String,
    /// What the pod itself says of automountServiceAccountToken.
    pub automount: Option<bool>,
    /// What its account says.
    pub account_automount: Option<bool>,
    /// What that comes to: whether a pod like this gets a token.
    pub token_mounted: bool,
    /// Whether something is mounted where a token usually is.
    pub has_token_mount: bool,
    /// The tokens in its projected volumes.
    pub tokens: Vec<ProjectedToken>,
    /// Its requests in the log, as far as its tokens name it; `null` without a log that does.
    pub requests: Option<u64>,
}

/// An account that only the log knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid, as the log has it; empty where it does not say.
    pub uid: String,
    /// Its requests.
    pub requests: u64,
    /// Whether the dump has another account of the name.
    pub recreated: bool,
}

/// Puts it all together. `usage` is what the log says, if there was one.
#[must_use]
pub fn report(dumps: &Dumps, usage: Option<&Usage>) -> Report {
    let inventory = &dumps.inventory;
    let rbac = Rbac::new(inventory);
    let world = World::new(&rbac, inventory, usage);
    let tokens = legacy_tokens(&world);
    let issues = issues(&world, &tokens);
    let workloads = workloads(&world);
    Report {
        input: read(dumps, usage),
        practices: practices(&world, &workloads, &tokens, &issues),
        manifests: manifests(&world, &workloads),
        cluster_admins: cluster_admins(&world),
        secret_readers: secret_readers(&world),
        legacy_tokens: tokens,
        accounts: world
            .people
            .iter()
            .map(|person| account(person, &world))
            .collect(),
        pods: pods(&world),
        accounts_not_in_dump: gone(&world),
        issues,
    }
}

fn read(dumps: &Dumps, usage: Option<&Usage>) -> Read {
    let inventory = &dumps.inventory;
    Read {
        dumps: dumps.files,
        objects: objects(inventory),
        other_objects: inventory.other_objects.clone(),
        secrets_with_data: inventory.secrets_with_data,
        log: usage.map(|usage| Log {
            first_event: usage.period.map(|(first, _)| first),
            last_event: usage.period.map(|(_, last)| last),
            requests: usage.requests,
            accounts: usage
                .accounts
                .values()
                .filter(|account| account.requests > 0)
                .count(),
            pods: usage.pods.len(),
        }),
        troubles: dumps.troubles.clone(),
    }
}

fn objects(inventory: &Inventory) -> BTreeMap<&'static str, u64> {
    let mut counts: BTreeMap<_, _> = inventory.kinds.iter().map(|kind| (*kind, 0)).collect();
    let mut add = |kind, n: u64| {
        if n > 0 {
            *counts.entry(kind).or_default() += n;
        }
    };
    add("ServiceAccount", inventory.accounts.len() as u64);
    add("Pod", inventory.pods.len() as u64);
    add(
        "Secret",
        inventory.token_secrets.len() as u64 + inventory.other_secrets,
    );
    for role in &inventory.roles {
        add(role.kind(), 1);
    }
    for binding in &inventory.bindings {
        add(binding.kind(), 1);
    }
    counts
}

fn account(person: &Person<'_>, world: &World<'_>) -> AccountRow {
    let (id, usage) = (&person.account.id, &person.usage);
    let log = world.usage.is_some();
    AccountRow {
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        uid: id.uid.clone(),
        built_in: person.built_in,
        automount: person.account.automount,
        pods: person.pods.len(),
        requests: log.then_some(usage.requests),
        impersonated: log.then_some(usage.impersonated),
        first_seen: usage.first_seen,
        last_seen: usage.last_seen,
        grants: grants(granted_minus_used(&person.grants, &person.usage), log),
    }
}

/// `log`: whether there was one, so that something can be said of uses.
pub(super) fn grants(uses: Vec<GrantUse<'_>>, log: bool) -> Vec<GrantRow> {
    uses.into_iter()
        .map(|grant| {
            let binding = grant.grant.binding;
            let used = grant.used();
            let rules = grant.rules.into_iter().map(|rule| RuleRow {
                rule: rule_in_words(rule.rule.rule),
                from: rule.rule.from.map(str::to_owned),
                used: rule.used,
                requests: rule.requests,
                unused: rule.unused,
                needed: rule.needed,
            });
            GrantRow {
                binding: Object::binding(binding),
                role_kind: binding.role.kind.clone(),
                role: binding.role.name.clone(),
                role_found: grant.grant.role.is_some(),
                used: log.then_some(used),
                rules: if log { rules.collect() } else { Vec::new() },
            }
        })
        .collect()
}

fn pods(world: &World<'_>) -> Vec<PodRow> {
    let pods = world.inventory.pods.iter();
    pods.map(|pod| pod_row(pod, world)).collect()
}

pub(super) fn pod_row(pod: &Pod, world: &World<'_>) -> PodRow {
    let requests = world.usage.filter(|_| world.knows_pods());
    let inventory = world.inventory;
    let account = inventory.account(&pod.id.namespace, &pod.account);
    PodRow {
        namespace: pod.id.namespace.clone(),
        name: pod.id.name.clone(),
        uid: pod.id.uid.clone(),
        account: pod.account.clone(),
        node: pod.node.clone(),
        owner: pod.owner.clone(),
        phase: pod.phase.clone(),
        automount: pod.automount,
        account_automount: account.and_then(|account| account.automount),
        token_mounted: inventory.automounts(pod),
        has_token_mount: pod.mounts_at_default_path,
        tokens: pod.tokens.clone(),
        requests: requests.map(|usage| usage.pod(&pod.id.uid)),
    }
}

fn gone(world: &World<'_>) -> Vec<Gone> {
    if !world.inventory.has("ServiceAccount") {
        return Vec::new();
    }
    let accounts = world.usage.into_iter().flat_map(|usage| &usage.accounts);
    accounts
        .filter(|(_, usage)| usage.requests > 0)
        .filter_map(|((namespace, name, uid), usage)| {
            let known = world.inventory.account(namespace, name);
            let same = |account: &super::Account| {
                uid.is_empty() || account.id.uid.is_empty() || *uid == account.id.uid
            };
            (!known.is_some_and(same)).then(|| Gone {
                namespace: namespace.clone(),
                name: name.clone(),
                uid: uid.clone(),
                requests: usage.requests,
                recreated: known.is_some(),
            })
        })
        .collect()
}
