//! `satrail top`, checked against jq on the same lines.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use support::plain;

#[path = "support/plain.rs"]
mod support;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn top(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_satrail"))
        .args(["top", "--format", "json", "--limit", "100000"])
        .args(arguments)
        .arg(root().join("data/audit"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    document["top"].clone()
}

/// What `tests/top.jq` makes of the sample.
fn jq() -> Value {
    let plain = plain(&root().join("data/audit"));
    let answer = Command::new("jq")
        .args(["-n", "-c", "-f"])
        .arg(root().join("tests/top.jq"))
        .arg(plain.path())
        .output()
        .expect("the tests need jq (scripts/test installs it)");
    let errors = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "{errors}");
    serde_json::from_slice(&answer.stdout).unwrap()
}

/// Rows with what jq can count, by value.
fn counted(top: &Value) -> Vec<Value> {
    let rows = top["rows"].as_array().unwrap().iter();
    let mut rows: Vec<_> = rows
        .map(|row| json!({"values": row["values"], "requests": row["requests"], "denied": row["denied"]}))
        .collect();
    rows.sort_by_key(|row| row["values"].to_string());
    rows
}

#[test]
fn counts_as_jq_does() {
    let expected = jq();
    let filters: &[&str] = &[
        "--by",
        "user,code",
        "--namespace",
        "-kube-system",
        "--user",
        "-system:node:*",
        "--code",
        "4*",
    ];
    let by_one = |by| (by, vec!["--by", by]);
    let questions = [
        by_one("account"),
        by_one("user"),
        by_one("namespace"),
        by_one("resource"),
        by_one("verb"),
        by_one("agent"),
        by_one("address"),
        by_one("code"),
        by_one("account,verb,resource"),
        ("filtered", filters.to_vec()),
    ];
    for (name, arguments) in questions {
        let answer = top(&arguments);
        let mut rows: Vec<Value> = expected[name].as_array().unwrap().clone();
        assert!(!rows.is_empty(), "{name}");
        rows.sort_by_key(|row| row["values"].to_string());
        assert_eq!(counted(&answer), rows, "{name}");
        let sum: u64 = rows
            .iter()
            .map(|row| row["requests"].as_u64().unwrap())
            .sum();
        let without = answer["requests_without"].as_u64().unwrap();
        assert_eq!(answer["requests"], sum + without, "{name}");
        assert_eq!(answer["distinct"], rows.len(), "{name}");
        if name != "filtered" {
            assert_eq!(answer["requests"], expected["requests"], "{name}");
        }
    }
    let accounts = top(&["--sort", "peak"]);
    let rows = accounts["rows"].as_array().unwrap();
    let rates = rows.iter().map(|row| row["peak_rate"].as_f64().unwrap());
    assert!(rates.is_sorted_by(|a, b| a >= b));
    for peak in expected["peaks"].as_array().unwrap() {
        let row = rows
            .iter()
            .find(|row| row["values"] == peak["values"])
            .unwrap();
        let rate = (peak["peak"].as_f64().unwrap() / 6.0).round() / 10.0;
        assert_eq!(row["peak_rate"], rate, "{row}");
    }
}

#[test]
fn what_is_not_shown_is_said() {
    let output = Command::new(env!("CARGO_BIN_EXE_satrail"))
        .args(["top", "--by", "account,verb", "--limit", "2"])
        .arg(root().join("data/audit"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let all = top(&["--by", "account,verb"]);
    assert!(text.contains("7,571 events, 7,558 requests"), "{text}");
    let rows = all["rows"].as_array().unwrap();
    let rest: u64 = rows[2..]
        .iter()
        .map(|row| row["requests"].as_u64().unwrap())
        .sum();
    let without = all["requests_without"].as_u64().unwrap();
    let plain = text.replace(',', "");
    assert!(
        plain.contains(&format!(
            "... and {} rows with {rest} requests",
            rows.len() - 2
        )),
        "{text}"
    );
    assert!(
        plain.contains(&format!(
            "{without} requests without account and verb made no row"
        )),
        "{text}"
    );
    // Errors and warnings of the log are not its business, but strictness is.
    assert!(output.status.success());
}
