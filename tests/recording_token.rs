//! The detectors of token life on a whole recorded log, held against its notes (TRUTH.md) and against counts
//! that were made with jq.
//!
//! The recording is not part of the repository: without it beside the repository these tests say so and pass.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests may, their helpers too"
)]

use std::path::{Path, PathBuf};

use satrail::{
    finding::{Finding, Severity, Timestamp},
    pipeline::{self, Options, Silent},
};
use serde_json::{Value, json};

const OURS: [&str; 6] = [
    "stale-token",
    "invalidated-legacy-token",
    "legacy-token-secret-created",
    "not-a-token",
    "interactive-client",
    "audit-id-reused",
];

/// The findings of the recording of these detectors; `None` without it.
fn findings() -> Option<Vec<Finding>> {
    scan(Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/real/audit"))
}

fn scan(folder: PathBuf) -> Option<Vec<Finding>> {
    if !folder.exists() {
        println!("skipped: no recording at {}", folder.display());
        return None;
    }
    let options = Options {
        paths: vec![folder],
        ..Options::default()
    };
    let report = pipeline::scan(&options, &Silent).unwrap().report(&options);
    let ours = |f: &Finding| OURS.contains(&f.detector.as_str());
    let findings: Vec<Finding> = report.findings.into_iter().filter(ours).collect();
    for f in &findings {
        println!(
            "| {} | {} | {} | {} | {}",
            f.detector, f.subject, f.severity, f.count, f.summary
        );
    }
    Some(findings)
}

/// Subject, severity and count of a detector's findings, by subject.
fn of(findings: &[Finding], detector: &str) -> Vec<(String, String, u64)> {
    let found = findings.iter().filter(|f| f.detector == detector);
    let mut found: Vec<_> = found
        .map(|f| (f.subject.to_string(), f.severity.to_string(), f.count))
        .collect();
    found.sort();
    found
}

fn noted(expected: &[(&str, &str, u64)]) -> Vec<(String, String, u64)> {
    let owned = expected
        .iter()
        .map(|&(s, v, n)| (s.to_owned(), v.to_owned(), n));
    owned.collect()
}

fn attributes(findings: &[Finding], detector: &str, subject: &str) -> Value {
    let is = |f: &&Finding| f.detector == detector && f.subject.to_string() == subject;
    let Some(found) = findings.iter().find(is) else {
        panic!("no {detector} about {subject}")
    };
    serde_json::to_value(&found.attributes).unwrap()
}

#[test]
fn counts_agree_with_the_notes() {
    let Some(findings) = findings() else { return };
    // TRUTH: stale tokens 150; legacy-invalidated 10 of 127.0.30.7, deleted-secret 15, deleted-sa 15.
    assert_eq!(
        of(&findings, "stale-token"),
        noted(&[("ops/backup", "low", 150)])
    );
    assert_eq!(
        of(&findings, "invalidated-legacy-token"),
        noted(&[
            ("ci/deployer", "low", 15),
            ("ci/legacy-auto", "low", 15),
            ("ci/old-runner", "low", 10)
        ])
    );
    // setup made three token Secrets and three others; i-headers chose IDs four times, one of them twice.
    assert_eq!(
        of(&findings, "legacy-token-secret-created"),
        noted(&[("kubernetes-admin", "low", 3)])
    );
    assert_eq!(
        of(&findings, "audit-id-reused"),
        noted(&[("kubernetes-admin", "low", 2)])
    );
    assert_eq!(of(&findings, "not-a-token"), noted(&[]));
    // TRUTH, credential IDs: shop:web curl 18 + 5, kubectl 6; ops:intruder kubectl 30; h-super-use 4.
    assert_eq!(
        of(&findings, "interactive-client"),
        noted(&[
            ("kube-system/super", "low", 4),
            ("ops/intruder", "medium", 30),
            ("shop/web", "medium", 29)
        ])
    );
}

#[test]
fn what_a_responder_asks_next_is_there() {
    let Some(findings) = findings() else { return };
    let stale = attributes(&findings, "stale-token", "ops/backup");
    assert_eq!(stale["seconds_past_warning"], 82_793);
    assert_eq!(stale["holders"][0]["pod"], "backup-fb4t6");
    assert_eq!(
        stale["credential_ids"]["JTI=5ta1e000-0000-4000-8000-00000000beef"]["requests"],
        150
    );
    let created = attributes(&findings, "legacy-token-secret-created", "kubernetes-admin");
    let of = |at: usize| {
        let secret = &created["secrets"][at];
        ["secret", "account", "known_by", "used"].map(|key| secret[key].clone())
    };
    let expected = |secret: &str, account: &str, used: u64| {
        [
            json!(secret),
            json!(account),
            json!("filled-in"),
            json!(used),
        ]
    };
    assert_eq!(of(0), expected("deployer-token", "deployer", 540));
    assert_eq!(
        of(1),
        expected("legacy-auto-token-x7k2p", "legacy-auto", 60)
    );
    assert_eq!(of(2), expected("old-runner-token", "old-runner", 10));
    let web = attributes(&findings, "interactive-client", "shop/web");
    let addresses: Vec<&String> = web["addresses"].as_object().unwrap().keys().collect();
    assert_eq!(
        addresses,
        [
            "127.0.0.1",
            "127.0.0.2",
            "127.0.0.3",
            "127.0.10.15",
            "127.0.66.6"
        ]
    );
    assert_eq!(web["did"]["denied"], 21);
}

#[test]
fn nothing_of_the_quiet_part_is_medium() {
    let Some(findings) = findings() else { return };
    let end = Timestamp::parse("2026-11-22T04:25:18.067Z").unwrap();
    let quiet = findings
        .iter()
        .filter(|f| f.first_seen.is_some_and(|first| first < end));
    let loud: Vec<String> = quiet
        .filter(|f| f.severity >= Severity::Medium)
        .map(|f| format!("{} {}", f.detector, f.subject))
        .collect();
    assert!(loud.is_empty(), "{loud:?}");
}

/// Real logs of other clusters: OpenShift.
#[test]
fn other_clusters_are_quiet() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data/public/openshift-cluster-logging-operator/test/functional/filters/apiaudit/vrl/testdata/audit_in.log");
    let Some(findings) = scan(folder) else { return };
    let loud = findings.iter().filter(|f| f.severity >= Severity::Medium);
    assert_eq!(loud.count(), 0);
}
