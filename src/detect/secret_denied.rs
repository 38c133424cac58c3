//! Secrets that ServiceAccounts were refused to get or to write.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Attributes, Finding, Remediation, Severity, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, PerAccount,
    advice::{end_tokens, pods_of, step, times},
    caller::SHOWN,
    distinct::{Burst, Habit},
    draft::draft,
    judge::Graded,
    one_secret::{Asked, OneSecret, Place, namespace_of},
    refusal,
    request::Request,
    shell::quote,
};

about! {
    /// # What it finds
    ///
    /// Requests to `get` or to write secrets that a ServiceAccount was refused: one finding for each account.
    /// Refused lists and watches are `secret-listing`'s, so that each request is judged once. Left out as
    /// well: what admission refused (the account had the right), and what was asked as somebody else
    /// (`impersonation`).
    ///
    /// | what was refused | severity |
    /// |---|---|
    /// | secrets of the account's own namespace | low |
    /// | five different secrets or more | medium |
    /// | secrets of another namespace | medium |
    /// | ten different secrets or more, first asked for within a minute | high |
    ///
    /// One less, but not less than low, if it is routine: at least half of the secrets were asked for in both
    /// halves of a log of two hours or more. That is a mistake in a role, and nobody's attack.
    ///
    /// # Why it matters
    ///
    /// A refusal means that the roles did their work: nothing was lost, and so nothing here is critical. But
    /// a workload knows which secrets it may read. Who asks for many names, or over the border of the
    /// namespace, does not know, and will ask elsewhere next.
    ///
    /// # Known benign causes
    ///
    /// - A workload whose role lacks a name, or that was deployed before its role: few names, again and
    ///   again: low.
    /// - A shared image or chart that reads secrets in a namespace where it has no rights: routine.
    /// - The allow-list does not cover refusals.
    ///
    /// # What to do
    ///
    /// If it is the workload, grant it the names in `secrets`, or take the call out of it: constant refusals
    /// hide the others. If not (`addresses`, `user_agents`), somebody holds the account's token.
    ///
    /// Beyond 63 different names 64 are kept, chosen by hash, and numbers of names are estimates. Thresholds:
    /// `names`, `burst-names`, `burst-seconds`, `novelty-seconds` in `[thresholds.secret-denied]`.
    ///
    /// # Attributes
    ///
    /// - `secrets`: the secrets that were refused, the most asked for, as `namespace/name` (`*`: no name, as
    ///   for `create`), each with its `requests`, `first_seen`, `last_seen`; `distinct_secrets`: how many
    ///   there are
    /// - `busiest`: the `burst-seconds` in which the most secrets were asked for for the first time (`from`,
    ///   `seconds`, `distinct`)
    /// - `habit`: `routine`, `new` or `unknown`
    /// - `reads`, `writes`: how many there are of each
    /// - `requests`, `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`,
    ///   `impersonated`, `distinct_addresses`, `distinct_user_agents`: as for `default-serviceaccount`
    ///
    /// # Example
    ///
    /// ```text
    /// medium  secret-denied  ops/intruder  1 request
    ///   secrets: ci/deployer-token    user_agents: kubectl/v1.31.0 ...
    /// ```
    "secret-denied",
    "A ServiceAccount was refused to get or write secrets",
    [CONTAINER_API],
}

/// When refused requests for secrets are many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// So many different secrets. Five: a role that was forgotten lacks a few.
    pub names: NonZeroU32,
    /// So many at once. Ten: more than a workload reads when it starts.
    pub burst_names: NonZeroU32,
    /// Within so many seconds they come at once.
    pub burst_seconds: NonZeroU32,
    /// A log of fewer seconds cannot tell what is routine.
    pub novelty_seconds: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            names: number(5),
            burst_names: number(10),
            burst_seconds: number(60),
            novelty_seconds: number(7200),
        }
    }
}

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Refused {
    place: Place,
    write: bool,
}

impl Graded for Refused {
    fn is_denial(self) -> bool {
        true
    }
}

/// Secrets that were refused, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct SecretDenied {
    accounts: PerAccount<Asked<Refused>>,
}

impl Detector for SecretDenied {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest =
        Interest::all(Aspects::ACCOUNT.and(Aspects::SECRETS).and(Aspects::REFUSED));

    fn observe(&mut self, event: &Request<'_>) {
        if event.verb == "list" || event.verb == "watch" || !refusal::lacks_right(event) {
            return;
        }
        let Some(secret) = OneSecret::of(event) else {
            return;
        };
        let refused = Refused {
            place: secret.place,
            write: event.verb != "get",
        };
        self.accounts
            .note_user(event, |asked| asked.add(refused, &secret, event));
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.accounts();
        accounts
            .map(|(account, asked)| finding(account, asked, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let unseen = || {
            (log.secret_requests == 0).then(|| {
                "the log has no request on secrets by anybody: its policy may leave them out"
                    .to_owned()
            })
        };
        Coverage {
            evaluated: log.service_account_requests,
            blind: log.blind_to_accounts().or_else(unseen),
        }
    }
}

fn severity(
    asked: &Asked<Refused>,
    habit: Habit,
    busiest: Option<Burst>,
    limits: &Limits,
) -> Severity {
    let secrets = asked.secrets.count(|_, _| true);
    let abroad = asked
        .activity
        .deeds
        .count(|refused| refused.place > Place::Own)
        > 0;
    let at_once = busiest.map_or(0, |burst| burst.things);
    let severity = match () {
        () if at_once >= limits.burst_names.get().into() => Severity::High,
        () if abroad || secrets >= limits.names.get().into() => Severity::Medium,
        () => Severity::Low,
    };
    match (habit, severity) {
        (Habit::Routine, Severity::High) => Severity::Medium,
        (Habit::Routine, _) => Severity::Low,
        _ => severity,
    }
}

fn finding(account: ServiceAccount<'_>, asked: &Asked<Refused>, context: &Context<'_>) -> Finding {
    let limits = &context.settings.secret_denied;
    let secrets = &asked.secrets;
    let novelty = limits.novelty_seconds.get();
    let habit = secrets.habit(context.log, novelty, |_, _| true);
    let busiest = secrets.burst(limits.burst_seconds.get(), |_, _| true);
    let severity = severity(asked, habit, busiest, limits);
    let deeds = &asked.activity.deeds;
    let subject = Subject::service_account(account.namespace, account.name);
    let mut attributes = Attributes::new();
    asked.activity.write(&mut attributes);
    let mut put = |name: &str, value| attributes.insert(name.to_owned(), value);
    put("secrets", secrets.attribute(SHOWN, |_, _| true));
    put("distinct_secrets", secrets.count(|_, _| true).into());
    put("busiest", busiest.map(Burst::attribute).into());
    put("habit", habit.as_str().into());
    put("reads", deeds.count(|refused| !refused.write).into());
    put("writes", deeds.count(|refused| refused.write).into());
    Finding {
        severity,
        summary: summary(&subject, asked, severity),
        attributes,
        involves: asked.activity.callers.involved(),
        remediation: remediation(account, asked),
        ..draft(&ABOUT, subject, &[], &asked.activity.evidence, context)
    }
}

fn summary(subject: &Subject, asked: &Asked<Refused>, severity: Severity) -> String {
    let deeds = &asked.activity.deeds;
    let (all, writes) = (deeds.count(|_| true), deeds.count(|refused| refused.write));
    let verb = match writes {
        0 => "get",
        writes if writes == all => "write",
        _ => "get or write",
    };
    let what = match asked.secrets.count(|_, _| true) {
        1 => "a secret".to_owned(),
        n => format!("{n} secrets"),
    };
    let abroad = deeds.count(|refused| refused.place > Place::Own);
    let of = match abroad {
        0 => "of its own namespace",
        1 if all == 1 => "of another namespace",
        n if n == all => "of other namespaces",
        _ => "of its own and other namespaces",
    };
    let advice = match severity {
        Severity::Low => "grant the names that it needs, or take the call out",
        _ => "find out who is asking",
    };
    format!(
        "{subject} was refused {} to {verb} {what} {of}; {advice}",
        times(all)
    )
}

fn remediation(account: ServiceAccount<'_>, asked: &Asked<Refused>) -> Remediation {
    let mut steps = vec![pods_of(account)];
    let mut kept = asked.secrets.kept(|name, _| !name.ends_with("/*"));
    kept.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.requests()));
    let user = account.user_name();
    for (secret, _) in kept.iter().take(3) {
        let name = secret.split_once('/').map_or(*secret, |(_, name)| name);
        let namespace = quote(namespace_of(secret));
        steps.push(step(
            "if the workload needs it: a role for this one name (put a name for ROLE)",
            format!(
                "kubectl create role ROLE --namespace {namespace} --verb=get --resource=secrets --resource-name={}",
                quote(name)
            ),
        ));
        steps.push(step(
            "and bind it",
            format!(
                "kubectl create rolebinding ROLE --namespace {namespace} --role=ROLE --serviceaccount={}",
                quote(&format!("{}:{}", account.namespace, account.name))
            ),
        ));
        steps.push(step(
            "see that it works",
            format!(
                "kubectl auth can-i get {} --namespace {namespace} --as={}",
                quote(&format!("secrets/{name}")),
                quote(&user)
            ),
        ));
    }
    steps.push(end_tokens(account));
    Remediation {
        summary: "grant the workload the names that it needs; if it is not the workload that asks, end the token"
            .to_owned(),
        steps,
    }
}
