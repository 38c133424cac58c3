//! What could not be seen, and why: silence is never mistaken for safety.

use std::{cmp::Reverse, collections::BTreeMap, io};

use crate::pipeline::{Coverage, DetectorCoverage, ExceptionUse, Exceptions, Reads, Report};

use super::{BAD, BOLD, DIM, PLAIN, Paper, WARNING, clip, units};

/// Where text begins beside the labels.
const INDENT: usize = 14;

/// Longer lists are cut; the JSON has them all.
const SHOWN: usize = 10;

/// Longer file names are cut.
const LONGEST_FILE: usize = 300;

pub(super) fn write(report: &Report, paper: &mut Paper<'_>) -> io::Result<()> {
    let coverage = &report.coverage;
    paper.blank()?;
    paper.line(&[(BOLD, "Coverage")])?;
    tally("stages", &coverage.stages, paper)?;
    tally("levels", &coverage.levels, paper)?;
    bad_lines(report, paper)?;
    troubles(coverage, paper)?;
    gaps(coverage, paper)?;
    requests(coverage, paper)?;
    forms(report, paper)?;
    duplicates(coverage, paper)?;
    detectors(report, paper)?;
    all_clear(report, paper)?;
    exceptions(&report.exceptions, paper)
}

fn tally(label: &str, counts: &BTreeMap<String, u64>, paper: &mut Paper<'_>) -> io::Result<()> {
    if counts.is_empty() {
        return Ok(());
    }
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let texts: Vec<_> = sorted
        .into_iter()
        .map(|(name, &n)| format!("{name} {}", units::thousands(n)))
        .collect();
    note(label, &texts.join(", "), paper)
}

fn note(label: &str, text: &str, paper: &mut Paper<'_>) -> io::Result<()> {
    paper.entry((DIM, &format!("  {label}")), INDENT, (PLAIN, text))
}

fn warn(label: &str, text: &str, paper: &mut Paper<'_>) -> io::Result<()> {
    paper.entry((WARNING, &format!("  {label}")), INDENT, (PLAIN, text))
}

/// Several texts under one label, cut after the first few.
fn list(label: &str, texts: &[String], total: u64, paper: &mut Paper<'_>) -> io::Result<()> {
    let mut label = label;
    for text in texts.iter().take(SHOWN) {
        warn(label, text, paper)?;
        label = "";
    }
    match total.saturating_sub(texts.len().min(SHOWN) as u64) {
        0 => Ok(()),
        rest => note(
            label,
            &format!("and {} more", units::thousands(rest)),
            paper,
        ),
    }
}

fn bad_lines(report: &Report, paper: &mut Paper<'_>) -> io::Result<()> {
    let texts: Vec<_> = (report.coverage.bad_lines.iter())
        .map(|bad| {
            format!(
                "{}:{}: {}",
                clip(&bad.file, LONGEST_FILE),
                bad.line,
                bad.why
            )
        })
        .collect();
    list("bad lines", &texts, report.bad_lines(), paper)?;
    match report.coverage.nul_bytes {
        0 => Ok(()),
        n => {
            let text = format!(
                "{} skipped: a log rotated by copytruncate leaves them",
                units::thousands(n)
            );
            note("NUL bytes", &text, paper)
        }
    }
}

fn troubles(coverage: &Coverage, paper: &mut Paper<'_>) -> io::Result<()> {
    for (unreadable, incomplete, label, style) in [
        (true, true, "  unreadable", BAD),
        (false, true, "  cut short", WARNING),
        (false, false, "  notes", DIM),
    ] {
        let texts = (coverage.troubles.iter())
            .filter(|trouble| (trouble.unreadable, trouble.incomplete) == (unreadable, incomplete))
            .map(|trouble| format!("{}: {}", clip(&trouble.file, LONGEST_FILE), trouble.why));
        let texts: Vec<_> = texts.collect();
        for (i, text) in texts.iter().take(SHOWN).enumerate() {
            let label = if i == 0 { label } else { "" };
            paper.entry((style, label), INDENT, (PLAIN, text))?;
        }
        if texts.len() > SHOWN {
            let rest = units::thousands((texts.len() - SHOWN) as u64);
            note("", &format!("and {rest} more"), paper)?;
        }
    }
    Ok(())
}

fn gaps(coverage: &Coverage, paper: &mut Paper<'_>) -> io::Result<()> {
    let texts: Vec<_> = (coverage.gaps.iter())
        .map(|gap| {
            let range = units::range(Some(gap.from), Some(gap.to));
            let span = units::span(std::time::Duration::from_secs(gap.seconds));
            format!("{range} UTC ({span}): no events at all")
        })
        .collect();
    list("gaps", &texts, texts.len() as u64, paper)
}

/// Requests that are only half there.
fn requests(coverage: &Coverage, paper: &mut Paper<'_>) -> io::Result<()> {
    let long = "long-running request";
    for (label, number, what, text) in [
        (
            "left out",
            coverage.outside_window,
            "event",
            "outside the time window",
        ),
        (
            "open",
            coverage.open_requests,
            long,
            "(watch, exec, ...) still open at the end of the log",
        ),
        (
            "unanswered",
            coverage.unanswered_requests.unwrap_or(0),
            "request",
            "received and never answered",
        ),
        (
            "unjoined",
            coverage.unjoined_requests,
            long,
            "that may be missing from the counts: too many were open at once",
        ),
    ] {
        if number > 0 {
            note(
                label,
                &format!("{} {text}", units::count(number, what)),
                paper,
            )?;
        }
    }
    Ok(())
}

/// What was skipped because it was cut, and what the forms cannot carry.
fn forms(report: &Report, paper: &mut Paper<'_>) -> io::Result<()> {
    let cut = report
        .input
        .skipped
        .iter()
        .filter(|skipped| skipped.what.starts_with("cut-"));
    for skipped in cut {
        let text = format!("{} {}", units::thousands(skipped.records), skipped.what);
        warn("cut", &text, paper)?;
    }
    let lacks = report.coverage.forms.iter();
    let lacks: Vec<_> = lacks
        .map(|form| {
            let events = units::count(form.events, "event");
            format!("{} ({events}) cannot carry {}", form.form, form.lacks)
        })
        .collect();
    list("forms", &lacks, lacks.len() as u64, paper)
}

fn duplicates(coverage: &Coverage, paper: &mut Paper<'_>) -> io::Result<()> {
    let duplicates = &coverage.duplicates;
    if let Some(removed) = duplicates.removed {
        let text = format!("{} removed", units::count(removed, "event"));
        return note("duplicates", &text, paper);
    }
    if duplicates.percent <= 0.0 {
        return Ok(());
    }
    let text = format!(
        "about {:.1} % of events stand twice ({} sampled); --dedup counts each once",
        duplicates.percent,
        units::thousands(duplicates.sampled)
    );
    warn("duplicates", &text, paper)
}

/// How many requests who judged. A crowd is only counted; the JSON names everybody.
fn by(count: u64, names: &[&str]) -> String {
    let who = match names {
        [] | [_] | [_, _] | [_, _, _] => names.join(", "),
        crowd => format!("{} detectors", crowd.len()),
    };
    format!("{} by {who}", units::thousands(count))
}

fn detectors(report: &Report, paper: &mut Paper<'_>) -> io::Result<()> {
    let all = &report.coverage.detectors;
    for (reads, label, what) in [
        (Reads::Audit, "judged", "requests"),
        (Reads::Metrics, "judged", "scrapes"),
    ] {
        let able = given(report).filter(|d| d.reads == reads && d.blind.is_none());
        let mut judged: BTreeMap<Reverse<u64>, Vec<&str>> = BTreeMap::new();
        for d in able {
            judged
                .entry(Reverse(d.evaluated))
                .or_default()
                .push(&d.detector);
        }
        let judged: Vec<_> = (judged.into_iter())
            .map(|(Reverse(count), names)| by(count, &names))
            .collect();
        if !judged.is_empty() {
            note(label, &format!("{what}: {}", judged.join("; ")), paper)?;
        }
    }
    // Without an event all are blind, which is said below once.
    let nothing = report.input.events == 0;
    let blind: Vec<_> = given(report)
        .filter(|d| !(nothing && d.reads == Reads::Audit))
        .filter_map(|d| d.blind.as_ref().map(|why| format!("{}: {why}", d.detector)))
        .collect();
    // All of them: there are few detectors, and each of these may hide something.
    let mut label = "blind";
    for text in blind {
        warn(label, &text, paper)?;
        label = "";
    }
    for (reads, what) in [
        (Reads::Audit, "an audit log"),
        (Reads::Metrics, "metrics (--metrics PATH)"),
    ] {
        let idle = all.iter().filter(|d| d.selected && d.reads == reads);
        let idle = idle.count() as u64;
        if idle > 0 && !is_given(report, reads) {
            let text = format!(
                "{what}, which {} would read",
                units::count(idle, "detector")
            );
            note("not given", &text, paper)?;
        }
    }
    let others = all.iter().filter(|d| !d.selected);
    let others: Vec<_> = others.map(|d| d.detector.as_str()).collect();
    if others.is_empty() {
        return Ok(());
    }
    note("not run", &others.join(", "), paper)
}

/// Whether there was anything to read for detectors of that sort. An audit log is missed where nothing
/// was given at all.
fn is_given(report: &Report, reads: Reads) -> bool {
    match reads {
        Reads::Metrics => report.input.metrics.is_some(),
        Reads::Audit => report.input.files > 0 || report.input.metrics.is_none(),
    }
}

/// The detectors that ran, and had something to read.
fn given(report: &Report) -> impl Iterator<Item = &DetectorCoverage> {
    let all = report.coverage.detectors.iter();
    all.filter(|d| d.selected && is_given(report, d.reads))
}

/// Says what was looked for and is not the case; or that there was nothing to look at.
fn all_clear(report: &Report, paper: &mut Paper<'_>) -> io::Result<()> {
    if report.input.events == 0 && is_given(report, Reads::Audit) {
        let text = "no audit event was read: that nothing was found means nothing";
        return warn("empty", text, paper);
    }
    let coverage = &report.coverage;
    let duplicates = &coverage.duplicates;
    let clear = [
        (report.bad_lines() == 0, "no bad lines"),
        (
            coverage.troubles.iter().all(|trouble| !trouble.incomplete),
            "no unreadable files",
        ),
        (
            report.input.events > 0 && coverage.gaps.is_empty(),
            "no gaps in time",
        ),
        (
            duplicates.sampled > 0 && duplicates.percent <= 0.0,
            "no duplicates in the sample",
        ),
        (
            given(report).next().is_some() && given(report).all(|d| d.blind.is_none()),
            "no blind detectors",
        ),
    ];
    let clear: Vec<_> = clear
        .iter()
        .filter(|(yes, _)| *yes)
        .map(|(_, what)| *what)
        .collect();
    if clear.is_empty() {
        return Ok(());
    }
    note("clear", &clear.join(", "), paper)
}

fn exceptions(exceptions: &Exceptions, paper: &mut Paper<'_>) -> io::Result<()> {
    let Exceptions {
        applied,
        expired,
        unused,
    } = exceptions;
    if applied.is_empty() && expired.is_empty() && unused.is_empty() {
        return Ok(());
    }
    paper.blank()?;
    paper.line(&[(BOLD, "Exceptions")])?;
    for (label, style, uses) in [
        ("  applied", DIM, applied),
        ("  expired", WARNING, expired),
        ("  unused", WARNING, unused),
    ] {
        for (i, used) in uses.iter().enumerate() {
            let label = if i == 0 { label } else { "" };
            paper.entry((style, label), INDENT, (PLAIN, &exception(used)))?;
        }
    }
    Ok(())
}

fn exception(used: &ExceptionUse) -> String {
    let by = |what: &str, text: &Option<String>| {
        let said = text.as_ref().map(|text| format!(" {what} {text}"));
        said.unwrap_or_default()
    };
    format!(
        "{} {}{} until {}, {}{}: {}",
        used.detector,
        used.account,
        by("fingerprint", &used.fingerprint),
        used.expires,
        units::count(used.findings, "finding"),
        by("by", &used.owner),
        used.reason
    )
}
