//! The eight habits that keep ServiceAccounts safe, held against what is there.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    LegacyToken, Verdict,
    checks::Workload,
    issue::{Check, Issue, count},
    world::World,
};

/// One habit, and whether it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Practice {
    /// Its name in every output.
    pub id: &'static str,
    /// What it asks for.
    pub title: &'static str,
    /// Whether it is kept.
    pub verdict: Kept,
    /// Why.
    pub because: String,
    /// The objects that break it, by name; the first ones.
    pub breakers: Vec<String>,
    /// How many break it.
    pub broken: usize,
}

/// Whether a habit is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// It is not.
    Fail,
    /// What was given does not say.
    Unknown,
    /// It is.
    Pass,
}

impl Kept {
    /// The name in every output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Pass => "pass",
        }
    }
}

/// So many that break a habit are named.
const NAMED: usize = 10;

fn verdict(
    (id, title): (&'static str, &'static str),
    breakers: Vec<String>,
    (broken, kept): (String, String),
) -> Practice {
    let fails = !breakers.is_empty();
    Practice {
        id,
        title,
        verdict: if fails { Kept::Fail } else { Kept::Pass },
        because: if fails { broken } else { kept },
        broken: breakers.len(),
        breakers: breakers.into_iter().take(NAMED).collect(),
    }
}

fn unknown((id, title): (&'static str, &'static str), because: impl Into<String>) -> Practice {
    Practice {
        id,
        title,
        verdict: Kept::Unknown,
        because: because.into(),
        breakers: Vec::new(),
        broken: 0,
    }
}

/// All eight, in the order in which they are usually listed.
pub(super) fn practices(
    world: &World<'_>,
    workloads: &[Workload<'_>],
    tokens: &[LegacyToken],
    issues: &[Issue],
) -> Vec<Practice> {
    vec![
        dedicated(world, workloads),
        default_automount(world),
        dedicated_automount(world),
        no_legacy_tokens(world, tokens),
        short_lifetimes(world, issues),
        workload_identity(world),
        reviewed(world, issues),
        silent_canaries(world, tokens),
    ]
}

fn dedicated(world: &World<'_>, workloads: &[Workload<'_>]) -> Practice {
    let about = (
        "dedicated-account",
        "one dedicated ServiceAccount per workload, never default",
    );
    if let Some(lacks) = world.lacks(&["Pod"]) {
        return unknown(about, lacks);
    }
    let mut by_account = BTreeMap::<(&str, &str), BTreeSet<_>>::new();
    for workload in workloads {
        by_account
            .entry((workload.namespace, workload.account))
            .or_default()
            .insert(workload.object());
    }
    let on_default = by_account
        .iter()
        .filter(|((_, name), _)| *name == "default");
    let on_default: usize = on_default.map(|(_, workloads)| workloads.len()).sum();
    let shared = |((_, name), workloads): &(&(&str, &str), &BTreeSet<_>)| {
        *name == "default" || workloads.len() > 1
    };
    let breakers: Vec<_> = by_account
        .iter()
        .filter(shared)
        .map(|((namespace, name), workloads)| {
            format!(
                "{namespace}/{name} ({})",
                count(workloads.len(), "workload")
            )
        })
        .collect();
    let sharing = breakers.len();
    verdict(
        about,
        breakers,
        (
            format!(
                "{} run as default; {} shared or default",
                count(on_default, "workload"),
                count(sharing, "account")
            ),
            format!(
                "{}, each with an account of its own",
                count(workloads.len(), "workload")
            ),
        ),
    )
}

fn default_automount(world: &World<'_>) -> Practice {
    let about = (
        "default-automount",
        "no token mounted by the default ServiceAccount of any namespace",
    );
    if let Some(lacks) = world.lacks(&["ServiceAccount"]) {
        return unknown(about, lacks);
    }
    let accounts = world.people.iter().map(|person| person.account);
    let defaults: Vec<_> = accounts
        .filter(|account| account.id.name == "default")
        .collect();
    if defaults.is_empty() {
        return unknown(
            about,
            "the dump has no default account: every namespace has one, so take it with -A",
        );
    }
    let breakers: Vec<_> = defaults
        .iter()
        .filter(|account| account.automount != Some(false))
        .map(|account| account.id.namespace.clone())
        .collect();
    let (broken, all) = (breakers.len(), count(defaults.len(), "namespace"));
    verdict(
        about,
        breakers,
        (
            format!("{broken} of {all} leave it on"),
            format!("it is off in {all}"),
        ),
    )
}

fn dedicated_automount(world: &World<'_>) -> Practice {
    let about = (
        "dedicated-automount",
        "automount off on dedicated ServiceAccounts, on in the pods that need it",
    );
    if let Some(lacks) = world.lacks(&["ServiceAccount"]) {
        return unknown(about, lacks);
    }
    let dedicated: Vec<_> = (world.people.iter())
        .filter(|person| person.account.id.name != "default" && !person.built_in)
        .collect();
    let breakers: Vec<_> = dedicated
        .iter()
        .filter(|person| person.account.automount != Some(false))
        .map(|person| person.account.id.to_string())
        .collect();
    let (broken, all) = (breakers.len(), count(dedicated.len(), "dedicated account"));
    verdict(
        about,
        breakers,
        (
            format!("{broken} of {all} leave it on"),
            format!("it is off on {all}"),
        ),
    )
}

fn no_legacy_tokens(world: &World<'_>, tokens: &[LegacyToken]) -> Practice {
    let about = ("no-legacy-tokens", "no token Secrets: bound tokens only");
    if let Some(lacks) = world.lacks(&["Secret"]) {
        return unknown(about, lacks);
    }
    let with = |verdict| {
        tokens
            .iter()
            .filter(|token| token.verdict == verdict)
            .count()
    };
    let broken = format!(
        "{}: {} in use, {} safe to delete, {} unknown",
        count(tokens.len(), "token Secret"),
        with(Verdict::InUse),
        with(Verdict::SafeToDelete),
        with(Verdict::Unknown)
    );
    let breakers = tokens
        .iter()
        .map(|token| token.secret.to_string())
        .collect();
    verdict(about, breakers, (broken, "there is none".to_owned()))
}

fn short_lifetimes(world: &World<'_>, issues: &[Issue]) -> Practice {
    let about = (
        "short-lifetimes",
        "tokens live no longer than the application needs",
    );
    if let Some(lacks) = world.lacks(&["Pod"]) {
        return unknown(about, lacks);
    }
    let odd = issues
        .iter()
        .filter(|issue| issue.check == Check::ProjectedToken);
    let breakers: Vec<_> = odd.map(|issue| issue.subject.to_string()).collect();
    let broken = count(breakers.len(), "workload");
    verdict(
        about,
        breakers,
        (
            format!("{broken} with tokens of an unusual lifetime"),
            "no projected token asks for more than a day; whether the server extends mounted ones to a year \
             (--service-account-extend-token-expiration, on by default) no dump says"
                .to_owned(),
        ),
    )
}

fn workload_identity(world: &World<'_>) -> Practice {
    let about = (
        "workload-identity",
        "workload identity instead of static cloud keys",
    );
    if let Some(lacks) = world.lacks(&["Pod"]) {
        return unknown(about, lacks);
    }
    let keys = world
        .inventory
        .pods
        .iter()
        .filter(|pod| !pod.cloud_keys.is_empty());
    let breakers: Vec<_> = keys
        .map(|pod| format!("{} ({})", pod.id, pod.cloud_keys.join(", ")))
        .collect();
    let identities = world
        .people
        .iter()
        .filter(|p| !p.account.cloud_identities.is_empty())
        .count();
    if breakers.is_empty() && identities == 0 {
        return unknown(
            about,
            "no pod has a variable that usually holds a cloud's key, and no account a cloud's identity",
        );
    }
    let broken = format!(
        "{} with a variable that usually holds a cloud's key",
        count(breakers.len(), "pod")
    );
    let kept = format!(
        "{} tied to an identity in a cloud, and no static key seen",
        count(identities, "account")
    );
    verdict(about, breakers, (broken, kept))
}

fn reviewed(world: &World<'_>, issues: &[Issue]) -> Practice {
    let about = (
        "reviewed-permissions",
        "permissions reviewed: nothing granted that is not used",
    );
    if let Some(lacks) = world.lacks(&["ServiceAccount"]) {
        return unknown(about, lacks);
    }
    if world.usage.is_none_or(|usage| usage.accounts.is_empty()) {
        return unknown(about, "no audit log that shows what is used");
    }
    if !["RoleBinding", "ClusterRoleBinding"]
        .iter()
        .any(|kind| world.inventory.has(kind))
    {
        return unknown(about, "the dump has no bindings");
    }
    let relevant =
        |issue: &&Issue| matches!(issue.check, Check::UnusedAccount | Check::UnusedPermissions);
    let breakers: Vec<_> = issues
        .iter()
        .filter(relevant)
        .map(|issue| issue.subject.to_string())
        .collect();
    let broken = format!(
        "{} with rights that they did not use in the log's period, or without any use",
        count(breakers.len(), "account")
    );
    verdict(
        about,
        breakers,
        (
            broken,
            "every right was used in the log's period".to_owned(),
        ),
    )
}

fn silent_canaries(world: &World<'_>, tokens: &[LegacyToken]) -> Practice {
    let about = (
        "silent-canaries",
        "no API calls by default accounts, no legacy token in use (alert on both)",
    );
    let Some(usage) = world.usage.filter(|usage| !usage.accounts.is_empty()) else {
        return unknown(about, "no audit log with requests of ServiceAccounts");
    };
    let defaults = usage
        .accounts
        .iter()
        .filter(|((_, name, _), usage)| name == "default" && usage.requests > 0);
    let mut breakers: Vec<_> = defaults
        .map(|((namespace, name, _), usage)| {
            format!("{namespace}/{name} ({} requests)", usage.requests)
        })
        .collect();
    let used = usage
        .accounts
        .iter()
        .flat_map(|((namespace, _, _), usage)| {
            usage.legacy.iter().map(move |(secret, uses)| {
                format!("{namespace}/{secret} ({} requests)", uses.requests)
            })
        });
    breakers.extend(used);
    let in_use = tokens
        .iter()
        .filter(|token| token.verdict == Verdict::InUse)
        .count();
    let broken = format!(
        "the log shows such requests; {} in use. Whether alerts exist neither dump nor log says: satrail alerts makes them",
        count(in_use, "legacy token")
    );
    verdict(
        about,
        breakers,
        (
            broken,
            "the log shows no such request; whether alerts exist neither dump nor log says"
                .to_owned(),
        ),
    )
}
