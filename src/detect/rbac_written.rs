//! Roles and bindings that ServiceAccounts write.

use serde::{Deserialize, Serialize};

use crate::{
    event::{ServiceAccount, Value},
    finding::{Attribute, Finding, Remediation, Severity, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, PerAccount, Tally,
    advice::{step, times},
    caller::SHOWN,
    outcome::{Attempt, Outcome},
    rbac::{self, Grantee, RbacWrite, Reach},
    request::Request,
    rights::Weight,
    shell::quote,
    writes::{Writes, Written, shortened},
};

about! {
    /// # What it finds
    ///
    /// Roles, ClusterRoles and their bindings that a ServiceAccount created, changed or deleted, or tried to: one
    /// finding for each account.
    ///
    /// Where the log has bodies (level Request or RequestResponse) the severity follows from what was granted, and
    /// to whom: `critical` for everything (cluster-admin, `*` on `*`, `escalate`, `bind`, `impersonate`) to the
    /// account itself, to `default` accounts or to everybody; `high` for everything to somebody else, for any role
    /// to everybody (`system:anonymous`, `system:unauthenticated`, `system:authenticated`,
    /// `system:serviceaccounts`), and for rights that lead to more rights (secrets, exec, tokens, nodes/proxy, RBAC,
    /// admission, certificates) to the account itself; `medium` for such rights to somebody else; `low` for what
    /// workloads need. Within one namespace other than kube-system it is that namespace that is at stake, and the
    /// same rights weigh one step less.
    ///
    /// Without bodies (level Metadata) the contents cannot be known: `medium`, and `high` if the object is one of
    /// Kubernetes' own by its name (`cluster-admin`, `system:…`).
    ///
    /// What was authorized and did not happen (404, 409, 422, a dry run) is one step milder. A refusal is `low` or
    /// `medium`; one by RBAC's own check that nobody grants more than he has is counted in `beyond_own_rights`.
    ///
    /// # Why it matters
    ///
    /// A workload's account that may write RBAC can give itself, or anybody, the whole cluster, and a binding stays
    /// when the pod that wrote it is long gone.
    ///
    /// # Known benign causes
    ///
    /// - kube-controller-manager's aggregation of ClusterRoles and its emptying of deleted namespaces, and operators
    ///   and deployers that write RBAC by design (OLM, Argo CD, Flux, Rancher): on the allow-list, `info` under
    ///   their own user agents. A grant to everybody is never taken lightly.
    /// - A CI account that deploys with Helm: a role for each chart. An exception with a reason.
    ///
    /// # What to do
    ///
    /// Look at each object; delete what nobody wanted, then find out who used the account (`addresses`,
    /// `user_agents`, `pods`, `credential_ids`) and take the right to write RBAC away (`allowed_by` names the
    /// binding that gave it).
    ///
    /// # Attributes
    ///
    /// - `objects`: what was written, the gravest first: `verb`, `resource`, `namespace`, `name`, `code`, `requests`,
    ///   `first_seen`, `last_seen`; and where bodies tell, `grants` (the rights that lead to more rights), `role`
    ///   (what a binding binds) and `subjects` (to whom)
    /// - `granted_to`: requests by the account, user or group that they granted something
    /// - `written`, `attempted`, `refused`: requests by what came of them; `beyond_own_rights`: refusals because the
    ///   account tried to grant more than it has
    /// - `without_body`: creations and changes whose contents the log does not have
    /// - `requests`: requests by verb and resource; `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`,
    ///   `credential_ids`, `impersonated`, `distinct_addresses`, `distinct_user_agents`: as for
    ///   `default-serviceaccount`
    /// - `allowed_by`: the bindings that allowed the writes, as the log names them
    /// - `allowed_as`: why the allow-list takes requests lightly, or null; `not_allow_listed`: how many requests it
    ///   does not cover
    ///
    /// # Example
    ///
    /// ```text
    /// critical  rbac-written  ops/intruder  3 requests
    ///   created clusterrolebindings sys-metrics-helper: cluster-admin to system:serviceaccount:ops:intruder
    /// ```
    "rbac-written",
    "A ServiceAccount writes roles or bindings",
    [CLUSTER_ROLES],
}

/// What the accounts wrote, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct RbacWritten {
    accounts: PerAccount<Seen>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    writes: Writes<Grade>,
    granted: Tally,
    without_body: u64,
    beyond_own_rights: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Grade {
    outcome: Outcome,
    weight: Weight,
    reach: Reach,
}

impl Detector for RbacWritten {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest =
        Interest::all(Aspects::ACCOUNT.and(Aspects::RBAC).and(Aspects::WRITE));

    fn observe(&mut self, event: &Request<'_>) {
        if event.service_account().is_none() {
            return;
        }
        if let (Some(write), Some(outcome)) = (event.rbac_write(), event.outcome()) {
            self.accounts
                .note_user(event, |seen| seen.add(write, outcome, event));
        }
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.accounts();
        accounts
            .map(|(account, seen)| finding(account, seen, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        Coverage {
            evaluated: log.service_account_requests,
            blind: log.blind_to_accounts().or_else(|| log.blind_to_writes()),
        }
    }
}

impl Seen {
    fn add(&mut self, write: &RbacWrite, outcome: Outcome, event: &Request<'_>) {
        let grade = Grade {
            outcome,
            weight: write.weight,
            reach: write.reach(event),
        };
        let grantees = write.grantees.iter().map(Grantee::name_in_log);
        let grantees: Vec<String> = grantees.collect();
        let facts = vec![
            ("grants", write.rights.names()),
            ("role", write.role.iter().cloned().collect()),
            ("subjects", grantees.clone()),
        ];
        self.writes.add(grade, &write.name, &facts, event);
        for grantee in grantees.iter().take(SHOWN * 10) {
            self.granted.add(shortened(grantee), event);
        }
        let untold = matches!(write.weight, Weight::Unknown | Weight::BuiltIn);
        self.without_body += u64::from(untold);
        let beyond = outcome == Outcome::Refused && grants_more_than_it_has(event);
        self.beyond_own_rights += u64::from(beyond);
    }
}

/// RBAC's check against escalation says so in the message (kubernetes `pkg/registry/rbac/validation/rule.go`,
/// `ConfirmNoEscalation`), which the log has since Kubernetes 1.24 (FACTS 1.1).
fn grants_more_than_it_has(event: &Request<'_>) -> bool {
    let message = event.status.get("message").and_then(Value::text);
    message.is_some_and(|message| {
        message
            .read()
            .contains("attempting to grant RBAC permissions not currently held")
    })
}

impl Attempt for Grade {
    fn outcome(self) -> Outcome {
        self.outcome
    }

    fn severity(self) -> Severity {
        let done = match (self.weight, self.reach) {
            (Weight::Everything, Reach::Everybody | Reach::Itself | Reach::Namespace)
            | (Weight::Sensitive, Reach::Everybody) => Severity::Critical,
            (Weight::Everything | Weight::BuiltIn, _)
            | (Weight::Sensitive, Reach::Itself | Reach::Namespace)
            | (_, Reach::Everybody) => Severity::High,
            (Weight::Sensitive | Weight::Unknown, _) | (Weight::Ordinary, Reach::Itself) => {
                Severity::Medium
            }
            (Weight::Ordinary | Weight::Removed, _) => Severity::Low,
            (Weight::Touched, _) => Severity::Info,
        };
        self.outcome.of_severity(done)
    }
}

impl Grade {
    /// Whether it granted something to everybody: no deployer's design.
    fn is_public(self) -> bool {
        self.is_done() && self.reach == Reach::Everybody
    }
}

impl Merge for Seen {
    fn merge(&mut self, other: Self) {
        self.writes.merge(other.writes);
        self.granted.merge(other.granted);
        self.without_body += other.without_body;
        self.beyond_own_rights += other.beyond_own_rights;
    }
}

fn finding(account: ServiceAccount<'_>, seen: &Seen, context: &Context<'_>) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let (judgement, mut finding) = seen.writes.draft(&ABOUT, subject, context);
    let grades = seen.writes.activity.deeds.total().keys().copied();
    let public = grades.filter(|g| g.is_public()).map(Grade::severity).max();
    let severity = judgement.severity.max(public.unwrap_or(Severity::Info));
    let counts = seen.writes.outcomes("written").into_iter().chain([
        ("beyond_own_rights", seen.beyond_own_rights),
        ("without_body", seen.without_body),
    ]);
    let counts = counts.map(|(name, n)| (name.to_owned(), n.into()));
    finding.attributes.extend(counts);
    let granted: Attribute = seen.granted.attribute(SHOWN);
    finding.attributes.insert("granted_to".to_owned(), granted);
    finding
        .involves
        .subjects
        .extend(rbac::somebody(&seen.granted));
    Finding {
        severity,
        summary: summary(&finding.subject, seen, severity),
        remediation: remediation(account, seen),
        ..finding
    }
}

fn summary(subject: &Subject, seen: &Seen, severity: Severity) -> String {
    let written = seen.writes.done();
    let deeds = &seen.writes.activity.deeds;
    let done = seen.writes.count(Outcome::Done);
    let refused = seen.writes.count(Outcome::Refused);
    let public = deeds.count(Grade::is_public) > 0;
    let itself = deeds.count(|g| g.is_done() && g.reach == Reach::Itself) > 0;
    let everything = deeds.count(|g| g.is_done() && g.weight == Weight::Everything) > 0;
    let mut text = match written.first() {
        Some(object) => {
            let others = match written.len() {
                1 => String::new(),
                n => format!(" and {} more", n - 1),
            };
            format!(
                "{subject} wrote RBAC {} ({}{others})",
                times(done),
                object.in_words()
            )
        }
        None => format!("{subject} tried to write RBAC without success"),
    };
    let marks = [
        (everything, ", granting everything"),
        (itself, ", to itself"),
        (public, ", to everybody"),
    ];
    marks
        .iter()
        .filter(|(is, _)| *is)
        .for_each(|(_, mark)| text.push_str(mark));
    if refused > 0 {
        text = format!("{text}, and was refused {}", times(refused));
    }
    if seen.without_body > 0 {
        text.push_str("; the log does not say what was granted");
    }
    let advice = match severity {
        Severity::Info => "nothing to do",
        Severity::Low => "check that it is meant to",
        Severity::Medium => "look at what it wrote, and narrow its rights",
        Severity::High | Severity::Critical => "undo it, and find out who used the account",
    };
    format!("{text}; {advice}")
}

fn remediation(account: ServiceAccount<'_>, seen: &Seen) -> Remediation {
    let user = quote(&account.user_name());
    let mut steps = Vec::new();
    let written = seen
        .writes
        .named(|g| g.is_done() && g.weight != Weight::Removed);
    for object in written.iter().filter(|o| !o.name.is_empty()).take(3) {
        let object = in_kubectl(object);
        steps.push(step(
            "look at what it wrote: who is granted what",
            format!("kubectl get {object} --output yaml"),
        ));
        steps.push(step(
            "if nobody wanted it, undo it (first see whether it was there before: then take the new part out instead)",
            format!("kubectl delete {object}"),
        ));
    }
    steps.push(step(
        "see what the account may do",
        format!("kubectl auth can-i --list --as={user}"),
    ));
    steps.push(step(
        "after narrowing its role, check that it may not write bindings any more",
        format!(
            "kubectl auth can-i create clusterrolebindings.rbac.authorization.k8s.io --as={user}"
        ),
    ));
    Remediation {
        summary: "undo what nobody wanted, and take the right to write RBAC away".to_owned(),
        steps,
    }
}

/// `resource name --namespace x`, quoted.
pub(super) fn in_kubectl(object: &Written<'_>) -> String {
    let (resource, name) = (quote(object.resource), quote(object.name));
    match object.namespace {
        "" => format!("{resource} {name}"),
        namespace => format!("{resource} {name} --namespace {}", quote(namespace)),
    }
}
