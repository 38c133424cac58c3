//! OCSF: one Detection Finding (class 2004) a line, for security lakes.
//!
//! Attributes, requirements and enumerations are those of ocsf-schema 1.4 (`events/findings/detection_finding.json`,
//! `finding.json`, `objects/finding_info.json`, `evidences.json`, `attack.json`, `metadata.json`).

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use serde::Serialize;

use crate::{
    detect::{CATALOGUE, Technique},
    finding::{Attributes, Evidence, Finding, Severity, Status, Step, Timestamp},
    pipeline::Report,
};

use super::{TOOL, json_line};

/// The version of the schema.
const VERSION: &str = "1.4.0";

/// The version of the matrix that techniques are named after.
const ATTACK: &str = "17";

const CATEGORY: u32 = 2;
const CLASS: u32 = 2004;

#[derive(Serialize)]
struct Event<'a> {
    activity_id: u32,
    activity_name: &'static str,
    category_uid: u32,
    category_name: &'static str,
    class_uid: u32,
    class_name: &'static str,
    type_uid: u32,
    type_name: String,
    severity_id: u32,
    severity: &'static str,
    status_id: u32,
    status: &'static str,
    time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<i64>,
    count: u64,
    message: &'a str,
    is_alert: bool,
    metadata: Metadata,
    finding_info: FindingInfo<'a>,
    resources: [Resource<'a>; 1],
    evidences: Vec<Artifact<'a>>,
    remediation: Remediation,
    unmapped: Unmapped<'a>,
}

#[derive(Serialize)]
struct Metadata {
    version: &'static str,
    product: Product,
}

#[derive(Serialize)]
struct Product {
    name: &'static str,
    vendor_name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct FindingInfo<'a> {
    uid: &'a str,
    title: String,
    desc: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_time: Option<i64>,
    analytic: Analytic<'a>,
    attacks: Vec<Attack>,
    data_sources: [&'static str; 1],
    types: [&'a str; 1],
}

#[derive(Serialize)]
struct Analytic<'a> {
    uid: &'a str,
    name: &'a str,
    type_id: u32,
    r#type: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Attack {
    version: &'static str,
    tactic: Named,
    technique: Named,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_technique: Option<Named>,
}

#[derive(Serialize)]
struct Named {
    uid: String,
    name: String,
}

#[derive(Serialize)]
struct Resource<'a> {
    name: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
}

#[derive(Serialize)]
struct Artifact<'a> {
    data: &'a Evidence,
}

#[derive(Serialize)]
struct Remediation {
    desc: String,
}

#[derive(Serialize)]
struct Unmapped<'a> {
    attributes: &'a Attributes,
    steps: &'a [Step],
}

/// One event for each finding. What the schema has no place for stands under `unmapped`.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let newest = report.input.last_event;
    let mut findings = report.findings.iter();
    findings.try_for_each(|finding| json_line(&event(finding, newest), out))
}

/// `newest` stands in for the time of a finding whose events carry none: the attribute is required.
fn event(finding: &Finding, newest: Option<Timestamp>) -> Event<'_> {
    let (activity_id, activity_name) = activity(finding);
    let (severity_id, severity) = severity(finding.severity);
    let (status_id, status) = match status_of(finding) {
        Some(Status::Resolved) => (4, "Resolved"),
        _ => (1, "New"),
    };
    let told = finding.tracking.map(|tracking| tracking.status_since);
    let time = told.or(finding.last_seen).or(newest);
    Event {
        activity_id,
        activity_name,
        category_uid: CATEGORY,
        category_name: "Findings",
        class_uid: CLASS,
        class_name: "Detection Finding",
        type_uid: CLASS * 100 + activity_id,
        type_name: format!("Detection Finding: {activity_name}"),
        severity_id,
        severity,
        status_id,
        status,
        time: time.map_or(0, millis),
        start_time: finding.first_seen.map(millis),
        end_time: finding.last_seen.map(millis),
        count: finding.count,
        message: &finding.summary,
        is_alert: activity_id != 3,
        metadata: Metadata {
            version: VERSION,
            product: Product {
                name: TOOL.name,
                vendor_name: TOOL.name,
                version: TOOL.version,
            },
        },
        finding_info: info(finding),
        resources: [Resource {
            name: finding.subject.to_string(),
            r#type: finding.subject.kind.as_str(),
            namespace: finding.subject.namespace.as_deref(),
        }],
        evidences: finding
            .evidence
            .iter()
            .map(|data| Artifact { data })
            .collect(),
        remediation: Remediation {
            desc: remediation(finding),
        },
        unmapped: Unmapped {
            attributes: &finding.attributes,
            steps: &finding.remediation.steps,
        },
    }
}

fn status_of(finding: &Finding) -> Option<Status> {
    finding.tracking.map(|tracking| tracking.status)
}

/// What is not followed over runs is created by each run.
fn activity(finding: &Finding) -> (u32, &'static str) {
    match status_of(finding) {
        None | Some(Status::New) => (1, "Create"),
        Some(Status::Ongoing) => (2, "Update"),
        Some(Status::Resolved) => (3, "Close"),
    }
}

const fn severity(severity: Severity) -> (u32, &'static str) {
    match severity {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

fn info(finding: &Finding) -> FindingInfo<'_> {
    let about = CATALOGUE.iter().find(|about| about.id == finding.detector);
    let title = about.map_or(finding.detector.as_str(), |about| about.title);
    let known = about.map_or(&[][..], |about| about.attack);
    let attacks = finding.attack.iter();
    let reads_metrics = finding
        .evidence
        .iter()
        .all(|event| event.audit_id.is_none());
    FindingInfo {
        uid: &finding.fingerprint,
        title: title.to_owned(),
        desc: &finding.summary,
        first_seen_time: finding.first_seen.map(millis),
        last_seen_time: finding.last_seen.map(millis),
        analytic: Analytic {
            uid: &finding.detector,
            name: title,
            type_id: 1,
            r#type: "Rule",
            version: TOOL.version,
        },
        attacks: attacks
            .filter_map(|id| known.iter().find(|technique| technique.id == id))
            .filter_map(attack)
            .collect(),
        data_sources: [if reads_metrics && !finding.evidence.is_empty() {
            "kube-apiserver metrics"
        } else {
            "kube-apiserver audit log"
        }],
        types: [&finding.detector],
    }
}

/// A sub-technique's name stands behind the one of its technique, `Unsecured Credentials: Container API`.
fn attack(technique: &Technique) -> Option<Attack> {
    let (id, name) = (technique.id, technique.name);
    let named = |uid: &str, name: &str| Named {
        uid: uid.to_owned(),
        name: name.to_owned(),
    };
    let (technique_id, sub) = id
        .split_once('.')
        .map_or((id, None), |(of, _)| (of, Some(id)));
    let (technique_name, sub_name) = name.split_once(": ").unwrap_or((name, name));
    Some(Attack {
        version: ATTACK,
        tactic: named(tactic(technique.tactic)?, technique.tactic),
        technique: named(technique_id, technique_name),
        sub_technique: sub.map(|id| named(id, sub_name)),
    })
}

/// The ids of the tactics of the enterprise matrix (attack.mitre.org).
fn tactic(name: &str) -> Option<&'static str> {
    let id = match name {
        "Initial Access" => "TA0001",
        "Execution" => "TA0002",
        "Persistence" => "TA0003",
        "Privilege Escalation" => "TA0004",
        "Defense Evasion" => "TA0005",
        "Credential Access" => "TA0006",
        "Discovery" => "TA0007",
        "Lateral Movement" => "TA0008",
        "Collection" => "TA0009",
        "Exfiltration" => "TA0010",
        "Command and Control" => "TA0011",
        "Impact" => "TA0040",
        _ => return None,
    };
    Some(id)
}

/// The advice, then each step on its own line.
fn remediation(finding: &Finding) -> String {
    let mut text = finding.remediation.summary.clone();
    for (n, step) in finding.remediation.steps.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{}. {}", n + 1, step.text);
        if let Some(command) = &step.command {
            let _ = write!(text, ": {command}");
        }
    }
    text
}

/// OCSF's `timestamp_t`: milliseconds since 1970.
const fn millis(time: Timestamp) -> i64 {
    time.micros().div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_technique_has_its_tactic() {
        for technique in CATALOGUE.iter().flat_map(|about| about.attack) {
            let attack = attack(technique).expect(technique.tactic);
            assert_eq!(attack.sub_technique.is_some(), technique.id.contains('.'));
            assert!(!attack.technique.uid.contains('.'));
        }
    }
}
