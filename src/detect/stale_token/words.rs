//! What there is to say about an account's stale tokens.

use crate::{
    event::ServiceAccount,
    finding::{Attribute, Attributes, Finding, Remediation, Severity, Step, Subject},
};

use super::{
    super::{Context, advice::step, caller::SHOWN, clients, draft::draft, shell::quote},
    ABOUT, DAY, Stale, WARNED_AFTER,
};

pub(super) fn finding(
    account: ServiceAccount<'_>,
    stale: &Stale,
    context: &Context<'_>,
) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let limits = &context.settings.stale_token;
    let left = stale.ages.greatest.map(|age| {
        let life = u64::from(limits.lifetime_days) * DAY;
        life.saturating_sub(age.saturating_add(WARNED_AFTER))
    });
    let near = left.is_some_and(|left| left <= u64::from(limits.warn_days) * DAY);
    let severity = if near {
        Severity::Medium
    } else {
        Severity::Low
    };
    let allow = |agent: &str| context.settings.allow.expects(ABOUT.id, &subject, agent);
    let judgement = stale.activity.deeds.judge(allow, |_| severity);
    let mut attributes = attributes(stale, left);
    judgement.write(&mut attributes);
    Finding {
        severity: judgement.severity,
        summary: summary(&subject.to_string(), stale, left.filter(|_| near)),
        attributes,
        involves: stale.activity.callers.involved(),
        remediation: remediation(account, stale),
        ..draft(&ABOUT, subject, &[], &stale.activity.evidence, context)
    }
}

fn attributes(stale: &Stale, left: Option<u64>) -> Attributes {
    let holders = stale.holders().into_iter().map(|(pod, node, holder)| {
        let fields: [(&str, Attribute); 5] = [
            ("pod", known(pod)),
            ("node", known(node)),
            ("requests", holder.requests.into()),
            ("seconds_past_warning", holder.ages.greatest.into()),
            ("last_seen", holder.last.into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    });
    let agents = stale.activity.callers.user_agents().ranked();
    let libraries = agents.into_iter().take(SHOWN).map(|agent| {
        let reading = clients::library(&agent.value);
        let reading = reading.as_ref();
        let version = reading.and_then(|reading| reading.version.clone());
        let since = reading.and_then(|reading| reading.rereads_since);
        let rereads = reading.and_then(|reading| reading.rereads);
        let fields: [(&str, Attribute); 5] = [
            ("user_agent", agent.value.as_str().into()),
            ("library", reading.map(|reading| reading.library).into()),
            ("version", version.into()),
            ("rereads_since", since.into()),
            ("rereads", rereads.into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    });
    let latest = stale.ages.latest.map(|(_, age)| age);
    let fields: [(&str, Attribute); 7] = [
        ("seconds_past_warning", stale.ages.greatest.into()),
        ("seconds_past_warning_latest", latest.into()),
        ("expires_in_seconds", left.into()),
        ("unreadable_ages", stale.unreadable.into()),
        ("holders", Attribute::List(holders.collect())),
        ("libraries", Attribute::List(libraries.collect())),
        ("blocks_switching_off_extension", true.into()),
    ];
    let mut attributes: Attributes = fields.map(|(name, value)| (name.to_owned(), value)).into();
    stale.activity.write(&mut attributes);
    stale.activity.write_deeds(&mut attributes);
    attributes
}

fn known(text: &str) -> Attribute {
    Some(text).filter(|text| !text.is_empty()).into()
}

/// A span of time in the unit that people would use.
fn in_words(seconds: u64) -> String {
    match seconds {
        ..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / DAY),
    }
}

fn summary(name: &str, stale: &Stale, near_end: Option<u64>) -> String {
    let age = stale.ages.greatest.map_or_else(
        || "of unknown age".to_owned(),
        |age| {
            format!(
                "up to {} past the hour in which it is replaced",
                in_words(age)
            )
        },
    );
    let end = near_end.map_or(String::new(), |left| match left {
        0 => ", and past its end".to_owned(),
        left => format!(", and ends in {}", in_words(left)),
    });
    format!(
        "{name} uses an old token, {age}{end}: update the client so that it reads the file again; until then \
         the token extension cannot be switched off"
    )
}

fn remediation(account: ServiceAccount<'_>, stale: &Stale) -> Remediation {
    let namespace = quote(account.namespace);
    let mut steps = Vec::new();
    let images =
        quote("POD:.metadata.name,STARTED:.status.startTime,IMAGES:.spec.containers[*].image");
    steps.push(step(
        "see which programs these are, and since when they run",
        format!(
            "kubectl get pods --namespace {namespace} --field-selector spec.serviceAccountName={} \
             --output custom-columns={images}",
            quote(account.name)
        ),
    ));
    steps.push(Step {
        text: "update the client library to a version that re-reads the token (Go 0.15.7, Python 12.0.0, Java \
               9.0.0, JavaScript 0.10.3, C# 7.0.5 or later), or re-read the file once a minute"
            .to_owned(),
        command: None,
    });
    let holders = stale.holders();
    let pods = holders.iter().filter(|(pod, _, _)| !pod.is_empty());
    for (pod, _, _) in pods.take(3) {
        steps.push(step(
            "to buy time, let its controller make the pod anew, with a new token",
            format!("kubectl delete pod {} --namespace {namespace}", quote(pod)),
        ));
    }
    steps.push(step(
        "see whether any client is left: the counter stands still when none is",
        format!(
            "kubectl get --raw /metrics | grep {}",
            quote("^serviceaccount_stale_tokens_total")
        ),
    ));
    Remediation {
        summary: "update the client so that it re-reads its token; restart the pods until then"
            .to_owned(),
        steps,
    }
}
