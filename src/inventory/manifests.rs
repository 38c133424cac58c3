//! Manifests that mend what can be mended by applying something. Nothing here is applied by satrail.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use serde_json::{Value, json};

use super::{
    Account, AccountUsage,
    checks::Workload,
    world::{Person, World},
};
use crate::yaml::{comment, document};

/// One file.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Its name.
    pub file: &'static str,
    /// What it is for, line by line.
    about: Vec<String>,
    documents: Vec<Document>,
}

#[derive(Debug, Clone, PartialEq)]
struct Document {
    /// What to know of this one.
    notes: Vec<String>,
    value: Value,
}

impl Manifest {
    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.about {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "# {}", comment(line));
        }
        for each in &self.documents {
            text.push_str("---\n");
            for note in &each.notes {
                let _ = writeln!(text, "# {}", comment(note));
            }
            text.push_str(&document(&each.value));
        }
        text
    }

    /// How many objects it holds.
    #[must_use]
    pub fn objects(&self) -> usize {
        self.documents.len()
    }

    fn new(file: &'static str, about: &[&str], documents: Vec<Document>) -> Option<Self> {
        let head = ["Written by satrail inventory. Read it, then apply it yourself:"];
        (!documents.is_empty()).then(|| Self {
            file,
            about: head
                .iter()
                .chain(about)
                .map(|&line| line.to_owned())
                .collect(),
            documents,
        })
    }
}

fn plain(value: Value) -> Document {
    Document {
        notes: Vec::new(),
        value,
    }
}

/// Every file that has something to say.
pub(super) fn manifests(world: &World<'_>, workloads: &[Workload<'_>]) -> Vec<Manifest> {
    let files = [
        default_accounts(world, false),
        default_accounts(world, true),
        idle_accounts(world),
        idle_workloads(world, workloads),
        dedicated_accounts(world, workloads),
        kyverno_automount(),
        kyverno_token_secrets(),
    ];
    files.into_iter().flatten().collect()
}

/// An account with nothing but what is to be changed: `kubectl apply` leaves the rest as it is.
fn automount_off(account: &Account) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": account.id.name, "namespace": account.id.namespace},
        "automountServiceAccountToken": false,
    })
}

/// `in_use`: those that did something in the log; the others otherwise.
fn default_accounts(world: &World<'_>, in_use: bool) -> Option<Manifest> {
    let on = |person: &&Person<'_>| {
        let account = person.account;
        account.id.name == "default"
            && account.automount != Some(false)
            && is_name(&account.id.namespace)
            && (person.usage.requests > 0) == in_use
    };
    let people = world.people.iter().filter(on);
    let documents = people
        .map(|person| plain(automount_off(person.account)))
        .collect();
    if in_use {
        return Manifest::new(
            "default-accounts-in-use.yaml",
            &[
                "  kubectl apply -f default-accounts-in-use.yaml",
                "These default accounts called the API in the log. Give their workloads accounts of their own",
                "first (dedicated-accounts.yaml): new pods that run as default get no token any more.",
            ],
            documents,
        );
    }
    let told = if world.usage.is_some() {
        "None of these default accounts called the API in the log's period."
    } else {
        "No audit log was given: pods that run as default and call the API will fail when they are made anew."
    };
    Manifest::new(
        "default-accounts.yaml",
        &[
            "  kubectl apply -f default-accounts.yaml",
            "Stops mounting the token of default accounts into new pods; those that run keep theirs.",
            told,
        ],
        documents,
    )
}

/// Dedicated accounts that did nothing: only a log can tell.
fn idle_accounts(world: &World<'_>) -> Option<Manifest> {
    world.usage.filter(|usage| !usage.accounts.is_empty())?;
    let idle = |person: &&Person<'_>| {
        let account = person.account;
        account.id.name != "default"
            && account.automount != Some(false)
            && !person.built_in
            && person.usage.requests == 0
            && is_name(&account.id.namespace)
            && is_name(&account.id.name)
    };
    let people = world.people.iter().filter(idle);
    Manifest::new(
        "idle-accounts.yaml",
        &[
            "  kubectl apply -f idle-accounts.yaml",
            "Stops mounting the tokens of accounts that made no request in the log's period.",
        ],
        people
            .map(|person| plain(automount_off(person.account)))
            .collect(),
    )
}

/// Workloads with a token that none of their pods used.
fn idle_workloads(world: &World<'_>, workloads: &[Workload<'_>]) -> Option<Manifest> {
    let usage = world.usage.filter(|_| world.knows_pods())?;
    let idle = |workload: &&Workload<'_>| {
        let pods = || workload.pods.iter();
        workload.has_template()
            && is_name(workload.namespace)
            && pods().any(|pod| world.inventory.automounts(pod))
            && pods().all(|pod| !pod.id.uid.is_empty() && usage.pod(&pod.id.uid) == 0)
    };
    let document = |workload: &Workload<'_>| {
        let owner = workload.owner.filter(|owner| is_name(&owner.name))?;
        Some(plain(json!({
            "apiVersion": "apps/v1",
            "kind": owner.kind,
            "metadata": {"name": owner.name, "namespace": workload.namespace},
            "spec": {"template": {"spec": {"automountServiceAccountToken": false}}},
        })))
    };
    Manifest::new(
        "idle-workloads.yaml",
        &[
            "  kubectl apply --server-side --field-manager satrail -f idle-workloads.yaml",
            "Stops mounting the token into pods that did not use it in the log's period, and restarts them.",
            "Only --server-side takes such parts of an object; it refuses what does not exist.",
        ],
        workloads.iter().filter(idle).filter_map(document).collect(),
    )
}

fn dedicated_accounts(world: &World<'_>, workloads: &[Workload<'_>]) -> Option<Manifest> {
    let mut documents = Vec::new();
    let mut taken = BTreeSet::new();
    for workload in workloads
        .iter()
        .filter(|workload| workload.account == "default")
    {
        let (namespace, name) = (workload.namespace, workload.object().name);
        let free = world.inventory.account(namespace, &name).is_none() && name != "default";
        if !is_name(namespace)
            || !is_name(&name)
            || !free
            || !taken.insert((namespace, name.clone()))
        {
            continue;
        }
        let default = world.person(namespace, "default");
        let rules = default.map_or_else(Vec::new, |person| rules(&person.usage, namespace));
        documents.extend(of_workload(namespace, &name, &rules, workload, world));
    }
    Manifest::new(
        "dedicated-accounts.yaml",
        &[
            "  kubectl apply -f dedicated-accounts.yaml",
            "An account for each workload that runs as default, with a role to be cut down: its rules are what",
            "the default account of the namespace used in the log, whichever pod it was. Then name the account",
            "in the workload's template (serviceAccountName).",
        ],
        documents,
    )
}

fn of_workload(
    namespace: &str,
    name: &str,
    rules: &[Value],
    workload: &Workload<'_>,
    world: &World<'_>,
) -> Vec<Document> {
    let object = workload.object();
    let metadata = json!({"name": name, "namespace": namespace});
    let account = Document {
        notes: vec![if workload.has_template() {
            format!(
                "For {} {object}: kubectl set serviceaccount {} --namespace {namespace} {name} {name}",
                object.kind,
                object.kind.to_lowercase()
            )
        } else {
            format!("For {} {object}", object.kind)
        }],
        value: json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata,
            // A token only where something was used.
            "automountServiceAccountToken": !rules.is_empty(),
        }),
    };
    let note = match (world.usage, rules.is_empty()) {
        (None, _) => {
            "No audit log was given: fill in what the workload needs (satrail rbac writes it)."
        }
        (Some(_), true) => {
            "The default account used no right of the namespace: the workload may need no role at all."
        }
        (Some(_), false) => "Take out what this workload does not do.",
    };
    let role = Document {
        notes: vec![note.to_owned()],
        value: json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": rules,
        }),
    };
    let binding = plain(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }));
    vec![account, role, binding]
}

/// What was used in a namespace, resource by resource.
fn rules(usage: &AccountUsage, namespace: &str) -> Vec<Value> {
    let mut verbs = BTreeMap::<(&str, &str), BTreeSet<&str>>::new();
    for permission in &usage.permissions {
        let action = &permission.action;
        // What a client may call a resource is anything, where it is allowed everything.
        let sane = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-./".contains(&b))
        };
        let named = [&action.group, &action.resource, &action.verb];
        if action.url.is_empty()
            && action.namespace == namespace
            && named.iter().all(|text| sane(text))
        {
            verbs
                .entry((&action.group, &action.resource))
                .or_default()
                .insert(&action.verb);
        }
    }
    verbs
        .into_iter()
        .map(|((group, resource), verbs)| {
            json!({"apiGroups": [group], "resources": [resource], "verbs": verbs})
        })
        .collect()
}

/// The seeds' policy matches every ServiceAccount and renames it; this one matches those called default.
fn kyverno_automount() -> Option<Manifest> {
    Manifest::new(
        "kyverno-default-automount.yaml",
        &[
            "  kubectl apply -f kyverno-default-automount.yaml",
            "For clusters with Kyverno (1.6 or newer): default accounts of new namespaces mount no token.",
        ],
        vec![plain(json!({
            "apiVersion": "kyverno.io/v1",
            "kind": "ClusterPolicy",
            "metadata": {"name": "default-serviceaccount-automount-off"},
            "spec": {"rules": [{
                "name": "automount-off",
                "match": {"any": [{"resources": {"kinds": ["ServiceAccount"], "names": ["default"]}}]},
                "mutate": {"patchStrategicMerge": {"automountServiceAccountToken": false}},
            }]},
        }))],
    )
}

fn kyverno_token_secrets() -> Option<Manifest> {
    Manifest::new(
        "kyverno-no-token-secrets.yaml",
        &[
            "  kubectl apply -f kyverno-no-token-secrets.yaml",
            "For clusters with Kyverno (1.6 or newer): reports Secrets with tokens that never expire. Set Enforce",
            "instead of Audit to refuse them.",
        ],
        vec![plain(json!({
            "apiVersion": "kyverno.io/v1",
            "kind": "ClusterPolicy",
            "metadata": {"name": "no-serviceaccount-token-secrets"},
            "spec": {
                "validationFailureAction": "Audit",
                "background": true,
                "rules": [{
                    "name": "no-token-secrets",
                    "match": {"any": [{"resources": {"kinds": ["Secret"]}}]},
                    "validate": {
                        "message": "ServiceAccount tokens in Secrets never expire: use the TokenRequest API.",
                        "pattern": {"=(type)": "!kubernetes.io/service-account-token"},
                    },
                }],
            },
        }))],
    )
}

/// Whether Kubernetes takes it for the name of such an object (RFC 1123 subdomain): nothing else may get
/// into a manifest.
fn is_name(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() <= 253
        && text.bytes().all(inside)
        && edge(text.bytes().next())
        && edge(text.bytes().last())
}
