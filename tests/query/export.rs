//! Exports: what is in them, and that they appear whole.

use std::fs;

use serde_json::{Value, json};

use super::{printed, refused};

const COUNT: &str = "SELECT COUNT(*) AS n, SUM(CASE WHEN is_request THEN 1 ELSE 0 END) AS r, MIN(time) AS first, \
                     SUM(line) AS lines, COUNT(DISTINCT file) AS files FROM events";

fn asked(arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(&[arguments, &["--format", "json"]].concat())).unwrap()
}

#[test]
fn an_export_holds_what_the_logs_hold() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("export");
    let directory = directory.to_str().unwrap();
    printed(&["export", "data/audit", "--output", directory]);
    let exported = asked(&["query", "--sql", COUNT, "--parquet", directory]);
    assert_eq!(exported, asked(&["query", "--sql", COUNT, "data/audit"]));
    // data/README.md says so, and the README's report.
    assert_eq!(
        (&exported[0]["n"], &exported[0]["r"]),
        (&json!(7571), &json!(7558))
    );
    // Each file's line numbers begin at 1 and leave nothing out.
    let mut sum = 0_u64;
    for name in [
        "audit-2026-11-22T04-25-44.000.log.gz",
        "audit-2026-11-22T04-26-06.000.log.gz",
        "audit.log",
    ] {
        let sql = format!(
            "SELECT MIN(line) AS a, MAX(line) AS z, COUNT(DISTINCT line) AS n FROM events WHERE file = 'data/audit/{name}'"
        );
        let lines = asked(&["query", "--sql", &sql, "--parquet", directory]);
        assert_eq!(lines[0]["a"], 1, "{name}");
        assert_eq!(lines[0]["z"], lines[0]["n"], "{name}");
        let n = lines[0]["n"].as_u64().unwrap();
        sum += n * (n + 1) / 2;
    }
    assert_eq!(exported[0]["lines"], sum);
    assert!(
        fs::exists(
            home.path()
                .join("export/events/day=2026-11-22/part-0.parquet")
        )
        .unwrap()
    );
    assert!(refused(&["export", "data/audit", "--output", directory]).contains("is there already"));
    assert!(
        refused(&[
            "query",
            "--sql",
            "SELECT request_body FROM events",
            "--parquet",
            directory
        ])
        .contains("no column 'request_body'")
    );
    let left: Vec<_> = fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["export"]);
}

#[test]
fn bodies_are_written_only_if_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("audit.log");
    let event = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/x/configmaps","verb":"create","user":{"username":"u"},"responseStatus":{"code":201},"requestObject":{"data":{"k":"v\u001b[31m"}},"requestReceivedTimestamp":null,"stageTimestamp":null}"#;
    fs::write(&log, format!("{event}\n")).unwrap();
    let directory = home.path().join("export");
    let (log, directory) = (log.to_str().unwrap(), directory.to_str().unwrap());
    printed(&["export", log, "--bodies", "--output", directory]);
    let sql = "SELECT request_body, day, time FROM events";
    let rows = asked(&["query", "--sql", sql, "--parquet", directory]);
    let body = r#"{"data":{"k":"v\u001b[31m"}}"#;
    assert_eq!(
        rows,
        json!([{"request_body": body, "day": null, "time": null}])
    );
    assert!(
        fs::exists(
            home.path()
                .join("export/events/day=__HIVE_DEFAULT_PARTITION__")
        )
        .unwrap()
    );
}

#[test]
fn what_cannot_be_written_is_said() {
    assert!(
        refused(&["export", "data/audit", "--output", "/nowhere/at/all"])
            .contains("cannot write into /nowhere/at")
    );
    assert!(
        refused(&["query", "top-talkers", "--parquet", "data/audit"])
            .contains("no exported tables")
    );
}
