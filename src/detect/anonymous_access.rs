//! Requests without credentials that were let through.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::finding::{Attributes, Finding, Remediation, Severity, Subject};

use super::{
    About, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts, Merge,
    activity::Activity,
    advice::step,
    caller::SHOWN,
    deed::{Deed, permission},
    distinct::Distinct,
    draft::draft,
    grants::Grants,
    judge::Judgement,
    request::Request,
};

about! {
    /// # What it finds
    ///
    /// Requests by `system:anonymous`, that is without any credentials, beyond what is meant for everybody:
    /// health, version and discovery, and `cluster-info` in `kube-public`, from which kubeadm
    /// lets new nodes learn about the cluster. One finding for all of them.
    ///
    /// | what was done | severity |
    /// |---|---|
    /// | refused | info; medium if ten different permissions were refused: a scanner |
    /// | let through, and not there | low |
    /// | read something, or was let through to change something and did not | high |
    /// | read secrets, changed something, went into a pod, made a token, wrote RBAC | critical |
    ///
    /// # Why it matters
    ///
    /// Whoever reaches the API server has these rights: no account, no token, no trace of a person. They come
    /// from a binding to the user `system:anonymous` or the group `system:unauthenticated`, which somebody
    /// made by mistake, or as a back door.
    ///
    /// # Known benign causes
    ///
    /// - Load balancers and kubelets' probes that ask for health: not counted.
    /// - Products that open a path on purpose, such as OpenShift's build webhooks: an allow-list entry for the
    ///   account `system:anonymous` with the user agents that are expected, or an exception.
    /// - Refused requests are what every API server gets that can be reached from the internet.
    ///
    /// # What to do
    ///
    /// `allowed_by` names the bindings: take `system:anonymous` and `system:unauthenticated` out of them, and
    /// find out who made them (`rbac-written`). Then switch anonymous requests off where nothing needs them:
    /// `--anonymous-auth=false`, or, where probes ask for health without credentials, an
    /// `AuthenticationConfiguration` that lets them through for these paths alone (KEP-4633).
    ///
    /// Threshold: `permissions` in `[thresholds.anonymous-access]`.
    ///
    /// # Attributes
    ///
    /// - `did`: requests by what they did, as for `default-serviceaccount`
    /// - `open`: how many requests for health, version, discovery and `cluster-info` there were; they are not
    ///   among the others
    /// - `refused`: what was refused, the most frequent first, each with its `requests`, `first_seen`,
    ///   `last_seen`; `distinct_refused`: how many there are
    /// - `allowed_by`: as for `secret-listing`
    /// - `requests`, `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`,
    ///   `impersonated`, `distinct_addresses`, `distinct_user_agents`, `allowed_as`, `not_allow_listed`: as
    ///   for `default-serviceaccount`
    ///
    /// # Example
    ///
    /// ```text
    /// high  anonymous-access  system:anonymous  26 requests
    ///   did: read 10, denied 16    allowed_by: ClusterRoleBinding anon-view of ClusterRole view
    /// ```
    "anonymous-access",
    "Requests without credentials were let through",
    [PUBLIC_APPLICATION, CONTAINER_DISCOVERY],
}

const ANONYMOUS: &str = "system:anonymous";

/// When refused anonymous requests are those of a scanner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// So many different permissions. Ten: browsers and probes of others' products ask for a few.
    pub permissions: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            permissions: NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN),
        }
    }
}

/// What was done without credentials.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct AnonymousAccess {
    /// Health, version, discovery, `cluster-info`.
    open: u64,
    activity: Activity,
    refused: Distinct<Deed>,
    grants: Grants,
}

impl Detector for AnonymousAccess {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::ANONYMOUS);

    fn observe(&mut self, event: &Request<'_>) {
        if event.user.name != ANONYMOUS {
            return;
        }
        let deed = event.deed();
        if deed == Deed::Discovered || deed <= Deed::Read && is_cluster_info(event) {
            self.open += 1;
            return;
        }
        self.activity.add(deed, event);
        self.grants.add(event);
        if deed == Deed::Refused {
            self.refused.add(&[&permission(event)], deed, event);
        }
    }

    fn merge(&mut self, other: Self) {
        self.open += other.open;
        self.activity.merge(other.activity);
        self.refused.merge(other.refused);
        self.grants.merge(other.grants);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let found = self.activity.evidence.count() > 0;
        found.then(|| self.finding(context)).into_iter().collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        Coverage {
            evaluated: log.requests,
            blind: (log.requests == 0).then(|| "the log has no requests".to_owned()),
        }
    }
}

/// What kubeadm opens to everybody (kubernetes `cmd/kubeadm/app/phases/bootstraptoken/clusterinfo`).
fn is_cluster_info(event: &Request<'_>) -> bool {
    event.is_core("configmaps")
        && event.verb == "get"
        && event.object.is_some_and(|object| {
            object.namespace == "kube-public" && object.name == "cluster-info"
        })
}

impl AnonymousAccess {
    fn finding(&self, context: &Context<'_>) -> Finding {
        let subject = Subject::user(ANONYMOUS);
        let judgement = self.judge(&subject, context);
        let evidence: &EvidenceSet = &self.activity.evidence;
        let mut attributes = Attributes::new();
        self.activity.write(&mut attributes);
        self.activity.write_deeds(&mut attributes);
        judgement.write(&mut attributes);
        let mut put = |name: &str, value| attributes.insert(name.to_owned(), value);
        put("open", self.open.into());
        put("refused", self.refused.attribute(SHOWN, |_, _| true));
        put("distinct_refused", self.refused.count(|_, _| true).into());
        put("allowed_by", self.grants.attribute());
        Finding {
            severity: judgement.severity,
            summary: self.summary(judgement.severity),
            attributes,
            involves: self.activity.callers.involved(),
            remediation: self.remediation(),
            ..draft(&ABOUT, subject, &[], evidence, context)
        }
    }

    fn judge(&self, subject: &Subject, context: &Context<'_>) -> Judgement {
        let limit = context.settings.anonymous_access.permissions.get();
        let is_scan = self.refused.count(|_, _| true) >= limit.into();
        let allow = |agent: &str| context.settings.allow.expects(ABOUT.id, subject, agent);
        self.activity.deeds.judge(allow, |deed| match deed {
            Deed::Refused if is_scan => Severity::Medium,
            Deed::Discovered | Deed::Refused => Severity::Info,
            Deed::Failed => Severity::Low,
            Deed::Read | Deed::Attempted => Severity::High,
            Deed::Changed | Deed::ReadSecrets | Deed::Entered | Deed::Minted | Deed::WroteRbac => {
                Severity::Critical
            }
        })
    }

    fn summary(&self, severity: Severity) -> String {
        let addresses = match self.activity.callers.addresses().distinct() {
            1 => "1 address".to_owned(),
            n => format!("{n} addresses"),
        };
        let advice = match severity {
            Severity::Info => "nothing got through",
            Severity::Low => "see which binding lets it through",
            Severity::Medium => "somebody is scanning: see who can reach the API server",
            _ => "take the binding that lets it through away",
        };
        let did = self.activity.in_words();
        format!("without credentials, {ANONYMOUS} {did} from {addresses}; {advice}")
    }

    fn remediation(&self) -> Remediation {
        let mut steps = self.grants.unbind_steps(
            "take system:anonymous and system:unauthenticated out of the binding's subjects, and leave the role \
             as it is",
        );
        steps.push(step(
            "list every binding that speaks for anonymous requests",
            "kubectl get clusterrolebindings,rolebindings --all-namespaces --output wide | grep -E \
             'system:(anonymous|unauthenticated)'"
                .to_owned(),
        ));
        steps.push(step(
            "see whether anonymous requests are switched on (kubeadm; elsewhere look at the flags of \
             kube-apiserver)",
            "kubectl get pods --namespace kube-system --selector component=kube-apiserver --output yaml | \
             grep -E 'anonymous-auth|authentication-config'"
                .to_owned(),
        ));
        Remediation {
            summary: "take anonymous users out of the bindings, then switch anonymous requests off"
                .to_owned(),
            steps,
        }
    }
}
