//! Bursts of failed authentications.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::finding::{Attribute, Finding, Severity};

use super::{
    About, MetricContext, MetricDetector,
    counter::{Counter, Interval, as_map, counters, counts_by, named},
    scraped::{Scraped, remedy},
};

about! {
    /// # What it finds
    ///
    /// Authentications that failed, by `authentication_attempts{result="error"|"failure"}` (kubernetes `apiserver`
    /// `pkg/endpoints/filters/metrics.go`), where they come in bursts: one finding for each kube-apiserver.
    /// `error` is a credential that was refused, expired and forged tokens among them; `failure` is a request
    /// without any that could be used.
    ///
    /// It is `medium` if between two scrapes there were at least `per-minute` (60) of them a minute and at least
    /// `times-baseline` (10) times as many as usual, usual being the median over all intervals; `low` if they are
    /// 5 % of all attempts, and 20 at least. With one scrape only the share is all there is to judge.
    ///
    /// # Why it matters
    ///
    /// Somebody tries tokens, or a workload goes on with a revoked one. In the audit log such a request has no
    /// user: a 401 names nobody, and `apiserver_request_total` does not count it at all.
    ///
    /// # Known benign causes
    ///
    /// - A deleted pod, Secret or ServiceAccount whose token is still in use somewhere.
    /// - Clock skew, or a change of signing keys: all tokens are refused at once.
    /// - Scanners and health checks without credentials, with anonymous access turned off.
    ///
    /// # What to do
    ///
    /// Look in the audit log for 401s around the peak: their source addresses and user agents are there, the name
    /// is not.
    ///
    /// # Attributes
    ///
    /// - `results`: the failed attempts by `result`
    /// - `attempts`: all attempts, failed or not
    /// - `failed_percent`: the share that failed
    /// - `peak`: the interval with the most per second: `from`, `to`, `count`, `per_second`; null with one scrape
    /// - `usual_per_second`: the median over all intervals
    /// - `counted`: `between-scrapes`, or `since-start` where there is one scrape only
    /// - `from`, `to`: what that speaks of: the first scrape (or the start of the process, if known) and
    ///   the last one
    ///
    /// # Example
    ///
    /// ```text
    /// medium  apiserver 10.0.0.1:6443  authentication-failures-metric  125
    ///   peak: 70 from 04:25:39 to 04:25:54 (4.7/s)    usual_per_second: 0.0
    /// ```
    "authentication-failures-metric",
    "Failed authentications come in a burst",
    [BRUTE_FORCE],
}

const ATTEMPTS: &str = "authentication_attempts";

/// Fewer failures than these are no share worth speaking of.
const FEWEST: u64 = 20;

/// From this share of all attempts on, in percent.
const SHARE: f64 = 5.0;

/// When failed authentications are too many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// So many a minute.
    pub per_minute: NonZeroU32,
    /// And so many times more than usual.
    pub times_baseline: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            per_minute: number(60),
            times_baseline: number(10),
        }
    }
}

/// See [`ABOUT`].
pub(super) struct AuthenticationFailuresMetric;

impl MetricDetector for AuthenticationFailuresMetric {
    const ABOUT: &'static About = &ABOUT;
    const READS: &'static [&'static str] = &[ATTEMPTS];
    const NEEDS: &'static str = ATTEMPTS;

    fn finish(context: &MetricContext<'_>) -> Vec<Finding> {
        let failed = counters(context.archive, &[ATTEMPTS], |labels| {
            failed(labels.get("result"))
        });
        let all = counters(context.archive, &[ATTEMPTS], |_| true);
        let both = failed.iter().zip(&all);
        both.filter_map(|(failed, all)| finding(failed, all, context))
            .collect()
    }
}

fn failed(result: &str) -> bool {
    matches!(result, "failure" | "error")
}

fn finding(
    counter: &Counter<'_>,
    all: &Counter<'_>,
    context: &MetricContext<'_>,
) -> Option<Finding> {
    let limits = &context.settings.authentication_failures_metric;
    let (count, attempts) = (counter.count(), all.count());
    let percent = count as f64 * 100.0 / attempts.max(1) as f64;
    let usual = counter.usual_rate();
    let peak = counter.peak().filter(|_| !counter.is_since_start());
    let burst = peak.filter(|peak| {
        peak.rate() * 60.0 >= f64::from(limits.per_minute.get())
            && peak.rate() >= usual * f64::from(limits.times_baseline.get())
    });
    let often = count >= FEWEST && percent >= SHARE;
    let severity = match (burst, often) {
        (Some(_), _) => Severity::Medium,
        (None, true) => Severity::Low,
        (None, false) => return None,
    };
    let most = burst.map_or_else(String::new, |peak| {
        format!(
            ", {:.0} of them from {} to {}",
            peak.rise, peak.from, peak.to
        )
    });
    let results = counts_by(context.archive, counter, ATTEMPTS, |labels| {
        let result = labels.get("result");
        failed(result).then(|| result.to_owned())
    });
    let scraped = Scraped {
        about: &ABOUT,
        counter,
        severity,
        summary: format!(
            "{count} authentications failed {}{most}: somebody tries credentials, or goes on with revoked ones",
            counter.period()
        ),
        attributes: named([
            ("results", as_map(results)),
            ("attempts", attempts.into()),
            ("failed_percent", Attribute::rate(percent)),
            ("peak", peak.map_or(Attribute::Null, Interval::attribute)),
            ("usual_per_second", Attribute::rate(usual)),
        ]),
        remediation: remedy(
            "find the 401s of that time in the audit log: address and user agent are all that is known",
            &[(
                "see who was refused, by address and user agent",
                "jq -r 'select(.responseStatus.code == 401) | [(.sourceIPs // [] | last), .userAgent] | @tsv' /var/log/kubernetes/audit/audit.log | sort | uniq -c | sort -rn",
            )],
        ),
    };
    Some(scraped.finding(context.archive))
}
