//! Requests by the `default` ServiceAccount of a namespace.

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Attributes, Finding, Remediation, Severity, Step, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, PerAccount,
    activity::Activity, deed::Deed, draft::draft, request::Request, shell::quote,
};

about! {
    /// # What it finds
    ///
    /// Requests that authenticated as the ServiceAccount `default` of some namespace: one finding for
    /// each namespace, with all its requests.
    ///
    /// The severity follows from the gravest thing that it did: `info` if it only asked for discovery
    /// (`/api`, `/apis`, `/version`, `/openapi`, health, its own rights), `low` if everything else was
    /// refused or failed, `medium` if it read objects or was authorized to change some and did not (404,
    /// 409, 422, `dryRun=All`), `high` if it read secrets or changed anything. A review (TokenReview,
    /// SubjectAccessReview) is a read, although its verb is `create`.
    ///
    /// # Why it matters
    ///
    /// Every pod that names no ServiceAccount runs as `default`, and its token is mounted into the pod
    /// unless that is switched off. So a right granted to `default` is a right of every pod of the
    /// namespace, future ones included, and the log cannot tell one workload from the other.
    ///
    /// # Known benign causes
    ///
    /// - Client libraries that ask for discovery when they start: `info`.
    /// - OpenShift's cluster-version-operator is `openshift-cluster-version/default` by design: on the
    ///   allow-list, `info` under its own user agent.
    /// - Small clusters with one workload for each namespace, where `default` is that workload's account:
    ///   an exception with a reason, or a ServiceAccount of its own.
    ///
    /// # What to do
    ///
    /// Find the pods (`pods`, where the tokens are bound ones), give each workload a ServiceAccount with
    /// the rights that `requests` shows it to need, take the rights of `default` away, and set
    /// `automountServiceAccountToken: false` on it.
    ///
    /// # Attributes
    ///
    /// - `did`: requests by what they did (`discovery`, `denied`, `failed`, `read`, `attempted-change`,
    ///   `change`, `secrets-read`, `pod-entered`, `token-minted`, `rbac-written`)
    /// - `requests`: requests by verb and resource
    /// - `codes`: requests by HTTP status
    /// - `namespaces`: requests by the namespace that they name, `*` if none
    /// - `addresses`, `user_agents`: requests by the peer's address and by user agent;
    ///   `distinct_addresses`, `distinct_user_agents`: how many of them there are (estimated above 64)
    /// - `pods`, `nodes`: requests by the pod and the node that the token is bound to, where the log has
    ///   it (Kubernetes 1.30 on for nodes, KEP-4193)
    /// - `credential_ids`: requests by the token's ID (Kubernetes 1.30 on): a TokenRequest's
    ///   `issued-credential-id` tells who made it
    /// - `impersonated`: requests by the user as whom they were made, if by another one
    /// - each address, agent, pod, node, credential and impersonated user with its `requests`, `first_seen`
    ///   and `last_seen`
    /// - `allowed_as`: why the allow-list takes requests lightly, or null; `not_allow_listed`: how many
    ///   requests it does not cover
    ///
    /// # Example
    ///
    /// ```text
    /// medium  default-serviceaccount  shop/default  660 requests
    ///   did: read 440, denied 220    pods: legacydefault-75d8c87646-q2lxz 330, ...
    /// ```
    "default-serviceaccount",
    "A namespace's default ServiceAccount is in use",
    [DEFAULT_ACCOUNTS],
}

/// What the default accounts did, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct DefaultServiceAccount {
    accounts: PerAccount<Activity>,
}

impl Detector for DefaultServiceAccount {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::DEFAULT_ACCOUNT);

    fn observe(&mut self, event: &Request<'_>) {
        // Taking the name apart costs more than to see that it is another one.
        let name = event.user.name.as_plain().unwrap_or_default();
        if !name.ends_with(":default") {
            return;
        }
        if let Some(account) = event.service_account() {
            self.accounts.note(account.namespace, |activity| {
                activity.add(event.deed(), event);
            });
        }
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.sorted().into_iter();
        accounts
            .map(|(namespace, activity)| finding(namespace, activity, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        Coverage {
            evaluated: log.service_account_requests,
            blind: log.blind_to_accounts(),
        }
    }
}

fn finding(namespace: &str, activity: &Activity, context: &Context<'_>) -> Finding {
    let subject = Subject::service_account(namespace, "default");
    let allow = |agent: &str| context.settings.allow.expects(ABOUT.id, &subject, agent);
    let judgement = activity.deeds.judge(allow, severity);
    let mut attributes = Attributes::new();
    activity.write(&mut attributes);
    activity.write_deeds(&mut attributes);
    judgement.write(&mut attributes);
    Finding {
        severity: judgement.severity,
        summary: summary(namespace, activity, judgement.severity),
        attributes,
        involves: activity.callers.involved(),
        remediation: remediation(ServiceAccount {
            namespace,
            name: "default",
        }),
        ..draft(&ABOUT, subject, &[], &activity.evidence, context)
    }
}

fn severity(deed: Deed) -> Severity {
    match deed {
        Deed::Discovered => Severity::Info,
        Deed::Refused | Deed::Failed => Severity::Low,
        Deed::Read | Deed::Attempted => Severity::Medium,
        Deed::Changed | Deed::ReadSecrets | Deed::Entered | Deed::Minted | Deed::WroteRbac => {
            Severity::High
        }
    }
}

fn summary(namespace: &str, activity: &Activity, severity: Severity) -> String {
    let did = activity.in_words();
    let pods = match activity.callers.pods().distinct() {
        0 => String::new(),
        1 => " from 1 pod".to_owned(),
        n => format!(" from {n} pods"),
    };
    let advice = match severity {
        Severity::Info => "nothing to do",
        Severity::Low => "it needs no token: switch automounting off",
        _ => "every pod of the namespace has these rights: give the workload an account of its own",
    };
    format!("the default account of {namespace} {did}{pods}; {advice}")
}

fn remediation(account: ServiceAccount<'_>) -> Remediation {
    let namespace = quote(account.namespace);
    let user = quote(&account.user_name());
    let step = |text: &str, command: String| Step {
        text: text.to_owned(),
        command: Some(command),
    };
    Remediation {
        summary: "give each workload a ServiceAccount of its own and stop mounting the default one's token"
            .to_owned(),
        steps: vec![
            step(
                "find the pods that run as default",
                format!("kubectl get pods --namespace {namespace} --field-selector spec.serviceAccountName=default"),
            ),
            step(
                "see which rights default has",
                format!("kubectl auth can-i --list --namespace {namespace} --as={user}"),
            ),
            step(
                "make an account for the workload (put its name for APP), and grant it what the requests show it to need",
                format!("kubectl create serviceaccount APP --namespace {namespace}"),
            ),
            step(
                "let the workload use it",
                format!("kubectl set serviceaccount deployment/APP APP --namespace {namespace}"),
            ),
            step(
                "once no pod needs it, stop mounting default's token into new pods",
                format!(
                    "kubectl patch serviceaccount default --namespace {namespace} --patch {}",
                    quote(r#"{"automountServiceAccountToken": false}"#)
                ),
            ),
        ],
    }
}
