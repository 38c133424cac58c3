//! Accounts that ask too much: too many requests for too long.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Attribute, Finding, Remediation, Severity, Step, Subject},
};

use super::{
    About, AllowEntry, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts,
    PerAccount, Presence, Run,
    by_seat::BySeat,
    draft::draft,
    episode::Episode,
    load::{Composition, Load},
    request::Request,
    samples::{Gate, is_turned_away},
    shell::quote,
};

about! {
    /// # What it finds
    ///
    /// ServiceAccounts that send requests faster than a threshold (100 a second), over windows that slide
    /// through the log second by second:
    ///
    /// - over 5 minutes on average: `high`
    /// - over 1 minute: `medium`
    /// - over 10 seconds: `low`, or `medium` at 5 times the threshold
    /// - or far above the account's own normal rate: its best minute has at least 10 times the requests of
    ///   its median active minute and a quarter of the threshold, and there are at least 10 active minutes
    ///   to know the normal rate from: `low`
    ///
    /// A request counts when it arrives. Count, first and last time of the finding are those of the
    /// episodes: the time above the threshold (less its ends below half of it), to the resolution of the
    /// buckets.
    ///
    /// # Why it matters
    ///
    /// A controller in a loop takes its share of the API server, etcd and the audit log from everybody else;
    /// API Priority and Fairness spreads the pain, since all accounts share one priority level
    /// (`service-accounts`, kubernetes `apiserver/pkg/apis/flowcontrol/bootstrap/default.go`). It can also be
    /// somebody who reads out the cluster as fast as it will answer. No metric of kube-apiserver names the
    /// account.
    ///
    /// # Known benign causes
    ///
    /// - A controller that starts lists and watches everything once: seconds, far below the threshold.
    /// - Large installations of one operator, migrations and load tests: raise the threshold, or make an
    ///   exception with a reason and a day on which it ends.
    /// - A proxy that acts for many people under one account (see `impersonated`).
    ///
    /// # What to do
    ///
    /// Look at `top` and `shape`: 409 means two writers that fight over one object, 404 and 403 an error that
    /// is retried without back-off, full lists a client without an informer. Mend or scale down the
    /// controller; until then a FlowSchema of its own keeps it from the others' share.
    ///
    /// # Attributes
    ///
    /// - `rule`: which rule fired (`sustained`, `spike`, `burst`, `above-normal`); `threshold`: requests per
    ///   second that it asks for
    /// - `requests_total`: all requests of the account in the log
    /// - `peaks`: the best windows of 300, 60 and 10 seconds (`seconds`; longer in very long logs), each with
    ///   `start`, `rate` (requests per second) and `count`
    /// - `bucket_seconds`: the resolution of the counts: 1, more in very long logs
    /// - `normal_rate`: requests per second in the median active minute, null where there is too little
    ///   history
    /// - `episodes`: how many separate times it was above the threshold; `episode_seconds`: how long in all
    /// - `peak_window`: what the fastest window of the rule is made of: `from`, `to`, `requests`, `top` (requests
    ///   by verb, resource and HTTP status) and `user_agents`; exact for up to 64 different ones each, the
    ///   rest is `other`
    /// - `shape`: what the loop looks like (retries on 409 conflict, on 404, on 403, on 429, on server errors;
    ///   full lists without resourceVersion; one object read over and over), or null; the last two are
    ///   judged from a sample
    /// - `object`: the object that the loop is about, if most sampled requests name one
    /// - `addresses`, `pods`, `impersonated`: of all requests of the account
    /// - `allowed_as`: why the allow-list takes it lightly, or null
    ///
    /// # Example
    ///
    /// ```text
    /// medium  runaway-controller  ops/hot-loop  20573 requests
    ///   342.9/s over 60 s    top: get configmaps 200    shape: one object read over and over
    /// ```
    "runaway-controller",
    "A ServiceAccount floods the API server",
    [DENIAL_OF_SERVICE],
}

/// When a controller counts as running away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Thresholds {
    /// Requests per second that are too many.
    pub requests_per_second: NonZeroU32,
    /// For how long on average they are high.
    pub sustained_seconds: NonZeroU32,
    /// For how long on average they are medium.
    pub spike_seconds: NonZeroU32,
    /// For how long on average they are low.
    pub burst_seconds: NonZeroU32,
    /// How many times the threshold makes such a burst medium.
    pub burst_factor: NonZeroU32,
    /// How many times its normal rate is far above it.
    pub normal_factor: NonZeroU32,
    /// How many active minutes it takes to know a normal rate.
    pub normal_minutes: NonZeroU32,
    /// Which part of the threshold (one n-th) makes a rate far above normal worth reporting.
    pub normal_divisor: NonZeroU32,
}

impl Default for Thresholds {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            requests_per_second: number(100),
            sustained_seconds: number(300),
            spike_seconds: number(60),
            burst_seconds: number(10),
            burst_factor: number(5),
            normal_factor: number(10),
            normal_minutes: number(10),
            normal_divisor: number(4),
        }
    }
}

/// Requests over time, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct RunawayController {
    accounts: PerAccount<Load>,
    /// No state: which requests are not drawn is known without looking at the account.
    #[serde(skip)]
    gates: BySeat<Gate>,
}

impl Detector for RunawayController {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::ACCOUNT);
    const TAKES_RUNS: bool = true;

    fn observe(&mut self, event: &Request<'_>) {
        if event.service_account().is_some() {
            self.accounts.note_user(event, |load| load.add(event));
        }
    }

    fn observe_presence(&mut self, presence: &Presence) {
        let caller = &presence.caller;
        if caller.account().is_some() {
            self.accounts
                .note_caller(caller, |load| load.add_presence(presence));
        }
    }

    fn observe_run(&mut self, run: &Run) {
        if run.caller.account().is_some() {
            self.accounts
                .note_caller(&run.caller, |load| load.add_run(run));
        }
    }

    fn observe_each(&mut self, event: &Request<'_>) {
        let gate = self.gates.get(event.caller);
        if event.service_account().is_none() || is_turned_away(event, gate) {
            return;
        }
        let gates = &mut self.gates;
        self.accounts.note_user(event, |load| {
            if let Some(gate) = load.samples.add(event) {
                gates.set(event.caller, gate);
            }
        });
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let thresholds = &context.settings.runaway_controller;
        let accounts = self.accounts.sorted().into_iter();
        accounts
            .filter_map(|(user, load)| {
                let account = ServiceAccount::from_user_name(user)?;
                let episode = Episode::find(&load.requests, thresholds)?;
                Some(finding(account, load, &episode, context))
            })
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let timeless = || {
            log.first_event
                .is_none()
                .then(|| "no event of the log carries a time".to_owned())
        };
        Coverage {
            evaluated: log.service_account_requests,
            blind: log.blind_to_accounts().or_else(timeless),
        }
    }
}

fn finding(
    account: ServiceAccount<'_>,
    load: &Load,
    episode: &Episode,
    context: &Context<'_>,
) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let window = load.composition(episode.window);
    let name = subject.to_string();
    let allow = |agent: &str| context.settings.allow.expects(ABOUT.id, &subject, agent);
    let agents = window.user_agents.iter();
    let reasons: Option<Vec<&AllowEntry>> = agents.map(|(agent, _)| allow(agent)).collect();
    let reasons = reasons.filter(|_| window.agents_complete());
    let allowed = reasons.and_then(|reasons| reasons.first().copied());
    let mut attributes = episode.attributes(&load.requests, &context.settings.runaway_controller);
    load.write(&mut attributes);
    window.write(&mut attributes);
    let reason: Attribute = allowed.map(|entry| entry.reason.clone()).into();
    attributes.insert("allowed_as".to_owned(), reason);
    Finding {
        severity: allowed.map_or(episode.severity, |_| Severity::Info),
        count: episode.count,
        first_seen: load.first.map(|first| first.max(episode.first)),
        last_seen: load.last.map(|last| last.min(episode.last)),
        summary: summary(&name, episode, &window),
        attributes,
        remediation: remediation(account, &window),
        evidence: load.evidence(episode, context),
        ..draft(&ABOUT, subject, &[], &EvidenceSet::default(), context)
    }
}

fn summary(name: &str, episode: &Episode, window: &Composition) -> String {
    let (rate, seconds) = (episode.window.rate(), episode.window.seconds);
    let top = window
        .top
        .first()
        .map_or("nothing", |(top, _)| top.as_str());
    let shape = window
        .shape()
        .map_or(String::new(), |shape| format!(" ({shape})"));
    format!(
        "{name} sent {rate:.1} requests/s over {seconds} s, mostly {top}{shape}; mend the loop or \
         scale it down, and limit it with a FlowSchema until then"
    )
}

fn remediation(account: ServiceAccount<'_>, window: &Composition) -> Remediation {
    let namespace = quote(account.namespace);
    let name = quote(account.name);
    let step = |text: &str, command: String| Step {
        text: text.to_owned(),
        command: Some(command),
    };
    let mut steps = vec![
        step(
            "find the pods that run as the account",
            format!(
                "kubectl get pods --namespace {namespace} --field-selector spec.serviceAccountName={name}"
            ),
        ),
        step(
            "stop the loop until it is mended (put the workload's name for APP)",
            format!("kubectl scale deployment/APP --namespace {namespace} --replicas=0"),
        ),
    ];
    if let Some(hint) = window.hint() {
        steps.push(Step {
            text: hint.to_owned(),
            command: None,
        });
    }
    steps.push(step(
        "or give it a share of its own, so that it slows down nobody else (flowcontrol.apiserver.k8s.io/v1, \
         Kubernetes 1.29 and later); kube-apiserver then counts its requests under this flow_schema",
        format!("kubectl apply --filename - <<'MANIFEST'\n{}MANIFEST", flow_schema(account)),
    ));
    Remediation {
        summary: "mend the loop; until then, slow the account down".to_owned(),
        steps,
    }
}

/// A FlowSchema before `service-accounts` (precedence 9000, apiserver `bootstrap/default.go`) and a small
/// priority level. Namespace and name are DNS names here, since the user name was taken apart as such.
fn flow_schema(account: ServiceAccount<'_>) -> String {
    let ServiceAccount { namespace, name } = account;
    let label = format!("limit-{namespace}-{name}");
    format!(
        "apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: PriorityLevelConfiguration
metadata:
  name: {label}
spec:
  type: Limited
  limited:
    nominalConcurrencyShares: 1
    lendablePercent: 0
    limitResponse:
      type: Queue
      queuing: {{queues: 1, handSize: 1, queueLengthLimit: 50}}
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata:
  name: {label}
spec:
  priorityLevelConfiguration:
    name: {label}
  matchingPrecedence: 500
  rules:
  - subjects:
    - kind: ServiceAccount
      serviceAccount: {{namespace: \"{namespace}\", name: \"{name}\"}}
    resourceRules:
    - {{verbs: [\"*\"], apiGroups: [\"*\"], resources: [\"*\"], clusterScope: true, namespaces: [\"*\"]}}
    nonResourceRules:
    - {{verbs: [\"*\"], nonResourceURLs: [\"*\"]}}
"
    )
}
