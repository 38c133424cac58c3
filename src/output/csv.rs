//! CSV (RFC 4180), one finding a row, for spreadsheets: what one would run as a formula is text.

use std::io::{self, Write};

use crate::{
    finding::{Finding, Timestamp},
    pipeline::Report,
};

use super::shown;

const COLUMNS: [&str; 16] = [
    "fingerprint",
    "severity",
    "detector",
    "subject_kind",
    "namespace",
    "name",
    "count",
    "first_seen",
    "last_seen",
    "status",
    "summary",
    "advice",
    "attack",
    "file",
    "line",
    "audit_id",
];

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    line(COLUMNS.map(str::to_owned), out)?;
    let mut findings = report.findings.iter();
    findings.try_for_each(|finding| line(cells(finding), out))
}

/// In the order of [`COLUMNS`]. Of the evidence the first event is named.
fn cells(finding: &Finding) -> [String; 16] {
    let subject = &finding.subject;
    let time = |time: Option<Timestamp>| time.map_or_else(String::new, |time| time.to_string());
    let evidence = finding.evidence.first();
    let status = finding.tracking.map(|tracking| tracking.status.as_str());
    let line = evidence.and_then(|event| event.line);
    [
        finding.fingerprint.clone(),
        finding.severity.to_string(),
        finding.detector.clone(),
        subject.kind.as_str().to_owned(),
        subject.namespace.clone().unwrap_or_default(),
        subject.name.clone(),
        finding.count.to_string(),
        time(finding.first_seen),
        time(finding.last_seen),
        status.unwrap_or_default().to_owned(),
        finding.summary.clone(),
        finding.remediation.summary.clone(),
        finding.attack.join(" "),
        evidence.map_or_else(String::new, |event| event.file.clone()),
        line.map_or_else(String::new, |line| line.to_string()),
        evidence
            .and_then(|event| event.audit_id.clone())
            .unwrap_or_default(),
    ]
}

fn line(cells: [String; 16], out: &mut dyn Write) -> io::Result<()> {
    let cells = cells.map(|text| cell(&text));
    write!(out, "{}\r\n", cells.join(","))
}

/// Quoted where RFC 4180 wants it. A spreadsheet takes what begins like this for a formula, spaces before it or not, and
/// the full-width signs too: a `'` before it makes it text.
fn cell(text: &str) -> String {
    let mut text = shown(text).into_owned();
    let starts = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    if text.trim_start().starts_with(starts) {
        text.insert(0, '\'');
    }
    if text.contains([',', '"', '\'', ';', '\t']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (text, expected) in [
            ("shop/web", "shop/web"),
            ("a, b", "\"a, b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("  @SUM(A1)", "\"'  @SUM(A1)\""),
            ("-2+3+cmd|' /C calc'!A0", "\"'-2+3+cmd|' /C calc'!A0\""),
            ("＝1", "\"'＝1\""),
            ("a\r\nb", r"a\u{d}\u{a}b"),
            ("\t=1", r"\u{9}=1"),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
