//! Roles that are bound to the `default` ServiceAccount of a namespace.

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Finding, Remediation, Severity, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, PerAccount, Tally,
    advice::step,
    caller::{self, SHOWN},
    outcome::{Attempt, Outcome},
    rbac_written::in_kubectl,
    request::Request,
    rights::Weight,
    shell::quote,
    writes::Writes,
};

about! {
    /// # What it finds
    ///
    /// Bindings, written by anybody, that name the ServiceAccount `default` of a namespace: one finding for each such
    /// account. It needs bodies (level Request or RequestResponse).
    ///
    /// The severity follows from what the role gives: `high` for everything (cluster-admin, `escalate`, `bind`,
    /// `impersonate`), `medium` for what leads to more rights (`admin`, `edit`, control plane roles), `low`
    /// for any other role: a binding names its role, and only the names of Kubernetes' own roles tell what is in
    /// them. Within one namespace other than kube-system it is that namespace that is at stake, and the same role
    /// weighs one step less. What was refused or did not happen is milder.
    ///
    /// # Why it matters
    ///
    /// Every pod that names no ServiceAccount runs as `default`: a role for it is a role for every pod of the
    /// namespace, also for those that nobody has thought of yet.
    ///
    /// # Known benign causes
    ///
    /// - OpenShift's cluster-version-operator and cluster-network-operator run as `default` by design: on the
    ///   allow-list.
    /// - Quick starts and small charts that bind `default` because it is there: give the workload an account.
    ///
    /// # What to do
    ///
    /// Make an account for the workload that needs the role, bind it instead, and delete the binding.
    ///
    /// # Attributes
    ///
    /// - `objects`: the bindings, the gravest first: `verb`, `resource`, `namespace`, `name`, `code`, `requests`,
    ///   `first_seen`, `last_seen`, `role`, `grants`
    /// - `writers`: who wrote them, with `requests`, `first_seen`, `last_seen`
    /// - `requests`: requests by verb and resource; `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`,
    ///   `credential_ids`, `impersonated`, `distinct_addresses`, `distinct_user_agents`: of the writers, as for
    ///   `default-serviceaccount`
    /// - `allowed_by`: the bindings that allowed the writes, as the log names them
    /// - `allowed_as`: why the allow-list takes requests lightly, or null; `not_allow_listed`: how many requests it
    ///   does not cover
    ///
    /// # Example
    ///
    /// ```text
    /// low  default-account-granted  shop/default  1 request
    ///   rolebindings shop/default-pod-reader binds pod-reader to it; give the workload an account of its own
    /// ```
    "default-account-granted",
    "A role is bound to a default ServiceAccount",
    [CLUSTER_ROLES, DEFAULT_ACCOUNTS],
}

/// What was bound to the default accounts, by the user name of those.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct DefaultAccountGranted {
    accounts: PerAccount<Granted>,
    bindings: u64,
    unlogged: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Granted {
    writes: Writes<Grade>,
    writers: Tally,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Grade {
    outcome: Outcome,
    weight: Weight,
}

impl Detector for DefaultAccountGranted {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::RBAC.and(Aspects::WRITE));

    fn observe(&mut self, event: &Request<'_>) {
        let (Some(write), Some(outcome)) = (event.rbac_write(), event.outcome()) else {
            return;
        };
        if !write.is_binding || write.weight == Weight::Removed {
            return;
        }
        self.bindings += 1;
        self.unlogged += u64::from(!write.is_known);
        let grade = Grade {
            outcome,
            weight: write.weight,
        };
        let facts = vec![
            ("grants", write.rights.names()),
            ("role", write.role.iter().cloned().collect()),
        ];
        let grantees = write.grantees.iter().take(SHOWN * 10);
        for grantee in grantees.filter(|grantee| grantee.is_default_account()) {
            self.accounts.note(&grantee.name_in_log(), |granted| {
                granted.writes.add(grade, &write.name, &facts, event);
                granted.writers.add(&event.user.name.read(), event);
            });
        }
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
        self.bindings += other.bindings;
        self.unlogged += other.unlogged;
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.accounts();
        accounts
            .map(|(account, granted)| finding(account, granted, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let unsaid = || {
            (self.bindings > 0 && self.unlogged == self.bindings).then(|| {
                "bindings are written, but the log has no bodies (level Metadata): whom they bind is not known"
                    .to_owned()
            })
        };
        Coverage {
            evaluated: self.bindings,
            blind: log.blind_to_writes().or_else(unsaid),
        }
    }
}

impl Attempt for Grade {
    fn outcome(self) -> Outcome {
        self.outcome
    }

    fn severity(self) -> Severity {
        self.outcome.of_severity(match self.weight {
            Weight::Everything => Severity::High,
            Weight::Sensitive | Weight::BuiltIn => Severity::Medium,
            Weight::Ordinary | Weight::Unknown => Severity::Low,
            Weight::Touched | Weight::Removed => Severity::Info,
        })
    }
}

impl Merge for Granted {
    fn merge(&mut self, other: Self) {
        self.writes.merge(other.writes);
        self.writers.merge(other.writers);
    }
}

fn finding(account: ServiceAccount<'_>, granted: &Granted, context: &Context<'_>) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let (_, mut finding) = granted.writes.draft(&ABOUT, subject, context);
    let writers = granted.writers.occurrences(SHOWN);
    finding.attributes.insert("writers".to_owned(), writers);
    let writers = granted.writers.ranked().into_iter();
    let writers = writers.map(|writer| caller::subject(&writer.value));
    finding.involves.subjects.extend(writers);
    Finding {
        summary: summary(&finding.subject, granted),
        remediation: remediation(account, granted),
        ..finding
    }
}

fn summary(subject: &Subject, granted: &Granted) -> String {
    let done = granted.writes.done();
    let Some(first) = done.first() else {
        return format!(
            "somebody tried to bind a role to {subject} without success; every pod of the namespace would have had it"
        );
    };
    let more = match done.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    format!(
        "{} binds a role to {subject}{more}, which every pod of the namespace has then; give the workload an \
         account of its own",
        first.in_words()
    )
}

fn remediation(account: ServiceAccount<'_>, granted: &Granted) -> Remediation {
    let namespace = quote(account.namespace);
    let user = quote(&account.user_name());
    let mut steps = vec![
        step(
            "see which rights default has",
            format!("kubectl auth can-i --list --namespace {namespace} --as={user}"),
        ),
        step(
            "make an account for the workload (put its name for APP)",
            format!("kubectl create serviceaccount APP --namespace {namespace}"),
        ),
    ];
    let done = granted.writes.done();
    for binding in done.iter().filter(|o| !o.name.is_empty()).take(3) {
        let binding = in_kubectl(binding);
        steps.push(step(
            "look at the binding, and make the same one for APP",
            format!("kubectl get {binding} --output yaml"),
        ));
        steps.push(step(
            "then delete it (if it binds others too, take default out of its subjects instead)",
            format!("kubectl delete {binding}"),
        ));
    }
    Remediation {
        summary: "bind the role to the workload's own account instead".to_owned(),
        steps,
    }
}
