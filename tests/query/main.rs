//! `satrail query`, `export` and `schema` as programs: every answer is held against jq, DuckDB and Spark.
//!
//! What runs queries needs the feature `query`; what lists them is tried in every build.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod docs;
mod listing;

#[cfg(feature = "query")]
mod answers;
#[cfg(feature = "query")]
mod engines;
#[cfg(feature = "query")]
mod export;
#[cfg(feature = "query")]
mod refusals;
#[cfg(feature = "query")]
mod typed;

use std::{
    path::Path,
    process::{Command, Output},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs satrail in the repository.
fn satrail(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_satrail"))
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap()
}

/// What satrail prints, if it does so without a complaint.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = satrail(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{arguments:?}: {said}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// What satrail complains about, with exit code 2.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = satrail(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// What the queries are asked with in these tests; those that are not here have no parameters that must be given.
#[cfg(feature = "query")]
fn parameters(id: &str) -> &'static [&'static str] {
    match id {
        "permission-matrix" => &["--param", "account=shop/web"],
        "requests-of-account" => &["--param", "account=ops/intruder"],
        "around-audit-id" => &["--param", "audit_id=client-chosen-1"],
        _ => &[],
    }
}

/// The same row with every number as a float: other programs write 2748.0 as 2748.
#[cfg(feature = "query")]
fn alike(row: &serde_json::Value) -> serde_json::Value {
    let members = row.as_object().unwrap().iter();
    let number = |value: &serde_json::Value| {
        let number = value.as_f64();
        number.map_or_else(|| value.clone(), serde_json::Value::from)
    };
    members
        .map(|(name, value)| (name.clone(), number(value)))
        .collect()
}
