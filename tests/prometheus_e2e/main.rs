//! What `satrail metrics` writes, in the hands of a real promtool and a real Prometheus on loopback
//! (Debian package `prometheus`; scripts/test installs it).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "helpers of tests, where a panic is a failure"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use satrail::metric::{Exposition, Format, Names, read_api, read_exposition};
use serde_json::Value;
use support::{Prometheus, escaped, promtool};

#[path = "../support/prometheus.rs"]
mod support;

mod alerts;
mod dashboard;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The whole recording, of which data/audit is one minute; not part of the repository.
fn recording() -> Option<PathBuf> {
    let path = Path::new(ROOT).join("../shared/data/real/audit");
    if !path.exists() {
        println!("not there, so not tried: ../shared/data/real/audit");
    }
    path.exists().then_some(path)
}

fn logs() -> Vec<PathBuf> {
    let sample = Path::new(ROOT).join("data/audit");
    [sample].into_iter().chain(recording()).collect()
}

fn metrics(arguments: &[&str], logs: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_satrail"))
        .arg("metrics")
        .args(arguments)
        .arg(logs)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What promtool says of an exposition: nothing, where all is well.
fn check(text: &str) -> String {
    let output = promtool(&["check", "metrics"], text.as_bytes());
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    if output.status.success() {
        told
    } else {
        format!("{}: {told}", output.status)
    }
}

#[test]
fn promtool_finds_no_fault() {
    for logs in logs() {
        for top in ["200", "3", "0"] {
            assert_eq!(check(&metrics(&["--top", top], &logs)), "", "{top}");
        }
    }
}

/// One audit event by `account` with a legacy token of `secret`, from `agent`.
fn hostile_line(account: &str, secret: &str, agent: &str) -> String {
    let user = format!("system:serviceaccount:shop:{account}");
    let time = "2026-11-22T04:25:05.000000Z";
    let event = serde_json::json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": agent,
        "stage": "ResponseComplete", "requestURI": "/api/v1/secrets", "verb": "list",
        "user": {"username": user, "groups": [agent]}, "sourceIPs": ["127.0.0.1"], "userAgent": agent,
        "objectRef": {"resource": "secrets", "namespace": agent, "apiVersion": "v1"},
        "responseStatus": {"code": 200}, "requestReceivedTimestamp": time, "stageTimestamp": time,
        "annotations": {"authentication.k8s.io/legacy-token-manual-secret": secret},
    });
    event.to_string() + "\n"
}

const HOSTILE: [&str; 8] = [
    "a\"} 1\nsatrail_bad_lines_total 7\n",
    "{{ $labels.x }}",
    "# EOF\n# TYPE x counter",
    "back\\slash\\n\\",
    "tab\t, comma, \u{202e}é\u{0}",
    "- yaml: [",
    "'; DROP",
    "\r\n",
];

#[test]
fn hostile_strings_stay_inside_their_quotes() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = String::new();
    for text in HOSTILE {
        log += &hostile_line("web", text, text);
        log += &hostile_line(text, "s", text);
    }
    let path = directory.path().join("audit.log");
    fs::write(&path, log).unwrap();
    let present = metrics(&[], &path);
    assert_eq!(check(&present), "", "{present}");
    let history = metrics(&["--openmetrics"], &path);
    for (text, format) in [(&present, Format::Text), (&history, Format::OpenMetrics)] {
        let read = read_exposition(text.as_bytes(), format, &|_| true, &mut Names::default());
        assert_eq!(read.bad.count, 0, "{text}");
        let named = |name: &str| secrets(&read).contains(name);
        assert!(HOSTILE.iter().all(|text| named(text)), "{text}");
    }
    backfill(&history, directory.path());
    let prometheus = Prometheus::start(directory.path(), "global: {}\n");
    let query = "satrail_legacy_token_requests_total";
    let found = ask(&prometheus, query, 1_795_321_506);
    assert_eq!(secrets(&found), HOSTILE.map(str::to_owned).into());
}

fn secrets(read: &Exposition) -> BTreeSet<String> {
    let samples = read.samples();
    let samples = samples.filter(|s| &*s.name == "satrail_legacy_token_requests_total");
    samples
        .map(|sample| sample.labels.get("secret").to_owned())
        .collect()
}

/// Makes blocks of `history` in `directory`/data.
fn backfill(history: &str, directory: &Path) {
    let (file, data) = (directory.join("satrail.om"), directory.join("data"));
    fs::write(&file, history).unwrap();
    let arguments = ["tsdb", "create-blocks-from", "openmetrics"].map(PathBuf::from);
    let output = promtool(&[&arguments[..], &[file, data]].concat(), b"");
    assert!(output.status.success(), "{output:?}");
}

/// The answer to an instant query at a past second, once there is one.
fn ask(prometheus: &Prometheus, query: &str, second: i64) -> Exposition {
    let path = format!("/api/v1/query?time={second}&query={}", escaped(query));
    prometheus.wait_for(&path, |body| {
        let read = read_api(body, &|_| true, &mut Names::default()).ok()?;
        (read.samples().count() > 0).then_some(read)
    })
}

/// The first number of an answer, which may be about no metric any more.
fn number(body: &[u8]) -> Option<f64> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer["data"]["result"][0]["value"][1]
        .as_str()?
        .parse()
        .ok()
}

/// `name{labels}` -> value, of all counters that are not zero.
fn counters(read: &Exposition) -> BTreeMap<String, f64> {
    let counters = read.samples().filter(|s| s.name.ends_with("_total"));
    counters
        .filter(|sample| sample.value > 0.0)
        .map(|sample| (format!("{}{}", sample.name, sample.labels), sample.value))
        .collect()
}

#[test]
fn a_prometheus_is_backfilled_from_archived_logs() {
    // The hot loop, requests a second: by jq in the last whole ten seconds of the sample, and in its one
    // minute by the recording's notes (343.4).
    let windows = [
        ("10s", 10, 1_795_321_566, 404.4..404.6),
        ("1m", 60, 1_795_321_612, 341.0..345.0),
    ];
    for (logs, (range, seconds, second, expected)) in logs().into_iter().zip(windows) {
        let directory = tempfile::tempdir().unwrap();
        let history = metrics(&["--openmetrics"], &logs);
        let read = |text: &str, format| {
            read_exposition(text.as_bytes(), format, &|_| true, &mut Names::default())
        };
        let times = read(&history, Format::OpenMetrics);
        let times = times.samples().filter_map(|sample| sample.timestamp);
        let end = times.max().unwrap().seconds();
        backfill(&history, directory.path());
        let prometheus = Prometheus::start(directory.path(), "global: {}\n");
        let then = ask(&prometheus, "{__name__=~\"satrail_.+\"}", end);
        let now = read(&metrics(&[], &logs), Format::Text);
        assert_eq!(counters(&then), counters(&now), "{}", logs.display());
        let of_loop = r#"{namespace="ops",serviceaccount="hot-loop"}"#;
        let metric = "satrail_serviceaccount_requests_total";
        let query = format!("increase({metric}{of_loop}[{range}]) / {seconds}");
        let path = format!("/api/v1/query?time={second}&query={}", escaped(&query));
        let rate = prometheus.wait_for(&path, number);
        assert!(expected.contains(&rate), "{rate}");
        if range == "1m" {
            counts_are_those_of_the_recording(&counters(&then));
        }
    }
}

/// The exact counts in the recording's own notes, by an independent script.
fn counts_are_those_of_the_recording(counters: &BTreeMap<String, f64>) {
    let lists = |account: &str, scope: &str, outcome: &str| {
        let (namespace, name) = account.split_once('/').unwrap();
        format!(
            r#"satrail_secret_list_requests_total{{namespace="{namespace}",outcome="{outcome}",scope="{scope}",serviceaccount="{name}"}}"#
        )
    };
    let of = |metric: &str, account: &str, more: &str| {
        let (namespace, name) = account.split_once('/').unwrap();
        format!(
            r#"satrail_{metric}_total{{namespace="{namespace}"{more},serviceaccount="{name}"}}"#
        )
    };
    let secret = |name: &str| format!(r#",secret="{name}""#);
    let legacy = "legacy_token_requests";
    let default = "default_serviceaccount_requests";
    for (series, count) in [
        ("satrail_audit_events_total".to_owned(), 26_537.0),
        ("satrail_audit_requests_total".to_owned(), 26_381.0),
        ("satrail_unauthenticated_requests_total".to_owned(), 125.0),
        (of(default, "shop/default", ""), 660.0),
        (of(default, "default/default", ""), 224.0),
        (of("stale_token_requests", "ops/backup", ""), 150.0),
        (of(legacy, "ci/deployer", &secret("deployer-token")), 540.0),
        (
            of(legacy, "ci/legacy-auto", &secret("legacy-auto-token-x7k2p")),
            60.0,
        ),
        (
            of(legacy, "ci/old-runner", &secret("old-runner-token")),
            10.0,
        ),
        (lists("monitoring/prometheus", "cluster", "allowed"), 22.0),
        (lists("shop/watcher", "namespace", "allowed"), 30.0),
        (lists("shop/web", "namespace", "denied"), 50.0),
        (lists("shop/web", "cluster", "denied"), 5.0),
        (lists("ops/intruder", "cluster", "allowed"), 5.0),
        (lists("ops/intruder", "cluster", "denied"), 2.0),
    ] {
        assert_eq!(counters.get(&series), Some(&count), "{series}");
    }
}
