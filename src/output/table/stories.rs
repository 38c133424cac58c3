//! Findings that hang together, told in the order of time.

use std::{collections::BTreeMap, io};

use crate::{
    finding::{Finding, Story},
    pipeline::Report,
};

use super::{BOLD, DIM, PLAIN, Paper, clip, severity_style, subject, units};

/// Where text begins beside the severity.
const INDENT: usize = 10;

/// More stories are summed up; the JSON has them all.
const SHOWN: usize = 3;

/// More steps of one story are summed up.
const STEPS: usize = 16;

pub(super) fn write(report: &Report, paper: &mut Paper<'_>) -> io::Result<()> {
    if report.stories.is_empty() {
        return Ok(());
    }
    let by_fingerprint = report.findings.iter().map(|f| (f.fingerprint.as_str(), f));
    let by_fingerprint: BTreeMap<&str, &Finding> = by_fingerprint.collect();
    for story in report.stories.iter().take(SHOWN) {
        head(story, paper)?;
        for fingerprint in story.findings.iter().take(STEPS) {
            if let Some(finding) = by_fingerprint.get(fingerprint.as_str()) {
                step(finding, paper)?;
            }
        }
        rest(story.findings.len(), STEPS, "finding", paper)?;
    }
    rest(report.stories.len(), SHOWN, "story", paper)
}

fn head(story: &Story, paper: &mut Paper<'_>) -> io::Result<()> {
    paper.blank()?;
    let names: Vec<String> = story.subjects.iter().take(4).map(subject).collect();
    let more = match story.subjects.len().saturating_sub(names.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let when = units::range(story.first_seen, story.last_seen);
    let label = (severity_style(story.severity), "story");
    let text = format!("{}{more}, {when}", names.join(", "));
    paper.entry(label, INDENT, (BOLD, &text))
}

/// When, and what: the finding itself stands below.
fn step(finding: &Finding, paper: &mut Paper<'_>) -> io::Result<()> {
    let time = units::time(finding.first_seen);
    let clock = time.split_once(' ').map_or("-", |(_, clock)| clock);
    let text = format!("{} ({})", finding.summary, finding.detector);
    let label = (severity_style(finding.severity), format!("  {clock}"));
    paper.entry((label.0, &label.1), INDENT + 2, (PLAIN, &clip(&text, 300)))
}

fn rest(all: usize, shown: usize, one: &str, paper: &mut Paper<'_>) -> io::Result<()> {
    match all.saturating_sub(shown) {
        0 => Ok(()),
        more => {
            let text = match one {
                "story" => format!("and {more} more stories: --format json has them"),
                _ => format!("and {}", units::count(more as u64, &format!("more {one}"))),
            };
            paper.entry((DIM, ""), INDENT + 2, (DIM, &text))
        }
    }
}
