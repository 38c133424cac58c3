//! What there is to say and to do about each legacy token.

use crate::finding::{Severity, Step, quote};

use super::{
    super::{
        super::{
            Grant,
            issue::{Check, Evidence, Issue, by_hand, count, fix, step},
            world::World,
        },
        access,
    },
    LegacyToken, Verdict,
};

pub(in super::super::super) fn check(world: &World<'_>, tokens: &[LegacyToken]) -> Vec<Issue> {
    tokens.iter().map(|token| issue(token, world)).collect()
}

fn issue(token: &LegacyToken, world: &World<'_>) -> Issue {
    let namespace = token.secret.namespace.as_deref().unwrap_or_default();
    let person = world.inventory.account(namespace, &token.account);
    let grants = person.map(|account| world.rbac.grants_to(namespace, &account.id.name));
    let wide = grants
        .into_iter()
        .flatten()
        .filter(Grant::is_direct)
        .any(|grant| {
            access::worst_power(&grant).is_some_and(|(severity, _)| severity >= Severity::High)
        });
    let dead = token.account_exists == Some(false) || token.invalid_since.is_some();
    let severity = match (token.verdict, wide) {
        (Verdict::SafeToDelete, _) if dead => Severity::Low,
        (_, true) => Severity::High,
        _ => Severity::Medium,
    };
    let mut proof = vec![Evidence {
        object: token.secret.clone(),
        says: labels(token),
    }];
    proof.extend(token.pods.iter().take(5).cloned());
    Issue {
        check: Check::LegacyToken,
        severity,
        subject: token.secret.clone(),
        summary: format!(
            "a token of {namespace}/{} that never expires: {}, {}",
            token.account,
            token.verdict.words(),
            token.because
        ),
        evidence: proof,
        remediation: fix(
            match token.verdict {
                Verdict::SafeToDelete => "delete the Secret",
                _ => "replace it by a token that expires, then delete the Secret",
            },
            steps(token, namespace),
        ),
    }
}

fn steps(token: &LegacyToken, namespace: &str) -> Vec<Step> {
    let delete = format!(
        "kubectl delete secret --namespace {} {}",
        quote(namespace),
        quote(&token.secret.name)
    );
    let mut steps = Vec::new();
    match token.verdict {
        Verdict::InUse => {
            steps.push(by_hand(
                "see who uses it: satrail scan --select legacy-token AUDIT_LOG",
            ));
            steps.push(step(
                "give them a token that expires",
                format!(
                    "kubectl create token --namespace {} {} --duration 1h",
                    quote(namespace),
                    quote(&token.account)
                ),
            ));
            steps.push(step(
                "when it is used no more, delete it: that revokes the token",
                delete,
            ));
        }
        Verdict::Unknown => {
            steps.push(by_hand(
                "look at a longer audit log, or at the label legacy-token-last-used in a while",
            ));
            steps.push(step("then delete it: that revokes the token", delete));
        }
        Verdict::SafeToDelete => steps.push(step("delete it: that revokes the token", delete)),
    }
    steps
}

fn labels(token: &LegacyToken) -> String {
    let mut says = Vec::new();
    if let Some(days) = token.age_days {
        says.push(format!(
            "{} old",
            count(usize::try_from(days).unwrap_or(0), "day")
        ));
    }
    says.push(match &token.last_used {
        Some(day) => format!("labelled as last used {day}"),
        None => "without a label of its last use".to_owned(),
    });
    says.extend(
        token
            .invalid_since
            .iter()
            .map(|day| format!("invalid since {day}")),
    );
    says.join(", ")
}
