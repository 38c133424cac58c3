//! What is said about a token that has ended and is still sent.

use crate::{
    event::ServiceAccount,
    finding::{Attribute, Attributes, Finding, Remediation, Severity, Step, Subject, Timestamp},
};

use super::{
    super::{Context, Tally, caller::SHOWN, draft::draft, shell::quote},
    ABOUT, End, Stranded, Uses,
};

pub(super) fn finding(
    account: ServiceAccount<'_>,
    secret: &str,
    uses: &Uses,
    stranded: &[Stranded<'_>],
    ends: &[(End, &Tally)],
    context: &Context<'_>,
) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let mut evidence = uses.said.clone();
    for caller in stranded {
        evidence.merge(caller.refusals.evidence.clone());
    }
    let labelled = ends.iter().any(|(end, _)| *end == End::LabelledInvalid);
    let severity = if labelled || uses.said.count() > 0 {
        Severity::Medium
    } else {
        Severity::Low
    };
    let refused: u64 = stranded.iter().map(|caller| caller.refused).sum();
    let first = stranded
        .iter()
        .filter_map(|caller| caller.refusals.evidence.first_seen())
        .min();
    let after = |first: Timestamp| uses.last_worked.map_or(first, |worked| worked.max(first));
    let secret = Some(secret).filter(|secret| !secret.is_empty());
    let draft = draft(
        &ABOUT,
        subject,
        &[secret.unwrap_or_default()],
        &evidence,
        context,
    );
    Finding {
        severity,
        count: refused + uses.said.count(),
        // Refusals of the same caller before the token last worked are another matter.
        first_seen: first.map(after).or(draft.first_seen),
        summary: summary(&draft.subject.to_string(), secret, uses, stranded, ends),
        attributes: attributes(secret, uses, stranded, ends),
        remediation: remediation(account, secret),
        ..draft
    }
}

fn attributes(
    secret: Option<&str>,
    uses: &Uses,
    stranded: &[Stranded<'_>],
    ends: &[(End, &Tally)],
) -> Attributes {
    let map = |fields: Vec<(&str, Attribute)>| {
        Attribute::Map(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    };
    let callers = stranded.iter().take(SHOWN).map(|caller| {
        map(vec![
            ("address", caller.address.into()),
            ("user_agent", caller.user_agent.into()),
            ("worked", caller.worked.count.into()),
            ("refused", caller.refused.into()),
            ("last_worked", caller.worked.last.into()),
            (
                "first_refused",
                caller.refusals.evidence.first_seen().into(),
            ),
            ("last_refused", caller.refusals.evidence.last_seen().into()),
        ])
    });
    let ends = ends
        .iter()
        .flat_map(|(end, by)| by.ranked().into_iter().map(|by| (*end, by)));
    let ends = ends.take(SHOWN).map(|(end, by)| {
        map(vec![
            ("what", end.as_str().into()),
            ("by", by.value.as_str().into()),
            ("requests", by.count.into()),
            ("first_seen", by.first_seen.into()),
            ("last_seen", by.last_seen.into()),
        ])
    });
    let fields: [(&str, Attribute); 6] = [
        ("secret", secret.into()),
        ("inferred", (uses.said.count() == 0).into()),
        ("last_worked", uses.last_worked.into()),
        ("callers", Attribute::List(callers.collect())),
        ("said", uses.said.count().into()),
        ("ends", Attribute::List(ends.collect())),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

fn summary(
    name: &str,
    secret: Option<&str>,
    uses: &Uses,
    stranded: &[Stranded<'_>],
    ends: &[(End, &Tally)],
) -> String {
    let token = secret.map_or_else(
        || "a legacy token".to_owned(),
        |secret| format!("the token from Secret {secret}"),
    );
    let cause = ends
        .first()
        .map_or(String::new(), |(end, _)| format!(" ({})", end.in_words()));
    let Some(caller) = stranded.first() else {
        return format!(
            "{name}: {token} was invalidated and is still sent ({} requests){cause}; find who holds it",
            uses.said.count()
        );
    };
    let others = match stranded.len() - 1 {
        0 => String::new(),
        n => format!(" and {n} other callers"),
    };
    let refused: u64 = stranded.iter().map(|caller| caller.refused).sum();
    format!(
        "{name}: {} ({}){others} likely still sends {token}, which has ended{cause}: {refused} requests got 401 \
         after it had last worked; find the program there, or who holds the token",
        caller.address, caller.user_agent
    )
}

fn remediation(account: ServiceAccount<'_>, secret: Option<&str>) -> Remediation {
    let namespace = quote(account.namespace);
    let step = |text: &str, command: String| Step {
        text: text.to_owned(),
        command: Some(command),
    };
    let mut steps = vec![Step {
        text: "go to the addresses under `callers`, and find the program that calls itself so"
            .to_owned(),
        command: None,
    }];
    if let Some(secret) = secret {
        steps.push(step(
            "see whether the Secret is still there, and its label kubernetes.io/legacy-token-invalid-since",
            format!(
                "kubectl get secret {} --namespace {namespace} --show-labels",
                quote(secret)
            ),
        ));
    }
    steps.push(step(
        "if the program is yours, give it a token that ends (Kubernetes 1.24 and later)",
        format!(
            "kubectl create token {} --namespace {namespace} --duration=1h",
            quote(account.name)
        ),
    ));
    steps.push(step(
        "see whether invalidated tokens are still tried (Kubernetes 1.29 and later)",
        format!(
            "kubectl get --raw /metrics | grep {}",
            quote("^serviceaccount_invalid_legacy_auto_token_uses_total")
        ),
    ));
    Remediation {
        summary: "find the caller: mend it, or treat the token as stolen".to_owned(),
        steps,
    }
}
