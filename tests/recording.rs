//! The detectors on a whole recorded log, held against its notes and against counts made another way.
//!
//! The recording (26,537 events of a real control plane) is not part of the repository: without it beside
//! the repository these tests say so and pass.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests may, their helpers too"
)]

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use satrail::{
    detect::{Aspects, Context, Detectors, LogFacts, Settings},
    event::Parser,
    finding::{Attribute, Finding, Severity},
    source::{Origin, Places},
};
use serde_json::Value;

const END_OF_QUIET: &str = "2026-11-22T04:25:18.067";

type Counts = BTreeMap<String, u64>;

fn recording() -> Option<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/real/audit");
    let Ok(files) = fs::read_dir(&folder) else {
        println!("skipped: no recording at {}", folder.display());
        return None;
    };
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let mut lines = Vec::new();
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        let mut text = String::new();
        if path.extension().is_some_and(|e| e == "gz") {
            flate2::read::MultiGzDecoder::new(&bytes[..])
                .read_to_string(&mut text)
                .unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        lines.extend(text.lines().map(str::to_owned));
    }
    Some(lines)
}

/// One event for each request: all but those that opened a request which is completed elsewhere.
fn requests(lines: &[String]) -> Vec<(&str, Value)> {
    let parsed = lines
        .iter()
        .map(|line| (line.as_str(), serde_json::from_str(line).unwrap()));
    let events: Vec<(&str, Value)> = parsed.collect();
    let key = |event: &Value| {
        ["auditID", "requestReceivedTimestamp", "verb", "requestURI"].map(|k| event[k].to_string())
    };
    let complete = events
        .iter()
        .filter(|(_, e)| e["stage"] == "ResponseComplete");
    let complete: HashSet<_> = complete.map(|(_, e)| key(e)).collect();
    let opens = |event: &Value| {
        event["stage"] == "ResponseStarted" && event["user"]["username"].is_string()
    };
    let counts = |event: &Value| !opens(event) || !complete.contains(&key(event));
    events
        .into_iter()
        .filter(|(_, event)| counts(event))
        .collect()
}

fn findings(requests: &[(&str, Value)]) -> Vec<Finding> {
    let mut parser = Parser::default();
    let (mut detectors, mut log) = (Detectors::default(), LogFacts::default());
    for (at, (line, _)) in (0..).zip(requests) {
        let origin = Origin {
            source: 0,
            chunk: 0,
            line: at,
        };
        let event = parser.parse(line, origin).unwrap();
        log.observe(&event);
        let aspects = Aspects::of(&event);
        log.observe_request(aspects);
        detectors.observe(&event, aspects);
    }
    for (about, coverage) in detectors.coverage(&log) {
        // The recording's policy logs no bodies of workloads.
        let blind = about.id == "privileged-workload";
        assert_eq!(
            coverage.blind.is_some(),
            blind,
            "{}: {coverage:?}",
            about.id
        );
    }
    let (settings, places) = (Settings::default(), Places::default());
    let context = Context {
        settings: &settings,
        log: &log,
        places: &places,
    };
    let findings = detectors.finish(&context, |_| true);
    for f in &findings {
        println!(
            "| {} | {} | {} | {} | {}",
            f.detector, f.subject, f.severity, f.count, f.summary
        );
    }
    findings
}

fn by_subject(findings: &[Finding], detector: &str) -> Counts {
    let found = findings.iter().filter(|f| f.detector == detector);
    let name = |f: &Finding| match f.attributes.get("secret") {
        Some(Attribute::Text(secret)) => format!("{} {secret}", f.subject),
        _ => f.subject.to_string(),
    };
    found.map(|f| (name(f), f.count)).collect()
}

/// `namespace/name` of a service account's user name.
fn account(event: &Value) -> Option<String> {
    let name = event["user"]["username"]
        .as_str()?
        .strip_prefix("system:serviceaccount:")?;
    Some(name.replacen(':', "/", 1))
}

fn count(requests: &[(&str, Value)], key: impl Fn(&Value) -> Option<String>) -> Counts {
    let mut counts = Counts::new();
    for key in requests.iter().filter_map(|(_, event)| key(event)) {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

fn noted(counts: &[(&str, u64)]) -> Counts {
    counts
        .iter()
        .map(|&(name, n)| (name.to_owned(), n))
        .collect()
}

#[test]
fn counts_agree_with_the_notes_and_with_another_count() {
    let Some(lines) = recording() else { return };
    let requests = requests(&lines);
    assert_eq!((lines.len(), requests.len()), (26_537, 26_381));
    let findings = findings(&requests);

    let default = by_subject(&findings, "default-serviceaccount");
    assert_eq!(
        default,
        noted(&[("default/default", 224), ("shop/default", 660)])
    );
    assert_eq!(
        default,
        count(&requests, |e| account(e)
            .filter(|a| a.ends_with("/default")))
    );

    let listing = by_subject(&findings, "secret-listing");
    let noted_listing = noted(&[
        ("kube-system/namespace-controller", 1),
        ("kube-system/super", 1),
        ("monitoring/prometheus", 22),
        ("ops/intruder", 9),
        ("shop/watcher", 30),
        ("shop/web", 55),
    ]);
    assert_eq!(listing, noted_listing);
    let lists = |e: &Value| {
        let secrets =
            e["objectRef"]["resource"] == "secrets" && e["objectRef"]["subresource"].is_null();
        let verb = e["verb"] == "list" || e["verb"] == "watch";
        account(e).filter(|_| secrets && verb)
    };
    assert_eq!(listing, count(&requests, lists));

    let legacy = by_subject(&findings, "legacy-token");
    let noted_legacy = noted(&[
        ("ci/deployer deployer-token", 540),
        ("ci/legacy-auto legacy-auto-token-x7k2p", 60),
        ("ci/old-runner old-runner-token", 10),
    ]);
    assert_eq!(legacy, noted_legacy);
    let uses = |e: &Value| {
        let note = |kind| {
            e["annotations"][format!("authentication.k8s.io/legacy-token-{kind}-secret")].as_str()
        };
        let secret = note("manual").or_else(|| note("autogenerated"))?;
        Some(format!("{} {secret}", account(e)?))
    };
    assert_eq!(legacy, count(&requests, uses));
}

#[test]
fn the_hot_loop_is_the_only_runaway_controller() {
    let Some(lines) = recording() else { return };
    let requests = requests(&lines);
    let findings = findings(&requests);
    let runaway: Vec<&Finding> = findings
        .iter()
        .filter(|f| f.detector == "runaway-controller")
        .collect();
    let [found] = runaway[..] else {
        panic!("{runaway:#?}")
    };
    assert_eq!(found.subject.to_string(), "ops/hot-loop");
    assert_eq!(found.severity, Severity::Medium);
    let attributes = serde_json::to_value(&found.attributes).unwrap();
    assert_eq!(attributes["peaks"][1]["rate"], 342.9);
    assert_eq!(attributes["requests_total"], 20_604);
    assert_eq!(attributes["shape"], "reads one object over and over");
    assert_eq!(attributes["object"], "configmaps ops/loop-state");
    // The episode is the loop: all of its requests, but for the odd one at its ends.
    assert!((20_500..=20_604).contains(&found.count), "{}", found.count);
    let window = &attributes["peak_window"];
    let (from, to) = (
        window["from"].as_str().unwrap(),
        window["to"].as_str().unwrap(),
    );
    let inside = |e: &Value| (from..to).contains(&e["requestReceivedTimestamp"].as_str().unwrap());
    let loops = |e: &Value| account(e).is_some_and(|a| a == "ops/hot-loop") && inside(e);
    let kind = |e: &Value| format!("{} configmaps 200", e["verb"].as_str().unwrap());
    let top = count(&requests, |e| loops(e).then(|| kind(e)));
    assert_eq!(window["top"], serde_json::to_value(&top).unwrap());
}

#[test]
fn only_the_known_exception_is_high_in_the_quiet_part() {
    let Some(lines) = recording() else { return };
    let mut requests = requests(&lines);
    requests.retain(|(_, e)| e["requestReceivedTimestamp"].as_str().unwrap() < END_OF_QUIET);
    let findings = findings(&requests);
    let high = findings.iter().filter(|f| f.severity >= Severity::High);
    let high: Vec<String> = high
        .map(|f| format!("{} {}", f.detector, f.subject))
        .collect();
    assert_eq!(high, ["secret-listing monitoring/prometheus"]);
}
