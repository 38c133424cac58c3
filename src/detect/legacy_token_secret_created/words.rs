//! What is said about who made Secrets for tokens.

use crate::finding::{Attribute, Attributes, Finding, Remediation, Severity, Step, Subject};

use super::{
    super::{
        AllowEntry, Context, EvidenceSet, Merge,
        caller::{Callers, SHOWN, subject},
        draft::draft,
        shell::quote,
    },
    ABOUT, Case, KnownBy,
};

pub(super) fn finding(creator: &str, cases: &[Case<'_>], context: &Context<'_>) -> Finding {
    let subject = subject(creator);
    let (mut evidence, mut callers) = (EvidenceSet::default(), Callers::default());
    for case in cases {
        evidence.merge(case.made.evidence.clone());
        callers.merge(case.made.callers.clone());
    }
    let refused: u64 = cases.iter().map(|case| case.made.refused).sum();
    let allowed = allowed(&subject, &callers, context).filter(|_| refused == 0);
    let worst = cases.iter().map(|case| case.severity(creator)).max();
    let severity = worst
        .filter(|_| allowed.is_none())
        .unwrap_or(Severity::Info);
    let mut attributes = attributes(cases);
    callers.write(&mut attributes);
    let reason: Attribute = allowed.map(|entry| entry.reason.clone()).into();
    attributes.insert("allowed_as".to_owned(), reason);
    let mut involves = callers.involved();
    let accounts = cases
        .iter()
        .filter_map(|case| Some((case.namespace, case.account?)));
    involves
        .subjects
        .extend(accounts.map(|(namespace, name)| Subject::service_account(namespace, name)));
    Finding {
        severity,
        summary: summary(&subject.to_string(), cases, refused),
        attributes,
        involves,
        remediation: remediation(cases),
        ..draft(&ABOUT, subject, &[], &evidence, context)
    }
}

/// The allow-list's entry, if it covers every user agent.
fn allowed<'a>(
    subject: &Subject,
    callers: &Callers,
    context: &Context<'a>,
) -> Option<&'a AllowEntry> {
    let expects = |agent: &str| context.settings.allow.expects(ABOUT.id, subject, agent);
    let agents = callers.user_agents().ranked().into_iter();
    let entries: Option<Vec<_>> = agents.map(|agent| expects(&agent.value)).collect();
    let complete = callers.user_agents().is_exact();
    entries.filter(|_| complete)?.first().copied()
}

fn attributes(cases: &[Case<'_>]) -> Attributes {
    let shown: Vec<Attribute> = cases.iter().take(SHOWN).map(Case::attribute).collect();
    let others = cases.len().saturating_sub(shown.len()) as u64;
    let without: u64 = cases.iter().map(|case| case.made.without_body).sum();
    let fields: [(&str, Attribute); 3] = [
        ("secrets", Attribute::List(shown)),
        ("other_secrets", others.into()),
        ("bodies_missing", without.into()),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

fn summary(name: &str, cases: &[Case<'_>], refused: u64) -> String {
    let one = |case: &Case<'_>| {
        let account = case
            .account
            .map_or(String::new(), |account| format!(" for {account}"));
        format!("{}/{}{account}", case.namespace, case.secret)
    };
    let mut secrets: Vec<String> = cases.iter().take(3).map(one).collect();
    if cases.len() > 3 {
        secrets.push(format!("{} more", cases.len() - 3));
    }
    let certain = cases.iter().any(|case| case.known_by != KnownBy::Possible);
    let what = match (certain, cases.iter().all(|case| case.created() == 0)) {
        (false, _) => {
            "may have created Secrets for tokens that never expire (the log has no bodies)"
        }
        (true, true) => "tried to create Secrets for tokens that never expire and was refused",
        (true, false) => "created Secrets for tokens that never expire",
    };
    let refused = match refused {
        0 => String::new(),
        n => format!(" (refused: {n})"),
    };
    let used: u64 = cases.iter().filter_map(|case| Some(case.used?.count)).sum();
    let used = match used {
        0 => String::new(),
        n => format!(", used {n} times"),
    };
    format!(
        "{name} {what}{refused}: {}{used}; ask what for, and delete what nobody needs",
        secrets.join(", ")
    )
}

fn remediation(cases: &[Case<'_>]) -> Remediation {
    let mut steps = Vec::new();
    let columns = quote(
        "TYPE:.type,ACCOUNT:.metadata.annotations.kubernetes\\.io/service-account\\.name,CREATED:.metadata.creationTimestamp,LAST_USED:.metadata.labels.kubernetes\\.io/legacy-token-last-used",
    );
    for case in cases.iter().filter(|case| !case.secret.is_empty()).take(3) {
        let (secret, namespace) = (quote(case.secret), quote(case.namespace));
        steps.push(Step {
            text: "see whether it holds a token, for whom, and the day of its last use".to_owned(),
            command: Some(format!(
                "kubectl get secret {secret} --namespace {namespace} --output custom-columns={columns}"
            )),
        });
        if let Some(account) = case.account {
            let user = format!("system:serviceaccount:{}:{account}", case.namespace);
            steps.push(Step {
                text: "see what its account may do".to_owned(),
                command: Some(format!("kubectl auth can-i --list --as={}", quote(&user))),
            });
        }
        steps.push(Step {
            text: "if nobody needs it, delete it: that ends the token".to_owned(),
            command: Some(format!(
                "kubectl delete secret {secret} --namespace {namespace}"
            )),
        });
    }
    Remediation {
        summary:
            "find out what the token is for; give its user one that expires, then delete the Secret"
                .to_owned(),
        steps,
    }
}
