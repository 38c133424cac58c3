//! The Kubernetes techniques of Stratus Red Team, as events, through the whole program: which detectors fire.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests may, their helpers too"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use satrail::{
    finding::Severity,
    pipeline::{self, Options, Report, Silent},
};

/// What has to fire on a technique, and whom it has to be about.
struct Expected {
    technique: &'static str,
    findings: &'static [(&'static str, Severity, &'static str)],
}

/// More may fire than is written here.
const EXPECT: &[Expected] = &[
    Expected {
        technique: "create-admin-clusterrole",
        findings: &[
            ("rbac-written", Severity::High, "red/attacker"),
            (
                "escalation-used",
                Severity::High,
                "kube-system/stratus-admin",
            ),
            (
                "secret-listing",
                Severity::High,
                "kube-system/stratus-admin",
            ),
            ("legacy-token", Severity::High, "kube-system/stratus-admin"),
            (
                "legacy-token-secret-created",
                Severity::High,
                "red/attacker",
            ),
        ],
    },
    Expected {
        technique: "create-client-certificate",
        findings: &[("csr-approved", Severity::Critical, "red/attacker")],
    },
    Expected {
        technique: "create-token",
        findings: &[("token-minted", Severity::High, "red/attacker")],
    },
    Expected {
        technique: "dump-secrets",
        findings: &[("secret-listing", Severity::High, "red/attacker")],
    },
    Expected {
        technique: "hostpath-volume",
        findings: &[("privileged-workload", Severity::High, "red/attacker")],
    },
    Expected {
        technique: "nodes-proxy",
        findings: &[
            ("rbac-written", Severity::Medium, "red/attacker"),
            ("workload-exec", Severity::Critical, "red/attacker"),
        ],
    },
    Expected {
        technique: "privileged-pod",
        findings: &[("privileged-workload", Severity::High, "red/attacker")],
    },
    Expected {
        technique: "steal-serviceaccount-token",
        findings: &[("workload-exec", Severity::High, "red/attacker")],
    },
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stratus")
}

fn scan(technique: &str) -> Report {
    let options = Options {
        paths: vec![folder().join(format!("{technique}.jsonl"))],
        ..Options::default()
    };
    let report = pipeline::scan(&options, &Silent).unwrap().report(&options);
    for f in &report.findings {
        println!(
            "{technique}: {} {} {} {}",
            f.severity, f.detector, f.subject, f.summary
        );
    }
    report
}

#[test]
fn every_technique_is_noticed() {
    for Expected {
        technique,
        findings,
    } in EXPECT
    {
        let report = scan(technique);
        let lines = fs::read_to_string(folder().join(format!("{technique}.jsonl"))).unwrap();
        assert_eq!(report.input.bad_lines, 0, "{technique}");
        assert_eq!(
            report.input.requests,
            lines.lines().count() as u64,
            "{technique}"
        );
        for (detector, severity, subject) in *findings {
            let found = report
                .findings
                .iter()
                .find(|f| f.detector == *detector && f.subject.to_string() == *subject);
            let found = found.map(|f| f.severity);
            assert_eq!(
                found,
                Some(*severity),
                "{technique}: {detector} about {subject}"
            );
        }
    }
}

#[test]
fn every_file_is_a_technique_that_is_expected() {
    let files = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|e| e == "jsonl"));
    let files: BTreeSet<String> = files
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let expected: BTreeSet<String> = EXPECT.iter().map(|e| e.technique.to_owned()).collect();
    assert_eq!(files, expected);
}
