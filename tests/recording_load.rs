//! Load and the log itself, on a whole recorded log: the built program against counts made another way.
//!
//! The recording is not part of the repository: without it beside the repository these tests say so and pass.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "tests may, their helpers too"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

const DETECTORS: &str = "hot-loop,watch-churn,token-request-rate,time-gap,truncated-events,clock-skew,policy-blind-spot";
const END_OF_QUIET: &str = "2026-11-22T04:25:18.067Z";

fn recording() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/real/audit");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no recording at {}", folder.display());
    None
}

fn lines(folder: &Path) -> Vec<String> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    paths.sort();
    let mut lines = Vec::new();
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        let mut text = String::new();
        if path.extension().is_some_and(|e| e == "gz") {
            let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
            decoder.read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

/// The report of the built program.
fn report(path: &Path, more: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_satrail"))
        .args([
            "scan",
            "--format",
            "json",
            "--fail-on",
            "never",
            "--select",
            DETECTORS,
        ])
        .args(more)
        .arg(path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn found(report: &Value) -> BTreeMap<String, Value> {
    let findings = report["findings"].as_array().unwrap().iter();
    let name = |finding: &Value| {
        let part = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let subject = &finding["subject"];
        format!(
            "{} {}/{} {}",
            part(&finding["detector"]),
            part(&subject["namespace"]),
            part(&subject["name"]),
            part(&finding["severity"])
        )
    };
    findings
        .map(|finding| (name(finding), finding.clone()))
        .collect()
}

/// Seconds since midnight.
fn seconds(time: &str) -> f64 {
    let number = |from: usize, to: usize| time[from..to].parse::<f64>().unwrap();
    number(11, 13) * 3600.0 + number(14, 16) * 60.0 + number(17, 26)
}

/// Errors of accounts by account, verb, resource and code, with their arrivals.
fn errors(events: &[Value]) -> BTreeMap<(String, String, u64), Vec<f64>> {
    let mut errors = BTreeMap::<_, Vec<f64>>::new();
    for event in events {
        let user = event["user"]["username"].as_str().unwrap_or("");
        let Some(account) = user.strip_prefix("system:serviceaccount:") else {
            continue;
        };
        let code = event["responseStatus"]["code"].as_u64().unwrap_or(0);
        if code < 400 || event["stage"] != "ResponseComplete" {
            continue;
        }
        let object = &event["objectRef"];
        let part = |key: &str| object[key].as_str().unwrap_or("").to_owned();
        let kind = [
            event["verb"].as_str().unwrap().to_owned(),
            part("resource"),
            part("apiGroup"),
            part("subresource"),
        ];
        let time = seconds(event["requestReceivedTimestamp"].as_str().unwrap());
        errors
            .entry((account.to_owned(), kind.join(" "), code))
            .or_default()
            .push(time);
    }
    errors
}

#[test]
fn what_is_found_is_what_another_count_finds() {
    let Some(folder) = recording() else { return };
    let lines = lines(&folder);
    let events: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let report = report(&folder, &[]);
    let found = found(&report);
    println!("{:#?}", found.keys());

    // Loops on errors: at least 150 in any five minutes (the recording is shorter), in four different ones.
    let mut looping = BTreeMap::<String, usize>::new();
    for ((account, _, _), times) in errors(&events) {
        let minutes: BTreeSet<i64> = times.iter().map(|t| (t / 60.0) as i64).collect();
        if times.len() >= 150 && minutes.len() >= 4 {
            *looping.entry(account.replace(':', "/")).or_default() += times.len();
        }
    }
    let loops = found
        .iter()
        .filter(|(name, _)| name.starts_with("hot-loop"));
    let loops: BTreeMap<String, usize> = loops
        .map(|(name, finding)| {
            let account = name.split(' ').nth(1).unwrap();
            (
                account.to_owned(),
                usize::try_from(finding["count"].as_u64().unwrap()).unwrap(),
            )
        })
        .collect();
    assert_eq!(loops, looping);

    // One request with a user agent that was cut off (notes of the recording), no bodies that were cut out.
    let cut = &found["truncated-events -/audit log info"];
    let agents = events.iter().filter(|e| {
        e["userAgent"]
            .as_str()
            .is_some_and(|a| a.ends_with("...TRUNCATED"))
    });
    let agents: BTreeSet<&str> = agents.map(|e| e["auditID"].as_str().unwrap()).collect();
    assert_eq!((cut["count"].as_u64(), agents.len()), (Some(1), 1));
    assert_eq!(cut["attributes"]["cut"], json!({"user-agent": 1}));

    // Nothing is wrong with the clocks, the log has no holes, tokens are asked for as they should be.
    for detector in [
        "time-gap",
        "clock-skew",
        "token-request-rate",
        "watch-churn",
    ] {
        let any: Vec<&String> = found
            .keys()
            .filter(|name| name.starts_with(detector))
            .collect();
        assert!(any.is_empty(), "{any:?}");
    }
    assert_eq!(report["coverage"]["gaps"], json!([]));
}

#[test]
fn the_policy_is_seen_as_it_was_written() {
    let Some(folder) = recording() else { return };
    let lines = lines(&folder);
    let found = found(&report(&folder, &[]));
    let seen = &found["policy-blind-spot -/audit log low"]["attributes"];
    let spots: Vec<&str> = seen["blind_spots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["spot"].as_str().unwrap())
        .collect();
    // The policy logs TokenRequests with their answers, and pods without bodies (data/real/audit-policy.yaml).
    assert_eq!(spots, ["exposed", "workload-bodies"]);
    assert_eq!(seen["server_at_least"], "1.32");
    let mut counts = BTreeMap::<(&str, String), (u64, u64, u64)>::new();
    for line in &lines {
        let event: Value = serde_json::from_str(line).unwrap();
        let object = &event["objectRef"];
        let class = match (
            object["apiGroup"].as_str(),
            object["resource"].as_str(),
            object["subresource"].as_str(),
        ) {
            (None, Some("secrets"), _) => "secrets",
            (None, Some("serviceaccounts"), Some("token")) => "token-requests",
            (Some("rbac.authorization.k8s.io"), _, _) => "roles",
            _ => continue,
        };
        let writes = ["create", "update", "patch", "delete", "deletecollection"]
            .contains(&event["verb"].as_str().unwrap());
        if !writes || event["stage"] != "ResponseComplete" {
            continue;
        }
        let count = counts
            .entry((class, event["level"].as_str().unwrap().to_owned()))
            .or_default();
        count.0 += 1;
        count.1 += u64::from(!event["requestObject"].is_null());
        count.2 += u64::from(!event["responseObject"].is_null());
    }
    assert_eq!(counts.len(), 3, "{counts:?}");
    for ((class, level), (requests, with_request, with_response)) in counts {
        let expected = json!({level: requests, "request_bodies": with_request, "response_bodies": with_response});
        assert_eq!(seen["levels"][class]["writes"], expected, "{class}");
    }
}

#[test]
fn the_quiet_part_has_nothing_above_low() {
    let Some(folder) = recording() else { return };
    let found = found(&report(&folder, &["--until", END_OF_QUIET]));
    let loud: Vec<&String> = found
        .keys()
        .filter(|name| !name.ends_with(" low") && !name.ends_with(" info"))
        .collect();
    assert!(loud.is_empty(), "{loud:?}");
}

#[test]
fn lines_that_were_taken_out_leave_a_gap_with_exact_edges() {
    let Some(folder) = recording() else { return };
    let taken = "2026-11-22T04:25:52".."2026-11-22T04:27:05";
    let (mut before, mut after) = (String::new(), "9".to_owned());
    let mut kept = String::new();
    for line in lines(&folder) {
        let event: Value = serde_json::from_str(&line).unwrap();
        let time = event["stageTimestamp"].as_str().unwrap().to_owned();
        if taken.contains(&time.as_str()) {
            continue;
        }
        if time.as_str() < taken.start {
            before = before.max(time);
        } else {
            after = after.min(time);
        }
        kept.push_str(&line);
        kept.push('\n');
    }
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("audit.log");
    fs::write(&path, kept).unwrap();
    let report = report(&path, &[]);
    let found = found(&report);
    let gap = &found["time-gap -/audit log low"];
    let shown = &gap["attributes"]["gaps"][0];
    // The end is exact, the beginning to the second.
    assert_eq!(
        (&shown["to"], &shown["from"].as_str().unwrap()[..19]),
        (&json!(after), &before[..19])
    );
    assert_eq!(shown["restarted"], false);
    assert_eq!(gap["attributes"]["restart_visible"], true);
    assert_eq!(report["coverage"]["gaps"].as_array().unwrap().len(), 1);
    let edges: Vec<&str> = gap["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["time"].as_str().unwrap())
        .collect();
    assert_eq!(edges.len(), 2);
    assert_eq!((&edges[0][..19], edges[1]), (&before[..19], after.as_str()));
}
