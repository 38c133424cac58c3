//! The requests of all ServiceAccounts together.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::{finding::Finding, metric::Labels};

use super::{
    About, MetricContext, MetricDetector,
    burst::Burst,
    counter::{Counter, as_map, counters, counts_by, named},
    scraped::{Scraped, remedy},
};

about! {
    /// # What it finds
    ///
    /// Many requests by ServiceAccounts, by `apiserver_flowcontrol_dispatched_requests_total` of the flow schemas
    /// `service-accounts` (all but those of kube-system) and `kube-system-service-accounts` (kubernetes
    /// `apiserver` `pkg/apis/flowcontrol/bootstrap/default.go`): one finding for each kube-apiserver where between two
    /// scrapes there were at least `requests-per-second` (100) a second. No metric of kube-apiserver has an
    /// account's name; a FlowSchema of its own would be the only way to see one account.
    ///
    /// The severity is `medium`; `low` if that rate is less than twice the usual one, the median over all
    /// intervals: then it is the size of the cluster.
    ///
    /// # Why it matters
    ///
    /// All ServiceAccounts outside kube-system share one priority level. One controller in a loop slows them all
    /// down, and fills etcd and the audit log.
    ///
    /// # Known benign causes
    ///
    /// - A large cluster: set `requests-per-second` to what is normal there.
    /// - A rollout, or a controller that starts and lists everything.
    ///
    /// # What to do
    ///
    /// Find the account in the audit log: `satrail accounts --sort peak`, or `runaway-controller`. Until it is
    /// mended, a FlowSchema for that account with few seats keeps it from the others.
    ///
    /// # Attributes
    ///
    /// - `flow_schemas`: requests by flow schema
    /// - `peak`: the interval with the most per second: `from`, `to`, `count`, `per_second`
    /// - `usual_per_second`: the median over all intervals
    /// - `counted`: `between-scrapes`, or `since-start` where there is one scrape only
    /// - `from`, `to`: what that speaks of: the first scrape (or the start of the process, if known) and
    ///   the last one
    ///
    /// # Example
    ///
    /// ```text
    /// medium  apiserver 10.0.0.1:6443  serviceaccount-traffic-metric  24394
    ///   peak: 6318 from 04:25:54 to 04:26:09 (421.2/s)    usual_per_second: 11.5
    /// ```
    "serviceaccount-traffic-metric",
    "ServiceAccounts together make very many requests",
    [DENIAL_OF_SERVICE],
}

const DISPATCHED: &str = "apiserver_flowcontrol_dispatched_requests_total";

/// How many times the usual rate makes it more than the size of the cluster.
const ABOVE: f64 = 2.0;

/// When the requests of all ServiceAccounts together are too many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// So many a second, over the time between two scrapes.
    pub requests_per_second: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: NonZeroU32::new(100).unwrap_or(NonZeroU32::MIN),
        }
    }
}

/// The flow schema, if it is one of ServiceAccounts. The label was `flowSchema` up to 1.19.
pub(super) fn flow_schema(labels: &Labels) -> Option<&str> {
    let names = [labels.get("flow_schema"), labels.get("flowSchema")];
    let known = ["service-accounts", "kube-system-service-accounts"];
    names.into_iter().find(|name| known.contains(name))
}

/// See [`ABOUT`].
pub(super) struct ServiceAccountTrafficMetric;

impl MetricDetector for ServiceAccountTrafficMetric {
    const ABOUT: &'static About = &ABOUT;
    const READS: &'static [&'static str] = &[DISPATCHED];
    const NEEDS: &'static str = DISPATCHED;
    const JUDGES_RATES: bool = true;

    fn finish(context: &MetricContext<'_>) -> Vec<Finding> {
        let of_accounts = |labels: &Labels| flow_schema(labels).is_some();
        let counters = counters(context.archive, &[DISPATCHED], of_accounts);
        let findings = counters
            .iter()
            .filter_map(|counter| finding(counter, context));
        findings.collect()
    }
}

fn finding(counter: &Counter<'_>, context: &MetricContext<'_>) -> Option<Finding> {
    let limits = &context.settings.serviceaccount_traffic_metric;
    let burst = Burst::of(counter, limits.requests_per_second)?;
    let Burst { peak, usual } = burst;
    let schemas = counts_by(context.archive, counter, DISPATCHED, |labels| {
        flow_schema(labels).map(str::to_owned)
    });
    let mut attributes = named(burst.attributes());
    attributes.insert("flow_schemas".to_owned(), as_map(schemas));
    let scraped = Scraped {
        about: &ABOUT,
        counter,
        severity: burst.severity(ABOVE),
        summary: format!(
            "ServiceAccounts make {:.1} requests a second from {} to {}, usually {usual:.1}: metrics do not tell which one, the audit log does",
            peak.rate(),
            peak.from,
            peak.to
        ),
        attributes,
        remediation: remedy(
            "find the account in the audit log, and give it a FlowSchema with few seats until it is mended",
            &[(
                "see which accounts peak",
                "satrail accounts --sort peak --limit 10 /var/log/kubernetes/audit",
            )],
        ),
    };
    Some(scraped.finding(context.archive))
}
