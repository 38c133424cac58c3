//! Audit events that never reached the log.

use crate::finding::{Finding, Severity};

use super::{
    About, MetricContext, MetricDetector,
    counter::{Counter, as_map, counters, counts_by, named},
    scraped::{Scraped, remedy},
};

about! {
    /// # What it finds
    ///
    /// Audit events that were not written, by `apiserver_audit_error_total` (absent until the first error; `plugin` says
    /// which backend), and requests that were refused because the audit backend failed, by
    /// `apiserver_audit_requests_rejected_total` (kubernetes `apiserver` `pkg/audit/metrics.go`): one finding for each
    /// kube-apiserver.
    ///
    /// The severity is `high`; `medium` where there is one scrape only, since it may be long ago.
    ///
    /// # Why it matters
    ///
    /// What is not in the log nobody can find there: every other finding of satrail, and every silence, is worth
    /// less for that time. Whoever wants to hide can bring it about, by filling a disk or flooding a webhook.
    ///
    /// # Known benign causes
    ///
    /// - A webhook backend that was restarted while its buffer was full.
    /// - A disk that ran full: not benign for long.
    ///
    /// # What to do
    ///
    /// Read kube-apiserver's own log of that time, then see to the disk, or to the webhook and its
    /// `--audit-webhook-*` batch settings.
    ///
    /// # Attributes
    ///
    /// - `lost`: events lost, by plugin
    /// - `rejected`: requests refused because auditing failed
    /// - `counted`: `between-scrapes`, or `since-start` where there is one scrape only
    /// - `from`, `to`: what that speaks of: the first scrape (or the start of the process, if known) and
    ///   the last one
    ///
    /// # Example
    ///
    /// ```text
    /// high  apiserver 10.0.0.1:6443  audit-events-lost  17
    ///   lost: log 17    rejected: 0
    /// ```
    "audit-events-lost",
    "Audit events are lost",
    [LOGS_DISABLED],
}

const ERRORS: &str = "apiserver_audit_error_total";
const REJECTED: &str = "apiserver_audit_requests_rejected_total";

/// See [`ABOUT`].
pub(super) struct AuditEventsLost;

impl MetricDetector for AuditEventsLost {
    const ABOUT: &'static About = &ABOUT;
    const READS: &'static [&'static str] = &[ERRORS, REJECTED];
    const NEEDS: &'static str = REJECTED;

    fn finish(context: &MetricContext<'_>) -> Vec<Finding> {
        let counters = counters(context.archive, Self::READS, |_| true);
        let lost = counters.iter().filter(|counter| counter.count() > 0);
        lost.map(|counter| finding(counter, context)).collect()
    }
}

/// The events lost by every kube-apiserver together.
pub(super) fn lost(archive: &crate::metric::Archive) -> u64 {
    let counters = counters(archive, &[ERRORS], |_| true);
    counters.iter().map(Counter::count).sum()
}

fn finding(counter: &Counter<'_>, context: &MetricContext<'_>) -> Finding {
    let archive = context.archive;
    let lost = counts_by(archive, counter, ERRORS, |labels| {
        Some(labels.get("plugin").to_owned())
    });
    let rejected = counts_by(archive, counter, REJECTED, |_| Some(String::new()));
    let rejected: u64 = rejected.values().sum();
    let events: u64 = lost.values().sum();
    Scraped {
        about: &ABOUT,
        counter,
        severity: if counter.is_since_start() {
            Severity::Medium
        } else {
            Severity::High
        },
        summary: format!(
            "{events} audit events were lost and {rejected} requests refused because auditing failed, {}: the log is blind there",
            counter.period()
        ),
        attributes: named([("lost", as_map(lost)), ("rejected", rejected.into())]),
        remediation: remedy(
            "find out in kube-apiserver's own log why the audit backend fails, and mend it",
            &[
                (
                    "see whether it goes on",
                    "kubectl get --raw /metrics | grep '^apiserver_audit_'",
                ),
                ("see whether the disk of the audit log is full", "df -h /var/log/kubernetes/audit"),
            ],
        ),
    }
    .finding(archive)
}
