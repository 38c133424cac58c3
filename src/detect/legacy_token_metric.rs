//! Tokens from Secrets, as kube-apiserver counts them.

use std::collections::BTreeMap;

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
    /// Uses of ServiceAccount tokens from Secrets, by `serviceaccount_legacy_tokens_total` (Kubernetes 1.19 on)
    /// and its parts `serviceaccount_legacy_manual_token_uses_total`, `serviceaccount_legacy_auto_token_uses_total`
    /// and `serviceaccount_invalid_legacy_auto_token_uses_total` (1.29 on; kubernetes
    /// `pkg/serviceaccount/metrics.go`): one finding for each kube-apiserver.
    ///
    /// A token that is accepted counts once in ten seconds at most, since kube-apiserver remembers it that long
    /// (`cached_token_authenticator.go`); one that is refused counts every time. So the number says that there
    /// are uses, not how many requests: the audit log has those, and the names (`legacy-token`).
    ///
    /// The severity is `medium` where a token was accepted, or where the version does not tell; `low` where all
    /// were refused.
    ///
    /// # Why it matters
    ///
    /// Such a token never expires and works from anywhere. Where the audit policy leaves a request out, or the
    /// token comes in a TokenReview, this counter is the only trace of it.
    ///
    /// # Known benign causes
    ///
    /// - CI systems and dashboards with a kubeconfig from before 1.24: known, and still to be replaced.
    /// - With one scrape only: uses of long ago. It says nothing but that there were some since the process
    ///   began.
    ///
    /// # What to do
    ///
    /// Find the account in the audit log with `legacy-token`; the report's reconciliation says whether the log
    /// names one for these uses. `invalid_auto` counts a token that Kubernetes has invalidated and that somebody
    /// still presents.
    ///
    /// # Attributes
    ///
    /// - `accepted`: uses of tokens that were accepted; null before 1.29
    /// - `manual`, `auto`: those of Secrets made by hand and of Secrets made by the control plane
    /// - `invalid_auto`: uses of invalidated tokens, all refused
    /// - `refused`: all uses that were refused, as far as the counters tell
    /// - `counted`: `between-scrapes`, or `since-start` where there is one scrape only
    /// - `from`, `to`: what that speaks of: the first scrape (or the start of the process, if known) and
    ///   the last one
    ///
    /// # Example
    ///
    /// ```text
    /// medium  apiserver 10.0.0.1:6443  legacy-token-metric  44
    ///   manual: 3    auto: 1    invalid_auto: 10    refused: 40
    /// ```
    "legacy-token-metric",
    "kube-apiserver counts uses of tokens that never expire",
    [ACCESS_TOKEN_USED],
}

const TOTAL: &str = "serviceaccount_legacy_tokens_total";
const MANUAL: &str = "serviceaccount_legacy_manual_token_uses_total";
const AUTO: &str = "serviceaccount_legacy_auto_token_uses_total";
const INVALID: &str = "serviceaccount_invalid_legacy_auto_token_uses_total";

/// See [`ABOUT`].
pub(super) struct LegacyTokenMetric;

/// The parts of the total.
#[derive(Debug, Clone, Copy)]
struct Parts {
    manual: Option<u64>,
    auto: Option<u64>,
    invalid: Option<u64>,
}

impl MetricDetector for LegacyTokenMetric {
    const ABOUT: &'static About = &ABOUT;
    const READS: &'static [&'static str] = &[TOTAL, MANUAL, AUTO, INVALID];
    const NEEDS: &'static str = TOTAL;

    fn finish(context: &MetricContext<'_>) -> Vec<Finding> {
        let archive = context.archive;
        let part = |name: &str| -> BTreeMap<String, u64> {
            let known = archive.history().metric(name);
            let known = known.map(|_| counters(archive, &[name], |_| true));
            let counters = known.unwrap_or_default().into_iter();
            counters
                .map(|counter| (counter.instance.to_owned(), counter.count()))
                .collect()
        };
        let (manual, auto, invalid) = (part(MANUAL), part(AUTO), part(INVALID));
        let totals = counters(archive, &[TOTAL], |_| true).into_iter();
        totals
            .filter(|counter| counter.count() > 0)
            .map(|counter| {
                let parts = Parts {
                    manual: manual.get(counter.instance).copied(),
                    auto: auto.get(counter.instance).copied(),
                    invalid: invalid.get(counter.instance).copied(),
                };
                finding(&counter, parts, context)
            })
            .collect()
    }
}

impl Parts {
    fn accepted(self) -> Option<u64> {
        Some(self.manual? + self.auto?)
    }
}

fn finding(counter: &Counter<'_>, parts: Parts, context: &MetricContext<'_>) -> Finding {
    let total = counter.count();
    let accepted = parts.accepted();
    let refused = accepted.map(|accepted| total.saturating_sub(accepted));
    let what = match (accepted, refused) {
        (Some(accepted), Some(refused)) => {
            format!(
                "{accepted} accepted, at most one for each token and 10 s, and {refused} refused"
            )
        }
        _ => "this version does not tell accepted ones from refused ones".to_owned(),
    };
    Scraped {
        about: &ABOUT,
        counter,
        severity: match accepted {
            Some(0) => Severity::Low,
            _ => Severity::Medium,
        },
        summary: format!(
            "tokens that never expire are in use: {} {}, {what}; the audit log knows whose",
            times(total),
            counter.period()
        ),
        attributes: named([
            ("accepted", accepted.into()),
            ("manual", parts.manual.into()),
            ("auto", parts.auto.into()),
            ("invalid_auto", parts.invalid.into()),
            ("refused", refused.into()),
        ]),
        remediation: remedy(
            "find the accounts in the audit log, then replace their tokens by ones that expire",
            &[
                (
                    "see which accounts use such tokens",
                    "satrail scan --select legacy-token /var/log/kubernetes/audit",
                ),
                (
                    "see which Secrets of that kind there are, and the day of their last use (Kubernetes 1.27 and later)",
                    "kubectl get secrets --all-namespaces --field-selector type=kubernetes.io/service-account-token --label-columns kubernetes.io/legacy-token-last-used",
                ),
            ],
        ),
    }
    .finding(context.archive)
}
