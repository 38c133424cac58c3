//! Who asks for tokens far more often than tokens need to be renewed.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::finding::{
    Attribute, Attributes, Finding, Remediation, Severity, Step, Subject, SubjectKind,
};

use super::{
    About, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts, Merge, Peak,
    PerAccount, Series, Tally,
    caller::{self, Callers, SHOWN},
    draft::draft,
    keyed::{self, Keyed},
    request::Request,
    shell::quote,
    sustained::{self, Rate},
};

about! {
    /// # What it finds
    ///
    /// Kubelets, ServiceAccounts and other users that ask for tokens (create `serviceaccounts/token`) faster than
    /// tokens need to be renewed. Over 10 minutes, four fifths of which have some:
    ///
    /// - 60 TokenRequests a minute by one requester, or 30 a minute by one requester for one account
    /// - or over an hour 20 a minute, or 10 for one account
    ///
    /// A kubelet renews a token after some 48 minutes (80 % of 3,607 s; kubernetes `pkg/kubelet/token/token_manager.go`),
    /// and asks for one for each projected volume when a pod starts. A node with 110 pods of three tokens each asks 7
    /// times a minute, and 330 times in the minutes after its boot.
    ///
    /// The severity is `low`, `medium` from five times these rates on, and `medium` where a requester that is no node
    /// asks for the tokens of 10 or more accounts: then somebody may be collecting identities.
    ///
    /// # Why it matters
    ///
    /// A requester in a loop costs a signature and a line in the log each time, and its pods may not start at all. Who
    /// can create tokens for an account is that account: many tokens of many accounts are a collection of
    /// identities that outlive the requests by hours.
    ///
    /// # Known benign causes
    ///
    /// - Nodes on which many short pods run (CI, batch): each pod needs at least one token.
    /// - Brokers that make a token for every job or every login: raise the threshold, or make an exception with a
    ///   reason and a day on which it ends.
    ///
    /// # What to do
    ///
    /// See by `codes` whether the requests succeed: a kubelet that is refused retries for each pod that it cannot start.
    /// A controller has to keep a token until 80 % of its life is over (client-go caches one for each account). Whoever
    /// has no business to ask loses the right to create `serviceaccounts/token`.
    ///
    /// # Attributes
    ///
    /// - `rule`: `requester` or `target` (for one account); `threshold_per_minute`: what it asks for
    /// - `window`: when that was fastest: `from`, `to`, `count`, `per_minute`
    /// - `targets`: the accounts whose tokens were asked for, with counts; `distinct_targets`: how many
    /// - `fastest_target`: the account of the rule `target`, or null
    /// - `codes`: the requests by HTTP status
    /// - `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`, `impersonated`: where they came from, each
    ///   with `requests`, `first_seen` and `last_seen`
    /// - `distinct_addresses`, `distinct_user_agents`: how many different ones there are
    ///
    /// Up to 64 accounts are told apart for each requester.
    ///
    /// # Example
    ///
    /// ```text
    /// medium  token-request-rate  ci/broker  3600 requests
    ///   360.0/min for 10 min    targets: ci/deployer 3600
    /// ```
    "token-request-rate",
    "Somebody asks for tokens at a high rate",
    [ACCESS_TOKEN_STOLEN],
}

/// So many different accounts are a collection.
const COLLECTION: u64 = 10;

/// When TokenRequests are too many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// So many a minute by one requester over 10 minutes: twice what a node asks for after its boot.
    pub requests_per_minute: NonZeroU32,
    /// So many a minute by one requester over an hour: three times what a full node needs.
    pub sustained_per_minute: NonZeroU32,
    /// How many times the rate makes it medium.
    pub medium_factor: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            requests_per_minute: number(60),
            sustained_per_minute: number(20),
            medium_factor: number(5),
        }
    }
}

impl Limits {
    /// What one requester may ask for.
    fn rates(&self) -> [Rate; 2] {
        let rate = |limit: NonZeroU32, minutes| Rate::new(limit.get(), minutes);
        [
            rate(self.requests_per_minute, 10),
            rate(self.sustained_per_minute, 60),
        ]
    }
}

/// TokenRequests, by the user name of the requester.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct TokenRequestRate {
    requesters: PerAccount<Requester>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Requester {
    evidence: EvidenceSet,
    times: Series<12>,
    targets: Keyed<Series<12>>,
    by_target: Tally,
    codes: Tally,
    callers: Callers,
}

/// What was too fast.
struct Excess<'a> {
    rule: &'static str,
    rate: Rate,
    window: Peak,
    target: Option<&'a str>,
}

impl Detector for TokenRequestRate {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::TOKEN_REQUEST);

    fn observe(&mut self, event: &Request<'_>) {
        let asks = event.object.is_some_and(|object| {
            object.resource == "serviceaccounts"
                && object.subresource == "token"
                && object.group.is_empty()
        });
        if asks && !event.user.name.is_empty() {
            self.requesters
                .note_user(event, |requester| requester.add(event));
        }
    }

    fn merge(&mut self, other: Self) {
        self.requesters.merge(other.requesters);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let requesters = self.requesters.sorted().into_iter();
        requesters
            .filter_map(|(user, requester)| {
                let excess = requester.excess(&context.settings.token_request_rate)?;
                Some(finding(user, requester, &excess, context))
            })
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        Coverage {
            evaluated: log.token_requests,
            blind: (log.token_requests == 0).then(|| {
                "the log has no TokenRequest by anybody, though kubelets make one for every pod: \
                 its policy may leave serviceaccounts/token out"
                    .to_owned()
            }),
        }
    }
}

impl Requester {
    fn add(&mut self, event: &Request<'_>) {
        self.evidence.add(event);
        self.times.add(event.time());
        self.codes.add_name(&event.kind.code_words, event.time());
        self.callers.add(event);
        let Some(object) = event.object else { return };
        let (namespace, name) = (object.namespace.read(), object.name.read());
        let target = format!("{namespace}/{name}");
        self.by_target.add(&target, event);
        let hash = keyed::hash(0, &[&target]);
        if let Some(times) = self.targets.slot(hash, || target) {
            times.add(event.time());
        }
    }

    /// The gravest excess: how many times its rule it is counts.
    fn excess(&self, limits: &Limits) -> Option<Excess<'_>> {
        let whole = limits.rates().into_iter().filter_map(|rate| {
            Some(Excess {
                rule: "requester",
                rate,
                window: rate.exceeded(&self.times, |_| true)?,
                target: None,
            })
        });
        let targets = self.targets.sorted().into_iter();
        let single = targets.flat_map(|(target, times)| {
            limits.rates().into_iter().filter_map(move |rate| {
                // One account gets half of what all together may get.
                let rate = Rate {
                    per_minute: rate.per_minute / 2.0,
                    ..rate
                };
                Some(Excess {
                    rule: "target",
                    rate,
                    window: rate.exceeded(times, |_| true)?,
                    target: Some(target),
                })
            })
        });
        whole
            .chain(single)
            .max_by(|a, b| a.factor().total_cmp(&b.factor()))
    }
}

impl Excess<'_> {
    /// How many times the threshold it is.
    fn factor(&self) -> f64 {
        self.window.rate() * 60.0 / self.rate.per_minute
    }
}

fn is_node(user: &str) -> bool {
    user.starts_with("system:node:")
}

fn finding(
    user: &str,
    requester: &Requester,
    excess: &Excess<'_>,
    context: &Context<'_>,
) -> Finding {
    let subject = caller::subject(user);
    let limits = &context.settings.token_request_rate;
    let much = excess.factor() >= f64::from(limits.medium_factor.get());
    let collects = !is_node(user) && requester.by_target.distinct() >= COLLECTION;
    let mut involves = requester.callers.involved();
    involves.subjects.extend(targets(requester));
    Finding {
        severity: if much || collects {
            Severity::Medium
        } else {
            Severity::Low
        },
        summary: summary(&subject, requester, excess, collects),
        attributes: attributes(requester, excess),
        involves,
        remediation: remediation(user, &subject),
        ..draft(&ABOUT, subject, &[], &requester.evidence, context)
    }
}

/// The accounts whose tokens were asked for most.
fn targets(requester: &Requester) -> impl Iterator<Item = Subject> {
    let ranked = requester.by_target.ranked().into_iter().take(SHOWN);
    ranked.filter_map(|target| {
        let (namespace, name) = target.value.split_once('/')?;
        Some(Subject::service_account(namespace, name))
    })
}

fn attributes(requester: &Requester, excess: &Excess<'_>) -> Attributes {
    let fields: [(&str, Attribute); 7] = [
        ("rule", excess.rule.into()),
        (
            "threshold_per_minute",
            Attribute::rate(excess.rate.per_minute),
        ),
        ("window", sustained::attribute(&excess.window)),
        ("targets", requester.by_target.attribute(SHOWN)),
        ("distinct_targets", requester.by_target.distinct().into()),
        ("fastest_target", excess.target.into()),
        ("codes", requester.codes.attribute(SHOWN)),
    ];
    let mut attributes: Attributes = fields.map(|(name, value)| (name.to_owned(), value)).into();
    requester.callers.write(&mut attributes);
    attributes
}

fn summary(
    subject: &Subject,
    requester: &Requester,
    excess: &Excess<'_>,
    collects: bool,
) -> String {
    let per_minute = excess.window.rate() * 60.0;
    let minutes = excess.window.seconds / 60;
    let whose = match (excess.target, requester.by_target.distinct()) {
        (Some(target), _) => format!("tokens of {target}"),
        (None, 1) => "tokens of one account".to_owned(),
        (None, n) => format!("tokens of {n} accounts"),
    };
    let failed = requester.evidence.count() - requester.codes.count_of("201");
    let outcome = match failed {
        0 => "all were issued".to_owned(),
        n => format!("{n} of {} were not issued", requester.evidence.count()),
    };
    let advice = if collects {
        "find out who collects them, and take the right to create serviceaccounts/token away"
    } else {
        "a token lasts an hour and more: find out why it asks again"
    };
    format!(
        "{subject} asked for {whose} {per_minute:.1} times a minute for {minutes} min, {outcome}; {advice}"
    )
}

fn remediation(user: &str, subject: &Subject) -> Remediation {
    let step = |text: &str, command: String| Step {
        text: text.to_owned(),
        command: Some(command),
    };
    let mut steps = Vec::new();
    if let (SubjectKind::ServiceAccount, Some(namespace)) = (subject.kind, &subject.namespace) {
        steps.push(step(
            "find the pods that run as the account",
            format!(
                "kubectl get pods --namespace {} --field-selector spec.serviceAccountName={}",
                quote(namespace),
                quote(&subject.name)
            ),
        ));
    }
    if let Some(node) = user.strip_prefix("system:node:") {
        let node = quote(node);
        steps.push(step(
            "see which pods of the node come and go, or do not start (FailedMount)",
            format!("kubectl get pods --all-namespaces --field-selector spec.nodeName={node}"),
        ));
        steps.push(step(
            "see what its events say",
            format!("kubectl get events --all-namespaces --field-selector reportingComponent=kubelet --output wide | grep -F -- {node}"),
        ));
    } else {
        steps.push(step(
            "see whether it may create tokens in every namespace",
            format!(
                "kubectl auth can-i create serviceaccounts --subresource=token --all-namespaces --as={}",
                quote(user)
            ),
        ));
    }
    Remediation {
        summary: "mend the loop, or take away the right to create serviceaccounts/token".to_owned(),
        steps,
    }
}

impl Merge for Requester {
    fn merge(&mut self, other: Self) {
        self.evidence.merge(other.evidence);
        self.times.merge(other.times);
        self.targets.merge(other.targets);
        self.by_target.merge(other.by_target);
        self.codes.merge(other.codes);
        self.callers.merge(other.callers);
    }
}
