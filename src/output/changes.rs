//! `satrail diff`: what is new, what has grown, what is gone.

use std::io::{self, Write};

use serde::Serialize;

use crate::finding::{Changes, Finding};

use super::{
    Format, Look, SCHEMA_VERSION, TOOL, Tool, json_line,
    paper::{BOLD, DIM, PLAIN, Paper, fill, severity_style},
    table, units,
};

/// Where text begins beside the labels.
const INDENT: usize = 10;

/// Writes what became of findings.
pub fn write_changes(
    changes: &Changes,
    format: Format,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Table => paper(changes, look, out),
        Format::Json => json(changes, out),
        Format::Jsonl => lines(changes, out),
    }
}

fn json(changes: &Changes, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema_version: &'static str,
        tool: Tool,
        #[serde(flatten)]
        changes: &'a Changes,
    }
    let document = Document {
        schema_version: SCHEMA_VERSION,
        tool: TOOL,
        changes,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// One finding a line, each with its `change`.
fn lines(changes: &Changes, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(tag = "change", rename_all = "lowercase")]
    enum Line<'a> {
        New { finding: &'a Finding },
        Grown(&'a crate::finding::Grown),
        Resolved { finding: &'a Finding },
    }
    for finding in &changes.new {
        json_line(&Line::New { finding }, out)?;
    }
    for grown in &changes.grown {
        json_line(&Line::Grown(grown), out)?;
    }
    for finding in &changes.resolved {
        json_line(&Line::Resolved { finding }, out)?;
    }
    Ok(())
}

fn paper(changes: &Changes, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut paper = Paper::new(out, look);
    let number = |count: usize| units::thousands(count as u64);
    let totals = format!(
        "{} new, {} grown, {} resolved, {} unchanged",
        number(changes.new.len()),
        number(changes.grown.len()),
        number(changes.resolved.len()),
        units::thousands(changes.unchanged)
    );
    paper.entry((BOLD, "Findings"), INDENT, (PLAIN, &totals))?;
    section("New", changes.new.iter().map(|f| (f, count(f))), &mut paper)?;
    let grown = changes.grown.iter().map(|grown| {
        let before = units::thousands(grown.count_before);
        let mut text = format!("{before} -> {}", count(&grown.finding));
        if grown.severity_before != grown.finding.severity {
            text = format!("{text}, was {}", grown.severity_before);
        }
        (&grown.finding, text)
    });
    section("Grown", grown, &mut paper)?;
    let resolved = changes.resolved.iter().map(|f| (f, count(f)));
    section("Resolved", resolved, &mut paper)
}

fn count(finding: &Finding) -> String {
    units::thousands(finding.count)
}

/// A line for each finding, and below it what happened.
fn section<'a>(
    title: &str,
    findings: impl ExactSizeIterator<Item = (&'a Finding, String)>,
    paper: &mut Paper<'_>,
) -> io::Result<()> {
    if findings.len() == 0 {
        return Ok(());
    }
    paper.blank()?;
    paper.line(&[(BOLD, title)])?;
    for (finding, text) in findings {
        let severity = finding.severity;
        let gap = " ".repeat(INDENT.saturating_sub(severity.as_str().len()));
        let subject = fill(&table::subject(&finding.subject), 24);
        let detector = fill(&finding.detector, 28);
        paper.line(&[
            (severity_style(severity), severity.as_str()),
            (PLAIN, &gap),
            (BOLD, &subject),
            (PLAIN, "  "),
            (PLAIN, &detector),
            (PLAIN, "  "),
            (PLAIN, &text),
        ])?;
        paper.entry((PLAIN, ""), INDENT, (DIM, &finding.summary))?;
    }
    Ok(())
}
