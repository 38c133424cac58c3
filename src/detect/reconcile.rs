//! Metrics and audit log side by side: what one counted, whom the other names, and what stays
//! unexplained.
//!
//! The two never count the same thing. A metric rises when kube-apiserver checks a token, and it remembers
//! a good one for ten seconds: at most one for each token, apiserver and 10 s, while the audit log has
//! every request. A refused token is checked every time, and its event (a 401) names nobody. A token that
//! comes in a TokenReview is counted, and its annotation is on no event (kubernetes
//! `pkg/registry/authentication/tokenreview/storage.go`). So there are bounds here and no equations.

use serde::Serialize;

use crate::{
    finding::Timestamp,
    metric::{Archive, Labels},
};

use super::{
    LogFacts, TokenUses,
    audit_events_lost::lost,
    counter::{Counter, counters, whole},
    token_uses::Kind,
};

const LEGACY: &str = "serviceaccount_legacy_tokens_total";
const STALE: &str = "serviceaccount_stale_tokens_total";

/// How many accounts of a kind are named; there is a sum of the others.
const NAMED: usize = 50;

/// Metrics and audit log side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// From when on there are both; `None` if they do not overlap, or if there are no two scrapes of one
    /// kube-apiserver.
    pub from: Option<Timestamp>,
    /// Until when.
    pub to: Option<Timestamp>,
    /// Audit events that the kube-apiservers say they lost, in all scrapes.
    pub events_lost: u64,
    /// Requests that the audit policy left out (level None), in all scrapes.
    pub requests_unaudited: u64,
    /// One entry for each sort of token; none without an overlap.
    pub kinds: Vec<Reconciled>,
}

/// One sort of token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciled {
    /// `legacy` or `stale`.
    pub kind: String,
    /// Uses that the metrics counted, as far as they tell of accepted tokens.
    pub metric_uses: Bounds,
    /// Uses of legacy tokens that were refused; `None` where that is not told (before 1.29).
    pub metric_refused: Option<Bounds>,
    /// Requests whose audit event has the annotation.
    pub audit_requests: u64,
    /// Whom the audit log names, the most requests first.
    pub accounts: Vec<AccountUses>,
    /// Requests by accounts that are not among these.
    pub other_requests: u64,
    /// So many uses, at least, that no audit event stands for.
    pub unexplained: u64,
    /// What that means.
    pub explanation: String,
}

/// Not fewer than, not more than: scrapes do not begin and end with the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// What rose between scrapes that both lie within the time of both.
    pub at_least: u64,
    /// With what rose between scrapes of which one lies outside.
    pub at_most: u64,
}

/// One account that the audit log names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountUses {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The Secret of the token; `None` for stale tokens and where the log does not say.
    pub secret: Option<String>,
    /// Its requests in the time of both.
    pub requests: u64,
}

/// `None` unless there are both scrapes and events.
#[must_use]
pub fn reconcile(uses: &TokenUses, log: &LogFacts, archive: &Archive) -> Option<Reconciliation> {
    let (first, last) = (log.first_event?, log.last_event?);
    if archive.scrapes() == 0 {
        return None;
    }
    let audited = counters(
        archive,
        &["apiserver_audit_level_total"],
        |labels: &Labels| labels.get("level") == "None",
    );
    let either = [LEGACY, STALE, "apiserver_audit_level_total"];
    let scraped = counters(archive, &either, |_| true);
    let scraped = || scraped.iter().flat_map(Counter::intervals);
    let overlap = || {
        let from = scraped().map(|interval| interval.from).min()?.max(first);
        let to = scraped().map(|interval| interval.to).max()?.min(last);
        (from <= to).then_some((from, to))
    };
    let overlap = overlap();
    let kinds = [Kind::Legacy, Kind::Stale].into_iter();
    let events_lost = lost(archive);
    Some(Reconciliation {
        from: overlap.map(|(from, _)| from),
        to: overlap.map(|(_, to)| to),
        events_lost,
        requests_unaudited: audited.iter().map(Counter::count).sum(),
        kinds: overlap.map_or_else(Vec::new, |overlap| {
            kinds
                .map(|kind| reconciled(kind, uses, archive, overlap, events_lost))
                .collect()
        }),
    })
}

fn reconciled(
    kind: Kind,
    uses: &TokenUses,
    archive: &Archive,
    (from, to): (Timestamp, Timestamp),
    events_lost: u64,
) -> Reconciled {
    let bounds = |names: &[&str]| Bounds::of(&counters(archive, names, |_| true), from, to);
    let (metric_uses, metric_refused) = match kind {
        Kind::Stale => (bounds(&[STALE]), None),
        Kind::Legacy => {
            let total = bounds(&[LEGACY]);
            let parts = [
                "serviceaccount_legacy_manual_token_uses_total",
                "serviceaccount_legacy_auto_token_uses_total",
            ];
            let served = parts
                .iter()
                .all(|name| archive.history().metric(name).is_some());
            if served {
                let accepted = bounds(&parts);
                (accepted, Some(total.minus(accepted)))
            } else {
                (total, None)
            }
        }
    };
    let named = uses.between(kind, from, to);
    let audit_requests = named.iter().map(|use_| use_.requests).sum();
    let accounts = named.iter().take(NAMED).map(|use_| AccountUses {
        namespace: use_.account.namespace.to_owned(),
        name: use_.account.name.to_owned(),
        secret: use_.secret.map(str::to_owned),
        requests: use_.requests,
    });
    let unexplained = metric_uses.at_least.saturating_sub(audit_requests);
    let told = kind == Kind::Stale || metric_refused.is_some();
    Reconciled {
        kind: kind.as_str().to_owned(),
        metric_uses,
        metric_refused,
        audit_requests,
        accounts: accounts.collect(),
        other_requests: named.iter().skip(NAMED).map(|use_| use_.requests).sum(),
        unexplained,
        explanation: explanation(metric_uses, audit_requests, events_lost, told),
    }
}

impl Bounds {
    fn of(counters: &[Counter<'_>], from: Timestamp, to: Timestamp) -> Self {
        let sum = |inside: &dyn Fn(Timestamp, Timestamp) -> bool| {
            let intervals = counters.iter().flat_map(Counter::intervals);
            let inside = intervals.filter(|interval| inside(interval.from, interval.to));
            whole(inside.map(|interval| interval.rise).sum())
        };
        Self {
            at_least: sum(&|start, end| start >= from && end <= to),
            at_most: sum(&|start, end| end > from && start < to),
        }
    }

    const fn minus(self, other: Self) -> Self {
        Self {
            at_least: self.at_least.saturating_sub(other.at_least),
            at_most: self.at_most.saturating_sub(other.at_most),
        }
    }
}

/// What the two numbers mean together. `told`: whether the metric tells accepted tokens from refused ones.
fn explanation(metric: Bounds, audit: u64, events_lost: u64, told: bool) -> String {
    match (metric.at_most, audit) {
        (0, 0) => "neither the metrics nor the audit log saw any use".to_owned(),
        (0, _) => "the audit log has uses that no scrape counts: the log is of another kube-apiserver \
                   than the scrapes, or its tokens were remembered from before the first scrape"
            .to_owned(),
        (most, audit) if audit >= most => {
            "the audit log names the accounts; that it has more is normal: the counters rise at most \
             once for each token, kube-apiserver and 10 s"
                .to_owned()
        }
        (_, audit) => {
            let mut causes = vec!["the audit policy leaves them out (a blind spot)"];
            if events_lost > 0 {
                causes.push("their events were lost (apiserver_audit_error_total rose)");
            } else {
                causes.push("their events were lost on the way here (no error was counted)");
            }
            causes.push("the tokens came in TokenReviews, which leave no trace of them");
            causes.push("the log of one of the kube-apiservers is missing");
            if !told {
                causes.push("the tokens were refused, which leaves a 401 without a name");
            }
            let how = if audit == 0 { "no event" } else { "fewer events" };
            format!("the audit log has {how} for what the metrics count: {}", causes.join("; or "))
        }
    }
}
