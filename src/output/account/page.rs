//! The page for people: from who it is to what to do.

mod matrix;
mod standing;

pub(in crate::output) use standing::in_sum;

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use unicode_width::UnicodeWidthStr;

use crate::{
    detect::Tallied,
    finding::Finding,
    pipeline::{Credential, Dossier, Report, Values},
    rbac::Body,
    yaml,
};

use super::{AccountPage, runbooks::Applies};
use crate::output::{
    Look, clip,
    paper::{BOLD, DIM, PLAIN, Paper, WARNING, fill, severity_style},
    shown,
    spark::spark,
    table, units,
};

/// Where text begins beside the labels.
const INDENT: usize = 12;

/// How many values a list shows; `--format json` has more.
const SHOWN: usize = 10;

/// Longer values are cut, so that a row stays a row.
const LONGEST: usize = 60;

/// How many lines of roles a page shows.
const ROLE_LINES: usize = 60;

pub(super) fn write(
    report: &Report,
    pages: &[AccountPage<'_>],
    absent: &[String],
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut paper = Paper::new(out, look);
    table::head(&report.input, None, &mut paper)?;
    for page in pages {
        paper.blank()?;
        one(page, &mut paper)?;
    }
    for pattern in absent {
        paper.blank()?;
        let why = "no request by it, as it, or for a token of it in this log";
        paper.line(&[(BOLD, pattern), (PLAIN, "  "), (PLAIN, why)])?;
    }
    Ok(())
}

fn one(page: &AccountPage<'_>, paper: &mut Paper<'_>) -> io::Result<()> {
    let dossier = page.dossier;
    let name = format!("{}/{}", dossier.namespace, dossier.name);
    let rule = "-".repeat(name.width().min(80));
    paper.line(&[(BOLD, &clip(&name, 80))])?;
    paper.line(&[(DIM, &rule)])?;
    requests(dossier, paper)?;
    findings(page, paper)?;
    paper.blank()?;
    matrix::write("Used", &dossier.used, paper)?;
    if dossier.discovery.count > 0 {
        let count = units::count(dossier.discovery.count, "request");
        let text = format!("and {count} that every account may make (discovery, its own rights)");
        paper.entry((PLAIN, ""), INDENT, (DIM, &text))?;
    }
    if !dossier.denied.is_empty() {
        paper.blank()?;
        matrix::write("Refused", &dossier.denied, paper)?;
        denied_roles(page, paper)?;
    }
    tokens(dossier, paper)?;
    callers(dossier, paper)?;
    deeds(dossier, paper)?;
    if let Some(standing) = &page.inventory {
        standing::write(standing, paper)?;
    }
    runbooks(page, paper)
}

/// How many, when, and how they ended.
fn requests(dossier: &Dossier, paper: &mut Paper<'_>) -> io::Result<()> {
    let uses = dossier.requests;
    // Writing to a String cannot fail.
    let mut text = units::thousands(uses.count);
    for (uses, what) in [(dossier.refused, "refused"), (dossier.failed, "failed")] {
        if uses.count > 0 {
            let _ = write!(text, ", {} {what}", units::thousands(uses.count));
        }
    }
    if uses.count > 0 {
        let _ = write!(
            text,
            "; {} UTC",
            units::range(uses.first_seen, uses.last_seen)
        );
    }
    label("Requests", &text, paper)?;
    if let Some(timeline) = &dossier.timeline {
        let label = fill("Over time", INDENT);
        paper.line(&[(BOLD, &label), (PLAIN, &spark(&timeline.counts))])?;
        let peak = timeline.counts.iter().max().copied().unwrap_or(0);
        let width = std::time::Duration::from_secs(timeline.seconds);
        let text = format!(
            "a column is {}, the highest {}",
            units::span(width),
            units::count(peak, "request")
        );
        paper.entry((PLAIN, ""), INDENT, (DIM, &text))?;
    }
    let codes = (dossier.codes.values.iter())
        .map(|code| format!("{}: {}", code.value, units::thousands(code.count)));
    let codes: Vec<_> = codes.collect();
    if codes.is_empty() {
        return Ok(());
    }
    label("Codes", &codes.join(", "), paper)
}

fn findings(page: &AccountPage<'_>, paper: &mut Paper<'_>) -> io::Result<()> {
    let (about, naming) = (&page.findings_about, &page.findings_naming);
    if about.is_empty() && naming.is_empty() {
        return label("Findings", "none about it", paper);
    }
    paper.blank()?;
    for (title, findings) in [("Findings", about), ("Named in", naming)] {
        for (n, finding) in findings.iter().enumerate() {
            let title = if n == 0 { title } else { "" };
            one_finding(title, finding, paper)?;
        }
    }
    Ok(())
}

fn one_finding(title: &str, finding: &Finding, paper: &mut Paper<'_>) -> io::Result<()> {
    let title = fill(title, INDENT);
    let severity = fill(finding.severity.as_str(), 10);
    let count = format!("  {}", units::count(finding.count, "request"));
    paper.line(&[
        (BOLD, &title),
        (severity_style(finding.severity), &severity),
        (BOLD, &finding.detector),
        (PLAIN, &count),
    ])?;
    paper.entry((PLAIN, ""), INDENT, (PLAIN, &finding.summary))
}

/// What would allow what was refused: to be looked at, not to be applied blindly.
fn denied_roles(page: &AccountPage<'_>, paper: &mut Paper<'_>) -> io::Result<()> {
    let roles = page.denied_roles.manifests.iter();
    let roles: Vec<_> = roles
        .filter(|manifest| manifest.kind.ends_with("Role"))
        .collect();
    if roles.is_empty() {
        return Ok(());
    }
    let text = "If that should have been allowed, these rules would do; manifests with bindings: \
                --format json, denied_roles.";
    paper.entry((PLAIN, ""), INDENT, (PLAIN, text))?;
    for note in &page.denied_roles.notes {
        paper.entry((PLAIN, ""), INDENT, (PLAIN, note))?;
    }
    let mut lines = Vec::new();
    for role in roles {
        let Body::Role { rules } = &role.body else {
            continue;
        };
        lines.push(match &role.metadata.namespace {
            Some(namespace) => format!("{} in namespace {namespace}:", role.kind),
            None => format!("{}:", role.kind),
        });
        let text = yaml::document(&serde_json::to_value(rules)?);
        lines.extend(text.lines().map(|line| format!("  {line}")));
    }
    let indent = " ".repeat(INDENT);
    for line in lines.iter().take(ROLE_LINES) {
        paper.line(&[(PLAIN, &indent), (DIM, line)])?;
    }
    if lines.len() > ROLE_LINES {
        let more = format!("... {} more lines: --format json", lines.len() - ROLE_LINES);
        paper.entry((PLAIN, ""), INDENT, (PLAIN, &more))?;
    }
    Ok(())
}

fn tokens(dossier: &Dossier, paper: &mut Paper<'_>) -> io::Result<()> {
    values("Tokens", &dossier.token_kinds, paper)?;
    values("of Secrets", &dossier.legacy_secrets, paper)?;
    let credentials = &dossier.credentials;
    if !credentials.is_empty() {
        paper.blank()?;
    }
    for (n, credential) in credentials.iter().take(SHOWN).enumerate() {
        let title = if n == 0 { "Token IDs" } else { "" };
        paper.line(&[
            (BOLD, &fill(title, INDENT)),
            (PLAIN, &clip(&credential.id, LONGEST)),
        ])?;
        let several = credential.addresses.distinct > 1;
        let style = if several { WARNING } else { DIM };
        paper.entry((PLAIN, ""), INDENT, (style, &story(credential)))?;
    }
    more(credentials.len(), dossier.more_credentials, paper)?;
    values("Made by", &dossier.minters, paper)?;
    values("Not made", &dossier.mintings_failed, paper)
}

/// `pod-bound, 513 requests from 5 addresses (...), pod web-1; made by system:node:n1 04:24:02`.
fn story(credential: &Credential) -> String {
    let mut text = if credential.uses.count == 0 {
        "not used".to_owned()
    } else {
        format!(
            "{}, {} {}",
            credential.kinds.join(" and "),
            units::count(credential.uses.count, "request"),
            units::range(credential.uses.first_seen, credential.uses.last_seen)
        )
    };
    for (values, one, many) in [
        (&credential.addresses, "from", "from"),
        (&credential.pods, "pod", "pods"),
    ] {
        let names: Vec<_> = values
            .values
            .iter()
            .take(4)
            .map(|v| v.value.as_str())
            .collect();
        let word = if values.distinct == 1 { one } else { many };
        if !names.is_empty() {
            let _ = write!(text, ", {word} {}", names.join(", "));
        }
        if values.distinct > 4 {
            let _ = write!(text, " and {} more", values.distinct - 4);
        }
    }
    match &credential.minted {
        Some(minting) => {
            let _ = write!(
                text,
                "; made by {} at {}",
                minting.by,
                units::time(minting.time)
            );
        }
        None => text += "; made before this log, or not logged",
    }
    text
}

fn callers(dossier: &Dossier, paper: &mut Paper<'_>) -> io::Result<()> {
    values("Addresses", &dossier.addresses, paper)?;
    values("Nodes", &dossier.nodes, paper)?;
    values("Pods", &dossier.pods, paper)?;
    values("User agents", &dossier.user_agents, paper)?;
    values("Acted as", &dossier.acted_as, paper)?;
    values("Acted by", &dossier.actors, paper)
}

fn deeds(dossier: &Dossier, paper: &mut Paper<'_>) -> io::Result<()> {
    values("Allowed by", &dossier.grants, paper)?;
    values("Secrets", &dossier.secrets_read, paper)?;
    values("Changed", &dossier.rbac_written, paper)?;
    values("Tokens of", &dossier.minted_for, paper)
}

/// A list of values with their requests, first and last time; nothing if there is none.
fn values(title: &str, values: &Values, paper: &mut Paper<'_>) -> io::Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    paper.blank()?;
    let shown: Vec<_> = values.values.iter().take(SHOWN).map(Shown::of).collect();
    let digits = shown.iter().map(|v| v.count.len()).max().unwrap_or(0);
    let when = shown.iter().map(|v| v.when.len()).max().unwrap_or(0);
    // What is left beside the numbers; longer values have a line of their own.
    let room = paper.room(INDENT + digits + when + 4).min(LONGEST);
    let texts = shown.iter().map(|v| v.text.width());
    let column = texts.filter(|width| *width <= room).max().unwrap_or(0);
    for (n, Shown { text, count, when }) in shown.iter().enumerate() {
        let (style, title) = if n == 0 { (BOLD, title) } else { (PLAIN, "") };
        if text.width() > room {
            paper.entry((style, title), INDENT, (PLAIN, text))?;
            paper.entry((PLAIN, ""), INDENT + 2, (DIM, &format!("{count}  {when}")))?;
            continue;
        }
        let count = format!("  {count:>digits$}  ");
        let (title, text) = (fill(title, INDENT), fill(text, column));
        paper.line(&[
            (style, &title),
            (PLAIN, &text),
            (PLAIN, &count),
            (DIM, when),
        ])?;
    }
    more(values.values.len(), !values.complete, paper)
}

/// A value as it is shown.
struct Shown {
    text: String,
    count: String,
    when: String,
}

impl Shown {
    fn of(value: &Tallied) -> Self {
        let text = match value.value.as_str() {
            "" => "(none)",
            text => text,
        };
        Self {
            text: shown(&clip(text, 3 * LONGEST)).into_owned(),
            count: units::thousands(value.count),
            when: units::range(value.first_seen, value.last_seen),
        }
    }
}

/// Says that a list goes on.
fn more(len: usize, incomplete: bool, paper: &mut Paper<'_>) -> io::Result<()> {
    let rest = len.saturating_sub(SHOWN);
    let text = match (rest, incomplete) {
        (0, false) => return Ok(()),
        (0, true) => "and others that were not kept".to_owned(),
        (n, false) => format!("and {n} more: --format json"),
        (n, true) => format!("and {n} more (--format json), and others that were not kept"),
    };
    paper.entry((PLAIN, ""), INDENT, (DIM, &text))
}

fn runbooks(page: &AccountPage<'_>, paper: &mut Paper<'_>) -> io::Result<()> {
    paper.blank()?;
    for runbook in &page.runbooks {
        let title = format!("Runbook {}", runbook.number);
        let style = match runbook.applies {
            Applies::Yes => WARNING,
            Applies::No | Applies::Unknown => DIM,
        };
        paper.entry((BOLD, &title), INDENT, (BOLD, runbook.title))?;
        paper.entry((PLAIN, ""), INDENT, (style, &runbook.why))?;
        if runbook.applies == Applies::No {
            continue;
        }
        for (n, step) in runbook.steps.iter().enumerate() {
            let number = format!("{:>10}. ", n + 1);
            paper.entry((DIM, &number), INDENT, (PLAIN, &step.text))?;
            if let Some(command) = &step.command {
                // Whole, to be copied: the terminal may wrap it.
                paper.line(&[(PLAIN, &" ".repeat(INDENT + 2)), (BOLD, command)])?;
            }
        }
        paper.blank()?;
    }
    Ok(())
}

fn label(label: &str, text: &str, paper: &mut Paper<'_>) -> io::Result<()> {
    paper.entry((BOLD, label), INDENT, (PLAIN, text))
}
