//! What this audit policy can never show.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::finding::{Attribute, Attributes, Finding, Remediation, Severity, Step, Subject};

use super::{
    About, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts, Run, draft::draft,
    policy_rules::policy, policy_spots::Spot, policy_view::PolicyView, request::Request,
};

about! {
    /// # What it finds
    ///
    /// What the audit policy (or whatever the log went through) keeps out of the log, so that no detector can ever
    /// see it: one finding about the log. It takes 1,000 requests to tell, since in a short log a thing can
    /// be missing by chance. Its `blind_spots`, by severity:
    ///
    /// - `medium`, since whole detectors are blind: `reads` (no get, list or watch at all, as in AKS
    ///   kube-audit-admin), `secrets` (no request on secrets by anybody, though kube-apiserver itself reads
    ///   them), `accounts` (no request by any ServiceAccount), `annotations` (no annotation at all: no legacy or
    ///   stale tokens, no reasons)
    /// - `low`: `token-requests` (none in an hour or more, though kubelets renew tokens after 48 minutes),
    ///   `responses-started` (no 401s and no open watches, since their stage is left out), `credential-ids` (no
    ///   token can be followed from its making to its use), `addresses`, `user-agents`, `exposed` (the log has
    ///   bodies of Secrets, TokenRequests or token reviews: whoever reads it has the tokens)
    /// - `info`: `role-bodies`, `workload-bodies`, `admission-bodies` (they are written, and none of the writes has its
    ///   body: what was granted, or what a pod may do, is not in the log), `groups`, `decisions`, `messages` (refused
    ///   impersonation cannot be told from other refusals), `unauthorized` (10,000 requests and not one 401)
    ///
    /// # Why it matters
    ///
    /// A report without findings means nothing where the log could not have shown them. A policy is written once, in
    /// fear of its size, and what it leaves out is noticed when it is needed.
    ///
    /// # Known benign causes
    ///
    /// - Managed clusters, whose policy is the provider's; some let a category of reads be switched on.
    /// - Bodies that were left out on purpose, because of what is in them or of their size.
    /// - A log that was filtered before it came here: then the policy is not to blame.
    ///
    /// # What to do
    ///
    /// The remediation has a policy that fills these gaps and no others: put its rules before those of the policy in
    /// use, since the first rule that matches decides. kube-apiserver reads its policy when it starts.
    ///
    /// # Attributes
    ///
    /// - `blind_spots`: what is missing, each with `spot`, `severity` and `cannot_show`
    /// - `levels`: for each kind of resource (`secrets`, `token-requests`, `token-reviews`, `roles`, `pods`,
    ///   `pod-entry`, `workloads`, `admission`, `others`, `no-resource`) and what was done (`reads`, `writes`, `other`)
    ///   the requests by level, and how many have `request_bodies` and `response_bodies`
    /// - `stages`: the stages that the log has
    /// - `server_at_least`: the oldest Kubernetes version that writes what the log has, and `server_told_by`; null where
    ///   nothing tells. Older servers cannot show more than their version: messages since 1.24, the Secret of a legacy
    ///   token since 1.29, credential IDs since 1.30
    ///
    /// # Example
    ///
    /// ```text
    /// medium  policy-blind-spot  audit log  26381 requests
    ///   secrets: who reads secrets    role-bodies: what roles and bindings grant
    /// ```
    "policy-blind-spot",
    "The audit policy leaves things out",
    [],
}

/// When something is missing, and not only rare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// So many requests have to be there: a small idle cluster makes them in some minutes.
    pub enough_requests: NonZeroU64,
    /// So many without a single 401 are odd: expired tokens and scanners are everywhere.
    pub busy_requests: NonZeroU64,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |n| NonZeroU64::new(n).unwrap_or(NonZeroU64::MIN);
        Self {
            enough_requests: number(1000),
            busy_requests: number(10_000),
        }
    }
}

/// What the log says.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PolicyBlindSpot {
    view: PolicyView,
}

impl Detector for PolicyBlindSpot {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::EVERYTHING;
    const TAKES_RUNS: bool = true;

    fn observe(&mut self, event: &Request<'_>) {
        self.view.add(event);
    }

    fn observe_run(&mut self, run: &Run) {
        self.view.add_run(run);
    }

    fn observe_each(&mut self, event: &Request<'_>) {
        self.view.add_each(event);
    }

    fn merge(&mut self, other: Self) {
        self.view.merge(other.view);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let limits = &context.settings.policy_blind_spot;
        if context.log.requests < limits.enough_requests.get() {
            return Vec::new();
        }
        let spots = self.view.spots(context.log, limits);
        let finding = (!spots.is_empty()).then(|| self.finding(&spots, context));
        finding.into_iter().collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let few = log.requests < Limits::default().enough_requests.get();
        Coverage {
            evaluated: log.requests,
            blind: few.then(|| {
                "the log has fewer than 1,000 requests: what is missing may be missing by chance"
                    .to_owned()
            }),
        }
    }
}

impl PolicyBlindSpot {
    fn finding(&self, spots: &[Spot], context: &Context<'_>) -> Finding {
        let log = context.log;
        let evidence = log.traffic.ends(context);
        Finding {
            severity: spots
                .iter()
                .map(|s| s.severity)
                .max()
                .unwrap_or(Severity::Info),
            count: log.requests,
            first_seen: log.first_event,
            last_seen: log.last_event,
            summary: summary(spots),
            attributes: self.attributes(spots, log),
            evidence,
            remediation: remediation(spots),
            ..draft(
                &ABOUT,
                Subject::audit_log(),
                &[],
                &EvidenceSet::default(),
                context,
            )
        }
    }

    fn attributes(&self, spots: &[Spot], log: &LogFacts) -> Attributes {
        let told = self.view.server_at_least();
        let stages = log.stages.iter().map(|(stage, _)| stage.as_str().into());
        let fields: [(&str, Attribute); 5] = [
            (
                "blind_spots",
                Attribute::List(spots.iter().map(Spot::attribute).collect()),
            ),
            ("levels", self.view.attribute()),
            ("stages", Attribute::List(stages.collect())),
            ("server_at_least", told.map(|(version, _)| version).into()),
            ("server_told_by", told.map(|(_, by)| by).into()),
        ];
        fields.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

fn summary(spots: &[Spot]) -> String {
    let mut worst: Vec<&Spot> = spots.iter().collect();
    worst.sort_by_key(|spot| std::cmp::Reverse(spot.severity));
    let names: Vec<&str> = worst.iter().map(|spot| spot.name).collect();
    format!(
        "the audit policy leaves out {} kinds of things ({}); what is missing is in no finding: put the rules that are \
         proposed before its own",
        spots.len(),
        names.join(", ")
    )
}

fn remediation(spots: &[Spot]) -> Remediation {
    let mut steps = vec![Step {
        text: "see which policy kube-apiserver runs with, and what else it says about its audit log".to_owned(),
        command: Some(
            "kubectl get pods --namespace kube-system --selector component=kube-apiserver --output yaml | grep -e '--audit-'"
                .to_owned(),
        ),
    }];
    let names: Vec<&str> = spots.iter().map(|spot| spot.name).collect();
    if let Some(policy) = policy(&names) {
        steps.push(Step {
            text: "put these rules before those of that policy (the first rule that matches decides), and start \
                   kube-apiserver anew"
                .to_owned(),
            command: Some(format!(
                "cat > audit-policy-additions.yaml <<'POLICY'\n{policy}POLICY"
            )),
        });
    }
    Remediation {
        summary: "log what is missing, at the lowest level that shows it".to_owned(),
        steps,
    }
}
