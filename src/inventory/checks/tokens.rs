//! Legacy tokens: who has them, who uses them, and whether they can go.

mod issue;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::finding::{Attribute, Attributes, Timestamp};

use super::super::{
    Pod, SecretUsage, TokenSecret,
    issue::{Evidence, Object},
    world::{World, day, days},
};
pub(in super::super) use issue::check;

/// A label this old says that the token is not in use: a job that runs every quarter would have touched it.
/// kube-controller-manager itself waits for a year.
const OLD_DAYS: i64 = 100;

/// A log shorter than this says nothing about a token that no label tells of.
const ENOUGH_DAYS: i64 = 1;

/// One Secret with a legacy token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LegacyToken {
    /// The Secret.
    pub secret: Object,
    /// The name of its account, in its namespace.
    pub account: String,
    /// Whether that account exists (the one that the token is of, told by its uid); `null` where the dump
    /// has no accounts.
    pub account_exists: Option<bool>,
    /// When the Secret was made.
    pub created: Option<Timestamp>,
    /// How old it is, in days, at the newest time that dump and log know.
    pub age_days: Option<i64>,
    /// The label `kubernetes.io/legacy-token-last-used`: a day.
    pub last_used: Option<String>,
    /// The label `kubernetes.io/legacy-token-invalid-since`: a day. The token is refused then.
    pub invalid_since: Option<String>,
    /// Requests with it in the log; `null` without a log.
    pub requests: Option<u64>,
    /// Arrival of the last of them.
    pub last_request: Option<Timestamp>,
    /// Who used it in the log, the most frequent first.
    pub callers: Vec<Caller>,
    /// Pods that mount it or read it into their environment.
    pub pods: Vec<Evidence>,
    /// Whether it can go.
    pub verdict: Verdict,
    /// Why.
    pub because: String,
}

/// Somebody who used a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// From where.
    pub address: String,
    /// What the client calls itself. Hostile.
    pub user_agent: String,
    /// How often.
    pub requests: u64,
}

/// Whether a legacy token can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Somebody uses it.
    InUse,
    /// Not enough is known.
    Unknown,
    /// Nothing uses it.
    SafeToDelete,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::InUse => "in use",
            Self::Unknown => "unknown",
            Self::SafeToDelete => "safe to delete",
        }
    }
}

pub(in super::super) fn legacy_tokens(world: &World<'_>) -> Vec<LegacyToken> {
    let mut readers = BTreeMap::<(&str, &str), Vec<(&Pod, &'static str)>>::new();
    for pod in &world.inventory.pods {
        for use_ in &pod.secrets {
            readers
                .entry((&pod.id.namespace, &use_.secret))
                .or_default()
                .push((pod, use_.through));
        }
    }
    let tracked = world
        .inventory
        .token_secrets
        .iter()
        .any(|secret| secret.last_used.is_some());
    let mut tokens: Vec<_> = world
        .inventory
        .token_secrets
        .iter()
        .map(|secret| {
            let key = (secret.id.namespace.as_str(), secret.id.name.as_str());
            let pods = readers.get(&key).map_or(&[][..], Vec::as_slice);
            token(secret, pods, tracked, world)
        })
        .collect();
    tokens.sort_by(|a, b| (a.verdict, &a.secret).cmp(&(b.verdict, &b.secret)));
    tokens
}

fn token(
    secret: &TokenSecret,
    pods: &[(&Pod, &'static str)],
    tracked: bool,
    world: &World<'_>,
) -> LegacyToken {
    let (known, unnamed) = uses(secret, world);
    let account = world
        .inventory
        .account(&secret.id.namespace, &secret.account);
    let same =
        |uid: &str| secret.account_uid.is_empty() || uid.is_empty() || uid == secret.account_uid;
    let exists = account.is_some_and(|account| same(&account.id.uid));
    let account_exists = world.inventory.has("ServiceAccount").then_some(exists);
    let callers = callers(secret, world);
    let (verdict, because) = if known.requests > 0 {
        (Verdict::InUse, in_use(&known, &callers))
    } else if !pods.is_empty() {
        (Verdict::InUse, format!("{} it", readers(pods)))
    } else if account_exists == Some(false) {
        (
            Verdict::SafeToDelete,
            "its account does not exist: the token is refused".to_owned(),
        )
    } else {
        unused(secret, unnamed, tracked, world)
    };
    LegacyToken {
        secret: Object::of("Secret", &secret.id),
        account: secret.account.clone(),
        account_exists,
        created: secret.id.created,
        age_days: secret
            .id
            .created
            .zip(world.as_of)
            .map(|(from, to)| days(from, to)),
        last_used: secret.last_used.clone(),
        invalid_since: secret.invalid_since.clone(),
        requests: world.usage.map(|_| known.requests),
        last_request: known.last_seen,
        callers,
        pods: pods
            .iter()
            .map(|(pod, through)| Evidence {
                object: Object::of("Pod", &pod.id),
                says: format!("reads it through {through}"),
            })
            .collect(),
        verdict,
        because,
    }
}

/// What the log says of this Secret, and how many requests with a Secret that it does not name.
fn uses(secret: &TokenSecret, world: &World<'_>) -> (SecretUsage, u64) {
    let (mut known, mut unnamed) = (SecretUsage::default(), 0);
    let usage = world.usage.into_iter();
    for (uid, usage) in usage.flat_map(|usage| usage.of(&secret.id.namespace, &secret.account)) {
        // A token dies with its account: what an earlier one of the name did was not done with this.
        let other = !uid.is_empty() && !secret.account_uid.is_empty() && uid != secret.account_uid;
        if other {
            continue;
        }
        if let Some(uses) = usage.legacy.get(&secret.id.name) {
            known.requests += uses.requests;
            known.last_seen = known.last_seen.max(uses.last_seen);
        }
        unnamed += usage.legacy.get("").map_or(0, |uses| uses.requests);
    }
    (known, unnamed)
}

/// As the finding of the detector `legacy-token` names them.
fn callers(secret: &TokenSecret, world: &World<'_>) -> Vec<Caller> {
    let text = |map: &Attributes, key: &str| match map.get(key) {
        Some(Attribute::Text(text)) => text.clone(),
        _ => String::new(),
    };
    let findings = world.findings(&secret.id.namespace, &secret.account).iter();
    let own = findings.filter(|finding| {
        finding.detector == "legacy-token" && text(&finding.attributes, "secret") == secret.id.name
    });
    let lists = own.filter_map(|finding| match finding.attributes.get("callers") {
        Some(Attribute::List(callers)) => Some(callers),
        _ => None,
    });
    lists
        .flatten()
        .filter_map(|caller| match caller {
            Attribute::Map(map) => Some(Caller {
                address: text(map, "address"),
                user_agent: text(map, "user_agent"),
                requests: match map.get("requests") {
                    Some(Attribute::Count(n)) => *n,
                    _ => 0,
                },
            }),
            _ => None,
        })
        .collect()
}

fn in_use(uses: &SecretUsage, callers: &[Caller]) -> String {
    let when = uses.last_seen.map(|time| {
        let text = time.to_string();
        format!(
            ", the last at {}",
            text.get(..19).unwrap_or(&text).replace('T', " ")
        )
    });
    let who = callers.first().map(|caller| {
        let more = match callers.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        format!(", by {} from {}{more}", caller.user_agent, caller.address)
    });
    format!(
        "{} requests in the log{}{}",
        uses.requests,
        when.unwrap_or_default(),
        who.unwrap_or_default()
    )
}

fn readers(pods: &[(&Pod, &'static str)]) -> String {
    let names: Vec<_> = pods
        .iter()
        .take(2)
        .map(|(pod, _)| pod.id.to_string())
        .collect();
    let more = match pods.len().saturating_sub(2) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let verb = if pods.len() == 1 {
        "mounts or reads"
    } else {
        "mount or read"
    };
    format!("{}{more} {verb}", names.join(", "))
}

/// Nothing shows a use: is that enough?
fn unused(
    secret: &TokenSecret,
    unnamed: u64,
    tracked: bool,
    world: &World<'_>,
) -> (Verdict, String) {
    let unknown = |why: String| (Verdict::Unknown, why);
    let safe = |why: String| (Verdict::SafeToDelete, why);
    if !world.inventory.has("Pod") {
        return unknown("the dump has no pods, which might mount it".to_owned());
    }
    if unnamed > 0 {
        return unknown(format!(
            "{unnamed} requests of its account came with a legacy token that the server does not name (before Kubernetes 1.29)"
        ));
    }
    let age = |text: Option<&str>| Some(days(day(text)?, world.as_of?));
    if let Some(days) = age(secret.last_used.as_deref()) {
        let text = format!("last used {days} days ago, by its label");
        return if days >= OLD_DAYS {
            safe(text)
        } else {
            unknown(format!("{text}: too lately to be sure"))
        };
    }
    if secret.invalid_since.is_some() {
        return safe("it is marked as invalid, and nothing tried it".to_owned());
    }
    if secret.last_used.is_some() {
        return unknown("its label legacy-token-last-used is no day".to_owned());
    }
    if tracked {
        return safe(
            "no label says that it was ever used, and other tokens have that label".to_owned(),
        );
    }
    match world.usage {
        None => unknown("no label says when it was last used, and no log was given".to_owned()),
        Some(usage) if usage.seconds() < ENOUGH_DAYS * 86_400 => unknown(
            "no label says when it was last used, and the log covers less than a day".to_owned(),
        ),
        Some(usage) => safe(format!(
            "no use in the {} days of the log",
            usage.seconds() / 86_400
        )),
    }
}
