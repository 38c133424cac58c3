//! Requests of ServiceAccounts that flow control turned away.

use crate::{
    finding::{Finding, Severity},
    metric::Labels,
};

use super::{
    About, MetricContext, MetricDetector,
    counter::{Counter, as_map, counters, counts_by, named},
    scraped::{Scraped, remedy},
    serviceaccount_traffic_metric::flow_schema,
};

about! {
    /// # What it finds
    ///
    /// Requests of ServiceAccounts that API Priority and Fairness turned away with 429, by
    /// `apiserver_flowcontrol_rejected_requests_total` of the flow schemas `service-accounts` and
    /// `kube-system-service-accounts`: one finding for each kube-apiserver. `reason="cancelled"` is a client that left
    /// by itself and is not counted.
    ///
    /// The severity is `high` if accounts of kube-system were turned away, that is, controllers of the cluster
    /// itself; else `medium`. With one scrape only it is `info`: it may be long ago.
    ///
    /// # Why it matters
    ///
    /// Accounts outside kube-system share one priority level: one that floods it takes the others' turns, and the
    /// ones turned away are not the guilty ones.
    ///
    /// # Known benign causes
    ///
    /// - A short overload after a restart, when every controller lists everything.
    ///
    /// # What to do
    ///
    /// Find the account that floods the level in the audit log (`runaway-controller`), and give it a FlowSchema of
    /// its own.
    ///
    /// # Attributes
    ///
    /// - `rejected`: rejected requests by `<flow schema>/<reason>`
    /// - `counted`: `between-scrapes`, or `since-start` where there is one scrape only
    /// - `from`, `to`: what that speaks of: the first scrape (or the start of the process, if known) and
    ///   the last one
    ///
    /// # Example
    ///
    /// ```text
    /// medium  apiserver 10.0.0.1:6443  flow-control-rejection  73
    ///   rejected: service-accounts/queue-full 73
    /// ```
    "flow-control-rejection",
    "Flow control turns requests of ServiceAccounts away",
    [DENIAL_OF_SERVICE],
}

const REJECTED: &str = "apiserver_flowcontrol_rejected_requests_total";

/// See [`ABOUT`].
pub(super) struct FlowControlRejection;

impl MetricDetector for FlowControlRejection {
    const ABOUT: &'static About = &ABOUT;
    const READS: &'static [&'static str] = &[REJECTED];

    fn finish(context: &MetricContext<'_>) -> Vec<Finding> {
        let counters = counters(context.archive, &[REJECTED], |labels| key(labels).is_some());
        let rejected = counters.iter().filter(|counter| counter.count() > 0);
        rejected.map(|counter| finding(counter, context)).collect()
    }
}

fn key(labels: &Labels) -> Option<String> {
    let (schema, reason) = (flow_schema(labels)?, labels.get("reason"));
    (reason != "cancelled").then(|| format!("{schema}/{reason}"))
}

fn finding(counter: &Counter<'_>, context: &MetricContext<'_>) -> Finding {
    let rejected = counts_by(context.archive, counter, REJECTED, key);
    let system = rejected.keys().any(|key| key.starts_with("kube-system-"));
    Scraped {
        about: &ABOUT,
        counter,
        severity: match (counter.is_since_start(), system) {
            (true, _) => Severity::Info,
            (false, true) => Severity::High,
            (false, false) => Severity::Medium,
        },
        summary: format!(
            "{} requests of ServiceAccounts were turned away with 429 {}: one of them floods the level they share",
            counter.count(),
            counter.period()
        ),
        attributes: named([("rejected", as_map(rejected))]),
        remediation: remedy(
            "find the account that floods the level, and give it a FlowSchema of its own",
            &[
                (
                    "see which accounts peak",
                    "satrail accounts --sort peak --limit 10 /var/log/kubernetes/audit",
                ),
                (
                    "see the levels' queues now",
                    "kubectl get --raw /debug/api_priority_and_fairness/dump_priority_levels",
                ),
            ],
        ),
    }
    .finding(context.archive)
}
