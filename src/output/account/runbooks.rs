//! The five runbooks of ServiceAccounts, walked with what the log knows of one account.
//!
//! They follow the ones that are handed around for ServiceAccounts, corrected where Kubernetes does
//! otherwise: a stolen pod token lives for up to a year, not an hour; last use is a label, not an
//! annotation; `spec.serviceAccountName` is never empty on a running pod.

mod legacy_token;
mod default_account;
mod stolen;
mod cannot_mount;
mod excessive;

use serde::Serialize;

use crate::{
    finding::Step,
    finding::quote,
    inventory::Standing,
    pipeline::{Dossier, Values},
};

/// One runbook, walked for one account.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Runbook {
    /// 1 to 5.
    pub(super) number: u8,
    pub(super) title: &'static str,
    /// Whether the log gives a reason to follow it.
    pub(super) applies: Applies,
    /// Which.
    pub(super) why: String,
    /// What to do, in order.
    pub(super) steps: Vec<Step>,
}

/// Whether the log gives a reason to follow a runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Applies {
    Yes,
    No,
    /// The log cannot tell.
    Unknown,
}

/// How many names a command lists.
const NAMED: usize = 10;

/// The account's names, quoted for a shell, and its dossier.
struct Walk<'a> {
    dossier: &'a Dossier,
    namespace: String,
    name: String,
    user: String,
    log: &'a str,
    /// What a dump says, if there is one.
    standing: Option<&'a Standing>,
}

impl Walk<'_> {
    /// `shop deployment/web`: what runs as the account and can be restarted or given another one.
    fn workloads(&self) -> Vec<(&str, String)> {
        let all = self.standing.map_or(&[][..], |s| &s.workloads);
        let known = all.iter().filter_map(|workload| {
            let kind = match workload.kind.as_str() {
                "Deployment" => "deployment",
                "StatefulSet" => "statefulset",
                "DaemonSet" => "daemonset",
                _ => return None,
            };
            possible(&workload.name).then(|| {
                let target = format!("{kind}/{}", workload.name);
                (workload.name.as_str(), target)
            })
        });
        known.take(NAMED).collect()
    }
}

/// All five; `log` names the log on a command line.
pub(super) fn walk(dossier: &Dossier, log: &str, standing: Option<&Standing>) -> Vec<Runbook> {
    let user = format!(
        "system:serviceaccount:{}:{}",
        dossier.namespace, dossier.name
    );
    let walk = Walk {
        dossier,
        namespace: quote(&dossier.namespace),
        name: quote(&dossier.name),
        user: quote(&user),
        log,
        standing,
    };
    vec![
        walk.legacy_token(),
        walk.default_account(),
        walk.stolen(),
        walk.cannot_mount(),
        walk.excessive(),
    ]
}

/// A step that is done by hand.
fn by_hand(text: impl Into<String>) -> Step {
    let text = text.into();
    Step {
        text,
        command: None,
    }
}

fn run(text: &str, command: String) -> Step {
    Step {
        text: text.to_owned(),
        command: Some(command),
    }
}

/// The first values, for a sentence.
fn some(values: &Values) -> String {
    let names = values.values.iter().take(3);
    let names: Vec<_> = names.map(|value| value.value.as_str()).collect();
    let more = match values.distinct.saturating_sub(3) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!("{}{more}", names.join(", "))
}

/// The first values as words of a shell command, those aside that no object can be called.
fn words(values: &Values) -> Vec<String> {
    let names = values.values.iter().map(|value| value.value.as_str());
    let names = names.filter(|name| possible(name));
    names.take(NAMED).map(quote).collect()
}

/// Whether an object can be called that.
fn possible(name: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    (1..=253).contains(&name.len()) && !name.starts_with('-') && name.bytes().all(inside)
}
