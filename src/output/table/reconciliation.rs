//! Metrics and audit log side by side.

use std::io;

use crate::pipeline::{Bounds, Reconciled, Report};

use super::{BOLD, DIM, PLAIN, Paper, WARNING, clip, units};

/// Where text begins beside the labels.
const INDENT: usize = 14;

/// More accounts are summed up; the JSON has them.
const SHOWN: usize = 10;

pub(super) fn write(report: &Report, paper: &mut Paper<'_>) -> io::Result<()> {
    let Some(reconciliation) = &report.reconciliation else {
        return Ok(());
    };
    paper.blank()?;
    paper.line(&[(BOLD, "Metrics and audit log side by side")])?;
    if reconciliation.kinds.is_empty() {
        let text = "the scrapes and the log have no time in common (it takes two scrapes of one kube-apiserver)";
        return paper.entry((DIM, "  overlap"), INDENT, (PLAIN, text));
    }
    let range = units::range(reconciliation.from, reconciliation.to);
    paper.entry((DIM, "  overlap"), INDENT, (PLAIN, &format!("{range} UTC")))?;
    for reconciled in &reconciliation.kinds {
        kind(reconciled, paper)?;
    }
    let unaudited = reconciliation.requests_unaudited;
    if unaudited > 0 {
        let text = format!(
            "{} left out by the audit policy (level None)",
            units::count(unaudited, "request")
        );
        paper.entry((DIM, "  unaudited"), INDENT, (PLAIN, &text))?;
    }
    match reconciliation.events_lost {
        0 => Ok(()),
        lost => {
            let text = format!(
                "{} by kube-apiserver's own count",
                units::count(lost, "event")
            );
            paper.entry((WARNING, "  lost"), INDENT, (PLAIN, &text))
        }
    }
}

fn kind(reconciled: &Reconciled, paper: &mut Paper<'_>) -> io::Result<()> {
    let refused = reconciled
        .metric_refused
        .filter(|refused| refused.at_most > 0);
    let refused = refused.map_or_else(String::new, |refused| {
        format!(" and {} refused", bounds(refused))
    });
    let text = format!(
        "metrics: {}{refused}; audit log: {}: {}",
        bounds(reconciled.metric_uses),
        units::count(reconciled.audit_requests, "request"),
        reconciled.explanation
    );
    let style = if reconciled.unexplained > 0 {
        WARNING
    } else {
        DIM
    };
    let label = format!("  {}", reconciled.kind);
    paper.entry((style, &label), INDENT, (PLAIN, &text))?;
    let mut names: Vec<_> = (reconciled.accounts.iter().take(SHOWN))
        .map(|uses| {
            let name = format!("{}/{}", uses.namespace, uses.name);
            let secret = uses.secret.as_ref();
            let secret = secret.map_or_else(String::new, |secret| format!(" (Secret {secret})"));
            format!(
                "{}{} {}",
                clip(&name, 80),
                clip(&secret, 80),
                units::thousands(uses.requests)
            )
        })
        .collect();
    let others = reconciled.accounts.iter().skip(SHOWN);
    let others: u64 = others.map(|uses| uses.requests).sum::<u64>() + reconciled.other_requests;
    if others > 0 {
        names.push(format!("others {}", units::thousands(others)));
    }
    if names.is_empty() {
        return Ok(());
    }
    paper.entry((PLAIN, ""), INDENT, (PLAIN, &names.join(", ")))
}

/// `4`, `3 to 5`.
fn bounds(bounds: Bounds) -> String {
    let Bounds { at_least, at_most } = bounds;
    if at_least == at_most {
        return units::thousands(at_most);
    }
    format!(
        "{} to {}",
        units::thousands(at_least),
        units::thousands(at_most)
    )
}
