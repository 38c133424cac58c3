//! The built program, as a shell sees it.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use super::root;

fn satrail(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_satrail"))
        .arg("inventory")
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = satrail(&[arguments, &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn dumps_and_logs_are_told_apart() {
    let whole = json(&["data/dump", "data/audit"]);
    assert_eq!(whole["input"]["dumps"], 7);
    assert_eq!(whole["input"]["log"]["requests"], 7558);
    for arguments in [
        &["data/audit", "data/dump"][..],
        &["data", "--audit", "data/audit"],
        &["data/dump", "--audit", "data/audit"],
        &["data/dump", "data/audit", "--threads", "1"],
    ] {
        let mut same = json(arguments);
        // A whole directory has texts in it that are neither.
        same["input"]["troubles"] = whole["input"]["troubles"].clone();
        assert_eq!(same["issues"], whole["issues"], "{arguments:?}");
        assert_eq!(same["accounts"], whole["accounts"], "{arguments:?}");
    }
    let alone = json(&["data/dump"]);
    assert_eq!(alone["input"]["log"], Value::Null);
    assert_eq!(alone["accounts"][0]["requests"], Value::Null);
    let checks = alone["issues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|issue| issue["check"].as_str().unwrap());
    assert!(checks.clone().all(|check| !check.starts_with("unused")));
    assert!(checks.count() > 5);
}

#[test]
fn every_format_holds_to_its_schema() {
    let schema = fs::read_to_string(root().join("schema/inventory.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    for arguments in [&["data/dump", "data/audit"][..], &["data/dump"]] {
        let document = json(arguments);
        let errors: Vec<_> = schema
            .iter_errors(&document)
            .map(|e| format!("{} {e}", e.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    let document = json(&["data/dump", "data/audit"]);
    let output = satrail(&["data/dump", "data/audit", "--format", "jsonl"]);
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (kind, list) in [
        ("issue", "issues"),
        ("pod", "pods"),
        ("account", "accounts"),
        ("legacy_token", "legacy_tokens"),
    ] {
        let mut of_kind: Vec<Value> = lines
            .iter()
            .filter(|line| line["type"] == kind)
            .cloned()
            .collect();
        for line in &mut of_kind {
            line.as_object_mut().unwrap().remove("type");
        }
        assert_eq!(Value::Array(of_kind), document[list], "{kind}");
    }
}

#[test]
fn the_exit_code_says_what_was_found() {
    for (arguments, code, says) in [
        (&["data/dump"][..], 1, ""),
        (&["data/dump", "--fail-on", "never"], 0, ""),
        (&["data/audit"], 2, "none of the files is a dump"),
        (
            &["data/README.md"],
            2,
            "take one with 'kubectl get sa,secrets",
        ),
        (&["no-such-file"], 2, "no-such-file"),
        (&["data/dump", "no-such-file"], 2, "no-such-file"),
        (
            &["data/dump", "--fail-on", "hihg"],
            2,
            "similar value exists: 'high'",
        ),
        (&[], 2, "<FILE>"),
        (&["-", "--audit", "-"], 2, "cannot be both"),
    ] {
        let output = satrail(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?} {}",
            text(&output.stderr)
        );
        assert!(
            text(&output.stderr).contains(says),
            "{arguments:?} {}",
            text(&output.stderr)
        );
    }
    // What could be read is shown all the same.
    assert!(text(&satrail(&["data/dump", "no-such-file"]).stdout).contains("ops/intruder"));
}

#[test]
fn a_dump_may_come_through_a_pipe() {
    let script = format!(
        "zcat data/dump/*.gz | {} inventory - --format json data/audit",
        env!("CARGO_BIN_EXE_satrail")
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(root())
        .output()
        .unwrap();
    let piped: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        piped["issues"],
        json(&["data/dump", "data/audit"])["issues"]
    );
}

/// Every document of a manifest, read back by another program.
fn documents(file: &Path) -> Vec<Value> {
    let output = Command::new("python3")
        .args(["-c", "import json, sys, yaml\nprint(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))"])
        .arg(file)
        .output()
        .unwrap();
    if !output.status.success() {
        println!("skipped: no PyYAML to read {} with", file.display());
        return Vec::new();
    }
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn manifests_are_written_and_are_yaml() {
    let home = tempfile::tempdir().unwrap();
    let fixes = home.path().join("fixes");
    let output = satrail(&[
        "data/dump",
        "data/audit",
        "--output",
        fixes.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let mut names: Vec<_> = fs::read_dir(&fixes)
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "dedicated-accounts.yaml",
            "default-accounts-in-use.yaml",
            "default-accounts.yaml",
            "idle-accounts.yaml",
            "kyverno-default-automount.yaml",
            "kyverno-no-token-secrets.yaml",
        ]
    );
    for name in names {
        let text = fs::read_to_string(fixes.join(&name)).unwrap();
        let command = text.lines().nth(1).unwrap();
        assert!(
            command.contains("kubectl apply") && command.ends_with(&name),
            "{command}"
        );
        for document in documents(&fixes.join(&name)) {
            assert!(
                document["apiVersion"].is_string() && document["metadata"]["name"].is_string(),
                "{name}: {document}"
            );
        }
    }
    for document in documents(&fixes.join("default-accounts.yaml")) {
        assert_eq!(document["automountServiceAccountToken"], false);
        assert_eq!(document["metadata"]["name"], "default");
    }
    let dedicated = documents(&fixes.join("dedicated-accounts.yaml"));
    if let Some(role) = dedicated
        .iter()
        .find(|d| d["kind"] == "Role" && d["metadata"]["namespace"] == "shop")
    {
        // shop/default gets and lists pods (data/README.md, TRUTH.md b-default-shop).
        assert!(role["rules"].to_string().contains("pods"), "{role}");
    }
}

#[test]
fn long_lists_are_cut_unless_all_is_asked_for() {
    let short = text(&satrail(&["data/dump", "data/audit"]).stdout);
    let all = text(&satrail(&["data/dump", "data/audit", "--all"]).stdout);
    assert!(short.contains("--all shows them") && !all.contains("--all shows them"));
    assert!(all.lines().count() > short.lines().count());
    assert!(short.lines().next().unwrap().starts_with("Dump"));
    let critical = short.find("\ncritical").unwrap();
    assert!(critical < short.find("\nmedium").unwrap());
}

#[test]
fn the_help_says_how_to_leave_the_data_out() {
    let help = text(&satrail(&["--help"]).stdout);
    for says in [
        "del(.items[].data",
        "kubectl get sa,secrets,pods",
        "Exit codes",
        "--audit",
    ] {
        assert!(help.contains(says), "{says}");
    }
}
