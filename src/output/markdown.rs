//! Markdown for an issue or a chat: the gravest findings first, as many as fit.
//!
//! Names from a log are text: no markup, no link, no mention of people. What is cut is counted.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use crate::{
    finding::{Evidence, Finding, Severity},
    pipeline::Report,
};

use super::{TOOL, clip, shown, units};

/// GitHub takes 65,536 characters as the body of an issue; GitLab and others take more.
const MOST: usize = 60_000;

/// How many findings are listed.
const ROWS: usize = 100;

/// How many are told with their steps, of those that are for today.
const TOLD: usize = 15;

/// Longer texts are cut.
const LONGEST: usize = 500;

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut page = String::new();
    head(report, &mut page);
    let mut left = table(report, &mut page);
    left += grave(report, &mut page);
    let coverage = coverage(report);
    if left > 0 {
        page.push_str(
            "\nNot everything fits here: `satrail scan --format html` or `json` has all.\n",
        );
    }
    page.push_str(&coverage);
    out.write_all(page.as_bytes())
}

fn head(report: &Report, page: &mut String) {
    let input = &report.input;
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "# satrail: {}\n\n",
        units::count(report.findings.len() as u64, "finding")
    );
    let counts = Severity::ALL.into_iter().rev().filter_map(|severity| {
        let of_it = report.findings.iter().filter(|f| f.severity == severity);
        let n = of_it.count() as u64;
        (n > 0).then(|| format!("**{} {severity}**", units::thousands(n)))
    });
    let counts: Vec<_> = counts.collect();
    if !counts.is_empty() {
        let _ = write!(page, "{}\n\n", counts.join(", "));
    }
    let _ = write!(
        page,
        "Read {}, {}, {}",
        units::count(input.files, "file"),
        units::count(input.events, "event"),
        units::count(input.requests, "request"),
    );
    if input.first_event.is_some() {
        let range = units::range(input.first_event, input.last_event);
        let _ = write!(page, ", {range} UTC");
    }
    let _ = writeln!(page, " (satrail {}).", TOOL.version);
}

/// One row a finding; says how many were left out.
fn table(report: &Report, page: &mut String) -> usize {
    if report.findings.is_empty() {
        return 0;
    }
    page.push_str("\n| severity | subject | detector | count | seen (UTC) | what |\n|---|---|---|--:|---|---|\n");
    let mut shown = 0;
    for finding in report.findings.iter().take(ROWS) {
        let row = format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            finding.severity,
            text(&finding.subject.to_string()),
            text(&finding.detector),
            units::thousands(finding.count),
            units::range(finding.first_seen, finding.last_seen),
            text(&finding.summary)
        );
        // The other half is for what to do.
        if page.len() + row.len() > MOST / 2 {
            break;
        }
        page.push_str(&row);
        shown += 1;
    }
    let left = report.findings.len() - shown;
    if left > 0 {
        let _ = writeln!(page, "\nand {} more.", units::thousands(left as u64));
    }
    left
}

/// What to do about those that are for today; says how many were left out.
fn grave(report: &Report, page: &mut String) -> usize {
    let grave: Vec<_> = (report.findings.iter())
        .filter(|finding| finding.severity >= Severity::High)
        .collect();
    if grave.is_empty() {
        return 0;
    }
    page.push_str("\n## What to do\n");
    let mut told = 0;
    for finding in grave.iter().take(TOLD) {
        let section = section(finding);
        if page.len() + section.len() > MOST {
            break;
        }
        page.push_str(&section);
        told += 1;
    }
    grave.len() - told
}

fn section(finding: &Finding) -> String {
    let mut section = format!(
        "\n### {}: {} ({})\n\n{}\n\n",
        finding.severity,
        text(&finding.subject.to_string()),
        text(&finding.detector),
        text(&finding.summary)
    );
    for (n, step) in finding.remediation.steps.iter().enumerate() {
        let _ = writeln!(section, "{}. {}", n + 1, text(&step.text));
        if let Some(command) = &step.command {
            section.push_str(&fenced(command));
        }
    }
    let places: Vec<_> = finding.evidence.iter().take(3).map(place).collect();
    if !places.is_empty() {
        let _ = writeln!(section, "\nEvidence: {}", places.join(", "));
    }
    let _ = writeln!(section, "\nFingerprint `{}`", finding.fingerprint);
    section
}

fn place(event: &Evidence) -> String {
    let place = match event.line {
        Some(line) => format!("{}:{line}", event.file),
        None => event.file.clone(),
    };
    code(&place)
}

/// What could not be seen: the lines that warn.
fn coverage(report: &Report) -> String {
    let coverage = &report.coverage;
    let mut lines = Vec::new();
    for trouble in coverage
        .troubles
        .iter()
        .filter(|trouble| trouble.incomplete)
    {
        lines.push(format!("{}: {}", text(&trouble.file), text(&trouble.why)));
    }
    if report.bad_lines() > 0 {
        lines.push(units::count(report.bad_lines(), "bad line"));
    }
    if !coverage.gaps.is_empty() {
        lines.push(units::count(coverage.gaps.len() as u64, "gap") + " without events");
    }
    let selected = coverage
        .detectors
        .iter()
        .filter(|detector| detector.selected);
    let given = |metrics: bool| !metrics || report.input.metrics.is_some();
    for detector in selected.filter(|d| given(d.reads == crate::pipeline::Reads::Metrics)) {
        if let Some(why) = &detector.blind {
            lines.push(format!(
                "{} is blind: {}",
                text(&detector.detector),
                text(why)
            ));
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let more = lines.len().saturating_sub(30);
    lines.truncate(30);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    format!("\n## What could not be seen\n\n- {}\n", lines.join("\n- "))
}

/// Text that is nothing but text. What Markdown acts on is escaped, and what begins a list only where it would; no
/// address becomes a link by itself; an `@` that would call somebody stands in a code span, where it does not.
fn text(text: &str) -> String {
    let clipped = clip(text, LONGEST);
    let clean = shown(&clipped);
    let clean = clean.trim();
    let mut safe = String::with_capacity(clean.len() + 16);
    let mut before = ' ';
    let mut rest = clean.chars();
    while let Some(c) = rest.next() {
        let done = &clean[..clean.len() - rest.as_str().len() - c.len_utf8()];
        let begins = done.chars().all(|c| c.is_ascii_digit());
        let acts = match c {
            '@' if !before.is_alphanumeric() => {
                // One span for all of them: two spans side by side would be one with other ends.
                let more = rest.as_str().len() - rest.as_str().trim_start_matches('@').len();
                rest = rest.as_str()[more..].chars();
                safe.push('`');
                safe.extend(std::iter::repeat_n('@', 1 + more));
                safe.push('`');
                before = c;
                continue;
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '@' | '$' => {
                true
            }
            '+' | '-' | '=' | ')' => begins,
            ':' => rest.as_str().starts_with('/'),
            '.' => begins || done.to_ascii_lowercase().ends_with("www"),
            _ => false,
        };
        if acts {
            safe.push('\\');
        }
        safe.push(c);
        before = c;
    }
    safe
}

/// A code span with as many backticks as it takes.
fn code(text: &str) -> String {
    let clipped = clip(text, LONGEST);
    let clean = shown(&clipped);
    let ticks = "`".repeat(longest_run(&clean) + 1);
    let pad = if clean.starts_with('`') || clean.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{ticks}{pad}{}{pad}{ticks}", clean.replace('|', "\\|"))
}

/// A block to copy from, inside a list; its fence is longer than any in it.
fn fenced(command: &str) -> String {
    let command = shown(command);
    let fence = "`".repeat(longest_run(&command).max(2) + 1);
    format!("\n   {fence}sh\n   {command}\n   {fence}\n\n")
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`');
    runs.map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, TagEnd};

    use super::*;

    /// What a reader of GitHub's Markdown sees of it, and whether it is anything but text and code.
    fn read(markdown: &str) -> (String, bool) {
        let mut seen = String::new();
        let mut plain = true;
        for event in Parser::new_ext(
            markdown,
            Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH,
        ) {
            match event {
                Event::Text(text) | Event::Code(text) => seen.push_str(&text),
                Event::Start(pulldown_cmark::Tag::Paragraph) | Event::End(TagEnd::Paragraph) => {}
                _ => plain = false,
            }
        }
        (seen, plain)
    }

    #[test]
    fn nobody_is_called_and_nothing_is_linked() {
        for hostile in [
            "[click](https://evil.example)",
            "@admins look",
            "<img src=x onerror=alert(1)>",
            "# heading",
            "1. item",
            "2) item",
            "- item",
            "+ item",
            "---",
            "a | b",
            "`code` **bold** ~~gone~~ &lt;",
            "https://evil.example/x",
        ] {
            let (seen, plain) = read(&text(hostile));
            assert!(plain, "{hostile}: {}", text(hostile));
            assert_eq!(seen, hostile);
        }
        for address in ["https://evil.example/x", "WWW.evil.example"] {
            assert!(text(address).contains("\\:/") || text(address).contains("\\."));
        }
        assert!(text("call @admins").contains("`@`admins"));
        assert!(text("call @@admins").contains("`@@`admins"));
        assert!(text("alice@example.com").contains("alice\\@example"));
    }

    proptest! {
        #[test]
        fn any_text_stays_text(hostile in "[ -~]{1,60}") {
            let hostile = hostile.trim();
            prop_assume!(!hostile.is_empty());
            let (seen, plain) = read(&format!("x {}", text(hostile)));
            prop_assert!(plain, "{}", text(hostile));
            prop_assert_eq!(seen, format!("x {hostile}"));
        }

        #[test]
        fn a_code_span_ends_where_it_should(hostile in "[ -~&&[^|]]{1,30}") {
            let (seen, plain) = read(&format!("x{}y", code(hostile.trim())));
            prop_assume!(!hostile.trim().is_empty());
            prop_assert!(plain);
            prop_assert_eq!(seen, format!("x{}y", hostile.trim()));
        }
    }
}
