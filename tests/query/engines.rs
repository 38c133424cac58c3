//! One SQL, several engines: every query over the exported Parquet in Polars, DuckDB and Spark.

use std::{
    collections::BTreeMap,
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

/// Exports the sample and runs every query over it, here and in another engine.
fn compare(engine: &str) {
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
    for query in library::queries() {
        let id = query.id;
        let values = parameters(id);
        let shown = printed(&[&["query", id, "--show"], values].concat());
        sql.insert(id, shown);
        let rows = printed(
            &[
                &["query", id, "--format", "json", "--parquet", export],
                values,
            ]
            .concat(),
        );
        let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
        assert!(!rows.is_empty(), "{id}");
        ours.insert(id.to_owned(), rows);
    }
    let mut child = Command::new(python)
        .arg(root().join("tests/query/engines.py"))
        .args([engine, export])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&serde_json::to_vec(&sql).unwrap()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{engine}: {said}");
    let theirs: Answers = serde_json::from_slice(&output.stdout).unwrap();
    for (id, rows) in ours {
        assert_eq!(rows.len(), theirs[&id].len(), "{engine}: {id}");
        for (ours, theirs) in rows.iter().zip(&theirs[&id]) {
            assert_eq!(alike(ours), alike(theirs), "{engine}: {id}");
        }
    }
}

#[test]
fn duckdb_gives_the_same_answers() {
    compare("duckdb");
}

#[test]
fn spark_gives_the_same_answers() {
    compare("spark");
}
