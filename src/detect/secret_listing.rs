//! Lists and watches of secrets by ServiceAccounts.

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Attribute, Attributes, Finding, Remediation, Severity, Step, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts, Merge,
    PerAccount, Tally, activity,
    advice::times,
    caller::{Callers, SHOWN},
    draft::draft,
    grants::Grants,
    judge::{ByAgent, Judgement},
    listing::{Listing, Outcome, Reach},
    one_secret,
    request::Request,
    shell::quote,
};

about! {
    /// # What it finds
    ///
    /// `list` and `watch` of secrets by a ServiceAccount, allowed or not: one finding for each account. A
    /// list returns the contents of all secrets that it covers, not only their names.
    ///
    /// The severity is that of the gravest request:
    ///
    /// | what it covers | allowed | refused | failed otherwise |
    /// |---|---|---|---|
    /// | all namespaces | high | medium | low |
    /// | kube-system, by an account of another namespace | high | medium | low |
    /// | another namespace | medium | medium | low |
    /// | the account's own namespace | low | low | info |
    /// | one secret (`fieldSelector=metadata.name=`) | info | low | info |
    ///
    /// What the allow-list covers is `info`; it never covers a refused request, nor a user agent that it
    /// does not expect.
    ///
    /// # Why it matters
    ///
    /// Secrets hold passwords, keys and other accounts' tokens: whoever can list them all has the cluster.
    /// Refused lists are what an intruder's first minutes look like.
    ///
    /// # Known benign causes
    ///
    /// - Controllers of kube-controller-manager that work on every resource (garbage collector, namespace,
    ///   quota): allow-listed under their own user agents.
    /// - Operators that manage secrets (cert-manager, external-secrets, Flux, Argo CD, ...): allow-listed
    ///   under the names that their projects use. Elsewhere, add an entry with a reason.
    /// - Helm keeps releases as secrets: `helm list` lists secrets of its namespace.
    /// - kubelets and mounted secrets are not affected: they read as nodes, one secret at a time.
    ///
    /// # What to do
    ///
    /// `allowed_by` names the binding that let it through. Narrow its role to the names that the workload
    /// needs (`resourceNames` with `get`; `list` cannot be narrowed to names), or to one namespace. If
    /// nothing needs it, remove the binding, and rotate what was listed if the caller is not known.
    ///
    /// # Attributes
    ///
    /// - `requests`: requests by verb, namespace (`*`: all) and HTTP status
    /// - `lists`, `watches`: how many there are of each; `single_reads`: how many of them name one secret
    /// - `allowed`, `denied`, `failed`: how many there are of each
    /// - `cluster_wide`, `kube_system`, `other_namespaces`, `own_namespace`: allowed requests by what they
    ///   cover, single reads left out
    /// - `namespaces`: requests by the namespace that they name, `*` if none
    /// - `allowed_by`: the RBAC bindings that the log names (`authorization.k8s.io/reason`; only the first
    ///   that matches a request): `binding_kind`, `binding`, `namespace`, `role_kind`, `role`,
    ///   `subject_kind`, `subject`, `requests`
    /// - `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`, `impersonated`,
    ///   `distinct_addresses`, `distinct_user_agents`: as for `default-serviceaccount`
    /// - `allowed_as`: why the allow-list takes requests lightly, or null; `not_allow_listed`: how many
    ///   requests it does not cover
    ///
    /// # Example
    ///
    /// ```text
    /// high  secret-listing  monitoring/prometheus  22 requests
    ///   list * 200: 22    allowed_by: ClusterRoleBinding prometheus of ClusterRole prometheus
    /// ```
    "secret-listing",
    "A ServiceAccount lists or watches secrets",
    [CONTAINER_API],
}

/// Lists and watches of secrets, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct SecretListing {
    accounts: PerAccount<Listings>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Listings {
    evidence: EvidenceSet,
    reach: ByAgent<Listing>,
    callers: Callers,
    requests: Tally,
    namespaces: Tally,
    verbs: Tally,
    grants: Grants,
}

impl Detector for SecretListing {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest =
        Interest::all(Aspects::ACCOUNT.and(Aspects::SECRETS).and(Aspects::LISTING));

    fn observe(&mut self, event: &Request<'_>) {
        if let Some(listing) = Listing::of(event) {
            self.accounts
                .note_user(event, |seen| seen.add(listing, event));
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
        one_secret::coverage(log)
    }
}

impl Listings {
    fn add(&mut self, listing: Listing, event: &Request<'_>) {
        self.evidence.add(event);
        self.reach
            .add(listing, event.agent(), event.caller.agent_hash);
        self.callers.add(event);
        let named = event.object.map(|o| o.namespace.read()).unwrap_or_default();
        let namespace = activity::namespace(&named);
        let code = activity::code(event);
        let request = format!("{} {namespace} {code}", event.verb);
        self.requests.add(&request, event);
        self.namespaces.add(namespace, event);
        self.verbs.add(&event.verb.read(), event);
        self.grants.add(event);
    }

    fn count(&self, wanted: impl Fn(Listing) -> bool) -> u64 {
        self.reach.count(wanted)
    }
}

impl Merge for Listings {
    fn merge(&mut self, other: Self) {
        self.evidence.merge(other.evidence);
        self.reach.merge(other.reach);
        self.callers.merge(other.callers);
        self.requests.merge(other.requests);
        self.namespaces.merge(other.namespaces);
        self.verbs.merge(other.verbs);
        self.grants.merge(other.grants);
    }
}

fn finding(account: ServiceAccount<'_>, seen: &Listings, context: &Context<'_>) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let name = subject.to_string();
    let allow = |agent: &str| context.settings.allow.expects(ABOUT.id, &subject, agent);
    let judgement = seen.reach.judge(allow, Listing::severity);
    Finding {
        severity: judgement.severity,
        summary: summary(&name, seen, &judgement),
        attributes: attributes(seen, &judgement),
        involves: seen.callers.involved(),
        remediation: remediation(account, seen),
        ..draft(&ABOUT, subject, &[], &seen.evidence, context)
    }
}

fn attributes(seen: &Listings, judgement: &Judgement) -> Attributes {
    let mut attributes = Attributes::new();
    let mut put = |name: &str, value: Attribute| attributes.insert(name.to_owned(), value);
    put("requests", seen.requests.attribute(SHOWN));
    put("namespaces", seen.namespaces.attribute(SHOWN));
    put("lists", seen.verbs.count_of("list").into());
    put("watches", seen.verbs.count_of("watch").into());
    put(
        "single_reads",
        seen.count(|l| l.reach == Reach::Single).into(),
    );
    for (name, outcome) in [
        ("allowed", Outcome::Allowed),
        ("denied", Outcome::Denied),
        ("failed", Outcome::Failed),
    ] {
        put(name, seen.count(|l| l.outcome == outcome).into());
    }
    for (name, reach) in [
        ("cluster_wide", Reach::ClusterWide),
        ("kube_system", Reach::KubeSystem),
        ("other_namespaces", Reach::OtherNamespace),
        ("own_namespace", Reach::OwnNamespace),
    ] {
        let allowed = Listing {
            reach,
            outcome: Outcome::Allowed,
        };
        put(name, seen.count(|l| l == allowed).into());
    }
    put("allowed_by", seen.grants.attribute());
    seen.callers.write(&mut attributes);
    judgement.write(&mut attributes);
    attributes
}

fn summary(name: &str, seen: &Listings, judgement: &Judgement) -> String {
    let allowed = |reach| seen.count(|l| l.reach == reach && l.outcome == Outcome::Allowed);
    let what = [
        (Reach::ClusterWide, "lists secrets of all namespaces"),
        (Reach::KubeSystem, "lists secrets of kube-system"),
        (Reach::OtherNamespace, "lists secrets of other namespaces"),
        (Reach::OwnNamespace, "lists secrets of its own namespace"),
        (Reach::Single, "reads single secrets by list or watch"),
    ];
    let what = what.into_iter().find(|&(reach, _)| allowed(reach) > 0);
    let denied = seen.count(|l| l.outcome == Outcome::Denied);
    let what = match (what, denied) {
        (Some((reach, what)), 0) => format!("{what} ({})", allowed(reach)),
        (Some((reach, what)), _) => {
            format!(
                "{what} ({}) and was refused {}",
                allowed(reach),
                times(denied)
            )
        }
        (None, 0) => "tried to list secrets without success".to_owned(),
        (None, _) => format!("tried to list secrets and was refused {}", times(denied)),
    };
    let advice = match (judgement.severity, denied) {
        (Severity::Info, _) => "nothing to do",
        (Severity::Low, _) => "check that it needs them all",
        (_, denied) if denied > 0 => "find out who is asking, and narrow what it may read",
        _ => "narrow its role to the secrets that it needs",
    };
    format!("{name} {what}; {advice}")
}

fn remediation(account: ServiceAccount<'_>, seen: &Listings) -> Remediation {
    let user = quote(&account.user_name());
    let namespace = quote(account.namespace);
    let mut steps = seen.grants.steps(
        "take list and watch of secrets out of the role, or give the account a narrower one",
    );
    steps.push(Step {
        text: "check whether it may still list secrets everywhere".to_owned(),
        command: Some(format!(
            "kubectl auth can-i list secrets --all-namespaces --as={user}"
        )),
    });
    steps.push(Step {
        text: "and in its own namespace".to_owned(),
        command: Some(format!(
            "kubectl auth can-i list secrets --namespace {namespace} --as={user}"
        )),
    });
    Remediation {
        summary:
            "narrow the role that lets it list secrets; rotate them if the caller is not known"
                .to_owned(),
        steps,
    }
}
