//! Many different secrets read by name by one ServiceAccount.

use std::{collections::BTreeSet, num::NonZeroU32};

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Attributes, Finding, Remediation, Severity, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, PerAccount,
    advice::{end_tokens, pods_of, rights_of, step},
    caller::SHOWN,
    distinct::{Burst, Habit, Seen},
    draft::draft,
    judge::{Graded, Judgement},
    one_secret::{self, Asked, OneSecret, is_helm_release, kinds, namespace_of},
    request::Request,
    shell::quote,
};

about! {
    /// # What it finds
    ///
    /// ServiceAccounts that read many different secrets one by one (`get`, or `list` and `watch` of a single
    /// name), or ask for many names that are not there. Helm's releases (`sh.helm.release.v1.*`) are counted
    /// apart: every upgrade makes a new one.
    ///
    /// Reading secrets is what many workloads are for, so the severity comes from what is unusual about it:
    ///
    /// | ten different secrets or more | routine | cannot be told | new | new, ten within a minute |
    /// |---|---|---|---|---|
    /// | of the account's own namespace | info | low | low | medium |
    /// | of other namespaces as well | low | medium | medium | high |
    ///
    /// *Routine*: at least half of them were read in both halves of the log. *New*: most were first read in
    /// its second half. A log of less than two hours cannot tell.
    ///
    /// Five names or more that never were there (404), that the account did not write either, and that it
    /// asked for once or twice each, are guesses: medium, and high if five of them came within a minute. An
    /// operator that waits for a secret asks again and again for the same name.
    ///
    /// What the allow-list covers is `info`. Refused requests are `secret-denied`'s, lists are
    /// `secret-listing`'s, and what was done as somebody else is `impersonation`'s.
    ///
    /// # Why it matters
    ///
    /// Who may get secrets by name and cannot list them has to know or to guess the names: the names of
    /// generated token secrets have five random characters, those of applications are easily guessed. Who
    /// reads one after the other is collecting them.
    ///
    /// # Known benign causes
    ///
    /// - Operators that resolve references to secrets: allow-listed where they are well known; routine in a
    ///   log of some hours.
    /// - A new operator, or an old one that was restarted: new, and at once. See whether `user_agents` and
    ///   `pods` are its own.
    /// - Deployments by Helm, which read releases: counted as `helm_releases` and not judged. They hold the
    ///   values of the chart, which may have passwords among them.
    /// - kubelets read the secrets of their pods one by one, as nodes: not affected.
    ///
    /// # What to do
    ///
    /// Look at `addresses`, `user_agents` and `pods`: is it the workload? Then limit its role to the names
    /// that it needs (`resourceNames`). If not, delete the pods, and rotate what is in `secrets`.
    ///
    /// The log must not be read as complete: beyond 63 different names 64 are kept, chosen by hash, and
    /// numbers of names are estimates. Thresholds: `names`, `guesses`, `burst-seconds`, `novelty-seconds` in
    /// `[thresholds.secret-enumeration]`.
    ///
    /// # Attributes
    ///
    /// - `secrets`: the secrets that were read, the most read ones, as `namespace/name`, each with its
    ///   `requests`, `first_seen`, `last_seen`; `distinct_secrets`: how many there are, Helm's releases left
    ///   out; `helm_releases`: how many of those
    /// - `kinds`: the secrets that are kept by what their names tell: `serviceaccount-token`, `image-pull`,
    ///   `helm-release`, `other`
    /// - `missing`, `distinct_missing`: the same for guesses
    /// - `busiest`: the `burst-seconds` in which the most secrets were read for the first time (`from`,
    ///   `seconds`, `distinct`)
    /// - `habit`: `routine`, `new` or `unknown`
    /// - `allowed_by`: as for `secret-listing`
    /// - `requests`, `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`,
    ///   `impersonated`, `distinct_addresses`, `distinct_user_agents`, `allowed_as`, `not_allow_listed`: as
    ///   for `default-serviceaccount`
    ///
    /// # Example
    ///
    /// ```text
    /// high  secret-enumeration  shop/web  24 requests
    ///   distinct_secrets: 4    missing: shop/admin, shop/db, shop/root, ...    distinct_missing: 20
    /// ```
    "secret-enumeration",
    "A ServiceAccount reads many secrets by name, or guesses names",
    [CONTAINER_API],
}

/// When secrets read by name are many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// So many different ones. Ten: few workloads mount or read more, and single rules of others begin at
    /// three and are drowned in noise.
    pub names: NonZeroU32,
    /// So many names that are not there. Five: a typing error and its repair take two or three.
    pub guesses: NonZeroU32,
    /// Within so many seconds they come at once.
    pub burst_seconds: NonZeroU32,
    /// A log of fewer seconds cannot tell what is new. Two hours: what runs hourly is in both halves.
    pub novelty_seconds: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            names: number(10),
            guesses: number(5),
            burst_seconds: number(60),
            novelty_seconds: number(7200),
        }
    }
}

/// What came of a request for one secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Outcome {
    /// The account wrote it: it knows the name.
    Written,
    Missing,
    Found,
}

impl Graded for Outcome {
    fn is_denial(self) -> bool {
        false
    }
}

/// Secrets that were asked for by name, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct SecretEnumeration {
    accounts: PerAccount<Asked<Outcome>>,
}

impl Detector for SecretEnumeration {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::ACCOUNT.and(Aspects::SECRETS));

    fn observe(&mut self, event: &Request<'_>) {
        let read = OneSecret::read_by(event);
        let outcome = match event.code {
            _ if event.refused() => return,
            Some(404) if read.is_some() => Outcome::Missing,
            _ if !event.succeeded() => return,
            _ if read.is_some() => Outcome::Found,
            _ => Outcome::Written,
        };
        let Some(secret) = read.or_else(|| OneSecret::of(event)) else {
            return;
        };
        if secret.name.is_empty() {
            return;
        }
        self.accounts.note_user(event, |asked| match outcome {
            Outcome::Written => asked.add_secret(outcome, &secret, event),
            _ => asked.add(outcome, &secret, event),
        });
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.sorted().into_iter();
        accounts
            .filter_map(|(user, asked)| {
                let account = ServiceAccount::from_user_name(user)?;
                finding(account, asked, context)
            })
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        one_secret::coverage(log)
    }
}

fn is_found(name: &str, seen: &Seen<Outcome>) -> bool {
    seen.of(Outcome::Found) > 0 && !is_helm_release(name)
}

/// Never there, never written, and soon given up.
fn is_guess(name: &str, seen: &Seen<Outcome>) -> bool {
    seen.worst() == Some(Outcome::Missing)
        && seen.of(Outcome::Written) == 0
        && seen.of(Outcome::Missing) <= 2
        && !is_helm_release(name)
}

/// What an account's requests come to.
struct Sum<'a> {
    asked: &'a Asked<Outcome>,
    found: u64,
    guesses: u64,
    /// Namespaces of the secrets found, other than the account's own.
    others: BTreeSet<&'a str>,
    habit: Habit,
    busiest: Option<Burst>,
    /// The severity of reading so many.
    breadth: Severity,
    /// The severity of guessing.
    guessing: Severity,
}

impl<'a> Sum<'a> {
    fn of(account: ServiceAccount<'_>, asked: &'a Asked<Outcome>, context: &Context<'_>) -> Self {
        let limits = &context.settings.secret_enumeration;
        let (secrets, span) = (&asked.secrets, limits.burst_seconds.get());
        let kept = secrets.kept(is_found);
        let others = kept.iter().map(|(name, _)| namespace_of(name));
        let others: BTreeSet<&str> = others.filter(|name| *name != account.namespace).collect();
        let habit = secrets.habit(context.log, limits.novelty_seconds.get(), is_found);
        let busiest = secrets.burst(span, is_found);
        let is_many = |burst: Option<Burst>, limit: NonZeroU32| {
            burst.is_some_and(|burst| burst.things >= limit.get().into())
        };
        let found = secrets.count(is_found);
        let breadth = match (found >= limits.names.get().into(), others.is_empty(), habit) {
            (false, ..) | (_, true, Habit::Routine) => Severity::Info,
            (_, true, Habit::New) if is_many(busiest, limits.names) => Severity::Medium,
            (_, true, _) | (_, false, Habit::Routine) => Severity::Low,
            (_, false, Habit::New) if is_many(busiest, limits.names) => Severity::High,
            (_, false, _) => Severity::Medium,
        };
        let guesses = secrets.count(is_guess);
        let guessing = if guesses < limits.guesses.get().into() {
            Severity::Info
        } else if is_many(secrets.burst(span, is_guess), limits.guesses) {
            Severity::High
        } else {
            Severity::Medium
        };
        Self {
            asked,
            found,
            guesses,
            others,
            habit,
            busiest,
            breadth,
            guessing,
        }
    }

    fn judge(&self, subject: &Subject, context: &Context<'_>) -> Judgement {
        let allow = |agent: &str| context.settings.allow.expects(ABOUT.id, subject, agent);
        self.asked
            .activity
            .deeds
            .judge(allow, |outcome| match outcome {
                Outcome::Written => Severity::Info,
                Outcome::Missing => self.guessing,
                Outcome::Found => self.breadth,
            })
    }
}

fn finding(
    account: ServiceAccount<'_>,
    asked: &Asked<Outcome>,
    context: &Context<'_>,
) -> Option<Finding> {
    let limits = &context.settings.secret_enumeration;
    let sum = Sum::of(account, asked, context);
    if sum.found < limits.names.get().into() && sum.guessing == Severity::Info {
        return None;
    }
    let subject = Subject::service_account(account.namespace, account.name);
    let judgement = sum.judge(&subject, context);
    Some(Finding {
        severity: judgement.severity,
        summary: summary(&subject, &sum, judgement.severity),
        attributes: attributes(&sum, &judgement),
        involves: asked.activity.callers.involved(),
        remediation: remediation(account, &sum),
        ..draft(&ABOUT, subject, &[], &asked.activity.evidence, context)
    })
}

fn attributes(sum: &Sum<'_>, judgement: &Judgement) -> Attributes {
    let secrets = &sum.asked.secrets;
    let is_release =
        |name: &str, seen: &Seen<Outcome>| is_helm_release(name) && seen.of(Outcome::Found) > 0;
    let read = secrets.kept(|_, seen| seen.of(Outcome::Found) > 0);
    let mut attributes = Attributes::new();
    let mut put = |name: &str, value| attributes.insert(name.to_owned(), value);
    put("secrets", secrets.attribute(SHOWN, is_found));
    put("distinct_secrets", sum.found.into());
    put("helm_releases", secrets.count(is_release).into());
    put("kinds", kinds(read.into_iter().map(|(name, _)| name)));
    put("missing", secrets.attribute(SHOWN, is_guess));
    put("distinct_missing", sum.guesses.into());
    put("busiest", sum.busiest.map(Burst::attribute).into());
    put("habit", sum.habit.as_str().into());
    sum.asked.write(&mut attributes);
    judgement.write(&mut attributes);
    attributes
}

fn summary(subject: &Subject, sum: &Sum<'_>, severity: Severity) -> String {
    let mut parts = Vec::new();
    if sum.found > 0 {
        let at_once = match sum.busiest {
            Some(burst) if burst.things > 1 => {
                format!(", {} of them within {} s", burst.things, burst.seconds)
            }
            _ => String::new(),
        };
        let of = match sum.others.len() {
            0 => "of its own namespace".to_owned(),
            1 => "of 1 other namespace as well".to_owned(),
            n => format!("of {n} other namespaces as well"),
        };
        parts.push(format!("read {} secrets by name {of}{at_once}", sum.found));
    }
    if sum.guessing > Severity::Info {
        parts.push(format!("tried {} names that are not there", sum.guesses));
    }
    let advice = match severity {
        Severity::Info => "nothing to do",
        Severity::Low => "check that it needs them all",
        _ if sum.guessing > Severity::Info => "somebody may be guessing: find out who is calling",
        _ => "find out who is calling, and limit its role to the names that it needs",
    };
    format!("{subject} {}; {advice}", parts.join(" and "))
}

fn remediation(account: ServiceAccount<'_>, sum: &Sum<'_>) -> Remediation {
    let user = account.user_name();
    let narrow = "name the secrets that it needs in the role's rule on secrets (resourceNames)";
    let mut steps = vec![pods_of(account)];
    steps.extend(sum.asked.grants.steps(narrow));
    steps.push(rights_of(&user, account.namespace));
    let secrets = &sum.asked.secrets;
    let mut kept = secrets.kept(is_found);
    kept.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.requests()));
    for (secret, _) in kept.into_iter().take(3) {
        let (namespace, name) = secret.split_once('/').unwrap_or(("", secret));
        steps.push(step(
            "if the caller is not the workload, everything that was read is to be rotated: see what it is \
             (the values are not shown)",
            format!(
                "kubectl describe secret --namespace {} {}",
                quote(namespace),
                quote(name)
            ),
        ));
    }
    steps.push(end_tokens(account));
    Remediation {
        summary: "find out who is calling; limit the role to the names that the workload needs"
            .to_owned(),
        steps,
    }
}
