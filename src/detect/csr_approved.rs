//! Certificates for users of the API that ServiceAccounts ask for or approve.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Remediation, Severity, Subject};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, PerAccount, Tally,
    advice::step,
    caller::{self, SHOWN},
    certificate::{Act, CertificateWrite, Purpose},
    outcome::{Attempt, Outcome},
    request::Request,
    shell::quote,
    writes::{Writes, shortened},
};

about! {
    /// # What it finds
    ///
    /// CertificateSigningRequests that a ServiceAccount created, approved or denied: one finding for each account.
    /// Of other users only what is about a name of the cluster itself (`system:…` as user or group).
    ///
    /// Approvals: `critical` if the certificate is for such a name and signed for the API, `high` for any other user
    /// of the API, `medium` if the log has no body (level Metadata), `low` for kubelets and other signers. Requests
    /// are one or two steps milder: `high` for a name of the cluster, `medium` for another user and for kubelets,
    /// `low` if the log does not say. An account that approves what it asked for itself is at least `high`. Denials
    /// are `info`. What was authorized and did not happen is one step milder; a refusal is `low` or `medium`.
    ///
    /// Whom a certificate is for stands in the request itself, which the log has at level Request and above.
    ///
    /// # Why it matters
    ///
    /// A client certificate is a credential that cannot be revoked: it works until it expires, for whatever user
    /// and groups are written in it, and its requests no longer look like the ServiceAccount's.
    ///
    /// # Known benign causes
    ///
    /// - kube-controller-manager approves kubelets' certificates, and approvers for kubelets' serving certificates
    ///   do: on the allow-list, `info` under their own user agents.
    /// - cert-manager, istiod and others with signers of their own: `low` or `info`.
    ///
    /// # What to do
    ///
    /// See whom the certificate is for and what that user may do. Take its rights away, since the certificate stays.
    ///
    /// # Attributes
    ///
    /// - `objects`: the requests, the gravest first: `verb`, `resource`, `subresource`, `name`, `code`, `requests`,
    ///   `first_seen`, `last_seen`, `signer`, `user`, `groups`
    /// - `certificate_users`, `certificate_groups`: requests by whom the certificates are for
    /// - `signers`: requests by signer
    /// - `created`, `approved`, `denied`: requests that went through, by what they did; `refused`: those that were
    ///   not allowed
    /// - `self_approved`: how many of the certificates the account both asked for and approved
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
    /// critical  csr-approved  ci/deployer  2 requests
    ///   asked for and approved a certificate for system:serviceaccount:kube-system:node-controller
    /// ```
    "csr-approved",
    "A ServiceAccount asks for or approves client certificates",
    [CERTIFICATES, CREDENTIALS_ADDED],
}

/// What was done to requests for certificates, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct CsrApproved {
    users: PerAccount<Seen>,
    evaluated: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    writes: Writes<Grade>,
    users: Tally,
    groups: Tally,
    signers: Tally,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Grade {
    outcome: Outcome,
    purpose: Purpose,
    act: Act,
}

impl Detector for CsrApproved {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::CERTIFICATES.and(Aspects::WRITE));

    fn observe(&mut self, event: &Request<'_>) {
        let (Some(write), Some(outcome)) = (CertificateWrite::of(event), event.outcome()) else {
            return;
        };
        self.evaluated += 1;
        // A 401 has no user.
        let user = event.user.name.read();
        if event.service_account().is_none()
            && (write.purpose != Purpose::Cluster || user.is_empty())
        {
            return;
        }
        self.users
            .note(&user, |seen| seen.add(write, outcome, event));
    }

    fn merge(&mut self, other: Self) {
        self.users.merge(other.users);
        self.evaluated += other.evaluated;
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let users = self.users.sorted().into_iter();
        users
            .map(|(user, seen)| finding(user, seen, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        Coverage {
            evaluated: self.evaluated,
            blind: log.blind_to_accounts().or_else(|| log.blind_to_writes()),
        }
    }
}

impl Seen {
    fn add(&mut self, write: CertificateWrite, outcome: Outcome, event: &Request<'_>) {
        let grade = Grade {
            outcome,
            purpose: write.purpose,
            act: write.act,
        };
        let user: Vec<String> = write.user.into_iter().collect();
        let signer: Vec<String> = write.signer.into_iter().collect();
        for (tally, values) in [
            (&mut self.users, &user),
            (&mut self.groups, &write.groups),
            (&mut self.signers, &signer),
        ] {
            for value in values.iter().take(SHOWN * 10) {
                tally.add(shortened(value), event);
            }
        }
        let facts = vec![("signer", signer), ("user", user), ("groups", write.groups)];
        self.writes.add(grade, &write.name, &facts, event);
    }

    fn done(&self, act: Act) -> u64 {
        let deeds = &self.writes.activity.deeds;
        deeds.count(|g| g.is_done() && g.act == act)
    }

    /// The names of the requests that were `act`.
    fn names(&self, act: Act) -> BTreeSet<&str> {
        let done = self.writes.named(|g| g.is_done() && g.act == act);
        done.iter()
            .map(|o| o.name)
            .filter(|name| !name.is_empty())
            .collect()
    }

    fn self_approved(&self) -> BTreeSet<&str> {
        let (created, approved) = (self.names(Act::Created), self.names(Act::Approved));
        created.intersection(&approved).copied().collect()
    }
}

impl Attempt for Grade {
    fn outcome(self) -> Outcome {
        self.outcome
    }

    fn severity(self) -> Severity {
        self.outcome.of_severity(match (self.act, self.purpose) {
            (Act::Denied, _) | (Act::Created, Purpose::Other) => Severity::Info,
            (Act::Created, Purpose::Unknown)
            | (Act::Approved, Purpose::Other | Purpose::Kubelet) => Severity::Low,
            (Act::Created, Purpose::Kubelet | Purpose::Client)
            | (Act::Approved, Purpose::Unknown) => Severity::Medium,
            (Act::Created, Purpose::Cluster) | (Act::Approved, Purpose::Client) => Severity::High,
            (Act::Approved, Purpose::Cluster) => Severity::Critical,
        })
    }
}

impl Merge for Seen {
    fn merge(&mut self, other: Self) {
        self.writes.merge(other.writes);
        self.users.merge(other.users);
        self.groups.merge(other.groups);
        self.signers.merge(other.signers);
    }
}

fn finding(user: &str, seen: &Seen, context: &Context<'_>) -> Finding {
    let (judgement, mut finding) = seen.writes.draft(&ABOUT, caller::subject(user), context);
    let self_approved = seen.self_approved().len();
    let severity = if self_approved > 0 && judgement.uncovered > 0 {
        judgement.severity.max(Severity::High)
    } else {
        judgement.severity
    };
    let fields = [
        ("certificate_users", seen.users.attribute(SHOWN)),
        ("certificate_groups", seen.groups.attribute(SHOWN)),
        ("signers", seen.signers.attribute(SHOWN)),
        ("created", seen.done(Act::Created).into()),
        ("approved", seen.done(Act::Approved).into()),
        ("denied", seen.done(Act::Denied).into()),
        ("refused", seen.writes.count(Outcome::Refused).into()),
        ("self_approved", (self_approved as u64).into()),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    finding.attributes.extend(fields);
    let users = seen.users.ranked().into_iter();
    let users = users.map(|user| caller::subject(&user.value));
    finding.involves.subjects.extend(users);
    Finding {
        severity,
        summary: summary(&finding.subject, seen, severity),
        remediation: remediation(&finding.subject, seen),
        ..finding
    }
}

fn summary(subject: &Subject, seen: &Seen, severity: Severity) -> String {
    let did = [
        (seen.done(Act::Approved), "approved"),
        (seen.done(Act::Created), "asked for"),
        (seen.done(Act::Denied), "denied"),
    ];
    let did: Vec<String> = did
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, words)| format!("{words} {n}"))
        .collect();
    let did = if did.is_empty() {
        "tried to get or approve certificates without success".to_owned()
    } else {
        format!("{} certificates", did.join(" and "))
    };
    let whom = match seen.users.ranked().first() {
        Some(user) => format!(", for {}", user.value),
        None => "; the log does not say for whom".to_owned(),
    };
    let own = if seen.self_approved().is_empty() {
        ""
    } else {
        ", its own request among them"
    };
    let advice = match severity {
        Severity::Info => "nothing to do",
        Severity::Low => "check that it is meant to",
        _ => "a certificate cannot be revoked: take that user's rights away",
    };
    format!("{subject} {did}{own}{whom}; {advice}")
}

fn remediation(subject: &Subject, seen: &Seen) -> Remediation {
    let mut steps = Vec::new();
    let written = seen.writes.named(|g| g.is_done() && g.act != Act::Denied);
    let names: BTreeSet<&str> = written
        .iter()
        .map(|o| o.name)
        .filter(|name| !name.is_empty())
        .collect();
    for name in names.into_iter().take(3) {
        let name = quote(name);
        steps.push(step(
            "see whom it is for, who asked for it and when it expires (kept for an hour after it was issued)",
            format!("kubectl get certificatesigningrequest {name} --output jsonpath='{{.spec.request}}' | base64 -d | openssl req -noout -subject"),
        ));
        steps.push(step(
            "if it is not signed yet, delete it",
            format!("kubectl delete certificatesigningrequest {name}"),
        ));
    }
    for user in seen.users.ranked().into_iter().take(3) {
        steps.push(step(
            "see what the certificate is good for",
            format!("kubectl auth can-i --list --as={}", quote(&user.value)),
        ));
    }
    let user = match &subject.namespace {
        Some(namespace) => format!("system:serviceaccount:{namespace}:{}", subject.name),
        None => subject.name.clone(),
    };
    steps.push(step(
        "after narrowing the role, check that approving is no longer in it",
        format!(
            "kubectl auth can-i update certificatesigningrequests.certificates.k8s.io --subresource=approval --as={}",
            quote(&user)
        ),
    ));
    Remediation {
        summary:
            "take the rights of the certificate's user away; the certificate itself stays valid"
                .to_owned(),
        steps,
    }
}
