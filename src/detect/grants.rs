//! The bindings that let requests through, and what to do about them.

use serde::{Deserialize, Serialize};

use crate::finding::{Attribute, Step};

use super::{Merge, Tally, caller::SHOWN, grant::Grant, request::Request, shell::quote};

/// How many bindings the steps go through.
const MOST_STEPS: usize = 3;

/// The bindings that the log names for requests that went through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grants {
    reasons: Tally,
}

impl Grants {
    /// Takes note of what let `event` through, if the log says so.
    pub(super) fn add(&mut self, event: &Request<'_>) {
        if let Some((_, reason)) = &event.notes.reason
            && !reason.is_empty()
            && event.succeeded()
        {
            self.reasons.add(reason, event);
        }
    }

    /// The bindings, the most frequent first, with the requests that each let through.
    fn ranked(&self) -> Vec<(Grant, u64)> {
        let ranked = self.reasons.ranked().into_iter();
        ranked
            .filter_map(|reason| Some((Grant::parse(&reason.value)?, reason.count)))
            .collect()
    }

    /// For `allowed_by`.
    pub(super) fn attribute(&self) -> Attribute {
        let grants = self.ranked().into_iter().take(SHOWN);
        Attribute::List(grants.map(|(grant, n)| grant.attribute(n)).collect())
    }

    /// How to look at the bindings and to narrow them; `narrow` says what to take out of a role that is not
    /// Kubernetes' own.
    pub(super) fn steps(&self, narrow: &str) -> Vec<Step> {
        let built_in = "the role is Kubernetes' own, and others need it as it is: bind the account to a narrower \
                        one, then take it out of the binding's subjects";
        self.each(|grant| {
            if grant.is_built_in() {
                edit(built_in, &binding_of(grant))
            } else {
                edit(narrow, &role_of(grant))
            }
        })
    }

    /// How to look at the bindings and to take subjects out of them, as `unbind` says.
    pub(super) fn unbind_steps(&self, unbind: &str) -> Vec<Step> {
        self.each(|grant| edit(unbind, &binding_of(grant)))
    }

    fn each(&self, change: impl Fn(&Grant) -> Step) -> Vec<Step> {
        let grants = self.ranked().into_iter().take(MOST_STEPS);
        grants
            .flat_map(|(grant, _)| [look(&grant), change(&grant)])
            .collect()
    }
}

impl Merge for Grants {
    fn merge(&mut self, other: Self) {
        self.reasons.merge(other.reasons);
    }
}

fn look(grant: &Grant) -> Step {
    Step {
        text: format!(
            "look at the {} that let it through, and at its {}: it speaks for {}",
            grant.binding_kind, grant.role_kind, grant.subject_kind
        ),
        command: Some(format!("kubectl get {} --output yaml", binding_of(grant))),
    }
}

fn edit(text: &str, what: &str) -> Step {
    Step {
        text: text.to_owned(),
        command: Some(format!("kubectl edit {what}")),
    }
}

/// The binding, as kubectl's arguments.
fn binding_of(grant: &Grant) -> String {
    let binding = quote(&grant.binding);
    match &grant.namespace {
        Some(namespace) => format!("rolebinding {binding} --namespace {}", quote(namespace)),
        None => format!("clusterrolebinding {binding}"),
    }
}

/// The role, as kubectl's arguments.
fn role_of(grant: &Grant) -> String {
    let role = quote(&grant.role);
    match (&grant.namespace, grant.role_kind.as_str()) {
        (Some(namespace), "Role") => format!("role {role} --namespace {}", quote(namespace)),
        _ => format!("clusterrole {role}"),
    }
}
