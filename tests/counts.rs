//! The numbers, checked against something independent: jq on the same lines, and the notes of the
//! recording.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that panics has failed"
)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use satrail::{
    finding::Finding,
    pipeline::{self, Options, Report, Silent},
};
use serde::Deserialize;
use support::plain;

#[path = "support/plain.rs"]
mod support;

/// What `tests/counts.jq` prints.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Counts {
    events: u64,
    requests: u64,
    accounts: BTreeMap<String, u64>,
    defaults: BTreeMap<String, u64>,
    secret_lists: BTreeMap<String, u64>,
    legacy: BTreeMap<String, u64>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn ask_jq(folder: &Path) -> Counts {
    let plain = plain(folder);
    let answer = Command::new("jq")
        .args(["-n", "-c", "-f"])
        .arg(root().join("tests/counts.jq"))
        .arg(plain.path())
        .output()
        .expect("the tests need jq (scripts/test installs it)");
    assert!(
        answer.status.success(),
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
    serde_json::from_slice(&answer.stdout).unwrap()
}

fn ask_satrail(folder: &Path) -> (Counts, Report) {
    let options = Options {
        paths: vec![folder.to_owned()],
        ..Options::default()
    };
    let (state, rows) = pipeline::accounts(&options, &Silent).unwrap();
    let report = state.report(&options);
    let user = |namespace: &str, name: &str| format!("system:serviceaccount:{namespace}:{name}");
    let by = |detector: &str, name: fn(&Finding) -> String| {
        let findings = report
            .findings
            .iter()
            .filter(|finding| finding.detector == detector);
        findings
            .map(|finding| (name(finding), finding.count))
            .collect::<BTreeMap<_, _>>()
    };
    let subject = |finding: &Finding| {
        let namespace = finding.subject.namespace.as_deref().unwrap();
        format!("system:serviceaccount:{namespace}:{}", finding.subject.name)
    };
    let counts = Counts {
        events: report.input.events,
        requests: report.input.requests,
        accounts: rows
            .iter()
            .map(|r| (user(&r.namespace, &r.name), r.requests))
            .collect(),
        defaults: by("default-serviceaccount", subject),
        secret_lists: by("secret-listing", subject),
        legacy: by("legacy-token", |finding| {
            let secret = serde_json::to_value(&finding.attributes["secret"]).unwrap();
            let namespace = finding.subject.namespace.as_deref().unwrap();
            let name = &finding.subject.name;
            let secret = secret.as_str().unwrap_or("?").to_owned();
            format!("system:serviceaccount:{namespace}:{name} {secret}")
        }),
    };
    (counts, report)
}

#[test]
fn the_sample_counts_as_jq_counts_it() {
    let folder = root().join("data/audit");
    let (counts, _) = ask_satrail(&folder);
    assert!(counts.requests > 7000 && counts.legacy.len() == 3);
    assert_eq!(counts, ask_jq(&folder));
}

/// The whole recording, where it is at hand: against jq and against the notes taken while recording.
#[test]
fn the_recording_counts_as_jq_and_its_notes_count_it() {
    let folder = root().join("../shared/data/real/audit");
    if !folder.is_dir() {
        println!("../shared/data/real is not here: the recording is not checked");
        return;
    }
    let (counts, report) = ask_satrail(&folder);
    assert_eq!(counts, ask_jq(&folder));
    assert_eq!((counts.events, counts.requests), (26_537, 26_381));
    let map = |entries: &[(&str, u64)]| {
        let name = |name: &str| format!("system:serviceaccount:{}", name.replacen('/', ":", 1));
        entries
            .iter()
            .map(|(n, count)| (name(n), *count))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(
        counts.defaults,
        map(&[("shop/default", 660), ("default/default", 224)])
    );
    let lists = [
        ("shop/web", 55),
        ("monitoring/prometheus", 22),
        ("shop/watcher", 30),
        ("ops/intruder", 9),
        ("kube-system/super", 1),
        ("kube-system/namespace-controller", 1),
    ];
    assert_eq!(counts.secret_lists, map(&lists));
    let legacy = [
        ("ci/deployer deployer-token", 540),
        ("ci/legacy-auto legacy-auto-token-x7k2p", 60),
        ("ci/old-runner old-runner-token", 10),
    ];
    assert_eq!(counts.legacy, map(&legacy));
    let runaway: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|f| f.detector == "runaway-controller")
        .collect();
    assert_eq!(runaway.len(), 1);
    assert_eq!(runaway[0].subject.to_string(), "ops/hot-loop");
    let attributes = serde_json::to_string(&runaway[0].attributes).unwrap();
    assert!(attributes.contains("342.9"), "{attributes}");
    assert_eq!(report.input.bad_lines, 0);
}
