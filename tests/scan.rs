//! The built program on real events: the sample of the repository, whole, damaged and cut in pieces.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use serde_json::Value;
use tempfile::TempDir;

const SAMPLE: &str = "data/audit";
const ONE: &str = "data/audit/audit-2026-11-22T04-25-44.000.log.gz";
const TWO: &str = "data/audit/audit-2026-11-22T04-26-06.000.log.gz";
const LIVE: &str = "data/audit/audit.log";

fn satrail(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_satrail"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .env_remove("CLICOLOR_FORCE");
    command
}

fn fed(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = satrail(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs with `code` as the exit code expected; standard output and standard error.
#[track_caller]
fn run(arguments: &[&str], code: i32) -> (String, String) {
    let output = satrail(arguments).output().unwrap();
    let (out, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    (out, said)
}

/// `run` with JSON as the format.
#[track_caller]
fn json(arguments: &[&str], code: i32) -> Value {
    let (out, _) = run(&[arguments, &["--format", "json"]].concat(), code);
    serde_json::from_str(&out).unwrap()
}

/// The findings as `detector namespace/name severity count`.
fn findings(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            let subject = &finding["subject"];
            let word = |value: &Value| value.as_str().unwrap().to_owned();
            let [detector, severity] = ["detector", "severity"].map(|key| word(&finding[key]));
            // Users and the log itself have none.
            let namespace = subject["namespace"].as_str().unwrap_or("-");
            let name = word(&subject["name"]);
            format!(
                "{detector} {namespace}/{name} {severity} {}",
                finding["count"]
            )
        })
        .collect()
}

/// The first lines of the sample, as text.
fn some_lines(count: usize) -> Vec<String> {
    let file = fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(ONE)).unwrap();
    let mut all = String::new();
    MultiGzDecoder::new(file).read_to_string(&mut all).unwrap();
    all.lines().take(count).map(str::to_owned).collect()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

/// A directory with one file, `audit.log`.
fn log(content: impl AsRef<[u8]>) -> (TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("audit.log");
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (home, path)
}

fn config(toml: &str) -> (TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("satrail.toml");
    fs::write(&path, toml).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (home, path)
}

#[test]
fn the_report_is_what_its_schema_and_the_issue_say() {
    let report = json(&["scan", SAMPLE], 1);
    let schema = include_str!("../schema/report.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let errors: Vec<String> = schema.iter_errors(&report).map(|e| e.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let has = |value: &Value, names: &[&str]| {
        for name in names {
            assert!(value.get(name).is_some(), "{name} is missing in {value}");
        }
    };
    has(
        &report,
        &["schema_version", "input", "coverage", "findings"],
    );
    has(
        &report["input"],
        &[
            "files",
            "bytes",
            "lines",
            "events",
            "requests",
            "bad_lines",
            "first_event",
            "last_event",
        ],
    );
    for finding in report["findings"].as_array().unwrap() {
        has(
            finding,
            &[
                "detector",
                "severity",
                "subject",
                "count",
                "first_seen",
                "last_seen",
                "fingerprint",
                "attributes",
                "evidence",
                "remediation",
            ],
        );
        has(&finding["subject"], &["kind", "namespace", "name"]);
        for evidence in finding["evidence"].as_array().unwrap() {
            has(evidence, &["audit_id", "time", "file", "line"]);
        }
    }
    assert_eq!(report["input"]["requests"], 7558);
    assert!(findings(&report).contains(&"secret-listing ops/intruder high 9".to_owned()));
}

#[test]
fn evidence_can_be_looked_up() {
    let report = json(&["scan", LIVE], 0);
    let log = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(LIVE)).unwrap();
    let mut looked_up = 0;
    for finding in report["findings"].as_array().unwrap() {
        for evidence in finding["evidence"].as_array().unwrap() {
            let line = usize::try_from(evidence["line"].as_u64().unwrap()).unwrap();
            let event: Value = serde_json::from_str(log.lines().nth(line - 1).unwrap()).unwrap();
            assert_eq!(event["auditID"], evidence["audit_id"]);
            looked_up += 1;
        }
    }
    assert!(looked_up > 0);
}

#[test]
fn json_lines_hold_what_the_document_holds() {
    let document = json(&["scan", SAMPLE], 1);
    let (lines, _) = run(&["scan", SAMPLE, "--format", "jsonl"], 1);
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["type"], "input");
    assert_eq!(lines[0]["input"], document["input"]);
    let mut found = Vec::new();
    for mut line in lines {
        if line["type"] == "finding" {
            line.as_object_mut().unwrap().remove("type");
            found.push(line);
        }
    }
    assert_eq!(Value::Array(found), document["findings"]);
}

/// Detectors whose findings in the sample are known, whichever come after them.
const FOUR: &str = "default-serviceaccount,secret-listing,legacy-token,runaway-controller";

#[test]
fn what_is_reported_decides_the_exit_code() {
    for (arguments, code, reported) in [
        (&["--select", "legacy-token"][..], 0, 3),
        (&["--select", "legacy-token", "--fail-on", "medium"], 1, 3),
        (&["--select", FOUR, "--ignore", "secret-listing"], 0, 6),
        (&["--select", FOUR, "--min-severity", "high"], 1, 3),
        (&["--select", FOUR, "--min-severity", "critical"], 0, 0),
        (&["--select", FOUR, "--fail-on", "critical"], 0, 11),
        (&["--select", FOUR, "--fail-on", "never"], 0, 11),
        (
            &["--fail-on", "info", "--select", "runaway-controller"],
            1,
            1,
        ),
    ] {
        let report = json(&[&["scan", SAMPLE], arguments].concat(), code);
        assert_eq!(findings(&report).len(), reported, "{arguments:?}");
    }
    let ignore = [
        "scan",
        SAMPLE,
        "--ignore",
        "secret-listing",
        "--fail-on",
        "never",
    ];
    let report = json(&ignore, 0);
    let detectors = report["coverage"]["detectors"].as_array().unwrap();
    let ran = detectors.iter().filter(|d| d["selected"] == true).count();
    assert_eq!(ran, detectors.len() - 1);
}

/// Counts the events of a window again, from the text.
#[test]
fn a_window_is_a_part_of_time() {
    let (from, to) = ("2026-11-22T04:25:30Z", "2026-11-22T04:26:00Z");
    let mut inside = 0;
    for path in [ONE, TWO, LIVE] {
        let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        let mut text = String::new();
        if path == LIVE {
            text = String::from_utf8(bytes).unwrap();
        } else {
            MultiGzDecoder::new(&bytes[..])
                .read_to_string(&mut text)
                .unwrap();
        }
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            let time = event["requestReceivedTimestamp"].as_str().unwrap();
            inside += u64::from(time >= "2026-11-22T04:25:30.000000Z")
                * u64::from(time < "2026-11-22T04:26:00.000000Z");
        }
    }
    let at = json(
        &[
            "scan",
            SAMPLE,
            "--since",
            from,
            "--until",
            to,
            "--fail-on",
            "never",
        ],
        0,
    );
    assert_eq!(at["input"]["events"], inside);
    assert_eq!(at["coverage"]["outside_window"], 7571 - inside);
    // The newest event is of 04:26:06.194912.
    let span = json(&["scan", SAMPLE, "--since", "10s", "--fail-on", "never"], 0);
    let same = [
        "scan",
        SAMPLE,
        "--since",
        "2026-11-22T04:25:56.194912Z",
        "--fail-on",
        "never",
    ];
    assert_eq!(span, json(&same, 0));
    assert!(span["input"]["first_event"].as_str().unwrap() >= "2026-11-22T04:25:56.194912Z");
    let output = fed(&["scan", "--since", "1h"], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("give --since and --until as times"));
}

#[test]
fn a_pipe_is_read_plain_and_compressed() {
    let lines = some_lines(500).join("\n") + "\n";
    let (_home, path) = log(&lines);
    let named = json(&["scan", &path, "--fail-on", "never"], 0);
    for input in [lines.as_bytes(), &gzip(lines.as_bytes())] {
        let output = fed(&["scan", "--format", "json", "--fail-on", "never"], input);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let piped: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(findings(&piped), findings(&named));
        assert_eq!(piped["input"]["requests"], named["input"]["requests"]);
    }
    let file = fs::File::open(&path).unwrap();
    let output = satrail(&["scan", "-", "--format", "jsonl"])
        .stdin(file)
        .output()
        .unwrap();
    assert!(text(&output.stdout).starts_with("{\"type\":\"input\""));
}

#[test]
fn states_of_shards_make_the_report_of_one_scan() {
    let home = tempfile::tempdir().unwrap();
    let state = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (a, b, c, ab) = (state("a"), state("b"), state("c"), state("ab"));
    for (state, path) in [(&a, ONE), (&b, TWO), (&c, LIVE)] {
        run(
            &["scan", "--partial-state", state, "--fail-on", "never", path],
            0,
        );
    }
    let (whole, _) = run(&["scan", SAMPLE, "--format", "json"], 1);
    let (merged, _) = run(&["merge", &c, &a, &b, "--format", "json"], 1);
    assert_eq!(whole, merged);
    run(
        &[
            "merge",
            &b,
            &a,
            "--partial-state",
            &ab,
            "--fail-on",
            "never",
        ],
        0,
    );
    let (merged, _) = run(&["merge", &ab, &c, "--format", "json"], 1);
    assert_eq!(whole, merged);
    // What is not asked for in the scans can be asked for in the end.
    let few = json(&["merge", &a, &b, &c, "--select", "legacy-token"], 0);
    assert_eq!(findings(&few).len(), 3);

    let (_, said) = run(&["scan", LIVE, "--dedup", "--partial-state", &a], 2);
    assert!(
        said.contains("--dedup and --partial-state do not go together"),
        "{said}"
    );
    let (_, said) = run(&["merge", LIVE], 2);
    assert!(said.contains("satrail scan --partial-state FILE"), "{said}");
}

/// What a state begins with changes with its layout: one of another version is named as such and never read as ours.
#[test]
fn states_of_another_version_or_damaged_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let path = state.to_str().unwrap();
    run(
        &["scan", "--partial-state", path, "--fail-on", "never", ONE],
        0,
    );
    let good = fs::read(&state).unwrap();
    let first = format!("satrail state {}\n", satrail::pipeline::State::VERSION);
    assert!(good.starts_with(first.as_bytes()));
    let mut other = good.clone();
    other["satrail state ".len()] ^= 1;
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let cut = good[..good.len() / 2].to_vec();
    for (bytes, why) in [
        (other, "another version of satrail wrote it: scan again"),
        (damaged, "it is damaged"),
        (cut, "it is damaged"),
        (good[..10].to_vec(), "it is none"),
    ] {
        fs::write(&state, bytes).unwrap();
        let (_, said) = run(&["merge", path], 2);
        assert!(said.contains(why) && said.contains(path), "{said}");
    }
}

#[test]
fn lines_delivered_twice_are_told_and_removed() {
    let lines = some_lines(400).join("\n") + "\n";
    let (_home, path) = log(lines.repeat(2));
    let twice = json(&["scan", &path], 1);
    assert_eq!(twice["input"]["events"], 800);
    assert_eq!(twice["coverage"]["duplicates"]["percent"], 50.0);
    let once = json(&["scan", &path, "--dedup"], 1);
    assert_eq!(once["input"]["events"], 400);
    assert_eq!(once["coverage"]["duplicates"]["removed"], 400);
    let (_home, path) = log(lines);
    let reference = findings(&json(&["scan", &path], 1));
    assert_eq!(findings(&once), reference);
}

/// What rows are compared by, as text.
type Key = fn(&Value) -> String;

#[test]
fn accounts_are_sorted_by_any_key() {
    let rows = |arguments: &[&str]| {
        let document = json(&[&["accounts", SAMPLE], arguments].concat(), 0);
        document["accounts"].as_array().unwrap().clone()
    };
    let all = rows(&[]).len();
    assert_eq!(all, 18);
    let keys: [(&str, bool, Key); 7] = [
        ("requests", true, |r| {
            format!("{:>9}", r["requests"].as_u64().unwrap())
        }),
        ("peak", true, |r| {
            format!("{:>9.1}", r["peak_rate"].as_f64().unwrap())
        }),
        ("denied", true, |r| {
            format!("{:>9}", r["denied"].as_u64().unwrap())
        }),
        ("secrets", true, |r| {
            format!("{:>9}", r["secrets"]["distinct"].as_u64().unwrap())
        }),
        ("first", false, |r| {
            r["first_seen"].as_str().unwrap().to_owned()
        }),
        ("last", true, |r| {
            r["last_seen"].as_str().unwrap().to_owned()
        }),
        ("name", false, |r| {
            format!("{} {}", r["namespace"], r["name"])
        }),
    ];
    for (key, falling, of) in keys {
        let sorted: Vec<String> = rows(&["--sort", key]).iter().map(of).collect();
        assert_eq!(sorted.len(), all);
        let in_order = |pair: &[String]| {
            if falling {
                pair[0] >= pair[1]
            } else {
                pair[0] <= pair[1]
            }
        };
        assert!(sorted.windows(2).all(in_order), "{key}: {sorted:?}");
        let reversed: Vec<String> = rows(&["--sort", key, "--reverse"]).iter().map(of).collect();
        assert_eq!(
            reversed,
            sorted.iter().rev().cloned().collect::<Vec<_>>(),
            "{key}"
        );
    }
    assert_eq!(rows(&["--limit", "2"]).len(), 2);
    let (table, _) = run(&["accounts", SAMPLE, "--limit", "1"], 0);
    assert!(table.contains("ops/hot-loop"), "{table}");
}

#[test]
fn an_output_file_appears_whole_or_not_at_all() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("report.json");
    let name = path.to_str().unwrap();
    fs::write(&path, "the last one").unwrap();
    // Fails before anything is written: the old report stays.
    run(&["scan", SAMPLE, "-o", name, "--config", "no-such.toml"], 2);
    assert_eq!(fs::read_to_string(&path).unwrap(), "the last one");
    run(&["scan", SAMPLE, "-o", name], 1);
    let report: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(report, json(&["scan", SAMPLE], 1));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn a_threshold_changes_what_is_found() {
    let runaway = ["scan", SAMPLE, "--select", "runaway-controller"];
    let with = |toml: &str| {
        let (_home, path) = config(toml);
        findings(&json(&[&runaway[..], &["--config", &path]].concat(), 0))
    };
    assert_eq!(
        findings(&json(&runaway, 0)),
        ["runaway-controller ops/hot-loop low 5445"]
    );
    let table = "[thresholds.runaway-controller]\n";
    assert_eq!(
        with(&format!("{table}requests-per-second = 1000")),
        Vec::<String>::new()
    );
    let stricter = with(&format!("{table}requests-per-second = 60"));
    assert_eq!(stricter, ["runaway-controller ops/hot-loop medium 5445"]);
}

#[test]
fn an_allow_entry_lowers_a_severity() {
    let entry = |agent: &str| {
        config(&format!(
            "[[allow]]\ndetector = \"secret-listing\"\naccount = \"monitoring/prometheus\"\n\
             user-agents = [\"{agent}\"]\nreason = \"service discovery\"\n"
        ))
    };
    let line = |agent: &str| {
        let (_home, path) = entry(agent);
        let report = json(
            &["scan", SAMPLE, "--config", &path, "--fail-on", "never"],
            0,
        );
        let mut found = findings(&report);
        found.retain(|line| line.contains("monitoring/prometheus"));
        found
    };
    assert_eq!(line("*"), ["secret-listing monitoring/prometheus info 6"]);
    assert_eq!(
        line("somebody-else/*"),
        ["secret-listing monitoring/prometheus high 6"]
    );
}

#[test]
fn an_exception_is_applied_expired_or_unused() {
    let exception = |account: &str, expires: &str| {
        format!(
            "[[exceptions]]\ndetector = \"legacy-token\"\naccount = \"{account}\"\n\
             reason = \"known\"\nexpires = {expires}\n"
        )
    };
    let (_home, path) = config(
        &[
            exception("ci/deployer", "2999-12-31"),
            exception("ci/legacy-*", "2001-01-01"),
            exception("nobody/*", "2999-12-31"),
        ]
        .concat(),
    );
    let report = json(
        &[
            "scan",
            SAMPLE,
            "--select",
            "legacy-token",
            "--config",
            &path,
        ],
        0,
    );
    assert_eq!(
        findings(&report),
        [
            "legacy-token ci/legacy-auto medium 60",
            "legacy-token ci/old-runner medium 10"
        ]
    );
    let accounts = |what: &str| {
        let uses = report["exceptions"][what].as_array().unwrap().iter();
        uses.map(|each| format!("{} {}", each["account"].as_str().unwrap(), each["findings"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(accounts("applied"), ["ci/deployer 1"]);
    assert_eq!(accounts("expired"), ["ci/legacy-* 1"]);
    assert_eq!(accounts("unused"), ["nobody/* 0"]);
    let (table, _) = run(&["scan", SAMPLE, "--config", &path], 1);
    assert!(
        table.contains("Exceptions\n  applied     legacy-token ci/deployer"),
        "{table}"
    );
}

#[test]
fn one_finding_is_excepted_by_its_fingerprint() {
    let scan = |config: &[&str]| {
        let mut args = vec!["scan", SAMPLE, "--select", "legacy-token"];
        args.extend(config);
        json(&args, 0)
    };
    let all = scan(&[]);
    let first = all["findings"][0].clone();
    let fingerprint = first["fingerprint"].as_str().unwrap();
    let (_home, path) = config(&format!(
        "[[exceptions]]\nfingerprint = \"{fingerprint}\"\nowner = \"team-ci\"\n\
         reason = \"known\"\nexpires = 2999-12-31\n"
    ));
    let rest = scan(&["--config", &path]);
    assert_eq!(findings(&rest), findings(&all)[1..]);
    let applied = &rest["exceptions"]["applied"][0];
    assert_eq!(applied["fingerprint"], first["fingerprint"]);
    assert_eq!(applied["owner"], "team-ci");
    let subject = &first["subject"];
    let account = [&subject["namespace"], &subject["name"]].map(|part| part.as_str().unwrap());
    assert_eq!(applied["account"], account.join("/"));
}

#[test]
fn a_long_line_is_skipped_and_named() {
    let mut lines = some_lines(10);
    lines[4] = lines[4].replace(
        "\"verb\":",
        &format!("\"extra\":\"{}\",\"verb\":", "x".repeat(9000)),
    );
    let (_home, path) = log(lines.join("\n"));
    let report = json(&["scan", &path, "--max-line-bytes", "8KiB"], 0);
    assert_eq!(report["input"]["events"], 9);
    assert_eq!(report["input"]["lines"], 10);
    let bad = &report["coverage"]["bad_lines"][0];
    assert_eq!(bad["line"], 5);
    assert!(
        bad["why"]
            .as_str()
            .unwrap()
            .contains("more than the limit of 8192"),
        "{bad}"
    );
    assert_eq!(json(&["scan", &path], 0)["input"]["events"], 10);
}

/// What a damaged log comes to: events, bad lines as `line: why`, NUL bytes.
#[track_caller]
fn check_damaged(content: &[u8], events: u64, bad: &[&str], nul_bytes: u64) {
    for stored in [content.to_vec(), gzip(content)] {
        let (_home, path) = log(stored);
        let report = json(&["scan", &path], 0);
        assert_eq!(report["input"]["events"], events);
        let shown = report["coverage"]["bad_lines"].as_array().unwrap();
        assert_eq!(shown.len(), bad.len(), "{shown:?}");
        for (shown, expected) in shown.iter().zip(bad) {
            let shown = format!("{}: {}", shown["line"], shown["why"].as_str().unwrap());
            assert!(shown.starts_with(expected), "{shown}");
        }
        assert_eq!(report["input"]["bad_lines"], bad.len());
        assert_eq!(report["coverage"]["nul_bytes"], nul_bytes);
        // The table says where, and --strict is what makes it an error.
        let (table, _) = run(&["scan", &path], 0);
        let (_, said) = run(
            &["scan", &path, "--strict"],
            if bad.is_empty() { 0 } else { 2 },
        );
        for line in bad {
            assert!(table.contains(&format!("{path}:{line}")), "{table}");
            assert!(said.contains(&format!("{path}:{line}")), "{said}");
        }
    }
}

#[test]
fn blank_lines_line_ends_and_marks_are_no_damage() {
    let lines = some_lines(6);
    let blank = lines.join("\n\n  \n\t\n");
    check_damaged(blank.as_bytes(), 6, &[], 0);
    check_damaged(lines.join("\r\n").as_bytes(), 6, &[], 0);
    check_damaged(
        format!("\u{feff}{}\n", lines.join("\n")).as_bytes(),
        6,
        &[],
        0,
    );
}

#[test]
fn nul_runs_are_skipped_and_counted() {
    let lines = some_lines(4);
    let nuls = "\0".repeat(5000);
    let content = format!("{}\n{nuls}{}\n{nuls}\n{}\n", lines[0], lines[1], lines[2]);
    check_damaged(content.as_bytes(), 3, &[], 10_000);
}

#[test]
fn glued_lines_are_taken_apart() {
    let lines = some_lines(4);
    let half = &lines[1][..300];
    let content = format!("{}\n{half}{}\n{}\n", lines[0], lines[2], lines[3]);
    check_damaged(content.as_bytes(), 3, &["2: not JSON"], 0);
    check_damaged(lines.concat().as_bytes(), 4, &[], 0);
    check_damaged(
        format!("{}\n{half}", lines[0]).as_bytes(),
        1,
        &["2: cut short after 300 bytes"],
        0,
    );
}

#[test]
fn damaged_text_costs_no_other_event() {
    let lines = some_lines(4);
    let mut content = format!("{}\n", lines[0]).into_bytes();
    content.extend(b"\xff\xfe{\"kind\n");
    content.extend(b"half a \xf0 line");
    content.extend(format!("{}\n", lines[1]).into_bytes());
    content.extend(b"null\n[1]\nhello\n{}\n");
    content.extend(lines[2].as_bytes());
    let bad = [
        "2: invalid UTF-8 at byte 1",
        "3: invalid UTF-8 at byte 8",
        "4: line: expected an object, found null",
        "5: line: expected an object, found an array",
        "6: not JSON",
        "7: not an audit event",
    ];
    check_damaged(&content, 3, &bad, 0);
}

#[test]
fn forms_are_named_for_each_file() {
    let list = format!(
        "{{\"kind\":\"EventList\",\"items\":[{}]}}\n",
        some_lines(1)[0]
    );
    let (_home, path) = log(list);
    let (table, _) = run(&["scan", "--verbose", &path], 0);
    assert!(table.contains("Forms     event-list 1 event"), "{table}");
    assert!(table.contains(": event-list 1 event"), "{table}");
    let (table, _) = run(&["scan", "--format-in", "plain", &path], 0);
    assert!(table.contains("an EventList: unwrap it first"), "{table}");
}

/// Files side by side in a directory that is scanned.
#[track_caller]
fn check_directory(files: &[(&str, &[u8])], arguments: &[&str], code: i32) -> (Value, String) {
    let home = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(home.path().join(name), content).unwrap();
    }
    let path = home.path().to_str().unwrap();
    let output = satrail(&[&["scan", path, "--format", "json"], arguments].concat())
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

fn whys(report: &Value) -> String {
    let troubles = report["coverage"]["troubles"].as_array().unwrap().iter();
    troubles
        .map(|t| t["why"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn what_was_readable_of_a_cut_archive_counts() {
    let lines = some_lines(300).join("\n");
    let whole = gzip(lines.as_bytes());
    let cut = &whole[..whole.len() / 2];
    let files: [(&str, &[u8]); 2] = [("a.log.gz", cut), ("b.log", b"")];
    let (report, said) = check_directory(&files, &["--fail-on", "never"], 0);
    let events = report["input"]["events"].as_u64().unwrap();
    assert!((50..300).contains(&events), "{events}");
    assert!(
        whys(&report).contains("cut short after"),
        "{}",
        whys(&report)
    );
    assert_eq!(said, "");
    let (_, said) = check_directory(&files, &["--strict"], 2);
    assert!(said.contains("cut short after"), "{said}");
    // Nothing was readable: an error without --strict as well.
    check_directory(&[("a.log.gz", &whole[..10])], &[], 2);
}

#[test]
fn what_cannot_be_read_is_an_error_and_the_rest_is_reported() {
    let lines = some_lines(20).join("\n");
    for (name, content, why) in [
        ("x.xz", &b"\xfd7zXZ\0\0"[..], "pipe in `xz -dc`"),
        ("x.bz2", b"BZh91AY&SY", "bzip2"),
        ("x.lz4", b"\x04\x22\x4d\x18", "lz4"),
        ("x.zip", b"PK\x03\x04", "zip"),
        ("x.log", b"\xff\xfe{\0}\0", "UTF-16"),
        (
            "x.gz.gz",
            &gzip(&gzip(lines.as_bytes())),
            "compressed twice",
        ),
    ] {
        let files = [("a.log", lines.as_bytes()), (name, content)];
        let (report, said) = check_directory(&files, &[], 2);
        assert_eq!(report["input"]["events"], 20);
        assert!(said.contains(why), "{said}");
        assert!(whys(&report).contains(why));
    }
    let (out, said) = run(&["scan", "no-such-file", LIVE], 2);
    assert!(said.contains("no-such-file: no such file"), "{said}");
    assert!(out.contains("unreadable  no-such-file"), "{out}");

    let (_, said) = run(&["scan", "data/no-such-*.log", LIVE], 2);
    assert!(said.contains("the glob matches nothing"), "{said}");
}

#[test]
fn what_is_left_out_is_noted_and_no_error() {
    let lines = some_lines(20).join("\n");
    let packed = gzip(lines.as_bytes());
    let mut padded = packed.clone();
    padded.extend([0; 512]);
    let mut mixed = gzip(&lines.as_bytes()[..1000]);
    mixed.extend(zstd::encode_all(&lines.as_bytes()[1000..2000], 1).unwrap());
    mixed.extend(&lines.as_bytes()[2000..]);
    for (files, events, why) in [
        (
            &[("a.log", lines.as_bytes()), (".b.log", b"x")][..],
            20,
            "1 hidden entry",
        ),
        (
            &[("a.log", lines.as_bytes()), ("a.log.gz", &packed)],
            20,
            "left out",
        ),
        (&[("a.log.gz", &padded)], 20, "512 NUL bytes of padding"),
        (&[("a.log", &mixed)], 20, "is text, and read"),
    ] {
        let (report, _) = check_directory(files, &["--strict"], 0);
        assert_eq!(report["input"]["events"], events, "{why}");
        assert!(whys(&report).contains(why), "{}", whys(&report));
    }
    let (report, _) = check_directory(&[("a.log", &gzip(b"")), ("b.log", b"")], &["--strict"], 0);
    assert_eq!(whys(&report), "");
}

#[cfg(unix)]
#[test]
fn directories_with_odd_entries_are_read_all_the_same() {
    use std::os::unix::fs::symlink;
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let lines = some_lines(20).join("\n");
    fs::write(path("audit.log"), &lines).unwrap();
    fs::hard_link(path("audit.log"), path("hard")).unwrap();
    symlink("audit.log", path("soft")).unwrap();
    symlink(home.path(), path("loop")).unwrap();
    let made = Command::new("mkfifo").arg(path("fifo")).status().unwrap();
    assert!(made.success());
    let root = home.path().to_str().unwrap();
    let report = json(&["scan", root, "--strict"], 0);
    assert_eq!(report["input"]["events"], 20);
    assert_eq!(report["input"]["files"], 1);
    assert!(
        whys(&report).contains("neither a file nor a directory"),
        "{}",
        whys(&report)
    );
    assert!(whys(&report).contains("symlink loop"), "{}", whys(&report));

    let writer = std::thread::spawn({
        let (fifo, lines) = (path("fifo"), lines.clone());
        move || fs::write(fifo, lines)
    });
    let named = json(&["scan", path("fifo").to_str().unwrap()], 0);
    writer.join().unwrap().unwrap();
    assert_eq!(named["input"]["events"], 20);

    symlink("nowhere", path("dangling")).unwrap();
    let (_, said) = run(&["scan", root], 2);
    assert!(said.contains("the symlink leads nowhere"), "{said}");
    let empty = tempfile::tempdir().unwrap();
    let (_, said) = run(&["scan", empty.path().to_str().unwrap()], 2);
    assert!(
        said.contains("there are no files in this directory"),
        "{said}"
    );
}

#[test]
fn a_reader_that_takes_one_line_is_no_failure() {
    for arguments in [
        &["scan", SAMPLE, "--format", "json"][..],
        &["accounts", SAMPLE, "--format", "json"],
    ] {
        let mut child = satrail(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 1];
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut first).unwrap();
        drop(out);
        let output = child.wait_with_output().unwrap();
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    }
}

/// Any number of threads, order of files, compression and cut gives the same findings.
#[test]
fn the_same_findings_however_it_is_read() {
    let home = tempfile::tempdir().unwrap();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut whole = Vec::new();
    for path in [TWO, LIVE, ONE] {
        let bytes = fs::read(root.join(path)).unwrap();
        if path == LIVE {
            whole.extend(bytes);
        } else {
            MultiGzDecoder::new(&bytes[..])
                .read_to_end(&mut whole)
                .unwrap();
        }
    }
    let stored = home.path().join("all.log.zst");
    fs::write(&stored, zstd::encode_all(&whole[..], 1).unwrap()).unwrap();
    let reference = json(&["scan", SAMPLE], 1);
    let without_places = |mut report: Value| {
        for finding in report["findings"].as_array_mut().unwrap() {
            for evidence in finding["evidence"].as_array_mut().unwrap() {
                let evidence = evidence.as_object_mut().unwrap();
                evidence.remove("file");
                evidence.remove("line");
            }
        }
        report["findings"].take()
    };
    for threads in ["1", "2", "7"] {
        assert_eq!(
            json(&["scan", LIVE, TWO, ONE, "--threads", threads], 1),
            reference
        );
        let other = json(&["scan", stored.to_str().unwrap(), "--threads", threads], 1);
        assert_eq!(without_places(other), without_places(reference.clone()));
    }
}
