//! The inventory for people: summary first, the most severe first, long lists cut.

mod lists;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write},
};

use crate::{
    finding::Severity,
    inventory::{Check, Issue, Kept, Report},
};

use super::super::{
    Look, clip,
    paper::{BAD, BOLD, DIM, PLAIN, Paper, WARNING, fill, severity_style},
    shown, units,
};

const INDENT: usize = 10;
/// Issues of one check that are shown without `--all`.
const ISSUES: usize = 5;
/// Pieces of evidence that are shown without `--all`.
const PROOFS: usize = 3;
/// Labels are aligned up to this width.
const LABELS: usize = 44;

pub(super) fn write(report: &Report, look: Look, all: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut paper = Paper::new(out, look);
    let paper = &mut paper;
    head(report, paper)?;
    practices(report, paper)?;
    issues(&report.issues, all, paper)?;
    lists::holders("Who may do everything", &report.cluster_admins, all, paper)?;
    lists::holders("Who may list secrets", &report.secret_readers, all, paper)?;
    lists::tokens(report, all, paper)?;
    lists::granted(report, all, paper)?;
    lists::pods(report, all, paper)?;
    lists::unseen(report, all, paper)
}

fn label(label: &str, text: &str, paper: &mut Paper<'_>) -> io::Result<()> {
    paper.entry((BOLD, label), INDENT, (PLAIN, text))
}

fn head(report: &Report, paper: &mut Paper<'_>) -> io::Result<()> {
    let input = &report.input;
    let sorts: Vec<_> = input
        .objects
        .iter()
        .map(|(kind, n)| units::count(*n, kind))
        .collect();
    let text = format!(
        "{}: {}",
        units::count(input.dumps, "file"),
        sorts.join(", ")
    );
    label("Dump", &text, paper)?;
    match &input.log {
        None => label(
            "Log",
            "none given: what is used, and what is not, cannot be told",
            paper,
        )?,
        Some(log) => {
            let range = units::range(log.first_event, log.last_event);
            let span = log.first_event.zip(log.last_event);
            let span = span.map(|(first, last)| units::span(units::between(first, last)));
            let text = format!(
                "{range} UTC ({}): {} by {} and others, {} told by their tokens",
                span.unwrap_or_default(),
                units::count(log.requests, "request"),
                units::count(log.accounts as u64, "ServiceAccount"),
                units::count(log.pods as u64, "pod"),
            );
            label("Log", &text, paper)?;
        }
    }
    if input.secrets_with_data > 0 {
        let text = format!(
            "the data of {} is in the dump. It was not looked at; leave it out next time: kubectl get secrets -A -o json | \
             jq 'del(.items[].data, .items[].metadata.annotations.\"kubectl.kubernetes.io/last-applied-configuration\")'",
            units::count(input.secrets_with_data, "Secret")
        );
        paper.entry((WARNING, "Secrets"), INDENT, (PLAIN, &text))?;
    }
    totals(&report.issues, paper)
}

fn totals(issues: &[Issue], paper: &mut Paper<'_>) -> io::Result<()> {
    let title = fill("Issues", INDENT);
    if issues.is_empty() {
        return paper.line(&[(BOLD, &title), (PLAIN, "none")]);
    }
    let counts: Vec<_> = (Severity::ALL.into_iter().rev())
        .map(|severity| {
            (
                severity,
                issues.iter().filter(|i| i.severity == severity).count(),
            )
        })
        .filter(|(_, n)| *n > 0)
        .map(|(severity, n)| {
            (
                severity,
                format!("{} {severity}", units::thousands(n as u64)),
            )
        })
        .collect();
    let mut pieces = vec![(BOLD, title.as_str())];
    for (i, (severity, text)) in counts.iter().enumerate() {
        if i > 0 {
            pieces.push((PLAIN, ", "));
        }
        pieces.push((severity_style(*severity), text));
    }
    paper.line(&pieces)
}

fn practices(report: &Report, paper: &mut Paper<'_>) -> io::Result<()> {
    paper.blank()?;
    paper.line(&[(BOLD, "Good practice")])?;
    for practice in &report.practices {
        let style = match practice.verdict {
            Kept::Fail => BAD,
            Kept::Unknown => WARNING,
            Kept::Pass => PLAIN,
        };
        let mut text = format!("{}: {}", practice.title, practice.because);
        if practice.broken > 0 {
            let some: Vec<_> = practice
                .breakers
                .iter()
                .take(3)
                .map(String::as_str)
                .collect();
            let _ = write!(
                text,
                " ({}{})",
                some.join(", "),
                more(practice.broken, some.len())
            );
        }
        let verdict = format!("  {}", practice.verdict.as_str());
        paper.entry((style, &verdict), INDENT + 1, (PLAIN, &text))?;
    }
    Ok(())
}

/// ` and 12 more`, if there are.
fn more(all: usize, shown: usize) -> String {
    match all.saturating_sub(shown) {
        0 => String::new(),
        more => format!(" and {} more", units::thousands(more as u64)),
    }
}

fn issues(issues: &[Issue], all: bool, paper: &mut Paper<'_>) -> io::Result<()> {
    let mut seen = BTreeMap::<(Severity, Check), usize>::new();
    let mut total = BTreeMap::<(Severity, Check), usize>::new();
    for issue in issues {
        *total.entry((issue.severity, issue.check)).or_default() += 1;
    }
    for issue in issues {
        let key = (issue.severity, issue.check);
        let n = seen.entry(key).or_default();
        *n += 1;
        if all || *n <= ISSUES {
            one(issue, all, paper)?;
        }
        let left = total
            .get(&key)
            .map_or(0, |total| total.saturating_sub(ISSUES));
        if !all && *n == ISSUES && left > 0 {
            paper.blank()?;
            let severity = issue.severity.as_str();
            let text = format!(
                "{} more of {}: --all shows them",
                units::thousands(left as u64),
                issue.check.as_str()
            );
            paper.entry(
                (severity_style(issue.severity), severity),
                INDENT,
                (DIM, &text),
            )?;
        }
    }
    Ok(())
}

fn one(issue: &Issue, all: bool, paper: &mut Paper<'_>) -> io::Result<()> {
    paper.blank()?;
    let severity = fill(issue.severity.as_str(), INDENT);
    let subject = match issue.subject.kind.as_str() {
        "ServiceAccount" => issue.subject.to_string(),
        kind => format!("{kind} {}", issue.subject),
    };
    let subject = fill(&shown(&clip(&subject, 80)), LABELS - INDENT);
    paper.line(&[
        (severity_style(issue.severity), &severity),
        (BOLD, &subject),
        (PLAIN, "  "),
        (PLAIN, issue.check.as_str()),
    ])?;
    paper.entry((PLAIN, ""), INDENT, (PLAIN, &issue.summary))?;
    let proofs = if all { issue.evidence.len() } else { PROOFS };
    for (i, proof) in issue.evidence.iter().take(proofs).enumerate() {
        let (object, kind) = (&proof.object, &proof.object.kind);
        let left = if i + 1 == proofs {
            more(issue.evidence.len(), proofs)
        } else {
            String::new()
        };
        let text = format!(
            "{kind} {} {}{left}",
            clip(&object.to_string(), 120),
            clip(&proof.says, 400)
        );
        paper.entry((DIM, "     see:"), INDENT, (DIM, &text))?;
    }
    paper.entry(
        (DIM, "      do:"),
        INDENT,
        (PLAIN, &issue.remediation.summary),
    )?;
    let commands = issue
        .remediation
        .steps
        .iter()
        .filter_map(|step| step.command.as_deref());
    let shown_commands = if all { usize::MAX } else { 2 };
    for command in commands.take(shown_commands) {
        paper.entry((DIM, ""), INDENT + 2, (DIM, command))?;
    }
    Ok(())
}
