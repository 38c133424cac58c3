//! Accounts of kube-controller-manager's controllers in pods.

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Attributes, Finding, Remediation, Severity, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, PerAccount, Presence,
    Tally,
    activity::Activity,
    advice::step,
    caller::{self, SHOWN},
    controllers::is_controller,
    deed::Deed,
    draft::draft,
    outcome::Outcome,
    rbac_written::in_kubectl,
    request::Request,
    shell::quote,
    writes::Writes,
};

about! {
    /// # What it finds
    ///
    /// A pod that runs as the account of one of kube-controller-manager's own controllers
    /// (`kube-system/…-controller`, `generic-garbage-collector` and the like): one finding for each such account.
    /// Two traces tell:
    ///
    /// - Somebody wrote a pod or a pod template with that account's name, which needs bodies (level Request or
    ///   RequestResponse): `high` if it happened, `medium` if it was authorized and did not, or was refused.
    /// - Requests by the account with a token that is bound to a pod, which every level shows. The controllers use
    ///   tokens without a pod, which kube-controller-manager makes for itself. `high`, and `critical` if secrets were
    ///   read, tokens made, pods entered or RBAC written.
    ///
    /// # Why it matters
    ///
    /// The controllers' accounts have what the cluster is run with: every secret
    /// (`generic-garbage-collector`, `namespace-controller`), every role (`clusterrole-aggregation-controller` has
    /// `escalate`), every pod. They are there in every cluster, and whoever may create pods in kube-system may run as
    /// any of them.
    ///
    /// # Known benign causes
    ///
    /// None known: no distribution runs pods under these names. Only the controllers' own names count, and not
    /// everything that ends with `-controller`.
    ///
    /// # What to do
    ///
    /// Delete the pod or its template, which revokes its token, and look at what the account did from it.
    ///
    /// # Attributes
    ///
    /// - `objects`: the written pods and templates: `verb`, `resource`, `subresource`, `namespace`, `name`, `code`,
    ///   `requests`, `first_seen`, `last_seen`, `images`
    /// - `created_by`: who wrote them, with `requests`, `first_seen`, `last_seen`
    /// - `did`: what was done with tokens that are bound to a pod; `used`: how many requests these are
    /// - `requests`: requests by verb and resource; `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`,
    ///   `credential_ids`, `impersonated`, `distinct_addresses`, `distinct_user_agents`: as for
    ///   `default-serviceaccount`, of the tokens' use, or if there was none, of the writers
    ///
    /// # Example
    ///
    /// ```text
    /// critical  pod-with-controller-account  kube-system/generic-garbage-collector  4 requests
    ///   ci/deployer wrote pods kube-system/collector as it; its token read secrets
    /// ```
    "pod-with-controller-account",
    "A pod runs as an account of kube-controller-manager",
    [DEPLOY_CONTAINER, VALID_ACCOUNTS],
}

/// What tells of pods under the controllers' accounts, by the user name of those.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PodWithControllerAccount {
    accounts: PerAccount<Seen>,
    evaluated: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    writes: Writes<Outcome>,
    writers: Tally,
    uses: Activity,
}

impl Detector for PodWithControllerAccount {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::any(Aspects::ACCOUNT.and(Aspects::WORKLOAD));
    const TAKES_RUNS: bool = true;

    fn observe(&mut self, event: &Request<'_>) {
        self.evaluated += u64::from(event.caller.is_controller);
        self.observe_each(event);
    }

    fn observe_presence(&mut self, presence: &Presence) {
        if presence.caller.is_controller {
            self.evaluated += presence.batch.count();
        }
    }

    fn observe_each(&mut self, event: &Request<'_>) {
        let caller = event.caller;
        if caller.is_controller && caller.pod.is_some() {
            self.accounts
                .note_caller(caller, |seen| seen.uses.add(event.deed(), event));
        }
        let writes = Aspects::WORKLOAD.and(Aspects::WRITE);
        if !event.aspects().has(writes) {
            return;
        }
        let (Some(pod), Some(outcome)) = (event.pod_write(), event.outcome()) else {
            return;
        };
        self.evaluated += 1;
        let within = event.object.is_some_and(|o| o.namespace == "kube-system");
        let Some(name) = pod.account.as_deref().filter(|_| within) else {
            return;
        };
        let account = ServiceAccount {
            namespace: "kube-system",
            name,
        };
        if is_controller(account) {
            let facts = vec![("images", pod.images.clone())];
            self.accounts.note(&account.user_name(), |seen| {
                seen.writes.add(outcome, &pod.name, &facts, event);
                seen.writers.add(&event.user.name.read(), event);
            });
        }
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
        self.evaluated += other.evaluated;
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.accounts();
        accounts
            .map(|(account, seen)| finding(account, seen, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let unseen = || {
            (self.evaluated == 0).then(|| {
                "the log has neither a written workload nor a request by an account of kube-controller-manager"
                    .to_owned()
            })
        };
        Coverage {
            evaluated: self.evaluated,
            blind: log.blind_to_accounts().or_else(unseen),
        }
    }
}

impl super::judge::Graded for Outcome {
    fn is_denial(self) -> bool {
        self == Self::Refused
    }
}

impl Seen {
    fn severity(&self) -> Severity {
        let written = self.writes.activity.deeds.total().keys();
        let written = written.map(|outcome| outcome.of_severity(Severity::High));
        let used = self.uses.deeds.total().keys().map(|deed| match deed {
            Deed::ReadSecrets | Deed::Entered | Deed::Minted | Deed::WroteRbac => {
                Severity::Critical
            }
            _ => Severity::High,
        });
        written.chain(used).max().unwrap_or(Severity::Info)
    }
}

impl Merge for Seen {
    fn merge(&mut self, other: Self) {
        self.writes.merge(other.writes);
        self.writers.merge(other.writers);
        self.uses.merge(other.uses);
    }
}

fn finding(account: ServiceAccount<'_>, seen: &Seen, context: &Context<'_>) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let allowed = seen
        .writes
        .activity
        .deeds
        .judge(|_| None, |_| Severity::Info);
    let mut attributes = Attributes::new();
    seen.writes.write(&allowed, &mut attributes);
    // There is no allow-list for this, and what allowed the writers says little.
    for name in ["allowed_as", "not_allow_listed", "allowed_by"] {
        attributes.remove(name);
    }
    let used = seen.uses.evidence.count();
    if used > 0 {
        seen.uses.write(&mut attributes);
    }
    seen.uses.write_deeds(&mut attributes);
    attributes.insert("used".to_owned(), used.into());
    attributes.insert("created_by".to_owned(), seen.writers.occurrences(SHOWN));
    let mut evidence = seen.writes.activity.evidence.clone();
    evidence.merge(seen.uses.evidence.clone());
    let mut involves = seen.uses.callers.involved();
    let writers = seen.writers.ranked().into_iter();
    let writers = writers.map(|writer| caller::subject(&writer.value));
    involves
        .subjects
        .extend(writers.filter(|writer| *writer != subject));
    let by_writers = seen.writes.activity.callers.involved();
    involves.credentials.extend(by_writers.credentials);
    Finding {
        severity: seen.severity(),
        summary: summary(&subject, seen),
        attributes,
        involves,
        remediation: remediation(account, seen),
        ..draft(&ABOUT, subject, &[], &evidence, context)
    }
}

fn summary(subject: &Subject, seen: &Seen) -> String {
    let mut parts = Vec::new();
    let written = seen.writes.named(|_| true);
    if let Some(object) = written.first() {
        let writer = seen.writers.ranked();
        let writer = writer
            .first()
            .map(|writer| caller::subject(&writer.value).to_string());
        let came = seen
            .writes
            .activity
            .deeds
            .count(|outcome| outcome == Outcome::Done);
        let verb = if came > 0 { "wrote" } else { "tried to write" };
        let writer = writer.unwrap_or_default();
        parts.push(format!(
            "{writer} {verb} {} to run as it",
            object.in_words()
        ));
    }
    if seen.uses.evidence.count() > 0 {
        let pods = seen.uses.callers.pods().ranked();
        let pod = pods.first().map_or("", |pod| pod.value.as_str());
        parts.push(format!("a token of pod {pod} {}", seen.uses.in_words()));
    }
    format!(
        "{subject} is kube-controller-manager's own account and has no pods: {}; delete the pod, and find out who made it",
        parts.join(", ")
    )
}

fn remediation(account: ServiceAccount<'_>, seen: &Seen) -> Remediation {
    let name = quote(account.name);
    let mut steps = vec![step(
        "find the pods that run as the account",
        format!(
            "kubectl get pods --namespace kube-system --field-selector spec.serviceAccountName={name} --output wide"
        ),
    )];
    let written = seen.writes.named(|outcome| outcome == Outcome::Done);
    for object in written.iter().filter(|o| !o.name.is_empty()).take(3) {
        steps.push(step(
            "delete what makes them, which revokes their tokens",
            format!("kubectl delete {}", in_kubectl(object)),
        ));
    }
    steps.push(step(
        "delete the pods; kube-controller-manager does not need them",
        format!("kubectl delete pods --namespace kube-system --field-selector spec.serviceAccountName={name}"),
    ));
    for writer in seen.writers.ranked().into_iter().take(3) {
        steps.push(step(
            "see whether who made them may still create pods there",
            format!(
                "kubectl auth can-i create pods --namespace kube-system --as={}",
                quote(&writer.value)
            ),
        ));
    }
    Remediation {
        summary: "delete the pod, and with it its token".to_owned(),
        steps,
    }
}
