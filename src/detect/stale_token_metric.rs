//! Tokens used after they should have been renewed, as kube-apiserver counts them.

use crate::finding::{Finding, Severity};

use super::{
    About, MetricContext, MetricDetector,
    advice::times,
    counter::{Counter, counters, named},
    scraped::{Scraped, remedy},
};

about! {
    /// # What it finds
    ///
    /// Uses of projected ServiceAccount tokens later than an hour after they were issued, by
    /// `serviceaccount_stale_tokens_total` (Kubernetes 1.19 on, `pkg/serviceaccount/metrics.go`): one finding for
    /// each kube-apiserver. kubelet writes a new token long before; a stale use is that of a client which read
    /// the file once and never again, or of a copy.
    ///
    /// Each token counts once in ten seconds at most. The severity is `medium`; `info` where there is one scrape
    /// only, since the use may be long ago.
    ///
    /// # Why it matters
    ///
    /// Such tokens work only because kube-apiserver extends them to a year
    /// (`--service-account-extend-token-expiration`); without it the client fails after an hour. A token that
    /// was copied out of its pod looks the same.
    ///
    /// # Known benign causes
    ///
    /// - Clients built with old client libraries, which read the token once (KEP-1205).
    ///
    /// # What to do
    ///
    /// Find the account in the audit log: its requests carry the annotation `authentication.k8s.io/stale-token`;
    /// the report's reconciliation names it. Then renew the client library, or restart the pod.
    ///
    /// # Attributes
    ///
    /// - `valid`: uses of tokens that were fresh, for comparison; null where that is not served
    /// - `counted`: `between-scrapes`, or `since-start` where there is one scrape only
    /// - `from`, `to`: what that speaks of: the first scrape (or the start of the process, if known) and
    ///   the last one
    ///
    /// # Example
    ///
    /// ```text
    /// medium  apiserver 10.0.0.1:6443  stale-token-metric  1
    /// ```
    "stale-token-metric",
    "kube-apiserver counts uses of tokens that should have been renewed",
    [],
}

const STALE: &str = "serviceaccount_stale_tokens_total";
const VALID: &str = "serviceaccount_valid_tokens_total";

/// See [`ABOUT`].
pub(super) struct StaleTokenMetric;

impl MetricDetector for StaleTokenMetric {
    const ABOUT: &'static About = &ABOUT;
    const READS: &'static [&'static str] = &[STALE, VALID];
    const NEEDS: &'static str = STALE;

    fn finish(context: &MetricContext<'_>) -> Vec<Finding> {
        let archive = context.archive;
        let valid = archive.history().metric(VALID);
        let valid = valid.map_or_else(Vec::new, |_| counters(archive, &[VALID], |_| true));
        let stale = counters(archive, &[STALE], |_| true).into_iter();
        let findings = stale.filter(|counter| counter.count() > 0).map(|counter| {
            let valid = valid.iter().find(|valid| valid.instance == counter.instance);
            let valid = valid.map(Counter::count);
            Scraped {
                about: &ABOUT,
                counter: &counter,
                severity: if counter.is_since_start() {
                    Severity::Info
                } else {
                    Severity::Medium
                },
                summary: format!(
                    "tokens that should have been renewed are in use: {} {}, counted once for each token and 10 s at most: \
                     a client never re-reads its token, or uses a copy",
                    times(counter.count()),
                    counter.period()
                ),
                attributes: named([("valid", valid.into())]),
                remediation: remedy(
                    "find the client in the audit log and renew its client library",
                    &[(
                        "see which accounts present stale tokens: the annotation names them",
                        "jq -r 'select(.annotations[\"authentication.k8s.io/stale-token\"]) | .user.username' /var/log/kubernetes/audit/audit.log | sort | uniq -c",
                    )],
                ),
            }
            .finding(archive)
        });
        findings.collect()
    }
}
