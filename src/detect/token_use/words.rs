//! What there is to say about how tokens were used.

use std::collections::BTreeSet;

use crate::finding::{Attribute, Attributes, Finding, Involved, Remediation, Severity, Subject};

use super::{
    super::{
        Context, EvidenceSet,
        advice::{step, times},
        caller::SHOWN,
        deed::Deed,
        draft::draft,
        shell::quote,
        sightings::did_attribute,
        token_shared::ABOUT,
        whereabouts::Whose,
    },
    TokenUse, Use,
};

/// What there is to say about `tokens`, all of one account.
pub(in crate::detect) fn finding(
    subject: Subject,
    key: &[&str],
    tokens: &[TokenUse<'_>],
    context: &Context<'_>,
) -> Finding {
    let severity = tokens.iter().map(|token| token.severity).max();
    let foreign = tokens.iter().flat_map(TokenUse::foreign);
    let mut evidence: EvidenceSet = foreign.map(|use_| &use_.place.seen).collect();
    if evidence.count() == 0 {
        let all = tokens.iter().flat_map(|token| &token.uses);
        evidence = all.map(|use_| &use_.place.seen).collect();
    }
    let credentials = tokens.iter().flat_map(|token| token.holder.credentials());
    Finding {
        severity: severity.unwrap_or(Severity::Info),
        summary: summary(&subject, tokens, evidence.count()),
        attributes: attributes(tokens),
        involves: Involved {
            subjects: tokens.iter().flat_map(others).collect(),
            credentials: credentials.map(|id| id.id.clone()).collect(),
        },
        remediation: remediation(&subject, tokens),
        ..draft(&ABOUT, subject, key, &evidence, context)
    }
}

/// The accounts of the pods from whose addresses it was used.
fn others(token: &TokenUse<'_>) -> BTreeSet<Subject> {
    let others = token.uses.iter().filter_map(|use_| match &use_.whose {
        Whose::OtherPod(account, _) => Some(account.clone()),
        _ => None,
    });
    others.collect()
}

fn attributes(tokens: &[TokenUse<'_>]) -> Attributes {
    let uses: Vec<Attribute> = tokens
        .iter()
        .flat_map(|token| token.uses.iter().map(|use_| use_attribute(use_, token)))
        .collect();
    let shown = uses.len().min(2 * SHOWN);
    let left = (uses.len() - shown) as u64;
    let texts = |addresses: BTreeSet<&str>| {
        let list = addresses.into_iter().take(2 * SHOWN);
        Attribute::List(list.map(Attribute::from).collect())
    };
    let own = tokens.iter().flat_map(TokenUse::own);
    let foreign = || tokens.iter().flat_map(TokenUse::foreign);
    let credentials = tokens.iter().flat_map(|token| token.holder.credentials());
    let credentials = credentials.take(SHOWN);
    let pods = tokens.iter().filter(|token| !token.holder.pod.is_empty());
    let allowed = tokens.iter().find_map(|token| token.allowed.as_ref());
    let exact = tokens.iter().all(|token| token.holder.sightings.is_exact());
    let fields: [(&str, Attribute); 10] = [
        (
            "uses",
            Attribute::List(uses.into_iter().take(shown).collect()),
        ),
        ("other_uses", left.into()),
        ("own_addresses", texts(own.map(address).collect())),
        ("foreign_addresses", texts(foreign().map(address).collect())),
        (
            "did",
            did_attribute(foreign().flat_map(|use_| use_.place.deeds())),
        ),
        (
            "pods",
            pods.take(SHOWN)
                .map(pod_attribute)
                .collect::<Attributes>()
                .into(),
        ),
        (
            "credential_ids",
            credentials
                .map(|id| (id.id.clone(), id.attribute()))
                .collect::<Attributes>()
                .into(),
        ),
        (
            "deleted",
            Attribute::List(tokens.iter().filter_map(deleted_attribute).collect()),
        ),
        ("tokens", (tokens.len() as u64).into()),
        (
            "allowed_as",
            allowed.map(|entry| entry.reason.clone()).into(),
        ),
    ];
    let mut attributes: Attributes = fields.map(|(name, value)| (name.to_owned(), value)).into();
    attributes.insert("more_addresses".to_owned(), (!exact).into());
    attributes
}

fn address<'a>(use_: &Use<'a>) -> &'a str {
    &use_.place.address
}

fn use_attribute(use_: &Use<'_>, token: &TokenUse<'_>) -> Attribute {
    let mut fields = use_.place.attributes();
    let severity = use_.severity.map(Severity::as_str);
    let more: [(&str, Attribute); 6] = [
        ("address", use_.place.address.as_str().into()),
        ("whose", use_.whose.attribute()),
        ("severity", severity.into()),
        ("pod", some(&token.holder.pod).into()),
        ("pod_uid", some(&token.holder.pod_uid).into()),
        ("node", some(&token.holder.node).into()),
    ];
    fields.extend(more.map(|(name, value)| (name.to_owned(), value)));
    fields.into()
}

fn pod_attribute(token: &TokenUse<'_>) -> (String, Attribute) {
    let sightings = &token.holder.sightings;
    let requests: u64 = token.uses.iter().map(|use_| use_.place.requests()).sum();
    let fields: [(&str, Attribute); 3] = [
        ("requests", requests.into()),
        ("first_seen", sightings.first_seen().into()),
        ("last_seen", sightings.last_seen().into()),
    ];
    let fields: Attributes = fields.map(|(name, value)| (name.to_owned(), value)).into();
    (token.holder.pod.clone(), fields.into())
}

fn deleted_attribute(token: &TokenUse<'_>) -> Option<Attribute> {
    let fields: [(&str, Attribute); 4] = [
        ("pod", token.holder.pod.as_str().into()),
        ("pod_uid", token.holder.pod_uid.as_str().into()),
        ("deleted_at", token.deleted?.into()),
        ("last_seen", token.holder.sightings.last_seen().into()),
    ];
    Some(Attribute::Map(
        fields.map(|(name, value)| (name.to_owned(), value)).into(),
    ))
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn summary(subject: &Subject, tokens: &[TokenUse<'_>], requests: u64) -> String {
    let severity = tokens.iter().map(|token| token.severity).max();
    let foreign: BTreeSet<&str> = tokens
        .iter()
        .flat_map(TokenUse::foreign)
        .map(address)
        .collect();
    let which = match tokens {
        [token] if token.holder.pod.is_empty() => format!("a token of {subject}"),
        [token] => format!("the token of pod {} ({subject})", token.holder.pod),
        _ => format!("{} tokens of {subject}", tokens.len()),
    };
    if let Some(token) = tokens.iter().find(|token| token.deleted.is_some()) {
        let (Some(at), Some(last)) = (token.deleted, token.holder.sightings.last_seen()) else {
            return which;
        };
        return format!(
            "{which} was accepted until {last}, although pod {} was deleted at {at}; find out who holds it",
            token.holder.pod
        );
    }
    let times = times(requests);
    let from = match foreign.len() {
        1 => format!("from {}", foreign.first().copied().unwrap_or_default()),
        n => format!("from {n} addresses"),
    };
    let own: Vec<&str> = tokens
        .iter()
        .flat_map(TokenUse::own)
        .map(address)
        .take(1)
        .collect();
    let not = match (tokens, own.first()) {
        ([_], Some(own)) => format!(" beside its own {own}"),
        _ => " beside their own".to_owned(),
    };
    let did = gravest(tokens);
    let advice = match severity {
        Some(Severity::Critical | Severity::High) => {
            "under other user agents: take it for stolen and revoke it"
        }
        Some(Severity::Medium) => "find out who is there",
        Some(Severity::Low) => "check that you know the addresses",
        _ => "nothing to do",
    };
    format!("{which} was used {times} {from}{not} ({did}); {advice}")
}

/// The gravest thing that was done from foreign addresses, in words.
fn gravest(tokens: &[TokenUse<'_>]) -> String {
    let foreign = tokens.iter().flat_map(TokenUse::foreign);
    let gravest = foreign.filter_map(|use_| use_.place.gravest()).max();
    let gravest = gravest.map_or("nothing", Deed::as_str);
    format!("gravest: {gravest}")
}

fn remediation(subject: &Subject, tokens: &[TokenUse<'_>]) -> Remediation {
    let namespace = quote(subject.namespace.as_deref().unwrap_or_default());
    let mut steps = Vec::new();
    let foreign: BTreeSet<&str> = tokens
        .iter()
        .flat_map(TokenUse::foreign)
        .map(address)
        .collect();
    for address in foreign.into_iter().take(3) {
        steps.push(step(
            "see whether a pod or a node of the cluster is at that address",
            format!(
                "kubectl get pods,nodes --all-namespaces --output wide | grep --fixed-strings --word-regexp -- {}",
                quote(address)
            ),
        ));
    }
    for token in tokens.iter().take(3) {
        if token.holder.pod.is_empty() {
            let name = quote(&subject.name);
            steps.push(step(
                "a token that is bound to nothing is revoked with its account: save it, delete it, make it again; its \
                 pods get new tokens when they are restarted",
                format!(
                    "kubectl get serviceaccount {name} --namespace {namespace} --output yaml > serviceaccount.yaml && \
                     kubectl delete serviceaccount {name} --namespace {namespace}"
                ),
            ));
            break;
        }
        steps.push(step(
            "delete the pod: that revokes every token bound to it, and its controller makes another one",
            format!("kubectl delete pod {} --namespace {namespace}", quote(&token.holder.pod)),
        ));
    }
    let user = quote(&format!(
        "system:serviceaccount:{}:{}",
        subject.namespace.as_deref().unwrap_or_default(),
        subject.name
    ));
    steps.push(step(
        "see what the account may do, and so what a thief could have done",
        format!("kubectl auth can-i --list --namespace {namespace} --as={user}"),
    ));
    Remediation {
        summary: "find out who is at the foreign addresses; if nobody can say, revoke the token"
            .to_owned(),
        steps,
    }
}
