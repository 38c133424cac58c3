//! What this audit policy can never show.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, Stage},
    finding::{Attribute, Attributes, Finding, Remediation, Severity, Step, Subject},
};

use super::{
    About, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts,
    draft::draft,
    policy_rules::policy,
    policy_view::{Class, PolicyView, Signs},
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

/// Kubelets renew a token after 48 minutes; in microseconds, with some room.
const TOKENS_RENEWED: i64 = 3_600_000_000;
/// So many requests without a single 401 are odd: expired tokens and scanners are everywhere.
const SOME_UNAUTHORIZED: u64 = 10_000;
/// So many failures without a message are no chance.
const SOME_FAILURES: u64 = 10;

/// When something is missing, and not only rare.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// So many requests have to be there: a small idle cluster makes them in some minutes.
    pub enough_requests: NonZeroU64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            enough_requests: NonZeroU64::new(1000).unwrap_or(NonZeroU64::MIN),
        }
    }
}

/// What the log says.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PolicyBlindSpot {
    view: PolicyView,
}

/// Something that is missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) name: &'static str,
    severity: Severity,
    cannot_show: &'static str,
}

impl Detector for PolicyBlindSpot {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::EVERYTHING;

    fn observe(&mut self, event: &Event<'_>) {
        self.view.add(event);
    }

    fn merge(&mut self, other: Self) {
        self.view.merge(other.view);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let enough = context.settings.policy_blind_spot.enough_requests;
        if context.log.requests < enough.get() {
            return Vec::new();
        }
        let spots = self.spots(context.log);
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
    fn spots(&self, log: &LogFacts) -> Vec<Spot> {
        let mut spots = blind(log);
        spots.extend(self.dim(log));
        spots.extend(self.bodiless());
        spots
    }

    /// Fields that are never there, and bodies that should not be.
    fn dim(&self, log: &LogFacts) -> Vec<Spot> {
        let view = &self.view;
        let accounts = log.service_account_requests > 0;
        let secret = [Class::Secrets, Class::TokenRequests, Class::TokenReviews];
        let exposed: u64 = secret.iter().map(|&c| view.response_bodies(c)).sum();
        let low = Severity::Low;
        let info = Severity::Info;
        let spots = [
            (
                accounts && !view.has(Signs::CREDENTIAL_ID),
                ("credential-ids", low, "which token was used, and who made it (the server is older than 1.30, or the log's way here takes user.extra out)"),
            ),
            (
                !view.has(Signs::ADDRESSES),
                ("addresses", low, "where requests come from: no sourceIPs"),
            ),
            (
                !view.has(Signs::USER_AGENT),
                ("user-agents", low, "what clients call themselves: no userAgent"),
            ),
            (
                exposed > 0,
                ("exposed", low, "nothing less, but too much: response bodies of Secrets, TokenRequests or token reviews are in the log"),
            ),
            (
                !view.has(Signs::GROUPS),
                ("groups", info, "whether an account's groups are those of a token: no user.groups"),
            ),
            (
                log.annotated > 0 && !view.has(Signs::DECISION),
                ("decisions", info, "which binding let a request through: no authorization annotations"),
            ),
            (
                view.failed() >= SOME_FAILURES && !view.has(Signs::MESSAGE),
                ("messages", info, "why requests failed, refused impersonation among them (the server is older than 1.24, or the log's way here takes messages out)"),
            ),
        ];
        chosen(spots)
    }

    /// What is written without its body.
    fn bodiless(&self) -> Vec<Spot> {
        let none_of = |class| {
            let (writes, bodies) = self.view.writes(class);
            writes > 0 && bodies == 0
        };
        let info = Severity::Info;
        let workloads = none_of(Class::Pods) || none_of(Class::Workloads);
        let spots = [
            (
                none_of(Class::Roles),
                ("role-bodies", info, "what roles and bindings grant, and to whom"),
            ),
            (
                workloads,
                ("workload-bodies", info, "what pods may do: privileged, host paths, whose account they run as"),
            ),
            (
                none_of(Class::Admission),
                ("admission-bodies", info, "what admission webhooks and policies were changed to"),
            ),
        ];
        chosen(spots)
    }

    fn finding(&self, spots: &[Spot], context: &Context<'_>) -> Finding {
        let log = context.log;
        let evidence = log.traffic.ends(context);
        Finding {
            severity: spots.iter().map(|s| s.severity).max().unwrap_or(Severity::Info),
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
        let stages = log.stages.keys().map(|stage| stage.as_str().into());
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

/// What the counts of the whole log tell.
fn blind(log: &LogFacts) -> Vec<Spot> {
    let span = log.last_event.zip(log.first_event);
    let span = span.map_or(0, |(last, first)| last.micros() - first.micros());
    let stage = |stage| log.stages.contains_key(&stage);
    let (medium, low) = (Severity::Medium, Severity::Low);
    chosen([
        (
            log.reads == 0,
            ("reads", medium, "who reads anything: no get, list or watch"),
        ),
        (
            log.secret_requests == 0,
            ("secrets", medium, "who reads secrets: no request on them by anybody"),
        ),
        (
            log.service_account_requests == 0,
            ("accounts", medium, "what ServiceAccounts do: no request by any of them"),
        ),
        (
            log.annotated == 0,
            ("annotations", medium, "legacy and stale tokens, and why a request was allowed: no annotations"),
        ),
        (
            log.token_requests == 0 && span >= TOKENS_RENEWED,
            ("token-requests", low, "who makes tokens for whom: no TokenRequest by anybody"),
        ),
        (
            !stage(Stage::ResponseStarted),
            ("responses-started", low, "401s, and watches that are still open: no ResponseStarted"),
        ),
        (
            stage(Stage::ResponseStarted)
                && log.unauthenticated == 0
                && log.requests >= SOME_UNAUTHORIZED,
            ("unauthorized", Severity::Info, "failed authentication: not one 401"),
        ),
    ])
}

type Candidate = (bool, (&'static str, Severity, &'static str));

/// Those that are the case.
fn chosen<const N: usize>(candidates: [Candidate; N]) -> Vec<Spot> {
    let found = candidates.into_iter().filter(|candidate| candidate.0);
    found
        .map(|(_, (name, severity, cannot_show))| Spot {
            name,
            severity,
            cannot_show,
        })
        .collect()
}

impl Spot {
    fn attribute(&self) -> Attribute {
        let fields: [(&str, Attribute); 3] = [
            ("spot", self.name.into()),
            ("severity", self.severity.as_str().into()),
            ("cannot_show", self.cannot_show.into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
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
