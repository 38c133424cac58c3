//! Requests that kube-apiserver cut off to save itself.

use crate::{
    finding::{Finding, Severity},
    metric::Labels,
};

use super::{
    About, MetricContext, MetricDetector,
    counter::{Counter, as_map, counters, counts_by, named},
    scraped::{Scraped, remedy},
};

about! {
    /// # What it finds
    ///
    /// Requests that kube-apiserver ended in self-defence, by `apiserver_request_terminations_total` (kubernetes
    /// `apiserver` `pkg/endpoints/metrics/metrics.go`; absent until the first one): one finding for each kube-apiserver.
    /// Code 429 is a request turned away because too many were in flight, 503 and 504 one whose backend or time
    /// ran out.
    ///
    /// The severity is `medium` if requests were turned away with 429, else `low`; with one scrape only it is
    /// `info`: it may be long ago.
    ///
    /// # Why it matters
    ///
    /// The server is overloaded, or an aggregated API does not answer. Requests of innocent accounts fail, and
    /// whoever floods the server is in the audit log.
    ///
    /// # Known benign causes
    ///
    /// - An aggregated API server (metrics-server) that starts: 503 for its group.
    /// - A shutdown, during which requests are turned away.
    ///
    /// # What to do
    ///
    /// Look in the audit log for who made most requests then (`runaway-controller`), and whether an APIService is
    /// not available.
    ///
    /// # Attributes
    ///
    /// - `terminated`: by `<code> <verb> <resource>`
    /// - `counted`: `between-scrapes`, or `since-start` where there is one scrape only
    /// - `from`, `to`: what that speaks of: the first scrape (or the start of the process, if known) and
    ///   the last one
    ///
    /// # Example
    ///
    /// ```text
    /// medium  apiserver 10.0.0.1:6443  request-terminations  12
    ///   terminated: 429 LIST pods 12
    /// ```
    "request-terminations",
    "kube-apiserver cuts requests off to save itself",
    [DENIAL_OF_SERVICE],
}

const TERMINATIONS: &str = "apiserver_request_terminations_total";

/// See [`ABOUT`].
pub(super) struct RequestTerminations;

impl MetricDetector for RequestTerminations {
    const ABOUT: &'static About = &ABOUT;
    const READS: &'static [&'static str] = &[TERMINATIONS];

    fn finish(context: &MetricContext<'_>) -> Vec<Finding> {
        let counters = counters(context.archive, &[TERMINATIONS], |_| true);
        let cut = counters.iter().filter(|counter| counter.count() > 0);
        cut.map(|counter| finding(counter, context)).collect()
    }
}

fn key(labels: &Labels) -> String {
    let resource = labels.get("resource");
    let (sub, join) = match (resource, labels.get("subresource")) {
        (_, "") => ("", ""),
        // Of a request that is for no resource the path stands here.
        ("", path) => (path, ""),
        (_, sub) => (sub, "/"),
    };
    let (code, verb) = (labels.get("code"), labels.get("verb"));
    format!("{code} {verb} {resource}{join}{sub}")
}

fn finding(counter: &Counter<'_>, context: &MetricContext<'_>) -> Finding {
    let terminated = counts_by(context.archive, counter, TERMINATIONS, |labels| {
        Some(key(labels))
    });
    let overloaded = terminated.keys().any(|key| key.starts_with("429 "));
    Scraped {
        about: &ABOUT,
        counter,
        severity: match (counter.is_since_start(), overloaded) {
            (true, _) => Severity::Info,
            (false, true) => Severity::Medium,
            (false, false) => Severity::Low,
        },
        summary: format!(
            "{} requests were cut off {}: {}",
            counter.count(),
            counter.period(),
            if overloaded {
                "the server was overloaded"
            } else {
                "their backend or their time ran out"
            }
        ),
        attributes: named([("terminated", as_map(terminated))]),
        remediation: remedy(
            "see who made most requests then, and whether an aggregated API is down",
            &[
                (
                    "see which accounts peak",
                    "satrail accounts --sort peak --limit 10 /var/log/kubernetes/audit",
                ),
                (
                    "see which APIs are not available",
                    "kubectl get apiservices",
                ),
            ],
        ),
    }
    .finding(context.archive)
}
