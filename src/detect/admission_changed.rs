//! Admission webhooks and policies that ServiceAccounts write.

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Finding, Remediation, Severity, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, PerAccount, Tally,
    admission::{AdmissionWrite, Effect},
    advice::step,
    caller::SHOWN,
    outcome::{Attempt, Outcome},
    rbac_written::in_kubectl,
    request::Request,
    shell::quote,
    writes::{Writes, shortened},
};

about! {
    /// # What it finds
    ///
    /// Webhook configurations and admission policies (mutating and validating, and the policies' bindings) that a
    /// ServiceAccount created, changed or deleted: one finding for each account.
    ///
    /// `critical` if a webhook outside the cluster gets to see secrets, pods or everything; `high` if a check is deleted
    /// or switched to letting through what it cannot see (`failurePolicy: Ignore`, a binding without `Deny`), or if a
    /// webhook gets to see secrets or to change pods; `medium` if the log has no body (level Metadata); `low` for
    /// other webhooks and policies; `info` for upkeep, such as a new certificate. `failurePolicy: Ignore` counts in
    /// changes only: of something new it takes nothing away. What was authorized and did not happen is one step
    /// milder; a refusal is `low` or `medium`.
    ///
    /// # Why it matters
    ///
    /// A webhook sees every object that it asks for, secrets included, and a mutating one writes into them: a way to
    /// read everything and to stay. Deleting or weakening one is how a check is got out of the way.
    ///
    /// # Known benign causes
    ///
    /// - cert-manager's cainjector writes certificates into configurations all the time; operators (Kyverno, istiod,
    ///   OLM, Gatekeeper) write their own: on the allow-list, `info` under their own user agents.
    /// - Deployers install charts that bring webhooks: on the allow-list, or an exception with a reason.
    ///
    /// # What to do
    ///
    /// Compare the configuration with what it should be, restore it, and look at what was admitted in the meantime.
    ///
    /// # Attributes
    ///
    /// - `objects`: the configurations, the gravest first: `verb`, `resource`, `name`, `code`, `requests`, `first_seen`,
    ///   `last_seen`, `marks` (failure policies, actions, what webhooks see), `endpoints`
    /// - `endpoints`: requests by where the webhooks are: a URL, or `namespace/service`
    /// - `written`, `attempted`, `refused`: requests by what came of them; `without_body`: creations and changes whose
    ///   contents the log does not have
    /// - `requests`: requests by verb and resource; `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`,
    ///   `credential_ids`, `impersonated`, `distinct_addresses`, `distinct_user_agents`: as for
    ///   `default-serviceaccount`
    /// - `allowed_by`: the bindings that allowed it, as the log names them
    /// - `allowed_as`: why the allow-list takes requests lightly, or null; `not_allow_listed`: how many requests it
    ///   does not cover
    ///
    /// # Example
    ///
    /// ```text
    /// critical  admission-changed  shop/web  1 request
    ///   created mutatingwebhookconfigurations helper: sees secrets, at https://203.0.113.9/
    /// ```
    "admission-changed",
    "A ServiceAccount writes admission webhooks or policies",
    [EVENT_TRIGGERED, CONTAINER_API],
}

/// What the accounts wrote, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct AdmissionChanged {
    accounts: PerAccount<Seen>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    writes: Writes<Grade>,
    endpoints: Tally,
    without_body: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Grade {
    outcome: Outcome,
    effect: Effect,
}

impl Detector for AdmissionChanged {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest =
        Interest::all(Aspects::ACCOUNT.and(Aspects::ADMISSION).and(Aspects::WRITE));

    fn observe(&mut self, event: &Request<'_>) {
        if event.service_account().is_none() {
            return;
        }
        if let (Some(write), Some(outcome)) = (AdmissionWrite::of(event), event.outcome()) {
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
    fn add(&mut self, write: AdmissionWrite, outcome: Outcome, event: &Request<'_>) {
        let grade = Grade {
            outcome,
            effect: write.effect,
        };
        for endpoint in write.endpoints.iter().take(SHOWN * 10) {
            self.endpoints.add(shortened(endpoint), event);
        }
        self.without_body += u64::from(write.is_untold);
        let facts = vec![("marks", write.marks), ("endpoints", write.endpoints)];
        self.writes.add(grade, &write.name, &facts, event);
    }
}

impl Attempt for Grade {
    fn outcome(self) -> Outcome {
        self.outcome
    }

    fn severity(self) -> Severity {
        self.outcome.of_severity(match self.effect {
            Effect::Upkeep => Severity::Info,
            Effect::Looks => Severity::Low,
            Effect::Unknown => Severity::Medium,
            Effect::SeesMuch | Effect::Weakens | Effect::Removes => Severity::High,
            Effect::SendsOut => Severity::Critical,
        })
    }
}

impl Merge for Seen {
    fn merge(&mut self, other: Self) {
        self.writes.merge(other.writes);
        self.endpoints.merge(other.endpoints);
        self.without_body += other.without_body;
    }
}

fn finding(account: ServiceAccount<'_>, seen: &Seen, context: &Context<'_>) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let (_, mut finding) = seen.writes.draft(&ABOUT, subject, context);
    let fields = [
        ("endpoints", seen.endpoints.attribute(SHOWN)),
        ("without_body", seen.without_body.into()),
    ];
    let outcomes = seen
        .writes
        .outcomes("written")
        .map(|(name, n)| (name, n.into()));
    let fields = fields.into_iter().chain(outcomes);
    finding
        .attributes
        .extend(fields.map(|(name, value)| (name.to_owned(), value)));
    Finding {
        summary: summary(&finding.subject, seen, finding.severity),
        remediation: remediation(account, seen),
        ..finding
    }
}

fn summary(subject: &Subject, seen: &Seen, severity: Severity) -> String {
    let done = seen.writes.done();
    let what = match (done.first(), done.len()) {
        (Some(object), 1) => format!("changed admission: {} {}", object.verb, object.in_words()),
        (Some(object), n) => {
            let more = n - 1;
            format!(
                "changed admission: {} {} and {more} more",
                object.verb,
                object.in_words()
            )
        }
        (None, _) => "tried to change admission without success".to_owned(),
    };
    let deeds = seen.writes.activity.deeds.total();
    let effect = match deeds.keys().map(|grade| grade.effect).max() {
        Some(Effect::SendsOut) => ", showing requests to a webhook outside the cluster",
        Some(Effect::Removes) => ", taking a check away",
        Some(Effect::Weakens) => ", weakening a check",
        Some(Effect::SeesMuch) => ", to see secrets or change pods",
        Some(Effect::Unknown) => "; the log does not say how",
        _ => "",
    };
    let advice = match severity {
        Severity::Info => "nothing to do",
        Severity::Low => "check that it is meant to",
        _ => "compare it with what it should be, and restore it",
    };
    format!("{subject} {what}{effect}; {advice}")
}

fn remediation(account: ServiceAccount<'_>, seen: &Seen) -> Remediation {
    let user = quote(&account.user_name());
    let mut steps = Vec::new();
    let written = seen.writes.done();
    for object in written.iter().filter(|o| !o.name.is_empty()).take(3) {
        let kubectl = in_kubectl(object);
        if object.verb == "delete" {
            let list = format!("kubectl get {}", quote(object.resource));
            steps.push(step(
                "see what is left, and apply what was deleted again from its source",
                list,
            ));
            continue;
        }
        steps.push(step(
            "look at which requests it sees, and where it sends them",
            format!("kubectl get {kubectl} --output yaml"),
        ));
        if object.verb == "create" {
            steps.push(step(
                "if nobody wanted it, delete it",
                format!("kubectl delete {kubectl}"),
            ));
        }
    }
    steps.push(step(
        "after narrowing the role, check that it may not write webhooks any more",
        format!("kubectl auth can-i patch mutatingwebhookconfigurations --as={user}"),
    ));
    Remediation {
        summary: "restore the checks, and look at what was admitted in the meantime".to_owned(),
        steps,
    }
}
