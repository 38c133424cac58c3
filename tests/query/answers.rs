//! Every query against jq, on the same real events.

use std::{fmt::Write, fs, io::Read, path::Path, process::Command};

use satrail::query::library;
use serde_json::Value;

use super::{alike, parameters, printed, root};

/// The queries that jq is not asked: they are held against the report and against the scrapes below.
const OTHERWISE: [&str; 2] = ["findings-by-account", "request-metrics"];

/// Every line of the logs, with `_file` and `_line` before its own members.
fn marked(folder: &str) -> String {
    let mut names: Vec<_> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut all = String::new();
    for name in names {
        let name = format!("{folder}/{name}");
        let bytes = fs::read(root().join(&name)).unwrap();
        let mut text = String::new();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
            decoder.read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        for (at, line) in text.lines().enumerate() {
            let rest = line.strip_prefix('{').unwrap();
            writeln!(all, r#"{{"_file":"{name}","_line":{},{rest}"#, at + 1).unwrap();
        }
    }
    all
}

#[expect(clippy::panic, reason = "a test that panics has failed")]
fn jq(program: &Path, log: &Path) -> Vec<Value> {
    let output = Command::new("jq")
        .args(["-s", "-c", "-f"])
        .arg(program)
        .args(["--arg", "since", "1970", "--arg", "seconds", "10"])
        .args(["--arg", "audit_id", "client-chosen-1", "--arg", "account"])
        .arg(if program.to_string_lossy().contains("requests-of") {
            "ops/intruder"
        } else {
            "shop/web"
        })
        .arg(log)
        .output()
        .unwrap_or_else(|error| panic!("jq is not installed: scripts/test installs it ({error})"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", program.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn compare(folder: &str, at_least_rows: usize) {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("log.jsonl");
    fs::write(&log, marked(folder)).unwrap();
    let own = root().join("tests/query");
    let prelude = fs::read_to_string(own.join("prelude.jq")).unwrap();
    for query in library::queries() {
        let id = query.id;
        if OTHERWISE.contains(&id) {
            continue;
        }
        let program = home.path().join(format!("{id}.jq"));
        let text = fs::read_to_string(own.join(format!("{id}.jq"))).unwrap();
        fs::write(&program, format!("{prelude}{text}")).unwrap();
        let expected = jq(&program, &log);
        let arguments = [&["query", id, "--format", "json", folder], parameters(id)].concat();
        let rows: Vec<Value> = serde_json::from_str(&printed(&arguments)).unwrap();
        assert_eq!(rows.len(), expected.len(), "{id}");
        assert!(rows.len() >= at_least_rows, "{id} has {} rows", rows.len());
        for (row, expected) in rows.iter().zip(&expected) {
            assert_eq!(alike(row), alike(expected), "{id}");
            let names: Vec<_> = row
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            let mut said: Vec<_> = query.columns.iter().map(|(name, _)| *name).collect();
            said.sort_unstable();
            assert_eq!(names, said, "{id}");
        }
    }
}

#[test]
fn every_query_agrees_with_jq_on_the_sample() {
    compare("data/audit", 1);
}

/// The whole recording, where it lies beside the repository.
#[test]
fn every_query_agrees_with_jq_on_the_recording() {
    let folder = "../shared/data/real/audit";
    if root().join(folder).is_dir() {
        compare(folder, 1);
    }
}

#[test]
fn findings_are_those_of_the_scan() {
    let output = super::satrail(&["scan", "--format", "json", "data/audit"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let sql = "SELECT fingerprint, severity, requests, subject, summary FROM findings";
    let rows: Vec<Value> = serde_json::from_str(&printed(&[
        "query",
        "--sql",
        sql,
        "--format",
        "json",
        "data/audit",
    ]))
    .unwrap();
    assert_eq!(rows.len(), findings.len());
    for (row, finding) in rows.iter().zip(findings) {
        assert_eq!(row["fingerprint"], finding["fingerprint"]);
        assert_eq!(row["severity"], finding["severity"]);
        assert_eq!(row["requests"], finding["count"]);
        assert_eq!(row["summary"], finding["summary"]);
    }
    let summed = printed(&[
        "query",
        "findings-by-account",
        "--format",
        "json",
        "data/audit",
    ]);
    let summed: Vec<Value> = serde_json::from_str(&summed).unwrap();
    assert!(summed.len() > 5);
    for row in summed {
        let account = row["account"].as_str().unwrap();
        let (namespace, name) = account.split_once('/').unwrap();
        let of_account = findings
            .iter()
            .filter(|f| f["subject"]["namespace"] == namespace && f["subject"]["name"] == name);
        let counts: Vec<u64> = of_account.map(|f| f["count"].as_u64().unwrap()).collect();
        assert_eq!(row["findings"], counts.len(), "{account}");
        assert_eq!(row["requests"], counts.iter().sum::<u64>(), "{account}");
    }
}

/// A second reading of the scrapes: lines cut by hand, the last value of each series minus the first.
#[test]
fn counters_rise_as_the_scrapes_say() {
    let folder = root().join("data/metrics");
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("apiserver-"))
        .collect();
    names.sort();
    let mut first: std::collections::BTreeMap<String, f64> = std::collections::BTreeMap::new();
    let mut last = first.clone();
    for name in &names {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        for line in text
            .lines()
            .filter(|line| line.starts_with("apiserver_request_total{"))
        {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            first.entry(series.to_owned()).or_insert(value);
            last.insert(series.to_owned(), value);
        }
    }
    let expected: f64 = last
        .iter()
        .map(|(series, value)| value - first[series])
        .sum();
    let sql = "SELECT SUM(increase) AS n FROM samples WHERE metric = 'apiserver_request_total'";
    let metrics = ["--metrics", "data/metrics", "--format", "json"];
    let total = printed(&[&["query", "--sql", sql][..], &metrics].concat());
    let total: Value = serde_json::from_str(&total).unwrap();
    assert!(expected > 0.0);
    assert_eq!(total[0]["n"], expected);
    let by_minute = printed(&[&["query", "request-metrics"][..], &metrics].concat());
    let by_minute: Vec<Value> = serde_json::from_str(&by_minute).unwrap();
    let sum: f64 = by_minute
        .iter()
        .map(|row| row["requests"].as_f64().unwrap())
        .sum();
    assert!((sum - expected).abs() < 1e-9);
}
