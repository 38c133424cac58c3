//! Many different permissions refused to one user within a short time.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Attributes, Finding, Remediation, Severity, Subject, SubjectKind},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, PerAccount,
    activity::Activity,
    advice::{end_tokens, pods_of, rights_of, step},
    caller::{SHOWN, subject},
    deed::{self, permission},
    distinct::{Burst, Distinct, Habit, Seen},
    draft::draft,
    judge::Graded,
    refusal,
    request::Request,
    shell::quote,
};

about! {
    /// # What it finds
    ///
    /// A user, mostly a ServiceAccount, that was refused five different permissions or more, which it first
    /// asked for within one minute. A permission is a verb on a resource in a namespace (or in all of them), or
    /// on a path.
    ///
    /// Only the first refusal of a permission counts towards the minute: an application that is refused the
    /// same few things all day does not probe, and its refusals do not hide somebody else's probing with the
    /// same account.
    ///
    /// | what was refused at once | severity |
    /// |---|---|
    /// | five permissions, most of them by watches and lists of informers | low |
    /// | five permissions | medium |
    /// | ten permissions, or five of which two are grave (secrets, RBAC, tokens, exec, `nodes/proxy`) | high |
    ///
    /// One less, but not less than low, if it is routine: at least half of the permissions were refused in both
    /// halves of a log of two hours or more. For people (user names that are neither ServiceAccounts nor
    /// `system:`) it is never more than low: who has few rights is refused a lot by dashboards.
    ///
    /// An informer is known by its requests: it watches, and it lists with `resourceVersion` in the query
    /// (client-go `tools/cache/reflector.go`), as kubectl and scripts do not.
    ///
    /// Left out: what admission refused, what was asked as somebody else (`impersonation`), and anonymous
    /// requests (`anonymous-access`).
    ///
    /// # Why it matters
    ///
    /// Whoever finds a token tries what it is good for. That is seen even if every single try fails.
    ///
    /// # Known benign causes
    ///
    /// - A controller that starts before its roles are there, or without them: informers, low.
    /// - An operator in another language, which lists without `resourceVersion`: routine in a log of some
    ///   hours, or one episode when it was installed.
    /// - The allow-list does not cover refusals.
    ///
    /// # What to do
    ///
    /// Compare `addresses`, `user_agents` and `pods` with the workload's own, and look at what the account did
    /// next (`related`). If it is the workload, mend its role: constant refusals hide the others.
    ///
    /// Beyond 63 different permissions 64 are kept, chosen by hash, and their number is estimated. Whether a
    /// permission was granted later is not known. Thresholds: `permissions`, `burst-seconds`,
    /// `novelty-seconds` in `[thresholds.denied-probing]`.
    ///
    /// # Attributes
    ///
    /// - `permissions`: what was refused, the most frequent first, each with its `requests`, `first_seen`,
    ///   `last_seen`; `distinct_permissions`: how many there are; `grave_permissions`: those of them that
    ///   are grave
    /// - `busiest`: the `burst-seconds` in which the most permissions were refused for the first time (`from`,
    ///   `seconds`, `distinct`)
    /// - `by_informers`: how many requests were an informer's
    /// - `habit`: `routine`, `new` or `unknown`
    /// - `requests`, `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`,
    ///   `impersonated`, `distinct_addresses`, `distinct_user_agents`: as for `default-serviceaccount`
    ///
    /// # Example
    ///
    /// ```text
    /// high  denied-probing  ops/intruder  7 requests
    ///   busiest: 7 within 60 s    permissions: list secrets in *, list nodes in *, ...
    /// ```
    "denied-probing",
    "Many different permissions were refused within a short time",
    [PERMISSION_GROUPS, CONTAINER_DISCOVERY],
}

/// When refused permissions are many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// So many different ones at once. Five: roles that were written by hand lack one or two.
    pub permissions: NonZeroU32,
    /// Within so many seconds they come at once.
    pub burst_seconds: NonZeroU32,
    /// A log of fewer seconds cannot tell what is routine.
    pub novelty_seconds: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            permissions: number(5),
            burst_seconds: number(60),
            novelty_seconds: number(7200),
        }
    }
}

/// What kind of refused request it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Probe {
    Informer,
    Plain,
    Grave,
}

impl Graded for Probe {
    fn is_denial(self) -> bool {
        true
    }
}

/// Refused permissions, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct DeniedProbing {
    users: PerAccount<Refused>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Refused {
    activity: Activity<Probe>,
    permissions: Distinct<Probe>,
}

impl Detector for DeniedProbing {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::REFUSED);

    fn observe(&mut self, event: &Request<'_>) {
        let user = event.user.name;
        if user.is_empty() || user == "system:anonymous" || !refusal::lacks_right(event) {
            return;
        }
        let probe = Probe::of(event);
        self.users.note_user(event, |refused| {
            refused.activity.add(probe, event);
            let permission = permission(event);
            refused.permissions.add(&[&permission], probe, event);
        });
    }

    fn merge(&mut self, other: Self) {
        self.users.merge(other.users);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let users = self.users.sorted().into_iter();
        users
            .filter_map(|(user, refused)| finding(user, refused, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        Coverage {
            evaluated: log.requests,
            blind: (log.requests == 0).then(|| "the log has no requests".to_owned()),
        }
    }
}

impl Merge for Refused {
    fn merge(&mut self, other: Self) {
        self.activity.merge(other.activity);
        self.permissions.merge(other.permissions);
    }
}

impl Probe {
    fn of(event: &Request<'_>) -> Self {
        let versioned = || deed::parameter(event.uri(), "resourceVersion").is_some();
        if event.verb == "watch" || event.verb == "list" && versioned() {
            return Self::Informer;
        }
        let Some(object) = event.object else {
            return Self::Plain;
        };
        let subresource = object.subresource;
        let grave = event.is_core("secrets")
            || object.group == "rbac.authorization.k8s.io"
            || object.resource == "serviceaccounts" && subresource == "token"
            || object.resource == "nodes" && subresource == "proxy"
            || deed::enters_pod(event);
        if grave { Self::Grave } else { Self::Plain }
    }
}

/// What a user's refusals come to.
struct Sum {
    /// The minute in which the most permissions were refused for the first time.
    busiest: Burst,
    habit: Habit,
    severity: Severity,
}

impl Sum {
    fn of(subject: &Subject, refused: &Refused, context: &Context<'_>) -> Option<Self> {
        let limits = &context.settings.denied_probing;
        let (limit, seconds) = (
            u64::from(limits.permissions.get()),
            limits.burst_seconds.get(),
        );
        let permissions = &refused.permissions;
        let busiest = permissions.burst(seconds, |_, _| true)?;
        if busiest.things < limit {
            return None;
        }
        let at_once = |wanted: fn(Probe) -> bool| {
            let wanted = |_: &str, seen: &Seen<Probe>| seen.worst().is_some_and(wanted);
            let burst = permissions.burst(seconds, wanted);
            burst.map_or(0, |burst| burst.things)
        };
        let probes = at_once(|probe| probe > Probe::Informer);
        let severity = match () {
            () if probes < limit => Severity::Low,
            () if probes >= 2 * limit || at_once(|probe| probe == Probe::Grave) >= 2 => {
                Severity::High
            }
            () => Severity::Medium,
        };
        let habit = permissions.habit(context.log, limits.novelty_seconds.get(), |_, _| true);
        let severity = match (habit, severity) {
            _ if is_person(subject) => Severity::Low,
            (Habit::Routine, Severity::High) => Severity::Medium,
            (Habit::Routine, _) => Severity::Low,
            _ => severity,
        };
        Some(Self {
            busiest,
            habit,
            severity,
        })
    }
}

fn is_person(subject: &Subject) -> bool {
    subject.kind == SubjectKind::User && !subject.name.starts_with("system:")
}

fn finding(user: &str, refused: &Refused, context: &Context<'_>) -> Option<Finding> {
    let subject = subject(user);
    let sum = Sum::of(&subject, refused, context)?;
    let permissions = &refused.permissions;
    let is_grave = |_: &str, seen: &Seen<Probe>| seen.worst() == Some(Probe::Grave);
    let by_informers = refused
        .activity
        .deeds
        .count(|probe| probe == Probe::Informer);
    let mut attributes = Attributes::new();
    refused.activity.write(&mut attributes);
    let mut put = |name: &str, value| attributes.insert(name.to_owned(), value);
    put("permissions", permissions.attribute(SHOWN, |_, _| true));
    put(
        "distinct_permissions",
        permissions.count(|_, _| true).into(),
    );
    put("grave_permissions", permissions.count(is_grave).into());
    put("busiest", sum.busiest.attribute());
    put("by_informers", by_informers.into());
    put("habit", sum.habit.as_str().into());
    Some(Finding {
        severity: sum.severity,
        summary: summary(&subject, refused, &sum),
        attributes,
        involves: refused.activity.callers.involved(),
        remediation: remediation(user),
        ..draft(&ABOUT, subject, &[], &refused.activity.evidence, context)
    })
}

fn summary(subject: &Subject, refused: &Refused, sum: &Sum) -> String {
    let grave = |_: &str, seen: &Seen<Probe>| seen.worst() == Some(Probe::Grave);
    let grave = match refused.permissions.count(grave) {
        0 => String::new(),
        n => format!(", {n} of them grave"),
    };
    let advice = match sum.severity {
        Severity::Low if is_person(subject) => "check that they need these rights",
        Severity::Low => "mend its role, or take the calls out",
        _ => "find out whether it is the workload that asks",
    };
    format!(
        "{subject} was refused {} different permissions within {} s{grave}; {advice}",
        sum.busiest.things, sum.busiest.seconds
    )
}

fn remediation(user: &str) -> Remediation {
    let account = ServiceAccount::from_user_name(user);
    let steps = match account {
        Some(account) => vec![
            pods_of(account),
            rights_of(user, account.namespace),
            end_tokens(account),
        ],
        None => vec![step(
            "see which rights the user has",
            format!("kubectl auth can-i --list --as={}", quote(user)),
        )],
    };
    Remediation {
        summary: "find out who is asking: mend the role if it is the workload, end the token if it is not"
            .to_owned(),
        steps,
    }
}
