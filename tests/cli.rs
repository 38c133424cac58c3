//! The built program, as a shell sees it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    fs,
    io::Read,
    process::{Command, Output, Stdio},
};

fn satrail(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_satrail"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .env_remove("CLICOLOR_FORCE")
        .env_remove("NO_COLOR");
    command
}

fn run(arguments: &[&str]) -> Output {
    satrail(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn usage_errors_exit_with_2_and_say_what_to_do() {
    for (arguments, expected) in [
        (&["scan", "--frobnicate", "x"][..], "unexpected argument"),
        (&["scna"], "'scan'"),
        (
            &["scan", "--fail-on", "hihg", "x"],
            "similar value exists: 'high'",
        ),
        (&["scan", "--max-line-bytes", "many", "x"], "such as 64MiB"),
        (&["scan", "--threads", "0", "x"], "--threads"),
        (&["merge"], "<STATE>"),
        (&["merge", "no-such.state"], "no-such.state"),
        (
            &["scan", "--select", "secret-listin", "x"],
            "satrail: hint: did you mean 'secret-listing'?",
        ),
        (
            &["explain", "runaway"],
            "satrail: hint: did you mean 'runaway-controller'?",
        ),
        (&["man", "sacn"], "satrail: hint: did you mean 'scan'?"),
        (
            &["scan", "-o", "no/such/directory/report", "-"],
            "satrail: error: cannot write to no/such/directory/report",
        ),
        (&["account"], "<ACCOUNT>"),
        (
            &["account", "web", "x"],
            "a ServiceAccount is NAMESPACE/NAME",
        ),
        (
            &["rbac", "--account", "shop", "x"],
            "a ServiceAccount is NAMESPACE/NAME",
        ),
        (&["rbac", "--expand-multi-name=99", "x"], "is not in 0..=32"),
        (&["rbac", "--expand-verbs=all", "x"], "read, write"),
        (
            &["rbac", "--output", "/dev/null/roles", "-"],
            "cannot write to /dev/null/roles",
        ),
        (
            &["scan", "--config", "no-such.toml", "-"],
            "cannot read no-such.toml",
        ),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn an_error_in_the_configuration_is_located() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("satrail.toml");
    fs::write(&path, "\n[[exeptions]]\n").unwrap();
    let path = path.to_str().unwrap();
    let output = run(&["scan", "--config", path, "-"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(
        said.contains("satrail.toml:2:3: unknown field `exeptions`"),
        "{said}"
    );
    assert!(said.contains("did you mean 'exceptions'?"), "{said}");
}

#[test]
fn an_empty_input_is_a_report_in_every_format() {
    let output = run(&["scan", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema_version"], "1");
    assert_eq!(report["input"]["events"], 0);
    assert_eq!(text(&output.stderr), "");
    let output = run(&["scan", "--format", "jsonl"]);
    assert!(text(&output.stdout).starts_with("{\"type\":\"input\""));
    let output = run(&["scan"]);
    assert!(text(&output.stdout).starts_with("Read "));
    let output = run(&["accounts", "--format", "json"]);
    let accounts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(accounts["accounts"], serde_json::json!([]));
}

#[test]
fn a_report_and_a_state_go_to_files() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (report, state) = (path("report.json"), path("a.state"));
    let output = run(&["scan", "-o", &report, "--partial-state", &state, "-"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
    let scanned: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    let output = run(&["merge", "--format", "json", &state]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let merged: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(scanned["findings"], merged["findings"]);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2);
}

#[test]
fn detectors_are_listed_and_explained() {
    let output = run(&["detectors", "--format", "json"]);
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let table = text(&run(&["detectors"]).stdout);
    assert_eq!(table.lines().count(), rows.len());
    for row in rows {
        let id = row["id"].as_str().unwrap();
        assert!(table.contains(id));
        let output = run(&["explain", id]);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).starts_with(&format!("# {id}: ")));
    }
}

#[test]
fn completions_and_manual_pages_are_printed() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&run(&["completions", shell]).stdout);
        assert!(
            script.contains("satrail") && script.contains("fail-on"),
            "{shell}"
        );
    }
    let page = text(&run(&["man"]).stdout);
    assert!(page.contains(".TH satrail 1") && page.contains("Exit codes"));
    let page = text(&run(&["man", "scan"]).stdout);
    assert!(page.contains(".TH satrail-scan 1") && page.contains("fail\\-on"));
}

#[test]
fn help_and_version_are_no_errors() {
    for arguments in [&["--help"][..], &["scan", "--help"], &["--version"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(text(&output.stderr), "");
    }
    let short = format!("satrail {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&run(&["-V"]).stdout), short);
    let version = text(&run(&["--version"]).stdout);
    assert!(version.starts_with(&short), "{version}");
    let sql = version.lines().find(|line| line.starts_with("SQL"));
    let has_it = sql.is_some_and(|line| line.ends_with(" yes"));
    assert_eq!(has_it, cfg!(feature = "query"), "{version}");
    let detectors = text(&run(&["detectors"]).stdout).lines().count();
    let counted = version.lines().find(|line| line.starts_with("detectors"));
    assert!(
        counted.unwrap().ends_with(&format!(" {detectors}")),
        "{version}"
    );
}

#[test]
fn colour_is_for_terminals_and_for_who_asks() {
    let escape = '\u{1b}';
    let plain = satrail(&["scan"]).output().unwrap();
    assert!(!text(&plain.stdout).contains(escape));
    let forced = satrail(&["scan"])
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    assert!(text(&forced.stdout).contains(escape));
    let refused = satrail(&["scan"])
        .env("CLICOLOR_FORCE", "1")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(!text(&refused.stdout).contains(escape));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    for arguments in [
        &["scan"][..],
        &["completions", "zsh"],
        &["man", "scan"],
        &["--help"],
    ] {
        let mut child = satrail(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
        assert_eq!(said, "", "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = satrail(&["scan"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("cannot write to standard output"), "{said}");
}
