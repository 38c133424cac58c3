//! Who had whose token made and what became of it, judged and put into words: the second half of `token-minted`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::finding::{
    Attribute, Attributes, Finding, Remediation, Severity, Step, Subject, Timestamp,
};

use super::{
    Context, EvidenceSet, Merge,
    caller::{self, SHOWN},
    deed::Deed,
    draft::draft,
    judge::Judgement,
    shell::quote,
    sightings::{Place, Sightings, did_attribute, is_grave},
    tally::earliest,
    token_minted::{ABOUT, Mint, Used},
};

/// A token that was made.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Issued {
    /// Its ID: `JTI=<uuid>`.
    pub(super) id: String,
    at: Option<Timestamp>,
}

/// What there is to say about one requester and one account.
#[derive(Debug)]
pub(super) struct Found<'a> {
    mint: &'a Mint,
    requester: Subject,
    account: Subject,
    judgement: Judgement,
    privileged: Option<&'static str>,
    /// The tokens made, by time, and what was done with each, as far as both are known.
    issued: Vec<(&'a Issued, Option<&'a Used>)>,
}

/// What was done with the tokens, in short.
struct Outcome {
    used: u64,
    elsewhere: u64,
    grave: u64,
}

impl Issued {
    pub(super) const fn new(id: String, at: Option<Timestamp>) -> Self {
        Self { id, at }
    }
}

impl Merge for Issued {
    fn merge(&mut self, other: Self) {
        self.id = std::mem::take(&mut self.id).max(other.id);
        self.at = earliest(self.at, other.at);
    }
}

/// Judges `mint`; `uses` says what was done with a token.
pub(super) fn judge<'a>(
    mint: &'a Mint,
    uses: impl Fn(&Issued) -> Option<&'a Used>,
    context: &Context<'_>,
) -> Found<'a> {
    let requester = caller::subject(&mint.requester);
    let account = Subject::service_account(&mint.namespace, &mint.name);
    let mut issued: Vec<_> = mint
        .issued
        .iter()
        .map(|token| (token, uses(token)))
        .collect();
    issued.sort_by(|(a, _), (b, _)| (a.at, &a.id).cmp(&(b.at, &b.id)));
    let as_admin = issued
        .iter()
        .any(|(_, used)| used.is_some_and(|used| used.as_admin));
    let privileged = match () {
        () if mint.namespace == "kube-system" => Some("in kube-system"),
        () if as_admin => Some("cluster-admin let its requests through"),
        () => None,
    };
    let mut found = Found {
        mint,
        requester,
        account,
        judgement: Judgement {
            severity: Severity::Info,
            allowed: None,
            uncovered: 0,
        },
        privileged,
        issued,
    };
    let severity = found.severity(context);
    let allow = |agent: &str| {
        let allow = &context.settings.allow;
        allow.expects(ABOUT.id, &found.requester, agent)
    };
    found.judgement = mint.activity.deeds.judge(allow, |_| severity);
    found
}

impl<'a> Found<'a> {
    /// Whether the allow-list covers all of it.
    pub(super) const fn is_expected(&self) -> bool {
        self.judgement.uncovered == 0
    }

    fn severity(&self, context: &Context<'_>) -> Severity {
        let Outcome {
            elsewhere, grave, ..
        } = self.outcome();
        let limit = u64::from(context.settings.token_minted.long_hours) * 3600;
        let long = self.mint.asked.longest_seconds().is_some_and(|s| s > limit);
        let privileged = self.privileged.is_some();
        let own = self.requester == self.account;
        let asked = match (self.requester.namespace.is_some(), privileged) {
            (_, _) if own => Severity::Low,
            (false, false) => Severity::Low,
            (false, true) | (true, false) => Severity::Medium,
            (true, true) => Severity::High,
        };
        let asked = asked.max(if long {
            Severity::Medium
        } else {
            Severity::Low
        });
        let used = match self.requester.namespace.is_some() {
            true if !own && grave > 0 && (elsewhere > 0 || privileged) => Severity::Critical,
            true if !own && elsewhere > 0 => Severity::High,
            _ if grave > 0 => Severity::Medium,
            _ => Severity::Low,
        };
        asked.max(used)
    }

    /// The addresses where the tokens were used.
    fn places(&self) -> impl Iterator<Item = &'a Place> {
        let used = self.issued.iter().filter_map(|(_, used)| *used);
        used.flat_map(|used| used.holder.sightings.ranked())
    }

    fn outcome(&self) -> Outcome {
        let here = self.mint.addresses();
        let elsewhere = |place: &&Place| !here.contains(place.address.as_str());
        Outcome {
            used: self.places().map(Place::requests).sum(),
            elsewhere: self.places().filter(elsewhere).map(Place::requests).sum(),
            grave: self.places().map(|place| place.did(is_grave)).sum(),
        }
    }
}

/// What there is to say about `found`.
pub(super) fn finding(found: &Found<'_>, context: &Context<'_>) -> Finding {
    let mint = found.mint;
    let key = format!("{}/{}", mint.namespace, mint.name);
    let mut involves = mint.activity.callers.involved();
    involves.subjects.insert(found.account.clone());
    let ids = found
        .issued
        .iter()
        .take(SHOWN)
        .map(|(issued, _)| issued.id.clone());
    involves.credentials.extend(ids);
    let subject = found.requester.clone();
    Finding {
        severity: found.judgement.severity,
        summary: summary(found),
        attributes: attributes(found),
        involves,
        remediation: remediation(found),
        ..draft(&ABOUT, subject, &[&key], &mint.activity.evidence, context)
    }
}

/// What there is to say about all that the allow-list expects of one requester.
pub(super) fn expected(all: &[Found<'_>], context: &Context<'_>) -> Option<Finding> {
    let first = all.first()?;
    let mut evidence = EvidenceSet::default();
    let mut activity = super::activity::Activity::default();
    let mut accounts = Attributes::new();
    for found in all {
        let theirs = &found.mint.activity;
        evidence.merge(theirs.evidence.clone());
        Merge::merge(&mut activity, theirs.clone());
        accounts.insert(found.account.to_string(), theirs.evidence.count().into());
    }
    let mut attributes = Attributes::new();
    activity.write(&mut attributes);
    let judgement = Judgement {
        uncovered: 0,
        ..first.judgement.clone()
    };
    judgement.write(&mut attributes);
    attributes.insert("accounts".to_owned(), accounts.into());
    let requester = &mint_name(&first.requester);
    let subject = first.requester.clone();
    Some(Finding {
        summary: format!(
            "{requester} had {} tokens made for {} accounts, as it is expected to; nothing to do",
            evidence.count(),
            all.len()
        ),
        attributes,
        remediation: remediation(first),
        ..draft(&ABOUT, subject, &[], &evidence, context)
    })
}

fn mint_name(subject: &Subject) -> String {
    match subject.namespace {
        Some(_) => format!("account {subject}"),
        None => format!("user {subject}"),
    }
}

fn attributes(found: &Found<'_>) -> Attributes {
    let mint = found.mint;
    let outcome = found.outcome();
    let issued = found.issued.iter().take(SHOWN).map(issued_attribute);
    let fields: [(&str, Attribute); 8] = [
        ("requester", mint.requester.as_str().into()),
        ("account", found.account.to_string().into()),
        ("issued", Attribute::List(issued.collect())),
        ("issued_total", mint.activity.evidence.count().into()),
        ("used", outcome.used.into()),
        ("used_from_elsewhere", outcome.elsewhere.into()),
        (
            "used_did",
            did_attribute(found.places().flat_map(Place::deeds)),
        ),
        ("privileged", found.privileged.into()),
    ];
    let mut attributes: Attributes = fields.map(|(name, value)| (name.to_owned(), value)).into();
    mint.asked.write(&mut attributes);
    mint.activity.write(&mut attributes);
    found.judgement.write(&mut attributes);
    attributes
}

fn issued_attribute((issued, used): &(&Issued, Option<&Used>)) -> Attribute {
    let sightings = used.map(|used| &used.holder.sightings);
    let places = sightings.map(|s| s.ranked()).unwrap_or_default();
    let requests: u64 = places.iter().map(|place| place.requests()).sum();
    let addresses = places.iter().take(SHOWN);
    let addresses = addresses.map(|p| (p.address.clone(), Attribute::Map(p.attributes())));
    let fields: [(&str, Attribute); 7] = [
        ("credential_id", issued.id.as_str().into()),
        ("issued_at", issued.at.into()),
        ("used", requests.into()),
        ("addresses", addresses.collect::<Attributes>().into()),
        (
            "did",
            did_attribute(places.iter().flat_map(|place| place.deeds())),
        ),
        (
            "first_used",
            sightings.and_then(Sightings::first_seen).into(),
        ),
        ("last_used", sightings.and_then(Sightings::last_seen).into()),
    ];
    Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

fn summary(found: &Found<'_>) -> String {
    let outcome = found.outcome();
    let requester = mint_name(&found.requester);
    let whose = if found.requester == found.account {
        "itself".to_owned()
    } else {
        found.account.to_string()
    };
    let tokens = match found.mint.activity.evidence.count() {
        1 => "a token".to_owned(),
        n => format!("{n} tokens"),
    };
    let privileged = found
        .privileged
        .map(|why| format!(" ({why})"))
        .unwrap_or_default();
    let addresses: BTreeSet<&str> = found.places().map(|place| place.address.as_str()).collect();
    let from = match addresses.len() {
        1 => addresses.first().copied().unwrap_or_default().to_owned(),
        n => format!("{n} addresses"),
    };
    let gravest = found.places().filter_map(Place::gravest).max();
    let did = gravest.map_or("nothing", Deed::as_str);
    let then = match outcome.used {
        0 if found.issued.is_empty() => "; the log does not say what became of it".to_owned(),
        0 => ", not seen in use".to_owned(),
        n => format!(", used {n} times from {from} (gravest: {did})"),
    };
    let advice = match found.judgement.severity {
        Severity::Critical | Severity::High => "revoke the token and find out who asked",
        Severity::Medium => "ask whether that is meant to be",
        Severity::Low => "check that it is meant to be",
        Severity::Info => "nothing to do",
    };
    format!("{requester} had {tokens} made for {whose}{privileged}{then}; {advice}")
}

fn remediation(found: &Found<'_>) -> Remediation {
    let account = found.mint.account();
    let (namespace, name) = (quote(account.namespace), quote(account.name));
    let step = |text: &str, command: String| Step {
        text: text.to_owned(),
        command: Some(command),
    };
    let requester = quote(&found.mint.requester);
    Remediation {
        summary: "ask the requester; if it was not them, revoke the token and take the right away"
            .to_owned(),
        steps: vec![
            step(
                "see whether the requester may still do it",
                format!(
                    "kubectl auth can-i create serviceaccounts/{name} --subresource=token --namespace {namespace} --as={requester}"
                ),
            ),
            step(
                "see which of the account's rights the token gives",
                format!(
                    "kubectl auth can-i --list --namespace {namespace} --as={}",
                    quote(&account.user_name())
                ),
            ),
            step(
                "find the bindings that name the requester, and take serviceaccounts/token out of their roles",
                format!(
                    "kubectl get rolebindings,clusterrolebindings --all-namespaces --output wide | grep --fixed-strings -- {}",
                    quote(&found.requester.to_string())
                ),
            ),
            step(
                "a token that is bound to nothing is revoked with its account only: save it, delete it, make it again; \
                 its pods get new tokens when they are restarted",
                format!(
                    "kubectl get serviceaccount {name} --namespace {namespace} --output yaml > serviceaccount.yaml && \
                     kubectl delete serviceaccount {name} --namespace {namespace}"
                ),
            ),
        ],
    }
}
