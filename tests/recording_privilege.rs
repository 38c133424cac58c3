//! The detectors of privilege on a whole recorded log, held against its notes (TRUTH.md) and against a fold
//! over the JSON that knows nothing of them.
//!
//! The recording is not part of the repository: without it beside the repository these tests say so and pass.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests may, their helpers too"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use satrail::{
    finding::{Finding, Severity},
    pipeline::{self, Options, Report, Silent},
};
use serde_json::Value;

const END_OF_QUIET: &str = "2026-11-22T04:25:18.067";

const OURS: [&str; 8] = [
    "rbac-written",
    "escalation-used",
    "default-account-granted",
    "workload-exec",
    "privileged-workload",
    "admission-changed",
    "csr-approved",
    "pod-with-controller-account",
];

type Counts = BTreeMap<String, u64>;

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/real/audit");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no recording at {}", folder.display());
    None
}

fn scan(path: &Path) -> Report {
    let mut options = Options {
        paths: vec![path.to_owned()],
        ..Options::default()
    };
    options.selection.select = OURS.map(str::to_owned).to_vec();
    let report = pipeline::scan(&options, &Silent).unwrap().report(&options);
    for f in &report.findings {
        println!(
            "{} {} {} {} {}",
            f.severity, f.detector, f.subject, f.count, f.summary
        );
    }
    report
}

/// Every event of the recording.
fn events(folder: &Path) -> Vec<Value> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    paths.sort();
    let mut events = Vec::new();
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        let mut text = String::new();
        if path.extension().is_some_and(|e| e == "gz") {
            let mut gzip = flate2::read::MultiGzDecoder::new(&bytes[..]);
            gzip.read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        let lines = text.lines().filter(|line| line.starts_with('{'));
        events.extend(lines.map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    events
}

/// One event for each request of a log that has ResponseComplete for all that matters here: what was only
/// opened, or not authenticated, is not looked at.
fn completed(events: &[Value]) -> impl Iterator<Item = &Value> {
    events.iter().filter(|e| e["stage"] == "ResponseComplete")
}

fn account(event: &Value) -> Option<String> {
    let name = event["user"]["username"].as_str()?;
    let name = name.strip_prefix("system:serviceaccount:")?;
    Some(name.replacen(':', "/", 1))
}

fn text<'a>(event: &'a Value, path: &str) -> &'a str {
    event
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn by_subject(findings: &[Finding], detector: &str) -> Counts {
    let found = findings.iter().filter(|f| f.detector == detector);
    found.map(|f| (f.subject.to_string(), f.count)).collect()
}

fn only<'a>(findings: &'a [Finding], detector: &str, subject: &str) -> &'a Finding {
    let mut found = findings
        .iter()
        .filter(|f| f.detector == detector && f.subject.to_string() == subject);
    let first = found.next().unwrap();
    assert!(found.next().is_none(), "{detector} {subject} twice");
    first
}

fn attributes(finding: &Finding) -> Value {
    serde_json::to_value(&finding.attributes).unwrap()
}

fn count<'a>(
    events: impl Iterator<Item = &'a Value>,
    key: impl Fn(&Value) -> Option<String>,
) -> Counts {
    let mut counts = Counts::new();
    for key in events.filter_map(key) {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

fn noted(counts: &[(&str, u64)]) -> Counts {
    counts
        .iter()
        .map(|&(name, n)| (name.to_owned(), n))
        .collect()
}

#[test]
fn who_writes_rbac_is_who_the_notes_say() {
    let Some(folder) = folder() else { return };
    let report = scan(&folder);
    let found = by_subject(&report.findings, "rbac-written");
    assert_eq!(
        found,
        noted(&[
            ("kube-system/clusterrole-aggregation-controller", 6),
            ("kube-system/namespace-controller", 2),
            ("ops/intruder", 3),
        ])
    );
    let events = events(&folder);
    let writes = ["create", "update", "patch", "delete", "deletecollection"];
    let written = count(completed(&events), |e| {
        let rbac = text(e, "/objectRef/apiGroup") == "rbac.authorization.k8s.io";
        (rbac && writes.contains(&text(e, "/verb"))).then(|| account(e))?
    });
    assert_eq!(found, written);

    let intruder = only(&report.findings, "rbac-written", "ops/intruder");
    assert_eq!(intruder.severity, Severity::Critical);
    let shown = attributes(intruder);
    let objects: BTreeSet<(&str, &str, &str)> = shown["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| (text(o, "/verb"), text(o, "/resource"), text(o, "/name")))
        .collect();
    let expected = [
        ("create", "clusterrolebindings", "anon-view"),
        ("create", "clusterrolebindings", "sys-metrics-helper"),
        ("create", "clusterroles", "wild"),
    ];
    assert_eq!(objects, expected.into());
    for name in ["clusterrole-aggregation-controller", "namespace-controller"] {
        let found = only(
            &report.findings,
            "rbac-written",
            &format!("kube-system/{name}"),
        );
        assert_eq!(found.severity, Severity::Info, "{name}");
    }
}

#[test]
fn what_was_granted_was_used_as_often_as_the_reasons_say() {
    let Some(folder) = folder() else { return };
    let report = scan(&folder);
    let found = by_subject(&report.findings, "escalation-used");
    assert_eq!(
        found,
        noted(&[("ops/intruder", 8), ("system:anonymous", 10)])
    );
    // Every request that a binding allowed which a ServiceAccount has made in this log.
    let events = events(&folder);
    let made: BTreeSet<String> = completed(&events)
        .filter(|e| {
            text(e, "/objectRef/resource") == "clusterrolebindings" && text(e, "/verb") == "create"
        })
        .filter(|e| account(e).is_some())
        .map(|e| text(e, "/objectRef/name").to_owned())
        .collect();
    assert_eq!(made.len(), 2);
    let uses = count(completed(&events), |e| {
        let reason = e["annotations"]["authorization.k8s.io/reason"].as_str()?;
        let name = reason.split('"').nth(1)?;
        let who = account(e).unwrap_or_else(|| text(e, "/user/username").to_owned());
        made.contains(name).then_some(who)
    });
    assert_eq!(found, uses);

    let intruder = only(&report.findings, "escalation-used", "ops/intruder");
    assert_eq!(intruder.severity, Severity::Critical);
    let shown = attributes(intruder);
    assert_eq!(shown["binding"], "sys-metrics-helper");
    assert_eq!(shown["granted_at"], "2026-11-22T04:25:47.670724Z");
    assert_eq!(shown["requests"]["list secrets"], 3);
    let anonymous = only(&report.findings, "escalation-used", "system:anonymous");
    assert_eq!(anonymous.severity, Severity::High);
    let by: Vec<String> = anonymous
        .involves
        .subjects
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(by, ["ops/intruder"]);
}

#[test]
fn the_default_accounts_that_were_bound_are_found() {
    let Some(folder) = folder() else { return };
    let report = scan(&folder);
    let found = by_subject(&report.findings, "default-account-granted");
    let mut bound = Counts::new();
    for event in completed(&events(&folder)) {
        if !text(event, "/objectRef/resource").ends_with("rolebindings")
            || event["verb"] != "create"
        {
            continue;
        }
        let subjects = event["requestObject"]["subjects"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for subject in subjects
            .iter()
            .filter(|s| s["kind"] == "ServiceAccount" && s["name"] == "default")
        {
            *bound
                .entry(format!("{}/default", text(subject, "/namespace")))
                .or_default() += 1;
        }
    }
    assert_eq!(found, bound);
    assert_eq!(found, noted(&[("default/default", 1), ("shop/default", 1)]));
    let findings = report
        .findings
        .iter()
        .filter(|f| f.detector == "default-account-granted");
    assert!(findings.into_iter().all(|f| f.severity == Severity::Low));
}

#[test]
fn who_went_into_pods_is_who_the_notes_say() {
    let Some(folder) = folder() else { return };
    let report = scan(&folder);
    let found = by_subject(&report.findings, "workload-exec");
    assert_eq!(found, noted(&[("ops/intruder", 5), ("shop/web", 1)]));
    let ways = ["exec", "attach", "portforward", "proxy"];
    let events = events(&folder);
    let went = count(completed(&events), |e| {
        ways.contains(&text(e, "/objectRef/subresource"))
            .then(|| account(e))?
    });
    assert_eq!(found, went);

    let intruder = only(&report.findings, "workload-exec", "ops/intruder");
    assert_eq!(intruder.severity, Severity::High);
    let shown = attributes(intruder);
    assert_eq!(shown["codes"], serde_json::json!({"101": 1, "400": 4}));
    assert_eq!(
        shown["requests"],
        serde_json::json!({"create pods/attach": 1, "create pods/exec": 1, "get pods/exec": 2, "get pods/portforward": 1})
    );
    let web = only(&report.findings, "workload-exec", "shop/web");
    assert_eq!(web.severity, Severity::Low);
}

#[test]
fn nothing_else_is_found_and_the_blind_say_so() {
    let Some(folder) = folder() else { return };
    let report = scan(&folder);
    for silent in [
        "privileged-workload",
        "admission-changed",
        "csr-approved",
        "pod-with-controller-account",
    ] {
        assert_eq!(by_subject(&report.findings, silent), Counts::new());
    }
    let blind = report
        .coverage
        .detectors
        .iter()
        .filter(|d| d.blind.is_some() && OURS.contains(&d.detector.as_str()));
    let blind: Vec<&str> = blind.map(|d| d.detector.as_str()).collect();
    // The recording's policy logs no bodies of workloads.
    assert_eq!(blind, ["privileged-workload"]);
}

#[test]
fn nothing_is_above_low_in_the_quiet_part() {
    let Some(folder) = folder() else { return };
    let mut quiet = tempfile::Builder::new().suffix(".log").tempfile().unwrap();
    for event in events(&folder) {
        if text(&event, "/requestReceivedTimestamp") < END_OF_QUIET {
            writeln!(quiet, "{event}").unwrap();
        }
    }
    let report = scan(quiet.path());
    let above = report
        .findings
        .iter()
        .filter(|f| f.severity > Severity::Low);
    assert_eq!(above.count(), 0);
}

#[test]
fn the_chain_of_the_intruder_is_one_story() {
    let Some(folder) = folder() else { return };
    let report = scan(&folder);
    let story = report.stories.iter().find(|story| {
        story
            .subjects
            .iter()
            .any(|subject| subject.to_string() == "ops/intruder")
    });
    let story = story.unwrap();
    assert_eq!(story.severity, Severity::Critical);
    let members = report
        .findings
        .iter()
        .filter(|f| story.findings.contains(&f.fingerprint));
    let members: BTreeSet<(&str, String)> = members
        .map(|f| (f.detector.as_str(), f.subject.to_string()))
        .collect();
    for expected in [
        ("rbac-written", "ops/intruder"),
        ("escalation-used", "ops/intruder"),
        ("escalation-used", "system:anonymous"),
        ("workload-exec", "ops/intruder"),
    ] {
        assert!(
            members.contains(&(expected.0, expected.1.to_owned())),
            "{expected:?}"
        );
    }
}
