//! What a dump adds to the findings of a log: the account's pods, nodes, workloads and bindings.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Attribute, Attributes, Finding, SubjectKind};

use super::{
    GrantRow, Inventory, PodRow, Standing, Usage,
    issue::{Object, count},
    standings,
};

/// The attribute under which a finding has it.
const KEY: &str = "inventory";

/// So many pods, and so many bindings, are in a finding; the others are counted.
const SHOWN: usize = 10;

/// Puts what the dump says of its account into each finding about a ServiceAccount, as the attribute `inventory`.
pub fn enrich(findings: &mut [Finding], inventory: &Inventory, usage: Option<&Usage>) {
    let accounts: BTreeSet<(String, String)> = findings.iter().filter_map(account).collect();
    let names: Vec<(&str, &str)> = accounts.iter().map(|(a, b)| (&**a, &**b)).collect();
    let standings = standings(inventory, usage, &names);
    let standings: BTreeMap<_, _> = accounts.iter().zip(&standings).collect();
    for finding in findings {
        let standing = account(finding).and_then(|account| standings.get(&account).copied());
        if let Some(standing) = standing {
            let mut named = BTreeSet::new();
            for value in finding.attributes.values() {
                texts(value, &mut named);
            }
            let block = block(standing, &named);
            finding.attributes.insert(KEY.to_owned(), block.into());
        }
    }
}

fn account(finding: &Finding) -> Option<(String, String)> {
    let subject = &finding.subject;
    let namespace = subject.namespace.clone()?;
    (subject.kind == SubjectKind::ServiceAccount).then(|| (namespace, subject.name.clone()))
}

/// Every text in a value. Attributes are a small tree of the detectors' own.
fn texts<'a>(value: &'a Attribute, found: &mut BTreeSet<&'a str>) {
    match value {
        Attribute::Text(text) => drop(found.insert(text)),
        Attribute::List(items) => items.iter().for_each(|item| texts(item, found)),
        Attribute::Map(map) => {
            for (key, value) in map {
                found.insert(key);
                texts(value, found);
            }
        }
        _ => {}
    }
}

fn block(standing: &Standing, named: &BTreeSet<&str>) -> Attributes {
    let mut pods: Vec<(bool, &PodRow)> = (standing.pods.iter())
        .map(|pod| (named.contains(pod.name.as_str()), pod))
        .collect();
    // Those that the finding is about first.
    pods.sort_by_key(|(named, _)| !named);
    let bindings: Vec<_> = standing
        .grants
        .iter()
        .chain(&standing.grants_to_groups)
        .collect();
    let shown_pods = pods
        .iter()
        .take(SHOWN)
        .map(|(named, pod)| of_pod(pod, *named));
    let shown_bindings = bindings.iter().take(SHOWN).map(|row| binding(row));
    let others = standing.other_uids.iter();
    let entries: [(&str, Attribute); 10] = [
        ("exists", standing.exists.into()),
        ("uid", standing.uid.clone().into()),
        (
            "other_uids",
            Attribute::List(others.map(|other| other.uid.clone().into()).collect()),
        ),
        ("automount", standing.automount.into()),
        ("pods", Attribute::List(shown_pods.collect())),
        ("pods_total", (pods.len() as u64).into()),
        ("bindings", Attribute::List(shown_bindings.collect())),
        ("bindings_total", (bindings.len() as u64).into()),
        (
            "lacks",
            Attribute::List(standing.lacks.iter().map(|kind| (*kind).into()).collect()),
        ),
        ("summary", summary(standing, &pods).into()),
    ];
    entries.map(|(key, value)| (key.to_owned(), value)).into()
}

fn of_pod(pod: &PodRow, named: bool) -> Attribute {
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let owner = pod.owner.as_ref();
    let entries: [(&str, Attribute); 7] = [
        ("name", pod.name.as_str().into()),
        ("uid", filled(&pod.uid).into()),
        ("node", filled(&pod.node).into()),
        (
            "owner",
            owner.map(|o| format!("{} {}", o.kind, o.name)).into(),
        ),
        ("phase", filled(&pod.phase).into()),
        ("token_mounted", pod.token_mounted.into()),
        ("in_finding", named.into()),
    ];
    Attribute::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

fn binding(row: &GrantRow) -> Attribute {
    let entries: [(&str, Attribute); 2] = [
        ("binding", name(&row.binding).into()),
        ("role", format!("{} {}", row.role_kind, row.role).into()),
    ];
    Attribute::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

fn name(object: &Object) -> String {
    format!("{} {object}", object.kind)
}

/// One line for the table.
fn summary(standing: &Standing, pods: &[(bool, &PodRow)]) -> String {
    let mut parts = Vec::new();
    match (standing.exists, standing.other_uids.is_empty()) {
        (Some(false), _) => parts.push("no such account in the dump: deleted since".to_owned()),
        (_, false) => parts.push("the account was deleted and made again".to_owned()),
        _ => {}
    }
    if let Some((named, pod)) = pods.first() {
        let which = pods.iter().filter(|(named, _)| *named).count();
        let which = if *named { which } else { pods.len() };
        let owner = pod.owner.as_ref();
        let owner = owner.map_or_else(String::new, |o| format!(" ({} {})", o.kind, o.name));
        let node = match pod.node.as_str() {
            "" => "no node",
            node => node,
        };
        let more = match which {
            0 | 1 => String::new(),
            n => format!(" and {}", count(n - 1, "more pod")),
        };
        parts.push(format!("pod {} on {node}{owner}{more}", pod.name));
    } else if !standing.lacks.contains(&"Pod") {
        parts.push("no pod runs as it".to_owned());
    }
    let (first, rest) = (standing.grants.first(), standing.grants.len());
    if let Some(row) = first {
        let more = match rest {
            1 => String::new(),
            n => format!(" and {}", count(n - 1, "more binding")),
        };
        let role = format!("{} {}", row.role_kind, row.role);
        parts.push(format!("{role} by {}{more}", name(&row.binding)));
    } else if !standing.lacks.iter().any(|kind| kind.ends_with("Binding")) {
        parts.push("no binding names it".to_owned());
    }
    parts.join("; ")
}
