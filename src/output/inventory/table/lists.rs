//! The lists below the issues: who holds what, which tokens there are, what is used.

use std::{fmt::Write, io};

use unicode_width::UnicodeWidthStr;

use crate::inventory::{Holder, PodRow, Report, RuleRow, Used, Verdict};

use super::{
    super::super::{
        clip,
        paper::{BOLD, DIM, PLAIN, Paper},
        shown, units,
    },
    more,
};

/// Rows of a list that are shown without `--all`.
const ROWS: usize = 10;
/// Labels are aligned up to this width.
const LABELS: usize = 44;

/// A list with labels in a column and wrapped text beside them.
fn list(
    (title, count): (&str, usize),
    rows: &[(String, String)],
    all: bool,
    paper: &mut Paper<'_>,
) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    paper.blank()?;
    let count = units::thousands(count as u64);
    paper.line(&[(BOLD, title), (DIM, "  "), (DIM, &count)])?;
    let most = if all { rows.len() } else { ROWS };
    let labels: Vec<_> = rows
        .iter()
        .take(most)
        .map(|(label, _)| shown(&clip(label, 120)).into_owned())
        .collect();
    let widths = labels.iter().map(|label| label.width());
    let column = widths.filter(|&width| width <= LABELS).max().unwrap_or(0) + 4;
    for (label, (_, text)) in labels.iter().zip(rows) {
        let label = format!("  {label}");
        if label.width() + 2 > column {
            paper.line(&[(PLAIN, &label)])?;
            paper.entry((PLAIN, ""), column, (DIM, text))?;
        } else {
            paper.entry((PLAIN, &label), column, (DIM, text))?;
        }
    }
    let left = rows.len().saturating_sub(most);
    if left > 0 {
        let text = format!(
            "  and {} more: --all shows them",
            units::thousands(left as u64)
        );
        paper.line(&[(DIM, &text)])?;
    }
    Ok(())
}

pub(super) fn holders(
    title: &str,
    holders: &[Holder],
    all: bool,
    paper: &mut Paper<'_>,
) -> io::Result<()> {
    let own = holders.iter().filter(|holder| all || !holder.built_in);
    let mut rows: Vec<_> = own
        .map(|holder| {
            let label = match holder.subject.kind.as_str() {
                "ServiceAccount" => holder.subject.to_string(),
                kind => format!("{} {}", kind.to_lowercase(), holder.subject),
            };
            let place = if holder.namespaces.is_empty() {
                "all namespaces".to_owned()
            } else {
                format!("in {}", some(&holder.namespaces))
            };
            let bindings: Vec<_> = holder
                .bindings
                .iter()
                .map(|binding| format!("{} {binding}", binding.kind))
                .collect();
            (label, format!("{place}, by {}", some(&bindings)))
        })
        .collect();
    let built_in = holders.iter().filter(|holder| holder.built_in).count();
    if built_in > 0 && !all {
        rows.push((
            "(control plane)".to_owned(),
            format!(
                "{}: --all shows them",
                units::count(built_in as u64, "subject")
            ),
        ));
    }
    list((title, holders.len()), &rows, all, paper)
}

fn some(list: &[String]) -> String {
    let shown: Vec<_> = list.iter().take(3).map(String::as_str).collect();
    format!("{}{}", shown.join(", "), more(list.len(), shown.len()))
}

pub(super) fn tokens(report: &Report, all: bool, paper: &mut Paper<'_>) -> io::Result<()> {
    let rows: Vec<_> = report
        .legacy_tokens
        .iter()
        .map(|token| {
            let verdict = match token.verdict {
                Verdict::Unknown => "unknown, because",
                other => other.words(),
            };
            let mut text = format!("of {}: {verdict}: {}", token.account, token.because);
            if let Some(days) = token.age_days {
                let _ = write!(text, "; {days} days old");
            }
            if let Some(day) = &token.last_used {
                let _ = write!(text, ", last used {day} by its label");
            }
            if let Some(day) = &token.invalid_since {
                let _ = write!(text, ", invalid since {day}");
            }
            (token.secret.to_string(), text)
        })
        .collect();
    list(("Tokens in Secrets", rows.len()), &rows, all, paper)
}

/// What was granted and not used, the idlest first.
pub(super) fn granted(report: &Report, all: bool, paper: &mut Paper<'_>) -> io::Result<()> {
    let mut rows = Vec::new();
    let accounts = report
        .accounts
        .iter()
        .filter(|account| all || !account.built_in);
    for account in accounts.filter(|account| account.requests.is_some()) {
        for grant in &account.grants {
            let used = grant.used.unwrap_or(Used::Unknown);
            let count = |used| grant.rules.iter().filter(|rule| rule.used == used).count();
            let rules = grant.rules.len();
            let text = match used {
                Used::Unknown if !grant.role_found => "its role is not in the dump".to_owned(),
                Used::Unknown if rules == 0 => "its role gives nothing".to_owned(),
                Used::Used => "used, every rule of it".to_owned(),
                Used::Unused => format!("unused ({})", units::count(rules as u64, "rule")),
                Used::Unknown => "unknown: more names or permissions than are kept".to_owned(),
                Used::Partly => {
                    let of = |n: usize, words: &str| {
                        (n > 0).then(|| {
                            format!("{n} of {} {words}", units::count(rules as u64, "rule"))
                        })
                    };
                    let parts = [
                        of(count(Used::Unused), "unused"),
                        of(count(Used::Partly), "used in part"),
                    ];
                    let parts: Vec<_> = parts.into_iter().flatten().collect();
                    format!("{}{}", parts.join(", "), wasted(&grant.rules))
                }
            };
            let label = format!("{}/{}", account.namespace, account.name);
            let place = match &grant.binding.namespace {
                Some(namespace) => format!("in {namespace}"),
                None => "everywhere".to_owned(),
            };
            rows.push((
                used,
                label,
                format!("{} {} {place}: {text}", grant.role_kind, grant.role),
            ));
        }
    }
    rows.sort();
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(_, label, text)| (label, text))
        .collect();
    list(("Granted and used", rows.len()), &rows, all, paper)
}

fn wasted(rules: &[RuleRow]) -> String {
    let partly = rules.iter().filter(|rule| rule.used == Used::Partly);
    let cells: Vec<_> = partly
        .flat_map(|rule| &rule.unused)
        .map(|cell| format!("{} {}", cell.verb, cell.resource))
        .collect();
    if cells.is_empty() {
        String::new()
    } else {
        format!("; unused: {}", some(&cells))
    }
}

/// Pods with a token: those that do not use it first.
pub(super) fn pods(report: &Report, all: bool, paper: &mut Paper<'_>) -> io::Result<()> {
    let mut pods: Vec<&PodRow> = report
        .pods
        .iter()
        .filter(|pod| all || pod.token_mounted || !pod.tokens.is_empty())
        .collect();
    pods.sort_by_key(|pod| pod.requests);
    let rows: Vec<_> = pods
        .iter()
        .map(|pod| (format!("{}/{}", pod.namespace, pod.name), pod_text(pod)))
        .collect();
    list(("Pods with a token", rows.len()), &rows, all, paper)
}

fn pod_text(pod: &PodRow) -> String {
    let said = |value: Option<bool>| value.map_or("unset", |on| if on { "true" } else { "false" });
    let mut text = format!(
        "as {}: {} (pod {}, account {})",
        pod.account,
        if pod.token_mounted {
            "mounted"
        } else {
            "not mounted"
        },
        said(pod.automount),
        said(pod.account_automount)
    );
    if pod.has_token_mount && !pod.token_mounted {
        text.push_str(", yet something is mounted there: it was made before, or mounts its own");
    }
    match pod.requests {
        None => {}
        Some(0) => text.push_str(", never called the API"),
        Some(n) => {
            let _ = write!(text, ", {}", units::count(n, "request"));
        }
    }
    for token in pod.tokens.iter().filter(|token| !token.automatic) {
        let audience = if token.audience.is_empty() {
            "the API server"
        } else {
            &token.audience
        };
        let seconds = token.expiration_seconds.unwrap_or(3600);
        let _ = write!(text, ", token for {audience} of {seconds} s");
    }
    if !pod.node.is_empty() {
        let _ = write!(text, ", on {}", pod.node);
    }
    text
}

/// What was not in the dump, not judged, or not readable.
pub(super) fn unseen(report: &Report, all: bool, paper: &mut Paper<'_>) -> io::Result<()> {
    let input = &report.input;
    let mut rows = Vec::new();
    let wanted = [
        "ServiceAccount",
        "Secret",
        "Pod",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
    ];
    let missing: Vec<_> = wanted
        .into_iter()
        .filter(|kind| !input.objects.contains_key(kind))
        .collect();
    if !missing.is_empty() {
        rows.push((
            "not in the dump".to_owned(),
            format!("{}: what they would show is unknown", missing.join(", ")),
        ));
    }
    rows.extend(caveats(report));
    let gone = &report.accounts_not_in_dump;
    if !gone.is_empty() {
        let names: Vec<_> = gone
            .iter()
            .map(|a| {
                format!(
                    "{}/{} ({} requests{})",
                    a.namespace,
                    a.name,
                    a.requests,
                    if a.recreated {
                        ", made again since"
                    } else {
                        ""
                    }
                )
            })
            .collect();
        rows.push(("only in the log".to_owned(), some(&names)));
    }
    for trouble in &input.troubles {
        rows.push((trouble.file.clone(), trouble.why.clone()));
    }
    list(
        ("Not seen", rows.len()),
        &rows,
        all || rows.len() < 2 * ROWS,
        paper,
    )
}

/// What to keep in mind.
fn caveats(report: &Report) -> Vec<(String, String)> {
    let input = &report.input;
    let mut rows = Vec::new();
    let built_in = report
        .accounts
        .iter()
        .filter(|account| account.built_in)
        .count();
    if built_in > 0 {
        rows.push((
            "control plane".to_owned(),
            format!(
                "{} of kube-controller-manager: in --format json, and in no issue",
                units::count(built_in as u64, "account")
            ),
        ));
    }
    if input
        .log
        .as_ref()
        .is_some_and(|log| log.accounts > 0 && log.pods == 0)
    {
        rows.push((
            "pods".to_owned(),
            "no token of the log names its pod: no pod can be joined".to_owned(),
        ));
    } else if input.log.is_some() {
        rows.push((
            "pods".to_owned(),
            "requests are joined by the pod's uid, which only tokens bound to a pod have"
                .to_owned(),
        ));
    }
    rows
}
