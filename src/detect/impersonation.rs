//! Requests made as somebody else, and attempts at it that were refused.

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Attributes, Finding, Involved, Remediation, Severity, Step, Subject, SubjectKind},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, PerAccount, Tally,
    activity::Activity,
    advice::{end_tokens, pods_of, step, times},
    caller::{SHOWN, subject},
    distinct::{Distinct, Seen},
    draft::draft,
    grants::Grants,
    impersonated::{Act, Caller, Outcome, Target, Wish, in_words, severity},
    refusal,
    request::Request,
    shell::quote,
};

about! {
    /// # What it finds
    ///
    /// Requests that a user made as somebody else (`kubectl --as`, the header `Impersonate-User`), and attempts
    /// that were refused: one finding for each user who did so.
    ///
    /// | as whom | by a ServiceAccount or node: refused, acted | by others: refused, acted |
    /// |---|---|---|
    /// | the cluster's administrators (1) | medium, critical (high if its request was refused) | low, medium |
    /// | a node, another ServiceAccount | medium, high (medium if its request was refused) | low, medium |
    /// | another user | medium, medium; high if it read secrets or changed something | low, low; medium |
    ///
    /// (1) the groups `system:masters` and `kubeadm:cluster-admins`, user names that begin with `system:` and are
    /// neither nodes' nor accounts', and whoever the log shows to have acted by the cluster role `cluster-admin`.
    ///
    /// A member of `system:masters` may do anything, and impersonates to try out others' rights: low at most.
    /// What the allow-list covers is `info`, refusals of impersonation itself excepted.
    ///
    /// # Why it matters
    ///
    /// The right to impersonate is every right of those who may be impersonated. And it covers tracks: in the
    /// logs of others the request is somebody else's. In the audit log the first name is the real one.
    ///
    /// # Known benign causes
    ///
    /// - Proxies that authenticate people by themselves and pass their requests on (Rancher, Pinniped,
    ///   Teleport, Azure Arc): all their requests are made as somebody else: allow-listed.
    /// - Controllers that apply what stands in Git, and act as a tenant's ServiceAccount (Flux): allow-listed
    ///   for their own user agents.
    /// - Administrators who look at what others may do.
    ///
    /// # What to do
    ///
    /// See which role lets it impersonate, and take `impersonate` out, or limit it by `resourceNames` (from
    /// Kubernetes 1.36 on also by constrained impersonation, KEP-5284). Look at what was done as the others:
    /// their own findings are `related`.
    ///
    /// Before Kubernetes 1.24, and where the log lacks `responseStatus.message`, attempts that were refused
    /// leave no trace.
    ///
    /// # Attributes
    ///
    /// - `acted_as`: as whom requests were made, the most frequent first, groups that were asked for in
    ///   brackets, each with its `requests`, `first_seen`, `last_seen`; `distinct_acted_as`: how many there are
    /// - `wanted`: whom it wanted to be and was refused, as far as the message tells
    /// - `outcomes`: requests by what came of them: `impersonation-refused`, `refused` (as the other one),
    ///   `failed`, `read`, `grave` (read secrets or changed something)
    /// - `allowed_by`: the bindings by which the others' requests were allowed
    /// - `requests`, `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`,
    ///   `impersonated`, `distinct_addresses`, `distinct_user_agents`, `allowed_as`, `not_allow_listed`: as
    ///   for `default-serviceaccount`
    ///
    /// # Example
    ///
    /// ```text
    /// critical  impersonation  ops/intruder  4 requests
    ///   acted_as: alice@example.com (system:masters), system:admin, system:serviceaccount:kube-system:super, x
    /// ```
    "impersonation",
    "Requests were made as somebody else",
    [TEMPORARY_ELEVATION, VALID_ACCOUNTS],
}

/// Impersonation, by the name of the user who did it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Impersonation {
    users: PerAccount<Acts>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Acts {
    activity: Activity<Act>,
    acted_as: Distinct<Act>,
    /// In words, for people.
    wanted: Tally,
    /// User names, as far as they are known.
    wanted_users: Tally,
    grants: Grants,
    is_master: bool,
}

impl Detector for Impersonation {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::IMPERSONATION);

    fn observe(&mut self, event: &Request<'_>) {
        let name = event.user.name.read();
        if let Some(other) = event.impersonated_user {
            let act = Act {
                outcome: Outcome::of(event),
                target: Target::of(&other, event),
            };
            self.users.note(&name, |acts| {
                acts.add(act, event);
                acts.grants.add(event);
                acts.acted_as.add(&[&in_words(&other)], act, event);
            });
        } else if let Some(refusal) = refusal::impersonation_refused(event) {
            let wish = Wish::of(&refusal);
            let act = Act {
                outcome: Outcome::Denied,
                target: wish.target,
            };
            self.users.note(&name, |acts| {
                acts.add(act, event);
                acts.wanted.add(&wish.words, event);
                if let Some(user) = &wish.user {
                    acts.wanted_users.add(user, event);
                }
            });
        }
    }

    fn merge(&mut self, other: Self) {
        self.users.merge(other.users);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let users = self.users.sorted().into_iter();
        users
            .map(|(user, acts)| finding(user, acts, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        Coverage {
            evaluated: log.requests,
            blind: (log.requests == 0).then(|| "the log has no requests".to_owned()),
        }
    }
}

impl Acts {
    fn add(&mut self, act: Act, event: &Request<'_>) {
        self.activity.add(act, event);
        self.is_master |= event.user.groups().any(|group| group == "system:masters");
    }

    /// Those whom it acted as, and those whom it wanted to be.
    fn involved(&self) -> Involved {
        let mut involved = self.activity.callers.involved();
        let wanted = self.wanted_users.ranked().into_iter();
        involved
            .subjects
            .extend(wanted.map(|user| subject(&user.value)));
        involved
    }
}

impl Merge for Acts {
    fn merge(&mut self, other: Self) {
        self.activity.merge(other.activity);
        self.acted_as.merge(other.acted_as);
        self.wanted.merge(other.wanted);
        self.wanted_users.merge(other.wanted_users);
        self.grants.merge(other.grants);
        self.is_master |= other.is_master;
    }
}

fn finding(user: &str, acts: &Acts, context: &Context<'_>) -> Finding {
    let (subject, activity) = (subject(user), &acts.activity);
    let caller = match subject.kind {
        _ if acts.is_master => Caller::Master,
        SubjectKind::ServiceAccount => Caller::Machine,
        _ if user.starts_with("system:node:") => Caller::Machine,
        _ => Caller::User,
    };
    let allow = |agent: &str| context.settings.allow.expects(ABOUT.id, &subject, agent);
    let judgement = activity.deeds.judge(allow, |act| severity(caller, act));
    let mut outcomes = Attributes::new();
    for outcome in [
        Outcome::Denied,
        Outcome::Refused,
        Outcome::Failed,
        Outcome::Read,
        Outcome::Grave,
    ] {
        let count = activity.deeds.count(|act| act.outcome == outcome);
        outcomes.insert(outcome.as_str().to_owned(), count.into());
    }
    let mut attributes = Attributes::new();
    activity.write(&mut attributes);
    judgement.write(&mut attributes);
    let mut put = |name: &str, value| attributes.insert(name.to_owned(), value);
    put("acted_as", acts.acted_as.attribute(SHOWN, |_, _| true));
    put("distinct_acted_as", acts.acted_as.count(|_, _| true).into());
    put("wanted", acts.wanted.attribute(SHOWN));
    put("outcomes", outcomes.into());
    put("allowed_by", acts.grants.attribute());
    Finding {
        severity: judgement.severity,
        summary: summary(&subject, acts, judgement.severity),
        attributes,
        involves: acts.involved(),
        remediation: remediation(user, acts),
        ..draft(&ABOUT, subject, &[], &activity.evidence, context)
    }
}

fn summary(subject: &Subject, acts: &Acts, severity: Severity) -> String {
    let deeds = &acts.activity.deeds;
    let denied = deeds.count(|act| act.outcome == Outcome::Denied);
    let acted = deeds.count(|act| act.outcome > Outcome::Denied);
    let through = deeds.count(|act| act.outcome > Outcome::Failed);
    let mut parts = Vec::new();
    if acted > 0 {
        // The gravest first.
        let mut others = acts.acted_as.kept(|_, _| true);
        others.sort_by_key(|(_, seen)| std::cmp::Reverse(gravity(seen)));
        let named: Vec<&str> = others.iter().take(2).map(|(name, _)| *name).collect();
        let more = acts.acted_as.count(|_, _| true).saturating_sub(2);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let named = named.join(", ");
        parts.push(format!(
            "acted as {named}{more} ({acted} requests, {through} went through)"
        ));
    }
    if denied > 0 {
        parts.push(format!(
            "was refused {} to act as somebody else",
            times(denied)
        ));
    }
    let advice = match severity {
        Severity::Info => "nothing to do",
        Severity::Low => "see that it is meant to be",
        _ if acted == 0 => "find out who is asking",
        _ => "take the right to impersonate away, and see what was done",
    };
    format!("{subject} {}; {advice}", parts.join(" and "))
}

/// Who it was, then what was done.
fn gravity(seen: &Seen<Act>) -> Option<(Target, Outcome)> {
    seen.worst().map(|act| (act.target, act.outcome))
}

fn remediation(user: &str, acts: &Acts) -> Remediation {
    let mut steps: Vec<Step> = Vec::new();
    let user_argument = quote(user);
    for resource in ["users", "groups", "serviceaccounts"] {
        steps.push(step(
            &format!("see whether it may impersonate any of the {resource}"),
            format!("kubectl auth can-i impersonate {resource} --as={user_argument}"),
        ));
    }
    steps.push(step(
        "find the roles that let somebody impersonate; take the verb out of the one that is bound to it, or limit \
         it by resourceNames",
        "kubectl get clusterroles --output json | jq --raw-output '.items[] | select(any(.rules[]?; any(.verbs[]?; \
         . == \"*\" or startswith(\"impersonate\")))) | .metadata.name'"
            .to_owned(),
    ));
    steps.push(step(
        "find the bindings that name it, by itself or by its groups",
        format!(
            "kubectl get clusterrolebindings,rolebindings --all-namespaces --output wide | grep --fixed-strings -e {}",
            quote(&ServiceAccount::from_user_name(user).map_or_else(
                || user.to_owned(),
                |account| format!("{}/{}", account.namespace, account.name)
            ))
        ),
    ));
    if let Some(account) = ServiceAccount::from_user_name(user) {
        steps.push(pods_of(account));
        steps.push(end_tokens(account));
    }
    let changed = acts
        .activity
        .deeds
        .count(|act| act.outcome == Outcome::Grave);
    let summary = match changed {
        0 => "take the right to impersonate away from whoever does not need it",
        _ => "take the right to impersonate away, and go through what was done as the others",
    };
    Remediation {
        summary: summary.to_owned(),
        steps,
    }
}
