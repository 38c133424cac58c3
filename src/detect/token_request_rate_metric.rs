//! Tokens asked for at a high rate.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::finding::Finding;

use super::{
    About, MetricContext, MetricDetector,
    burst::Burst,
    counter::{Counter, as_map, counters, counts_by, is_token_request, named},
    scraped::{Scraped, remedy},
};

about! {
    /// # What it finds
    ///
    /// TokenRequests at a high rate, by `apiserver_request_total{resource="serviceaccounts", subresource="token",
    /// verb="POST"}`, the series that KEP-1205 names for that: one finding for each kube-apiserver where between two
    /// scrapes there were at least `requests-per-second` (10) a second. There is no
    /// `serviceaccount_token_requests_total`, whatever rules that circulate say.
    ///
    /// The severity is `medium`; `low` if that rate is less than ten times the usual one, the median over all
    /// intervals: then it is the size of the cluster.
    ///
    /// # Why it matters
    ///
    /// Who may create tokens for an account is that account. Many tokens in a short time are a controller in a
    /// loop, or somebody who collects identities.
    ///
    /// # Known benign causes
    ///
    /// - kubelets renew each projected token after some 48 minutes: 29,000 of them make 10 requests a second.
    /// - A large rollout, or nodes that restart together: each pod's volumes need new tokens.
    ///
    /// # What to do
    ///
    /// Find who asks in the audit log: requests that create `serviceaccounts/token`, by user. kubelets
    /// (`system:node:...`) are normal, anything else is to be explained.
    ///
    /// # Attributes
    ///
    /// - `codes`: TokenRequests by response code
    /// - `peak`: the interval with the most per second: `from`, `to`, `count`, `per_second`
    /// - `usual_per_second`: the median over all intervals
    /// - `counted`: `between-scrapes`, or `since-start` where there is one scrape only
    /// - `from`, `to`: what that speaks of: the first scrape (or the start of the process, if known) and
    ///   the last one
    ///
    /// # Example
    ///
    /// ```text
    /// medium  apiserver 10.0.0.1:6443  token-request-rate-metric  912
    ///   peak: 450 from 04:25:39 to 04:25:54 (30.0/s)    usual_per_second: 0.1
    /// ```
    "token-request-rate-metric",
    "Tokens are asked for at a high rate",
    [],
}

const REQUESTS: &str = "apiserver_request_total";

/// How many times the usual rate makes it more than the size of the cluster.
const FAR_ABOVE: f64 = 10.0;

/// When TokenRequests are too many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// So many a second, over the time between two scrapes.
    pub requests_per_second: NonZeroU32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN),
        }
    }
}

/// See [`ABOUT`].
pub(super) struct TokenRequestRateMetric;

impl MetricDetector for TokenRequestRateMetric {
    const ABOUT: &'static About = &ABOUT;
    const READS: &'static [&'static str] = &[REQUESTS];
    const JUDGES_RATES: bool = true;

    fn finish(context: &MetricContext<'_>) -> Vec<Finding> {
        let counters = counters(context.archive, &[REQUESTS], is_token_request);
        let findings = counters
            .iter()
            .filter_map(|counter| finding(counter, context));
        findings.collect()
    }
}

fn finding(counter: &Counter<'_>, context: &MetricContext<'_>) -> Option<Finding> {
    let limits = &context.settings.token_request_rate_metric;
    let burst = Burst::of(counter, limits.requests_per_second)?;
    let Burst { peak, usual } = burst;
    let codes = counts_by(context.archive, counter, REQUESTS, |labels| {
        is_token_request(labels).then(|| labels.get("code").to_owned())
    });
    let mut attributes = named(burst.attributes());
    attributes.insert("codes".to_owned(), as_map(codes));
    let scraped = Scraped {
        about: &ABOUT,
        counter,
        severity: burst.severity(FAR_ABOVE),
        summary: format!(
            "{:.1} TokenRequests a second from {} to {}, usually {usual:.1}: a controller in a loop, or somebody who collects tokens",
            peak.rate(),
            peak.from,
            peak.to
        ),
        attributes,
        remediation: remedy(
            "find who asks for tokens in the audit log; kubelets do all the time, others are to be explained",
            &[(
                "see who asks for tokens",
                "jq -r 'select(.verb == \"create\" and .objectRef.subresource == \"token\" and .stage == \"ResponseComplete\") | .user.username' /var/log/kubernetes/audit/audit.log | sort | uniq -c | sort -rn",
            )],
        ),
    };
    Some(scraped.finding(context.archive))
}
