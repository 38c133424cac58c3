//! The GitHub Action: its script, run as a runner would, with satrail where it installs it.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use serde_json::Value;

use crate::{ROOT, scalar, yaml};

fn action() -> Value {
    let text = fs::read_to_string(Path::new(ROOT).join("action.yml")).unwrap();
    yaml::documents(&text, scalar).remove(0)
}

/// The script of the step that scans.
fn script(action: &Value) -> &str {
    let steps = action["runs"]["steps"].as_array().unwrap();
    let scan = steps.iter().find(|step| step["id"] == "scan").unwrap();
    scan["run"].as_str().unwrap()
}

#[test]
fn the_action_leaves_reports_and_fails_on_findings() {
    let action = action();
    for (fail_on, paths, code) in [
        ("high", "audit missing*.log", 2),
        ("high", "audit", 1),
        ("never", "audit", 0),
    ] {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir_all(at("satrail/bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_satrail"), at("satrail/bin/satrail")).unwrap();
        symlink(Path::new(ROOT).join("data/audit"), at("audit")).unwrap();
        let status = Command::new("bash")
            .args([
                "--noprofile",
                "--norc",
                "-e",
                "-o",
                "pipefail",
                "-c",
                script(&action),
            ])
            .current_dir(home.path())
            .envs([
                ("PATHS", paths),
                ("FAIL_ON", fail_on),
                ("MIN_SEVERITY", "info"),
                ("CONFIG", ""),
                ("OUTPUT_DIR", "reports"),
            ])
            .env("RUNNER_TEMP", home.path())
            .env("GITHUB_OUTPUT", at("outputs"))
            .env("GITHUB_STEP_SUMMARY", at("summary"))
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(code), "{fail_on} {paths}");
        let outputs = fs::read_to_string(at("outputs")).unwrap();
        for name in ["sarif", "json", "html"] {
            let declared = action["outputs"][name]["value"].as_str().unwrap();
            assert!(declared.contains(&format!("steps.scan.outputs.{name}")));
            let line = outputs
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name}=")));
            let report = fs::read_to_string(at(line.unwrap())).unwrap();
            assert!(report.contains("ops/intruder"), "{name}");
        }
        assert!(
            fs::read_to_string(at("summary"))
                .unwrap()
                .contains("ops/intruder")
        );
    }
}

/// What is pasted into a script is part of it: whoever names a path could run commands.
#[test]
fn no_input_is_pasted_into_a_script() {
    for step in action()["runs"]["steps"].as_array().unwrap() {
        assert!(!step["run"].as_str().unwrap().contains("${{"), "{step}");
    }
}
