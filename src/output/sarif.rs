//! SARIF 2.1.0 (OASIS), for code-scanning pages and whatever else follows findings over time.
//!
//! A finding is a result, a detector a rule. A result is recognised from run to run by its fingerprint; its place is the
//! line of its evidence. Viewers make links of `[text](place)` in messages (SARIF, 3.11.6): names from the log come
//! through without.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::{
    detect::{About, CATALOGUE},
    finding::{Evidence, Finding, Severity, Subject, Timestamp},
    pipeline::Report,
};

use super::{TOOL, shown};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What a path of a URI keeps (RFC 3986, `pchar`, without those that viewers might take for more).
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
struct Run<'a> {
    tool: Tool,
    invocations: [Invocation; 1],
    results: Vec<SarifResult<'a>>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    version: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

/// A detector.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Text,
    full_description: Text,
    help: Help,
    properties: RuleProperties,
}

#[derive(Serialize)]
struct RuleProperties {
    tags: Vec<String>,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

/// The detector's own text, which names nothing from a log.
#[derive(Serialize)]
struct Help {
    text: String,
    markdown: String,
}

/// What could not be read, and which detectors were blind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
struct Notification {
    level: &'static str,
    message: Text,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult<'a> {
    rule_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    level: &'static str,
    message: Text,
    locations: Vec<Location>,
    partial_fingerprints: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurrence_count: Option<u64>,
    properties: ResultProperties<'a>,
}

#[derive(Serialize)]
struct ResultProperties<'a> {
    severity: Severity,
    subject: &'a Subject,
    first_seen: Option<Timestamp>,
    last_seen: Option<Timestamp>,
    attack: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_location: Option<PhysicalLocation>,
    logical_locations: [LogicalLocation; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
    kind: &'static str,
}

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: TOOL.name,
                    version: TOOL.version,
                    semantic_version: TOOL.version,
                    rules: CATALOGUE.iter().map(|about| rule(about)).collect(),
                },
            },
            invocations: [invocation(report)],
            results: report.findings.iter().map(result).collect(),
        }],
    };
    serde_json::to_writer_pretty(&mut *out, &log)?;
    out.write_all(b"\n")
}

fn rule(about: &About) -> Rule {
    let techniques = about.attack.iter();
    let tags =
        techniques.map(|technique| format!("external/attack/{}", technique.id.to_lowercase()));
    Rule {
        id: about.id,
        short_description: Text {
            text: about.title.to_owned(),
        },
        full_description: Text {
            text: format!("{}.", about.title),
        },
        help: Help {
            text: about.to_string(),
            markdown: about.markdown(),
        },
        properties: RuleProperties {
            tags: ["security".to_owned(), "kubernetes".to_owned()]
                .into_iter()
                .chain(tags)
                .collect(),
        },
    }
}

fn invocation(report: &Report) -> Invocation {
    let coverage = &report.coverage;
    let notification = |level, text: String| Notification {
        level,
        message: message(&text),
    };
    let troubles = coverage.troubles.iter().map(|trouble| {
        let level = match (trouble.unreadable, trouble.incomplete) {
            (true, _) => "error",
            (false, true) => "warning",
            (false, false) => "note",
        };
        notification(level, format!("{}: {}", trouble.file, trouble.why))
    });
    let bad = coverage.bad_lines.iter();
    let bad =
        bad.map(|bad| notification("warning", format!("{}:{}: {}", bad.file, bad.line, bad.why)));
    let blind = coverage
        .detectors
        .iter()
        .filter(|detector| detector.selected);
    let blind = blind.filter_map(|detector| {
        let why = detector.blind.as_ref()?;
        Some(notification(
            "note",
            format!("{} is blind: {why}", detector.detector),
        ))
    });
    Invocation {
        execution_successful: !coverage.troubles.iter().any(|trouble| trouble.unreadable),
        tool_execution_notifications: troubles.chain(bad).chain(blind).collect(),
    }
}

fn result(finding: &Finding) -> SarifResult<'_> {
    let subject = &finding.subject;
    let index = CATALOGUE
        .iter()
        .position(|about| about.id == finding.detector);
    let logical = || LogicalLocation {
        fully_qualified_name: shown(&subject.to_string()).into_owned(),
        kind: subject.kind.as_str(),
    };
    let mut places: Vec<_> = finding.evidence.iter().map(place).map(Some).collect();
    if places.is_empty() {
        places.push(None);
    }
    let location = |place| Location {
        physical_location: place,
        logical_locations: [logical()],
    };
    SarifResult {
        rule_id: &finding.detector,
        rule_index: index,
        level: level(finding.severity),
        message: message(&finding.summary),
        locations: places.into_iter().map(location).collect(),
        // The second is the one that GitHub compares.
        partial_fingerprints: [
            ("satrail/v1", finding.fingerprint.clone()),
            (
                "primaryLocationLineHash",
                format!("{}:1", finding.fingerprint),
            ),
        ]
        .into(),
        // At least 1 (SARIF, 3.27.6): a counter that moved by nothing has none.
        occurrence_count: (finding.count > 0).then_some(finding.count),
        properties: ResultProperties {
            severity: finding.severity,
            subject,
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            attack: &finding.attack,
        },
    }
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

fn place(evidence: &Evidence) -> PhysicalLocation {
    // Lines count from 1 (SARIF, 3.30.5).
    let line = evidence.line.filter(|&line| line > 0);
    PhysicalLocation {
        artifact_location: ArtifactLocation {
            uri: uri(&evidence.file),
        },
        region: line.map(|start_line| Region { start_line }),
    }
}

/// A relative path stays one, so that whoever reads the file decides what it is relative to.
fn uri(path: &str) -> String {
    let path_of = |path| utf8_percent_encode(path, PATH).to_string();
    match path {
        "" | "-" => "stdin".to_owned(),
        path if path.starts_with('/') => format!("file://{}", path_of(path)),
        path => path_of(path),
    }
}

/// Nothing hidden, and no link that a log made.
fn message(text: &str) -> Text {
    Text {
        text: shown(text).replace("](", "] ("),
    }
}
