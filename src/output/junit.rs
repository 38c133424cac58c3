//! The XML of `JUnit`, for what shows the tests of a pipeline: a detector is a test case, what it found its failures.
//!
//! A detector that could not judge this log is skipped, and says why. What is only good to know fails nothing.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use crate::{
    finding::{Finding, Severity},
    pipeline::{DetectorCoverage, Report},
};

use super::{shown, units};

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut found: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &report.findings {
        found.entry(&finding.detector).or_default().push(finding);
    }
    let detectors = report.coverage.detectors.iter();
    let selected: Vec<_> = detectors.filter(|detector| detector.selected).collect();
    // Findings stand whatever the coverage says of their detectors.
    let known: Vec<_> = selected
        .iter()
        .map(|detector| detector.detector.as_str())
        .collect();
    let others = found.keys().filter(|id| !known.contains(id));
    let names: Vec<&str> = known.iter().copied().chain(others.copied()).collect();
    let of = |id: &str| found.get(id).map_or(&[][..], Vec::as_slice);
    let blind = |id: &str| {
        selected
            .iter()
            .find(|d| d.detector == id)
            .copied()
            .and_then(why)
    };
    let fails = |id: &&&str| of(id).iter().any(|finding| is_failure(finding));
    let failures = names.iter().filter(fails).count();
    let skips = |id: &&&str| of(id).is_empty() && blind(id).is_some();
    let skipped = names.iter().filter(skips).count();
    let counts = format!("tests=\"{}\" failures=\"{failures}\"", names.len());
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"satrail\" {counts}>")?;
    writeln!(
        out,
        "  <testsuite name=\"satrail\" {counts} errors=\"0\" skipped=\"{skipped}\">"
    )?;
    for id in &names {
        case(id, of(id), blind(id), out)?;
    }
    writeln!(out, "  </testsuite>\n</testsuites>")
}

/// Why the detector could not judge this log, if so.
fn why(detector: &DetectorCoverage) -> Option<&str> {
    detector.blind.as_deref()
}

fn is_failure(finding: &Finding) -> bool {
    finding.severity > Severity::Info
}

fn case(id: &str, found: &[&Finding], blind: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    let open = format!(
        "    <testcase classname=\"satrail\" name=\"{}\"",
        escaped(id)
    );
    if found.is_empty() {
        return match blind {
            None => writeln!(out, "{open}/>"),
            Some(why) => {
                let why = escaped(why);
                writeln!(
                    out,
                    "{open}>\n      <skipped message=\"{why}\"/>\n    </testcase>"
                )
            }
        };
    }
    writeln!(out, "{open}>")?;
    let (failures, mild): (Vec<&Finding>, Vec<_>) = found.iter().partition(|f| is_failure(f));
    for finding in failures {
        let (severity, summary) = (finding.severity, escaped(&finding.summary));
        writeln!(
            out,
            "      <failure type=\"{severity}\" message=\"{summary}\">{}</failure>",
            text(finding)
        )?;
    }
    if !mild.is_empty() {
        let texts: Vec<_> = mild.iter().map(|finding| text(finding)).collect();
        writeln!(out, "      <system-out>{}</system-out>", texts.join("\n"))?;
    }
    writeln!(out, "    </testcase>")
}

/// What to know of a finding, on lines of their own; escaped.
fn text(finding: &Finding) -> String {
    let mut lines = vec![
        format!(
            "{} {}: {}",
            finding.severity, finding.subject, finding.summary
        ),
        format!(
            "{}, {}",
            units::range(finding.first_seen, finding.last_seen),
            units::count(finding.count, "request")
        ),
    ];
    let place = |event: &crate::finding::Evidence| match event.line {
        Some(line) => format!("see {}:{line}", event.file),
        None => format!("see {}", event.file),
    };
    lines.extend(finding.evidence.first().map(place));
    if !finding.remediation.summary.is_empty() {
        lines.push(format!("do: {}", finding.remediation.summary));
    }
    for step in &finding.remediation.steps {
        lines.push(match &step.command {
            Some(command) => format!("  {}: {command}", step.text),
            None => format!("  {}", step.text),
        });
    }
    lines.push(format!("fingerprint {}", finding.fingerprint));
    let lines: Vec<_> = lines.iter().map(|line| escaped(line)).collect();
    lines.join("\n")
}

/// XML cannot say control characters at all; spelled out they can stand.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in shown(text).chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            c => safe.push(c),
        }
    }
    safe
}
