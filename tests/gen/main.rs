//! What `examples/gen --profile misuse` writes: the log that figures about memory and state are measured with.

#![expect(dead_code, reason = "the example's modules stand here as they are")]

#[path = "../../examples/gen/bodies.rs"]
mod bodies;
#[path = "../../examples/gen/callers.rs"]
mod callers;
#[path = "../../examples/gen/misuse.rs"]
mod misuse;
#[path = "../../examples/gen/rng.rs"]
mod rng;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use misuse::Misuse;
use serde_json::Value;

const ACCOUNTS: usize = 7;
const DAYS: usize = 3;
/// What one account does in a day.
const DEEDS: usize = 20;

fn log(seed: u64) -> String {
    let mut misuse = Misuse::new(seed, ACCOUNTS);
    let mut log = String::new();
    while misuse.days() < DAYS {
        misuse.line(&mut log);
    }
    log
}

#[test]
fn every_account_does_as_much_every_day() {
    let log = log(1);
    let mut deeds: BTreeMap<(String, String), usize> = BTreeMap::new();
    let (mut ids, mut last) = (BTreeSet::new(), String::new());
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let time = text(&event["requestReceivedTimestamp"]);
        assert!(time >= last, "{time} comes after {last}");
        let account = text(&event["user"]["username"]);
        *deeds.entry((account, time[..10].to_owned())).or_default() += 1;
        assert!(ids.insert(text(&event["auditID"])), "{line}");
        last = time;
    }
    assert_eq!(ids.len(), ACCOUNTS * DAYS * DEEDS);
    assert_eq!(deeds.len(), ACCOUNTS * DAYS);
    assert!(deeds.values().all(|count| *count == DEEDS), "{deeds:?}");
    let days: BTreeSet<&str> = deeds.keys().map(|(_, day)| day.as_str()).collect();
    assert_eq!(
        Vec::from_iter(days),
        ["2026-01-05", "2026-01-06", "2026-01-07"]
    );
}

#[test]
fn a_seed_gives_one_log() {
    assert_eq!(log(1), log(1));
    assert_ne!(log(1), log(2));
}

#[test]
fn each_account_is_reported_for_most_of_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("audit.log");
    fs::write(&path, log(1)).unwrap();
    let scan = Command::new(env!("CARGO_BIN_EXE_satrail"))
        .args(["scan", "--format", "json", "--fail-on", "never"])
        .arg(&path)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&scan.stdout).unwrap();
    assert_eq!(report["input"]["bad_lines"], 0);
    assert_eq!(report["input"]["requests"], ACCOUNTS * DAYS * DEEDS);
    let mut by_account: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for finding in report["findings"].as_array().unwrap() {
        let subject = &finding["subject"];
        if subject["kind"] == "ServiceAccount" {
            let detectors = by_account.entry(subject.to_string()).or_default();
            detectors.insert(finding["detector"].as_str().unwrap());
        }
    }
    // Whoever minted tokens for it is somebody else's victim.
    by_account.retain(|subject, _| !subject.contains("\"builder\""));
    assert_eq!(by_account.len(), ACCOUNTS, "{by_account:?}");
    for (account, detectors) in &by_account {
        assert!(detectors.len() >= 11, "{account}: {detectors:?}");
    }
}
