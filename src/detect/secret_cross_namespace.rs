//! Single secrets of other namespaces read by ServiceAccounts.

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
    distinct::{Habit, Seen},
    draft::draft,
    judge::Graded,
    one_secret::{self, Asked, OneSecret, Place, kinds, namespace_of},
    request::Request,
    shell::quote,
};

about! {
    /// # What it finds
    ///
    /// Single secrets of other namespaces than the account's own that a ServiceAccount has read by name
    /// (`get`, or `list` and `watch` of a single name): one finding for each account.
    ///
    /// | secrets of | read | if it is routine |
    /// |---|---|---|
    /// | kube-system | high | medium |
    /// | other namespaces | medium | low |
    ///
    /// It is *routine* if at least half of the secrets were read in both halves of the log, and the log is
    /// two hours long or more. Requests for secrets that are not there (404) are counted and not judged. What
    /// the allow-list covers is `info`. Whole lists are `secret-listing`'s, refused requests
    /// `secret-denied`'s, and what was done as somebody else is `impersonation`'s.
    ///
    /// # Why it matters
    ///
    /// A namespace is the border that most roles are drawn along. An account that reads over it has a
    /// cluster-wide role, or a RoleBinding that somebody made for it there; if its token is stolen, the other
    /// namespace is open too. kube-system holds the credentials of the cluster itself.
    ///
    /// # Known benign causes
    ///
    /// - Operators that resolve references to secrets in every namespace (certificates, ingress, external
    ///   secrets, backups): allow-listed where they are well known. Elsewhere, add an entry with a reason.
    /// - kubelets and mounted secrets are not affected: they read as nodes, and pods mount secrets of their
    ///   own namespace alone.
    ///
    /// # What to do
    ///
    /// `allowed_by` names the binding. Give the account a Role in the other namespace with the names that it
    /// needs (`resourceNames`), and take the wide one away. If the caller is not the workload, rotate what
    /// is in `secrets`.
    ///
    /// Beyond 63 different names 64 are kept, chosen by hash, and numbers of names are estimates. Threshold:
    /// `novelty-seconds` in `[thresholds.secret-cross-namespace]`.
    ///
    /// # Attributes
    ///
    /// - `secrets`: the secrets that were read, the most read ones, as `namespace/name`, each with its
    ///   `requests`, `first_seen`, `last_seen`; `distinct_secrets`: how many there are
    /// - `kinds`: as for `secret-enumeration`
    /// - `missing`: secrets that were asked for and not there
    /// - `habit`: `routine`, `new` or `unknown`
    /// - `allowed_by`: as for `secret-listing`
    /// - `requests`, `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`,
    ///   `impersonated`, `distinct_addresses`, `distinct_user_agents`, `allowed_as`, `not_allow_listed`: as
    ///   for `default-serviceaccount`
    ///
    /// # Example
    ///
    /// ```text
    /// medium  secret-cross-namespace  kube-system/super  1 request
    ///   secrets: ci/deployer-token    allowed_by: ClusterRoleBinding super-admin-sa of ClusterRole cluster-admin
    /// ```
    "secret-cross-namespace",
    "A ServiceAccount reads a secret of another namespace",
    [CONTAINER_API],
}

/// When reading secrets of other namespaces is routine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// A log of fewer seconds cannot tell. Two hours: what runs hourly is in both halves.
    pub novelty_seconds: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            novelty_seconds: NonZeroU32::new(7200).unwrap_or(NonZeroU32::MIN),
        }
    }
}

/// Where the secret lies that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Reach {
    /// It was not there.
    Missing,
    Other,
    KubeSystem,
}

impl Graded for Reach {
    fn is_denial(self) -> bool {
        false
    }
}

/// Secrets of other namespaces that were read, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct SecretCrossNamespace {
    accounts: PerAccount<Asked<Reach>>,
}

impl Detector for SecretCrossNamespace {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest =
        Interest::all(Aspects::ACCOUNT.and(Aspects::SECRETS).and(Aspects::READ));

    fn observe(&mut self, event: &Request<'_>) {
        if event.refused() || !(event.succeeded() || event.code == Some(404)) {
            return;
        }
        let Some(secret) = OneSecret::read_by(event) else {
            return;
        };
        let reach = match secret.place {
            Place::Own => return,
            _ if !event.succeeded() => Reach::Missing,
            Place::Other => Reach::Other,
            Place::KubeSystem => Reach::KubeSystem,
        };
        self.accounts
            .note_user(event, |asked| asked.add(reach, &secret, event));
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

fn is_read(_: &str, seen: &Seen<Reach>) -> bool {
    seen.worst() > Some(Reach::Missing)
}

fn finding(
    account: ServiceAccount<'_>,
    asked: &Asked<Reach>,
    context: &Context<'_>,
) -> Option<Finding> {
    if asked.activity.deeds.count(|reach| reach > Reach::Missing) == 0 {
        return None;
    }
    let limits = &context.settings.secret_cross_namespace;
    let novelty = limits.novelty_seconds.get();
    let habit = asked.secrets.habit(context.log, novelty, is_read);
    let subject = Subject::service_account(account.namespace, account.name);
    let allow = |agent: &str| context.settings.allow.expects(ABOUT.id, &subject, agent);
    let judgement = asked
        .activity
        .deeds
        .judge(allow, |reach| match (reach, habit) {
            (Reach::Missing, _) => Severity::Info,
            (Reach::Other, Habit::Routine) => Severity::Low,
            (Reach::Other, _) | (Reach::KubeSystem, Habit::Routine) => Severity::Medium,
            (Reach::KubeSystem, _) => Severity::High,
        });
    let secrets = &asked.secrets;
    let mut attributes = Attributes::new();
    let mut put = |name: &str, value| attributes.insert(name.to_owned(), value);
    put("secrets", secrets.attribute(SHOWN, is_read));
    put("distinct_secrets", secrets.count(is_read).into());
    let read = secrets.kept(is_read).into_iter().map(|(name, _)| name);
    put("kinds", kinds(read));
    let missing = |name: &str, seen: &Seen<Reach>| !is_read(name, seen);
    put("missing", secrets.attribute(SHOWN, missing));
    put("habit", habit.as_str().into());
    asked.write(&mut attributes);
    judgement.write(&mut attributes);
    Some(Finding {
        severity: judgement.severity,
        summary: summary(&subject, asked, judgement.severity),
        attributes,
        involves: asked.activity.callers.involved(),
        remediation: remediation(account, asked),
        ..draft(&ABOUT, subject, &[], &asked.activity.evidence, context)
    })
}

fn summary(subject: &Subject, asked: &Asked<Reach>, severity: Severity) -> String {
    let what = match asked.secrets.count(is_read) {
        1 => "a secret".to_owned(),
        n => format!("{n} secrets"),
    };
    let kept = asked.secrets.kept(is_read);
    let namespaces = kept.iter().map(|(name, _)| namespace_of(name));
    let namespaces: std::collections::BTreeSet<&str> = namespaces.collect();
    let of = match namespaces.len() {
        _ if namespaces.contains("kube-system") => "kube-system".to_owned(),
        1 => "another namespace".to_owned(),
        n => format!("{n} other namespaces"),
    };
    let reads = asked.activity.deeds.count(|reach| reach > Reach::Missing);
    let times = times(reads);
    let advice = match severity {
        Severity::Info => "nothing to do",
        Severity::Low => "check that it needs them",
        _ => "find out whether it is the workload that asks, and narrow what it may read",
    };
    format!("{subject} read {what} of {of} ({times}); {advice}")
}

fn remediation(account: ServiceAccount<'_>, asked: &Asked<Reach>) -> Remediation {
    let narrow = "take secrets out of the role; grant the account the names that it needs in the other \
                  namespace (resourceNames)";
    let mut steps = vec![pods_of(account)];
    steps.extend(asked.grants.steps(narrow));
    let mut kept = asked.secrets.kept(is_read);
    kept.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.requests()));
    for (secret, _) in kept.into_iter().take(3) {
        let (namespace, name) = secret.split_once('/').unwrap_or(("", secret));
        steps.push(step(
            "see whether it may still read it",
            format!(
                "kubectl auth can-i get {} --namespace {} --as={}",
                quote(&format!("secrets/{name}")),
                quote(namespace),
                quote(&account.user_name())
            ),
        ));
    }
    steps.push(end_tokens(account));
    Remediation {
        summary:
            "narrow the role to the secrets that it needs; rotate them if the caller is not known"
                .to_owned(),
        steps,
    }
}
