//! Words and steps that several detectors share, with commands filled in.

use crate::{event::ServiceAccount, finding::Step};

use super::shell::quote;

/// A step with a command.
pub(super) fn step(text: &str, command: String) -> Step {
    Step {
        text: text.to_owned(),
        command: Some(command),
    }
}

/// `1 pod`, `3 pods`.
pub(super) fn some(count: u64, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

/// `once`, `2 times`.
pub(super) fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    }
}

/// Which pods run as `account`.
pub(super) fn pods_of(account: ServiceAccount<'_>) -> Step {
    step(
        "find the pods that run as the account, and what called from them",
        format!(
            "kubectl get pods --namespace {} --output wide --field-selector {}",
            quote(account.namespace),
            quote(&format!("spec.serviceAccountName={}", account.name))
        ),
    )
}

/// Which rights `user` has, in `namespace`.
pub(super) fn rights_of(user: &str, namespace: &str) -> Step {
    step(
        "see which rights it has",
        format!(
            "kubectl auth can-i --list --namespace {} --as={}",
            quote(namespace),
            quote(user)
        ),
    )
}

/// How to end the tokens of `account` that are bound to pods: they die with their pods.
pub(super) fn end_tokens(account: ServiceAccount<'_>) -> Step {
    step(
        "if the caller is not the workload: delete the account's pods, their tokens die with them (tokens that \
         are bound to nothing live on until they expire, or until the account is deleted)",
        format!(
            "kubectl delete pods --namespace {} --field-selector {}",
            quote(account.namespace),
            quote(&format!("spec.serviceAccountName={}", account.name))
        ),
    )
}
