//! `satrail scan --metrics`: the built program on recorded scrapes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests, where a panic is a failure"
)]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn satrail(arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_satrail"))
        .current_dir(ROOT)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    // It may leave without having read everything.
    std::thread::spawn(move || drop(pipe.write_all(&stdin)));
    child.wait_with_output().unwrap()
}

fn report(arguments: &[&str], stdin: &[u8]) -> Value {
    let output = satrail(&[arguments, &["--format", "json"]].concat(), stdin);
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {said}"))
}

fn finding<'r>(report: &'r Value, detector: &str) -> &'r Value {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|f| f["detector"] == detector);
    found.unwrap_or(&Value::Null)
}

/// The recording beside the repository, if it is there.
fn shared(what: &str) -> Option<String> {
    let path: PathBuf = Path::new(ROOT).join("../shared/data").join(what);
    if path.exists() {
        return Some(path.display().to_string());
    }
    println!("not there, so not tried: ../shared/data/{what}");
    None
}

/// What zcat and awk make of a counter: its last value less its first one, a missing one being zero.
fn by_awk(folder: &str, series: &str) -> u64 {
    let script = format!(
        "first=''; for f in {folder}/apiserver-*; do v=$(gzip -cdf \"$f\" | awk -v s='{series}' \
         'substr($0, 1, length(s) + 1) == s \" \" {{ print $NF }}'); v=${{v:-0}}; \
         [ -n \"$first\" ] || first=$v; done; echo $((v - first))"
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

/// The numbers of every finding and of the reconciliation, against those of awk.
fn check(folder: &str, report: &Value) {
    let count = |series: &str| json!(by_awk(folder, series));
    let legacy = finding(report, "legacy-token-metric");
    assert_eq!(legacy["count"], count("serviceaccount_legacy_tokens_total"));
    for (attribute, series) in [
        ("manual", "serviceaccount_legacy_manual_token_uses_total"),
        ("auto", "serviceaccount_legacy_auto_token_uses_total"),
        (
            "invalid_auto",
            "serviceaccount_invalid_legacy_auto_token_uses_total",
        ),
    ] {
        assert_eq!(legacy["attributes"][attribute], count(series), "{series}");
    }
    let stale = finding(report, "stale-token-metric");
    assert_eq!(stale["count"], count("serviceaccount_stale_tokens_total"));
    assert_eq!(
        stale["attributes"]["valid"],
        count("serviceaccount_valid_tokens_total")
    );
    let failures = finding(report, "authentication-failures-metric");
    assert_eq!(
        failures["count"],
        count("authentication_attempts{result=\"error\"}")
    );
    let schema = |name: &str| {
        count(&format!(
            "apiserver_flowcontrol_dispatched_requests_total{{flow_schema=\"{name}\",priority_level=\"workload-{}\"}}",
            if name == "service-accounts" {
                "low"
            } else {
                "high"
            }
        ))
    };
    let schemas = &finding(report, "serviceaccount-traffic-metric")["attributes"]["flow_schemas"];
    for name in ["service-accounts", "kube-system-service-accounts"] {
        assert_eq!(schemas[name], schema(name), "{name}");
    }
    for silent in [
        "audit-events-lost",
        "flow-control-rejection",
        "request-terminations",
    ] {
        assert_eq!(*finding(report, silent), Value::Null, "{silent}");
    }
    let of_metrics = report["findings"].as_array().unwrap().iter();
    let mut of_metrics = of_metrics.filter(|f| f["subject"]["kind"] == "ApiServer");
    assert!(
        of_metrics.all(|f| f["subject"]["name"] == "apiserver"),
        "kcm is no kube-apiserver"
    );
}

#[test]
fn the_sample_tells_what_awk_counts() {
    let report = report(&["scan", "data/audit", "--metrics", "data/metrics"], b"");
    check("data/metrics", &report);
    let metrics = &report["input"]["metrics"];
    assert_eq!(
        (&metrics["files"], &metrics["scrapes"]),
        (&json!(6), &json!(6))
    );
    assert_eq!(
        (&metrics["instances"], &metrics["bad_lines"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(metrics["first_scrape"], "2026-11-22T04:25:09.000000Z");
    let evidence = &finding(&report, "stale-token-metric")["evidence"];
    assert_eq!(
        *evidence,
        json!([
            {"time": "2026-11-22T04:25:39.000000Z", "audit_id": null, "line": null,
             "file": "data/metrics/apiserver-20261122T042539Z.prom"},
            {"time": "2026-11-22T04:25:54.000000Z", "audit_id": null, "line": null,
             "file": "data/metrics/apiserver-20261122T042554Z.prom"},
        ])
    );
    let [legacy, stale] = &report["reconciliation"]["kinds"].as_array().unwrap()[..] else {
        panic!("{report:#}");
    };
    assert_eq!(legacy["metric_uses"], json!({"at_least": 4, "at_most": 4}));
    assert_eq!(legacy["audit_requests"], 610);
    assert_eq!(legacy["accounts"][0]["name"], "deployer");
    assert_eq!(stale["metric_uses"]["at_least"], 1);
    assert_eq!(stale["accounts"][0]["name"], "backup");
    assert_eq!(stale["accounts"][0]["requests"], 150);
}

#[test]
fn the_recording_tells_what_awk_counts() {
    let (Some(audit), Some(metrics)) = (shared("real/audit"), shared("real/metrics")) else {
        return;
    };
    let found = report(&["scan", &audit, "--metrics", &metrics], b"");
    check(&metrics, &found);
    let legacy = &finding(&found, "legacy-token-metric")["attributes"];
    let numbers = ["manual", "auto", "invalid_auto", "accepted", "refused"].map(|n| &legacy[n]);
    assert_eq!(numbers, [3, 1, 10, 4, 40].map(|n| json!(n)).each_ref());
    assert_eq!(
        finding(&found, "stale-token-metric")["attributes"]["valid"],
        198
    );
    assert_eq!(
        finding(&found, "authentication-failures-metric")["count"],
        125
    );

    // Nothing in the quiet part is worth a finding at all.
    let quiet = report(
        &[
            "scan",
            "--until",
            "2026-11-22T04:25:10Z",
            "--metrics",
            &metrics,
        ],
        b"",
    );
    assert_eq!(quiet["input"]["metrics"]["scrapes"], 7);
    assert_eq!(quiet["findings"], json!([]), "{:#}", quiet["findings"]);
}

#[test]
fn single_scrapes_of_old_versions_are_taken_for_what_they_are() {
    let Some(folder) = shared("public/scrapes") else {
        return;
    };
    for (version, uses) in [("1.19", 192), ("1.20", 315)] {
        let file = format!("{folder}/kube-apiserver-{version}.prom.gz");
        let report = report(&["scan", "--metrics", &file], b"");
        let legacy = finding(&report, "legacy-token-metric");
        assert_eq!(legacy["count"], uses);
        assert_eq!(legacy["attributes"]["counted"], "since-start");
        assert_eq!(legacy["severity"], "medium");
        let rate = report["coverage"]["detectors"].as_array().unwrap().iter();
        let mut rate = rate.filter(|d| d["detector"] == "serviceaccount-traffic-metric");
        assert_ne!(rate.next().unwrap()["blind"], Value::Null);
    }
}

/// Events without an audit trail: the counters rise, the log is silent.
#[test]
fn uses_without_events_are_a_blind_spot() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("audit.log");
    let event = |second: u8| {
        json!({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
            "auditID": format!("{second}"), "stage": "ResponseComplete", "requestURI": "/api",
            "verb": "get", "user": {"username": "alice"}, "responseStatus": {"code": 200},
            "requestReceivedTimestamp": format!("2026-11-22T04:25:{second:02}.000000Z"),
            "stageTimestamp": format!("2026-11-22T04:25:{second:02}.000000Z")})
    };
    fs::write(&log, format!("{}\n{}\n", event(5), event(59))).unwrap();
    let report = report(
        &["scan", log.to_str().unwrap(), "--metrics", "data/metrics"],
        b"",
    );
    let legacy = &report["reconciliation"]["kinds"][0];
    assert_eq!(
        (&legacy["unexplained"], &legacy["audit_requests"]),
        (&json!(4), &json!(0))
    );
    let explanation = legacy["explanation"].as_str().unwrap();
    assert!(explanation.contains("blind spot") && explanation.contains("TokenReviews"));
}

#[test]
fn scrapes_come_in_every_form() {
    let text = fs::read(format!(
        "{ROOT}/data/metrics/apiserver-20261122T042554Z.prom"
    ))
    .unwrap();
    let flags = [
        "--scrape-time",
        "2026-01-02T03:04:05Z",
        "--instance",
        "10.0.0.1:6443",
    ];
    let piped = report(&[&["scan", "--metrics", "-"][..], &flags].concat(), &text);
    let legacy = finding(&piped, "legacy-token-metric");
    assert_eq!(legacy["subject"]["name"], "10.0.0.1:6443");
    assert_eq!(legacy["last_seen"], "2026-01-02T03:04:05.000000Z");
    assert_eq!(piped["reconciliation"], Value::Null);
    let home = tempfile::tempdir().unwrap();
    let packed = home.path().join("a-20260102T030405Z.prom.zst");
    fs::write(&packed, zstd::encode_all(&text[..], 1).unwrap()).unwrap();
    let glob = format!("{}/*.zst", home.path().display());
    let packed = report(&["scan", "--metrics", &glob], b"");
    assert_eq!(
        finding(&packed, "legacy-token-metric")["subject"]["name"],
        "a"
    );

    // An answer of query_range: samples with their own times and instances.
    let series = |name: &str, instance: &str, values: Value| json!({"metric": {"__name__": name, "instance": instance, "job": "apiserver"}, "values": values});
    let answer = json!({"status": "success", "data": {"resultType": "matrix", "result": [
        series("serviceaccount_stale_tokens_total", "a", json!([[1.0, "3"], [61.0, "5"], [121.0, "1"]])),
        series("serviceaccount_stale_tokens_total", "b", json!([[1.0, "3"], [61.0, "3"]])),
    ]}});
    let asked = report(&["scan", "--metrics", "-"], answer.to_string().as_bytes());
    let stale = finding(&asked, "stale-token-metric");
    assert_eq!(
        (&stale["subject"]["name"], &stale["count"]),
        (&json!("a"), &json!(3))
    );
    assert_eq!(asked["input"]["metrics"]["scrapes"], 5);
}

#[test]
fn what_cannot_be_read_is_said() {
    let check = |arguments: &[&str], stdin: &[u8], code: i32, says: &str| {
        let output = satrail(arguments, stdin);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    };
    let metrics = "serviceaccount_stale_tokens_total 1\n";
    let bad = format!("{metrics}serviceaccount_valid_tokens_total x\n");
    check(
        &["scan", "--metrics", "-"],
        metrics.as_bytes(),
        2,
        "give --scrape-time",
    );
    check(
        &["scan", "-", "--metrics", "-"],
        b"",
        2,
        "both the audit log and the metrics",
    );
    check(&["scan", "-", "--instance", "a"], b"", 2, "--metrics");
    check(
        &["scan", "--metrics", "no-such"],
        b"",
        2,
        "no-such: no such file",
    );
    check(
        &["scan", "--metrics", "data/audit/audit.log"],
        b"",
        2,
        "this is an audit log",
    );
    let timed = [
        "scan",
        "--metrics",
        "-",
        "--scrape-time",
        "2026-01-02T03:04:05Z",
    ];
    check(&timed, bad.as_bytes(), 0, "");
    check(
        &[&timed[..], &["--strict"]].concat(),
        bad.as_bytes(),
        2,
        "<stdin>:2: ",
    );
    check(
        &timed,
        b"{\"status\":\"error\",\"error\":\"bad query\"}",
        2,
        "bad query",
    );
}

#[test]
fn states_carry_metrics() {
    let home = tempfile::tempdir().unwrap();
    let state = |name: &str| home.path().join(name).display().to_string();
    let (one, two) = (state("one"), state("two"));
    let early = "data/metrics/*T04250*";
    satrail(&["scan", "--metrics", early, "--partial-state", &one], b"");
    let late = [
        "data/metrics/*T04252*",
        "data/metrics/*T04253*",
        "data/metrics/*T0425[45]*",
        "data/metrics/*T0426*",
    ];
    let arguments = [
        &["scan", "data/audit", "--partial-state", &two, "--metrics"][..],
        &late,
    ]
    .concat();
    satrail(&arguments, b"");
    let whole = report(&["scan", "data/audit", "--metrics", "data/metrics"], b"");
    assert_eq!(report(&["merge", &one, &two], b""), whole);
    assert_eq!(report(&["merge", &two, &one], b""), whole);
}
