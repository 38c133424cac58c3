//! Pods and pod templates that ServiceAccounts write and that get out of their containers.

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Finding, Remediation, Severity, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, PerAccount, Tally,
    advice::{step, times},
    caller::SHOWN,
    outcome::{Attempt, Outcome},
    pod_spec::{Gravity, PodWrite, Source},
    rbac_written::in_kubectl,
    request::Request,
    shell::quote,
    writes::{Writes, shortened},
};

about! {
    /// # What it finds
    ///
    /// Pods and pod templates (Deployments, DaemonSets, StatefulSets, ReplicaSets, Jobs, CronJobs) that a
    /// ServiceAccount created or changed and that get out of their containers: one finding for each account.
    ///
    /// `high` if the pod has the node (privileged, all capabilities, Windows host processes, the node's root,
    /// `/etc/kubernetes`, the kubelet's directories or a container runtime's socket), `medium` if it sees or changes
    /// what is the node's (`hostPID`, `hostIPC`, SYS_ADMIN and the like, other system directories, an unmasked
    /// `/proc`), `low` if it shares its network or some directory. What was authorized and did not happen is one step
    /// milder; a refusal is `low` or `medium`.
    ///
    /// It needs bodies (level Request or RequestResponse). At level Metadata only pods that violate the policy that
    /// a namespace has pod security admission audit (label `pod-security.kubernetes.io/audit`) can be told, by the
    /// annotation `pod-security.kubernetes.io/audit-violations`, without paths and names of capabilities.
    ///
    /// # Why it matters
    ///
    /// Such a pod is the node: all its pods, their secrets and tokens, and the kubelet's own credentials.
    ///
    /// # Known benign causes
    ///
    /// - kube-controller-manager makes pods from templates; the finding is about who wrote the template. The
    ///   controllers are on the allow-list, `info`.
    /// - Deployers (Argo CD, Flux, OLM, network and storage operators) install CNI and CSI DaemonSets: on the
    ///   allow-list, `info`.
    /// - A CI account that installs a node exporter or a log shipper: an exception with a reason.
    ///
    /// # What to do
    ///
    /// Look at the object and who wrote it; if nobody wanted it, delete it, and take the nodes on which it ran for
    /// compromised. Have pod security admission enforce `baseline` on namespaces that need no more.
    ///
    /// # Attributes
    ///
    /// - `objects`: the workloads, the gravest first: `verb`, `resource`, `subresource`, `namespace`, `name`, `code`,
    ///   `requests`, `first_seen`, `last_seen`, `dangers`, `images`, `service_account`
    /// - `dangers`: requests by what lets a pod out
    /// - `written`, `attempted`, `refused`: requests by what came of them
    /// - `from_annotation`: requests of which only pod security's annotation tells
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
    /// high  privileged-workload  ci/deployer  1 request
    ///   created pods default/debug: privileged, hostPID, hostPath /
    /// ```
    "privileged-workload",
    "A ServiceAccount creates a workload that gets out of its container",
    [DEPLOY_CONTAINER, ESCAPE_TO_HOST],
}

/// What the accounts wrote, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PrivilegedWorkload {
    accounts: PerAccount<Seen>,
    workloads: u64,
    untold: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    writes: Writes<Grade>,
    dangers: Tally,
    from_annotation: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Grade {
    outcome: Outcome,
    gravity: Gravity,
}

impl Detector for PrivilegedWorkload {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest =
        Interest::all(Aspects::ACCOUNT.and(Aspects::WORKLOAD).and(Aspects::WRITE));

    fn observe(&mut self, event: &Request<'_>) {
        if event.service_account().is_none() {
            return;
        }
        let (Some(pod), Some(outcome)) = (event.pod_write(), event.outcome()) else {
            return;
        };
        self.workloads += 1;
        self.untold += u64::from(pod.source == Source::Nowhere);
        if let Some(gravity) = pod.gravity {
            let grade = Grade { outcome, gravity };
            self.accounts
                .note_user(event, |seen| seen.add(grade, pod.clone(), event));
        }
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
        self.workloads += other.workloads;
        self.untold += other.untold;
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.accounts();
        accounts
            .map(|(account, seen)| finding(account, seen, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let untold = || {
            match (self.workloads, self.untold) {
            (0, _) | (_, 0) => None,
            (all, untold) if all == untold => Some(
                "workloads are written, but the log has no bodies of them (level Metadata), and no verdict of pod \
                 security admission"
                    .to_owned(),
            ),
            (all, untold) => Some(format!(
                "of {untold} of {all} written workloads the log has neither a body nor a verdict of pod security \
                 admission"
            )),
        }
        };
        Coverage {
            evaluated: self.workloads - self.untold,
            blind: log
                .blind_to_accounts()
                .or_else(|| log.blind_to_writes())
                .or_else(untold),
        }
    }
}

impl Seen {
    fn add(&mut self, grade: Grade, pod: PodWrite, event: &Request<'_>) {
        self.from_annotation += u64::from(pod.source == Source::Annotation);
        for danger in pod.dangers.iter().take(SHOWN * 10) {
            self.dangers.add(shortened(danger), event);
        }
        let facts = vec![
            ("dangers", pod.dangers),
            ("images", pod.images),
            ("service_account", pod.account.into_iter().collect()),
        ];
        self.writes.add(grade, &pod.name, &facts, event);
    }
}

impl Attempt for Grade {
    fn outcome(self) -> Outcome {
        self.outcome
    }

    fn severity(self) -> Severity {
        self.outcome.of_severity(match self.gravity {
            Gravity::Owns => Severity::High,
            Gravity::Reaches => Severity::Medium,
            Gravity::Shares => Severity::Low,
        })
    }
}

impl Merge for Seen {
    fn merge(&mut self, other: Self) {
        self.writes.merge(other.writes);
        self.dangers.merge(other.dangers);
        self.from_annotation += other.from_annotation;
    }
}

fn finding(account: ServiceAccount<'_>, seen: &Seen, context: &Context<'_>) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let (_, mut finding) = seen.writes.draft(&ABOUT, subject, context);
    let fields = [
        ("dangers", seen.dangers.attribute(SHOWN)),
        ("from_annotation", seen.from_annotation.into()),
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
    let written = seen.writes.done();
    let dangers = seen.dangers.ranked().into_iter().take(3);
    let dangers: Vec<&str> = dangers.map(|danger| danger.value.as_str()).collect();
    let dangers = dangers.join(", ");
    let what = match (written.first(), written.len()) {
        (Some(object), 1) => format!("wrote {}", object.in_words()),
        (Some(object), n) => format!("wrote {} and {} more", object.in_words(), n - 1),
        (None, _) => format!(
            "tried to write workloads ({})",
            times(seen.writes.activity.evidence.count())
        ),
    };
    let advice = match severity {
        Severity::Info => "nothing to do",
        Severity::Low => "check that it needs that",
        _ => "check who wanted it; if nobody did, take the nodes for compromised",
    };
    format!("{subject} {what}, with a way out of the container: {dangers}; {advice}")
}

fn remediation(account: ServiceAccount<'_>, seen: &Seen) -> Remediation {
    let user = quote(&account.user_name());
    let mut steps = Vec::new();
    let written = seen.writes.done();
    for object in written.iter().filter(|o| !o.name.is_empty()).take(3) {
        let object = in_kubectl(object);
        steps.push(step(
            "look at it, and on which nodes it runs",
            format!("kubectl get {object} --output yaml"),
        ));
        steps.push(step(
            "if nobody wanted it, delete it",
            format!("kubectl delete {object}"),
        ));
    }
    let namespace = written.iter().map(|o| o.namespace).find(|n| !n.is_empty());
    if let Some(namespace) = namespace {
        steps.push(step(
            "see what else in the namespace would break the baseline policy, then have it enforced",
            format!(
                "kubectl label --dry-run=server --overwrite namespace {} pod-security.kubernetes.io/enforce=baseline",
                quote(namespace)
            ),
        ));
    }
    steps.push(step(
        "see whether the account may write workloads everywhere",
        format!("kubectl auth can-i create pods --all-namespaces --as={user}"),
    ));
    Remediation {
        summary: "delete what nobody wanted, and have pod security admission refuse the next one"
            .to_owned(),
        steps,
    }
}
