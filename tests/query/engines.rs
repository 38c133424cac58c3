//! One SQL, several engines: every query over the exported Parquet in Polars, DuckDB and Spark.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io::Write,
    process::{Command, Stdio},
};

use satrail::query::library;
use serde_json::Value;

use super::{alike, parameters, printed, root};

type Answers = BTreeMap<String, Vec<Value>>;

/// A Python with duckdb and pyspark, as scripts/test makes it.
#[expect(clippy::print_stderr, reason = "a word about what is not tried")]
fn python() -> Option<std::ffi::OsString> {
    let python = std::env::var_os("SATRAIL_PYTHON");
    if python.is_none() {
        eprintln!("not tried: set SATRAIL_PYTHON to a Python that has duckdb and pyspark");
    }
    python
}

/// What another engine makes of these queries over an export.
fn answers(python: &OsStr, engine: &str, export: &str, sql: &BTreeMap<String, String>) -> Answers {
    let mut child = Command::new(python)
        .arg(root().join("tests/query/engines.py"))
        .args([engine, export])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&serde_json::to_vec(sql).unwrap()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{engine}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Exports the sample and runs these queries over it, here and in another engine; `arguments` say how each one is
/// asked for here.
fn compare<'a>(engine: &str, ids: &[&'a str], arguments: impl Fn(&'a str) -> Vec<&'a str>) {
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().unwrap();
    let export = home.path().join("export");
    let export = export.to_str().unwrap();
    printed(&[
        "export",
        "data/audit",
        "--metrics",
        "data/metrics",
        "--output",
        export,
    ]);
    let (mut ours, mut sql) = (Answers::new(), BTreeMap::new());
    for &id in ids {
        let asked = arguments(id);
        let shown = printed(&[&["query", "--show"], &asked[..]].concat());
        sql.insert(id.to_owned(), shown);
        let over = ["--format", "json", "--parquet", export];
        let rows = printed(&[&["query"], &asked[..], &over].concat());
        let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
        assert!(!rows.is_empty(), "{id}");
        ours.insert(id.to_owned(), rows);
    }
    let theirs = answers(&python, engine, export, &sql);
    for (id, rows) in ours {
        assert_eq!(rows.len(), theirs[&id].len(), "{engine}: {id}");
        for (ours, theirs) in rows.iter().zip(&theirs[&id]) {
            assert_eq!(alike(ours), alike(theirs), "{engine}: {id}");
        }
    }
}

fn compare_library(engine: &str) {
    let queries = library::queries();
    let ids: Vec<_> = queries.iter().map(|query| query.id).collect();
    compare(engine, &ids, |id| [&[id], parameters(id)].concat());
}

#[test]
fn duckdb_gives_the_same_answers() {
    compare_library("duckdb");
}

#[test]
fn spark_gives_the_same_answers() {
    compare_library("spark");
}

/// SQL as people type it: each statement of answered.sql, by its number.
#[test]
fn duckdb_gives_the_same_answers_to_what_people_type() {
    let text = include_str!("answered.sql");
    let statements: Vec<&str> = text
        .split(';')
        .map(str::trim)
        .filter(|sql| !sql.is_empty())
        .collect();
    assert!(statements.len() > 30);
    compare("duckdb", &statements, |sql| vec!["--sql", sql]);
}
