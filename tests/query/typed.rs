//! SQL that somebody typed: requests and events, formats, parameters, refusals.

use std::fs;

use serde_json::{Value, json};

use super::{printed, satrail};

fn asked(sql: &str, log: &str) -> Value {
    let rows = printed(&["query", "--sql", sql, "--format", "json", log]);
    serde_json::from_str(&rows).unwrap()
}

fn event(id: &str, stage: &str, verb: &str, second: u32) -> String {
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{id}","stage":"{stage}","requestURI":"/api/v1/pods?watch=true","verb":"{verb}","user":{{"username":"system:serviceaccount:shop:web"}},"requestReceivedTimestamp":"2026-01-02T03:04:{second:02}.000000Z","stageTimestamp":"2026-01-02T03:04:59.000000Z"}}"#
    )
}

#[test]
fn a_request_is_one_row_whatever_its_stages() {
    let home = tempfile::tempdir().unwrap();
    let opened = event("closed", "ResponseStarted", "watch", 1);
    let first = [
        event("plain", "RequestReceived", "get", 0),
        event("plain", "ResponseComplete", "get", 0),
        opened.clone(),
        event("open", "ResponseStarted", "watch", 2),
    ];
    let second = [event("closed", "ResponseComplete", "watch", 1)];
    fs::write(home.path().join("a.log"), first.join("\n")).unwrap();
    fs::write(home.path().join("b.log"), second.join("\n")).unwrap();
    // A second copy of an opening does not make a second request.
    fs::write(
        home.path().join("c.log"),
        event("open", "ResponseStarted", "watch", 2),
    )
    .unwrap();
    let log = home.path().to_str().unwrap();
    let sql = "SELECT audit_id, stage, line FROM events WHERE is_request ORDER BY audit_id";
    assert_eq!(
        asked(sql, log),
        json!([
            {"audit_id": "closed", "stage": "ResponseComplete", "line": 1},
            {"audit_id": "open", "stage": "ResponseStarted", "line": asked(sql, log)[1]["line"]},
            {"audit_id": "plain", "stage": "ResponseComplete", "line": 2},
        ])
    );
    assert_eq!(
        asked("SELECT COUNT(*) AS n FROM events", log),
        json!([{"n": 6}])
    );
}

#[test]
fn wrapped_events_know_their_dialect_and_odd_ones_are_counted() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("list.json");
    let items = [
        event("a", "ResponseComplete", "get", 0),
        event("b", "ResponseComplete", "get", 1),
    ];
    let list = format!(
        r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{}]}}"#,
        items.join(",")
    );
    fs::write(&log, format!("{list}\nno json\n")).unwrap();
    let log = log.to_str().unwrap();
    let rows = asked(
        "SELECT audit_id, dialect, line, time, day, latency_us FROM events ORDER BY audit_id",
        log,
    );
    assert_eq!(rows[0]["dialect"], "event-list");
    assert_eq!(
        rows[1],
        json!({"audit_id": "b", "dialect": "event-list", "line": 1, "time": "2026-01-02T03:04:01.000000Z", "day": "2026-01-02", "latency_us": 58_000_000})
    );
    let strict = satrail(&[
        "query",
        "--strict",
        "--sql",
        "SELECT COUNT(*) AS n FROM events",
        log,
    ]);
    assert_eq!(strict.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&strict.stderr).contains("list.json:2: "));
}

#[test]
fn the_window_and_parameters_are_heeded() {
    let sql = "SELECT COUNT(*) AS n FROM events WHERE account = :who AND code >= :from";
    let arguments = [
        "query",
        "--sql",
        sql,
        "--param",
        "who=shop/web",
        "--param",
        "from=400",
        "--format",
        "jsonl",
    ];
    let all = printed(&[&arguments[..], &["data/audit"]].concat());
    let late = printed(
        &[
            &arguments[..],
            &["--since", "2026-11-22T04:25:46Z", "data/audit"],
        ]
        .concat(),
    );
    let count = |text: &str| {
        serde_json::from_str::<Value>(text).unwrap()["n"]
            .as_u64()
            .unwrap()
    };
    assert!(
        count(&late) > 0 && count(&late) < count(&all),
        "{all} {late}"
    );
}

#[test]
fn answers_come_in_every_format() {
    let home = tempfile::tempdir().unwrap();
    let sql = "SELECT verb, COUNT(*) AS n FROM events WHERE is_request GROUP BY verb ORDER BY n DESC, verb LIMIT 3";
    let json = asked(sql, "data/audit");
    let csv = home.path().join("a.csv");
    let parquet = home.path().join("a.parquet");
    let (csv, parquet) = (csv.to_str().unwrap(), parquet.to_str().unwrap());
    printed(&["query", "--sql", sql, "data/audit", "--output", csv]);
    let lines: Vec<String> = fs::read_to_string(csv)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(lines[0], "verb,n");
    assert_eq!(
        lines[1],
        format!("{},{}", json[0]["verb"].as_str().unwrap(), json[0]["n"])
    );
    assert_eq!(lines.len(), 4);
    printed(&["query", "--sql", sql, "data/audit", "--output", parquet]);
    let bytes = fs::read(parquet).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    let table = printed(&["query", "--sql", sql, "data/audit"]);
    assert!(table.starts_with("VERB"), "{table}");
}

#[test]
fn what_is_hostile_stays_a_value() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("audit.log");
    let line = event("=cmd()\\u001b[2J'; DROP", "ResponseComplete", "get", 0);
    fs::write(&log, line).unwrap();
    let log = log.to_str().unwrap();
    let rows = asked("SELECT audit_id FROM events", log);
    assert_eq!(rows[0]["audit_id"], "=cmd()\u{1b}[2J'; DROP");
    let csv = printed(&[
        "query",
        "--sql",
        "SELECT audit_id FROM events",
        "--format",
        "csv",
        log,
    ]);
    assert_eq!(csv, "audit_id\r\n\"'=cmd()\\u{1b}[2J'; DROP\"\r\n");
    let table = printed(&["query", "--sql", "SELECT audit_id FROM events", log]);
    assert!(!table.contains('\u{1b}'));
}

#[test]
fn what_could_be_read_is_answered_all_the_same() {
    let output = satrail(&[
        "query",
        "--sql",
        "SELECT verb FROM events",
        "/nowhere/audit.log",
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/audit.log"));
}

/// data/README.md says how many events there are.
#[test]
fn rows_of_a_union_are_counted_over_logs() {
    let sql = "SELECT COUNT(*) AS n FROM (SELECT verb FROM events UNION ALL SELECT account FROM events) AS a";
    assert_eq!(asked(sql, "data/audit"), json!([{"n": 2 * 7571}]));
}

#[test]
fn lists_are_arrays_in_json() {
    let sql = "SELECT ARRAY_AGG(code) AS codes FROM (SELECT DISTINCT code FROM events WHERE verb = 'delete') AS a";
    let rows = asked(sql, "data/audit");
    let codes = rows[0]["codes"].as_array().unwrap();
    assert!(
        !codes.is_empty() && codes.iter().all(Value::is_u64),
        "{rows}"
    );
}
