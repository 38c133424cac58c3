//! What works in every build: lists, the schema, the SQL of a query.

use std::collections::BTreeSet;

use satrail::query::{frame, library};
use serde_json::Value;

use super::{printed, refused};

#[test]
fn the_schema_names_every_column_with_type_and_meaning() {
    let rows: Vec<Value> = serde_json::from_str(&printed(&["schema", "--format", "json"])).unwrap();
    let columns: usize = frame::tables()
        .iter()
        .map(|table| table.columns.len())
        .sum();
    assert_eq!(rows.len(), columns);
    let types: BTreeSet<_> = rows
        .iter()
        .map(|row| row["type"].as_str().unwrap())
        .collect();
    let known = [
        "BIGINT",
        "BOOLEAN",
        "DATE",
        "DOUBLE",
        "TIMESTAMP",
        "VARCHAR",
    ];
    assert_eq!(types, known.into());
    for row in &rows {
        assert!(row["meaning"].as_str().unwrap().len() > 5, "{row}");
    }
    let findings = printed(&["schema", "findings", "--format", "jsonl"]);
    assert!(
        findings
            .lines()
            .all(|line| line.starts_with(r#"{"table":"findings","#))
    );
    assert!(refused(&["schema", "event"]).contains("did you mean 'events'?"));
}

#[test]
fn the_list_has_every_query() {
    let list = printed(&["query", "--list"]);
    for query in library::queries() {
        assert!(
            list.contains(query.id) && list.contains(query.title),
            "{}",
            query.id
        );
    }
    assert!(
        refused(&["query", "who-list-secrets", "x"]).contains("did you mean 'who-lists-secrets'?")
    );
}

#[test]
fn the_sql_can_be_had_with_its_values_in_it() {
    let sql = printed(&[
        "query",
        "permission-matrix",
        "--show",
        "--param",
        "account=a'b",
    ]);
    assert!(sql.contains("account = 'a''b'"), "{sql}");
    let missing = refused(&["query", "permission-matrix", "--show"]);
    assert!(
        missing.contains("needs the parameter account")
            && missing.contains("--param account=VALUE")
    );
    let wrong = refused(&["query", "top-talkers", "--show", "--param", "top=many"]);
    assert!(wrong.contains("'many' is no whole number"), "{wrong}");
    let typed = printed(&["query", "--show", "--sql", "SELECT :a", "--param", "a=x"]);
    assert_eq!(typed, "SELECT 'x'\n");
    let place = refused(&["query", "--sql", "SELECT 1,\n  :nope", "x"]);
    assert!(place.contains("  2 |   :nope\n        ^^^^^\n"), "{place}");
}

/// Without the engine: what to do about it, and nothing else happens.
#[cfg(not(feature = "query"))]
#[test]
fn a_build_without_the_engine_says_how_to_get_one() {
    for arguments in [
        &["query", "who-lists-secrets", "data/audit"][..],
        &["query", "--sql", "SELECT 1", "data/audit"],
        &["export", "data/audit", "--output", "/nowhere/at/all"],
    ] {
        let said = refused(arguments);
        assert!(said.contains("without the feature `query`"), "{said}");
        assert!(
            said.contains("cargo build --release --features query"),
            "{said}"
        );
    }
}
