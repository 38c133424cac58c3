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
        .contains("the column 'request_body' is not within reach")
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

/// A watch that opens in one part and closes in another, and one that never closes.
#[test]
fn parts_of_a_whole_have_its_requests_and_findings() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let watch = |id: &str, stage: &str| {
        format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{id}","stage":"{stage}","requestURI":"/api/v1/secrets?watch=true","verb":"watch","user":{{"username":"system:serviceaccount:shop:web"}},"sourceIPs":["10.0.0.1"],"objectRef":{{"resource":"secrets","apiVersion":"v1"}},"responseStatus":{{"code":200}},"requestReceivedTimestamp":"2026-01-02T03:04:05.000000Z","stageTimestamp":"2026-01-02T03:04:06.000000Z"}}"#
        ) + "\n"
    };
    let (a, b) = (path("a.log"), path("b.log"));
    let opened = watch("closed", "ResponseStarted") + &watch("open", "ResponseStarted");
    fs::write(&a, opened).unwrap();
    fs::write(&b, watch("closed", "ResponseComplete")).unwrap();
    let state = |name: &str, command: &str, of: &[&str]| {
        let state = path(name);
        let rest = ["--fail-on", "never", "--partial-state", &state];
        printed(&[&[command], &rest[..], of].concat());
        state
    };
    let states = [
        state("a.state", "scan", &[&a]),
        state("b.state", "scan", &[&b]),
    ];
    let all = state("all.state", "merge", &states.each_ref().map(String::as_str));
    let requests = |log: &str, name: &str, rest: &[&str]| {
        let lake = path(name);
        printed(&[&["export", log, "--output", &lake], rest].concat());
        let sql = "SELECT audit_id, stage FROM events WHERE is_request ORDER BY audit_id";
        asked(&["query", "--sql", sql, "--parquet", &lake])
    };
    let open = json!({"audit_id": "open", "stage": "ResponseStarted"});
    let early = json!({"audit_id": "closed", "stage": "ResponseStarted"});
    let closed = json!({"audit_id": "closed", "stage": "ResponseComplete"});
    // By itself, a part cannot know; as a part of the whole it does.
    assert_eq!(requests(&a, "alone", &[]), json!([early, open]));
    assert_eq!(
        requests(&a, "part-a", &["--with-state", &all]),
        json!([open])
    );
    assert_eq!(
        requests(&b, "part-b", &["--with-state", &all]),
        json!([closed])
    );
    // The findings of each part are the whole's.
    let findings = |lake: &str| {
        let sql = "SELECT * FROM findings ORDER BY fingerprint";
        asked(&["query", "--sql", sql, "--parquet", &path(lake)])
    };
    let both = requests(home.path().join("*.log").to_str().unwrap(), "whole", &[]);
    assert_eq!(both, json!([closed, open]));
    assert_eq!(findings("part-a"), findings("whole"));
    assert_ne!(findings("alone"), findings("whole"));
    // A state that has not seen the part, or not all of it, would leave requests out.
    let unseen = |log: &str, state: &str, out: &str| {
        refused(&["export", log, "--with-state", state, "--output", &path(out)])
    };
    assert!(unseen(&a, &states[1], "unseen").contains("has not seen"));
    fs::write(
        &b,
        watch("closed", "ResponseComplete") + &watch("late", "ResponseStarted"),
    )
    .unwrap();
    let said = unseen(&b, &all, "grown");
    assert!(said.contains("b.log as it is now"), "{said}");
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
