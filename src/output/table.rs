//! The report for people: what was read, what was found, what could not be seen.

mod coverage;
mod forms;
mod reconciliation;
mod stories;

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use unicode_width::UnicodeWidthStr;

use crate::{
    finding::{Attribute, Evidence, Finding, Severity, Subject, SubjectKind},
    pipeline::{Input, MetricsInput, Report},
};

use super::{
    Look, Pace, clip,
    paper::{BAD, BOLD, DIM, PLAIN, Paper, WARNING, fill, severity_style},
    shown, units,
};

/// Where text begins beside the labels.
const INDENT: usize = 10;

/// Longer names are cut: a Kubernetes namespace and name come to 317 characters at most, but then
/// nobody can read a line.
const LONGEST_NAME: usize = 80;

/// Subjects are aligned up to this width; the few longer ones stick out.
const SUBJECT_COLUMN: usize = 40;

pub(super) fn write(
    report: &Report,
    look: Look,
    pace: Option<Pace>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut paper = Paper::new(out, look);
    head(&report.input, pace, &mut paper)?;
    if look.detailed {
        forms::files(&report.input, &mut paper)?;
    }
    totals(report, &mut paper)?;
    stories::write(report, &mut paper)?;
    findings(&report.findings, look.detailed, &mut paper)?;
    reconciliation::write(report, &mut paper)?;
    coverage::write(report, &mut paper)?;
    if report.findings.is_empty() {
        return Ok(());
    }
    paper.blank()?;
    let id = |f: &Finding| f.detector.clone();
    let first = report.findings.first().map(id).unwrap_or_default();
    let hint = format!("satrail explain {first}");
    paper.line(&[
        (DIM, "What a detector looks for, and what to do: "),
        (PLAIN, &hint),
    ])
}

/// What was read, and how fast.
pub(super) fn head(input: &Input, pace: Option<Pace>, paper: &mut Paper<'_>) -> io::Result<()> {
    if input.files > 0 || input.metrics.is_none() {
        log(input, paper)?;
    }
    if let Some(metrics) = &input.metrics {
        scrapes(metrics, paper)?;
    }
    if let Some(Pace { elapsed }) = pace {
        let seconds = elapsed.as_secs_f64().max(1e-6);
        let text = format!(
            "{}: {} events/s, {}/s",
            units::span(elapsed),
            units::rate((input.events as f64 / seconds).round()),
            units::bytes(per_second(input.bytes, seconds))
        );
        label("Took", &text, paper)?;
    }
    Ok(())
}

/// The scrapes, in one line.
fn scrapes(metrics: &MetricsInput, paper: &mut Paper<'_>) -> io::Result<()> {
    let mut text = format!(
        "{}, {} of {}, {}",
        units::count(metrics.files, "file"),
        units::count(metrics.scrapes, "scrape"),
        units::count(metrics.instances, "instance"),
        units::count(metrics.samples, "sample")
    );
    if metrics.bad_lines > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, ", {}", units::count(metrics.bad_lines, "bad line"));
    }
    if metrics.first_scrape.is_some() {
        let range = units::range(metrics.first_scrape, metrics.last_scrape);
        let _ = write!(text, ", {range} UTC");
    }
    label("Metrics", &text, paper)
}

/// The log: how much, and of which time.
fn log(input: &Input, paper: &mut Paper<'_>) -> io::Result<()> {
    let mut read = format!(
        "{}, {} bytes",
        units::count(input.files, "file"),
        units::thousands(input.bytes)
    );
    // Writing to a String cannot fail.
    let _ = match input.stored_bytes {
        stored if stored == input.bytes && stored < 1000 => Ok(()),
        stored if stored == input.bytes => write!(read, " ({})", units::bytes(input.bytes)),
        stored => write!(
            read,
            " ({}, stored as {})",
            units::bytes(input.bytes),
            units::bytes(stored)
        ),
    };
    let _ = write!(read, ", {}", units::count(input.lines, "line"));
    label("Read", &read, paper)?;
    let mut events = format!(
        "{}, {}",
        units::count(input.events, "event"),
        units::count(input.requests, "request")
    );
    if input.bad_lines > 0 {
        let _ = write!(events, ", {}", units::count(input.bad_lines, "bad line"));
    }
    label("Events", &events, paper)?;
    if let Some(forms) = forms::total(input) {
        label("Forms", &forms, paper)?;
    }
    if let (Some(first), Some(last)) = (input.first_event, input.last_event) {
        let range = units::range(Some(first), Some(last));
        let span = units::span(units::between(first, last));
        label("Time", &format!("{range} UTC ({span})"), paper)?;
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bytes over seconds: positive, and shown to one decimal of its unit"
)]
fn per_second(bytes: u64, seconds: f64) -> u64 {
    (bytes as f64 / seconds) as u64
}

fn label(label: &str, text: &str, paper: &mut Paper<'_>) -> io::Result<()> {
    paper.entry((BOLD, label), INDENT, (PLAIN, text))
}

/// How many findings of each severity.
fn totals(report: &Report, paper: &mut Paper<'_>) -> io::Result<()> {
    let findings = &report.findings;
    let title = fill("Findings", INDENT);
    if findings.is_empty() {
        let samples = report.input.metrics.as_ref().map(|metrics| metrics.samples);
        let none = match (report.input.events, samples) {
            (0, None) => (WARNING, "none, for no audit event was read"),
            (0, Some(0)) => (
                WARNING,
                "none, for neither an audit event nor a sample was read",
            ),
            _ => (PLAIN, "none"),
        };
        return paper.line(&[(BOLD, &title), none]);
    }
    let counts: Vec<_> = (Severity::ALL.into_iter().rev())
        .map(|severity| {
            let n = findings.iter().filter(|f| f.severity == severity).count();
            (severity, n)
        })
        .filter(|&(_, n)| n > 0)
        .map(|(severity, n)| (severity, format!("{n} {severity}")))
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

/// Whom a finding is about, without doubt about what sort of thing it is.
pub(super) fn subject(subject: &Subject) -> String {
    let name = subject.to_string();
    let name = clip(&name, LONGEST_NAME);
    match subject.kind {
        SubjectKind::ServiceAccount => shown(&name).into_owned(),
        SubjectKind::User => format!("user {}", shown(&name)),
        SubjectKind::AuditLog => format!("log {}", shown(&name)),
        SubjectKind::ApiServer => format!("apiserver {}", shown(&name)),
        SubjectKind::Client => format!("client {}", shown(&name)),
    }
}

/// How wide the columns of the headlines are.
struct Columns {
    subject: usize,
    detector: usize,
    count: usize,
}

impl Columns {
    fn fit(findings: &[Finding]) -> Self {
        let widest = |text: &dyn Fn(&Finding) -> String, most: usize| {
            let widths = findings.iter().map(|f| text(f).width());
            widths.filter(|&w| w <= most).max().unwrap_or(0)
        };
        Self {
            subject: widest(&|f| subject(&f.subject), SUBJECT_COLUMN),
            detector: widest(&|f| f.detector.clone(), SUBJECT_COLUMN),
            count: widest(&|f| units::thousands(f.count), SUBJECT_COLUMN),
        }
    }
}

fn findings(findings: &[Finding], detailed: bool, paper: &mut Paper<'_>) -> io::Result<()> {
    let columns = Columns::fit(findings);
    for finding in findings {
        paper.blank()?;
        headline(finding, &columns, paper)?;
        paper.entry((PLAIN, ""), INDENT, (PLAIN, &finding.summary))?;
        if let Some(Attribute::Map(dump)) = finding.attributes.get("inventory")
            && let Some(Attribute::Text(summary)) = dump.get("summary")
        {
            let summary = clip(summary, 4 * LONGEST_NAME);
            paper.entry((DIM, "     has:"), INDENT, (PLAIN, &summary))?;
        }
        let advice = &finding.remediation.summary;
        // What is good to know and no more asks for nothing.
        if !advice.is_empty() && finding.severity > Severity::Info {
            paper.entry((DIM, "      do:"), INDENT, (PLAIN, advice))?;
        }
        if detailed {
            details(finding, paper)?;
        }
    }
    Ok(())
}

/// Its name for exceptions and suppressions, its techniques, the steps out, and the events to go and look at.
fn details(finding: &Finding, paper: &mut Paper<'_>) -> io::Result<()> {
    paper.entry((DIM, "      id:"), INDENT, (PLAIN, &finding.fingerprint))?;
    if !finding.attack.is_empty() {
        let techniques = finding.attack.join(", ");
        paper.entry((DIM, "  att&ck:"), INDENT, (PLAIN, &techniques))?;
    }
    for (n, step) in finding.remediation.steps.iter().enumerate() {
        let label = if n == 0 { "   steps:" } else { "" };
        let text = format!("{}. {}", n + 1, step.text);
        paper.entry((DIM, label), INDENT, (PLAIN, &text))?;
        if let Some(command) = &step.command {
            // Not wrapped: it is there to be copied.
            let command = format!("{}   {}", " ".repeat(INDENT), command);
            paper.line(&[(PLAIN, &command)])?;
        }
    }
    for (n, evidence) in finding.evidence.iter().enumerate() {
        let label = if n == 0 { "evidence:" } else { "" };
        let line = (evidence.line).map_or_else(String::new, |line| format!(":{line}"));
        let id = (evidence.audit_id.as_deref())
            .map_or_else(String::new, |id| format!("  {}", clip(id, LONGEST_NAME)));
        let text = format!(
            "{}  {}{line}{id}",
            units::time(evidence.time),
            evidence.file
        );
        paper.entry((DIM, label), INDENT, (PLAIN, &text))?;
    }
    Ok(())
}

/// Severity, subject, detector, count, and when and where: one line where nothing is wrapped, two on a
/// terminal.
fn headline(finding: &Finding, columns: &Columns, paper: &mut Paper<'_>) -> io::Result<()> {
    let severity = finding.severity.as_str();
    let gap = " ".repeat(INDENT.saturating_sub(severity.len()));
    let subject = fill(&subject(&finding.subject), columns.subject);
    let detector = fill(&finding.detector, columns.detector);
    // What a counter counts is not always requests: the summary says what.
    let unit = match (finding.subject.kind, finding.count) {
        (SubjectKind::ApiServer, _) => "counted",
        (_, 1) => "request",
        _ => "requests",
    };
    let width = columns.count;
    let count = format!("{:>width$} {unit}", units::thousands(finding.count));
    let facts = facts(finding);
    let status = finding.tracking.map_or_else(String::new, |tracking| {
        format!("  {}", tracking.status.as_str())
    });
    let mut pieces = vec![
        (severity_style(finding.severity), severity),
        (PLAIN, &gap),
        (BOLD, &subject),
        (PLAIN, "  "),
        (PLAIN, &detector),
        (PLAIN, "  "),
        (PLAIN, &count),
        (BOLD, &status),
    ];
    if paper.is_endless() {
        pieces.extend([(PLAIN, "  "), (DIM, facts.as_str())]);
        return paper.line(&pieces);
    }
    paper.line(&pieces)?;
    paper.entry((PLAIN, ""), INDENT, (DIM, &facts))
}

/// First and last seen, and where to look first.
fn facts(finding: &Finding) -> String {
    let when = units::range(finding.first_seen, finding.last_seen);
    match finding.evidence.first() {
        None => when,
        Some(Evidence {
            file,
            line: Some(line),
            ..
        }) => format!("{when}, see {file}:{line}"),
        Some(Evidence { file, .. }) => format!("{when}, see {file}"),
    }
}
