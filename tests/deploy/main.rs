//! What `deploy/` offers: units that systemd takes, manifests that ask for nothing that they need not have, and a
//! build context that has what the build reads.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is a failure"
)]

mod action;
#[path = "../support/yaml.rs"]
#[expect(dead_code, reason = "manifests have numbers, too")]
mod yaml;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PROGRAM: &str = "/usr/local/bin/satrail";
const LOGS: &str = "/var/log/kubernetes/audit";

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join("deploy").join(name)).unwrap()
}

/// The command of the unit, its continued lines joined.
fn exec_start() -> Vec<String> {
    let unit = read("systemd/satrail.service").replace("\\\n", " ");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let words = line.unwrap().split_whitespace();
    words.map(str::to_owned).collect()
}

fn analyze(arguments: &[&str], directory: &Path) -> Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap_or_else(|error| panic!("systemd-analyze: scripts/test installs systemd ({error})"))
}

/// The units, with a program that is there and with the drop-in or without.
fn units(drop_in: bool) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let service = read("systemd/satrail.service").replace(PROGRAM, env!("CARGO_BIN_EXE_satrail"));
    fs::write(path("satrail.service"), service).unwrap();
    fs::write(path("satrail.timer"), read("systemd/satrail.timer")).unwrap();
    if drop_in {
        fs::create_dir(path("satrail.service.d")).unwrap();
        let text = read("systemd/alertmanager.conf");
        fs::write(path("satrail.service.d/alertmanager.conf"), text).unwrap();
    }
    directory
}

#[test]
fn systemd_takes_the_units_and_calls_them_safe() {
    for drop_in in [false, true] {
        let directory = units(drop_in);
        let verify = ["verify", "--man=no", "./satrail.service", "./satrail.timer"];
        let output = analyze(&verify, directory.path());
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success() && said.is_empty(), "{said}");
        // Tenths of systemd's measure of exposure, from 0 to 100; 11 and 15 when this was written.
        let security = [
            "security",
            "--offline=yes",
            "--threshold=20",
            "./satrail.service",
        ];
        let output = analyze(&security, directory.path());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

/// `systemd-analyze` warns of what it does not know, but only in some sections.
#[test]
fn the_unit_calls_findings_a_success_and_failures_not() {
    let unit = read("systemd/satrail.service");
    assert!(unit.contains("\nSuccessExitStatus=1\n"));
    let command = exec_start();
    assert_eq!(command[..3], [PROGRAM, "cron", LOGS].map(str::to_owned));
    let written = ["--state", "--findings-out", "--metrics-out"];
    for option in written {
        let at = command.iter().position(|word| word == option).unwrap();
        let path = &command[at + 1];
        let allowed = ["/var/lib/satrail/", "/var/lib/prometheus/node-exporter/"];
        assert!(
            allowed.iter().any(|place| path.starts_with(place)),
            "{path}"
        );
    }
    assert!(unit.contains("\nReadWritePaths=/var/lib/prometheus/node-exporter\n"));
    let tmpfiles = read("systemd/satrail.tmpfiles.conf");
    assert!(tmpfiles.contains("/var/lib/prometheus/node-exporter - - - - user:satrail:rwx"));
}

/// What a plain scalar is by the core schema, which has JSON's words for what is no string.
fn scalar(word: &str) -> Value {
    let typed = serde_json::from_str(word).ok();
    typed.unwrap_or_else(|| Value::String(word.to_owned()))
}

/// The manifests by kind.
fn manifests() -> Vec<(String, Value)> {
    let documents = yaml::documents(&read("kubernetes/satrail.yaml"), scalar);
    let kind = |document: &Value| document["kind"].as_str().unwrap().to_owned();
    documents.into_iter().map(|d| (kind(&d), d)).collect()
}

fn cron_job() -> Value {
    let mut found = manifests()
        .into_iter()
        .filter(|(kind, _)| kind == "CronJob");
    found.next().unwrap().1
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// Fields of the API that may stand there: a misspelt one would be dropped by the server, or refused.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn the_manifests_have_the_fields_of_the_api() {
    let job = cron_job();
    let spec = &job["spec"];
    let template = &spec["jobTemplate"]["spec"];
    let pod = &template["template"]["spec"];
    let container = &pod["containers"][0];
    for (value, known) in [
        (&job, &["apiVersion", "kind", "metadata", "spec"][..]),
        (
            spec,
            &[
                "schedule",
                "concurrencyPolicy",
                "startingDeadlineSeconds",
                "successfulJobsHistoryLimit",
                "failedJobsHistoryLimit",
                "jobTemplate",
                "suspend",
                "timeZone",
            ],
        ),
        (&spec["jobTemplate"], &["metadata", "spec"]),
        (
            template,
            &[
                "completions",
                "parallelism",
                "backoffLimit",
                "template",
                "activeDeadlineSeconds",
                "ttlSecondsAfterFinished",
            ],
        ),
        (&template["template"], &["metadata", "spec"]),
        (
            pod,
            &[
                "serviceAccountName",
                "automountServiceAccountToken",
                "enableServiceLinks",
                "restartPolicy",
                "terminationGracePeriodSeconds",
                "nodeSelector",
                "tolerations",
                "affinity",
                "securityContext",
                "containers",
                "volumes",
            ],
        ),
        (
            &pod["securityContext"],
            &[
                "runAsUser",
                "runAsGroup",
                "supplementalGroups",
                "seccompProfile",
            ],
        ),
        (
            container,
            &[
                "name",
                "image",
                "args",
                "resources",
                "securityContext",
                "volumeMounts",
            ],
        ),
        (
            &container["securityContext"],
            &[
                "allowPrivilegeEscalation",
                "readOnlyRootFilesystem",
                "capabilities",
            ],
        ),
    ] {
        for key in keys(value) {
            assert!(known.contains(&key), "{key}");
        }
    }
    for (kind, document) in manifests() {
        let expected = match kind.as_str() {
            "CronJob" => "batch/v1",
            _ => "v1",
        };
        assert_eq!(document["apiVersion"], expected);
        if kind != "Namespace" {
            assert_eq!(document["metadata"]["namespace"], "satrail", "{kind}");
        }
    }
    assert_eq!(
        spec["jobTemplate"]["spec"]["completions"],
        template["parallelism"]
    );
    let selector =
        &pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
    assert_eq!(
        selector["labelSelector"]["matchLabels"],
        template["template"]["metadata"]["labels"]
    );
}

#[test]
fn the_cron_job_has_no_right_and_no_token() {
    let kinds: Vec<String> = manifests().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(
        kinds,
        ["Namespace", "ServiceAccount", "ConfigMap", "CronJob"]
    );
    let accounts = manifests()
        .into_iter()
        .filter(|(kind, _)| kind == "ServiceAccount");
    for (_, account) in accounts {
        assert_eq!(account["automountServiceAccountToken"], json!(false));
        assert_eq!(account["metadata"]["name"], "satrail");
    }
    let job = cron_job();
    assert_eq!(job["spec"]["concurrencyPolicy"], "Forbid");
    let pod = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "satrail");
    assert_eq!(pod["automountServiceAccountToken"], json!(false));
    let container = &pod["containers"][0];
    let expected = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(container["securityContext"], expected);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
}

#[test]
fn the_log_is_mounted_read_only_and_what_is_written_is_mounted() {
    let job = cron_job();
    let pod = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let list = |value: &Value| value.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let volumes: Vec<String> = list(&pod["volumes"])
        .iter()
        .map(|v| text(&v["name"]))
        .collect();
    let mounts = list(&pod["containers"][0]["volumeMounts"]);
    let mounted: Vec<String> = mounts.iter().map(|mount| text(&mount["name"])).collect();
    assert_eq!(volumes, mounted);
    let writable = |path: &str| {
        let mount = mounts
            .iter()
            .find(|mount| path.starts_with(&text(&mount["mountPath"])));
        mount.unwrap_or_else(|| panic!("{path} is not mounted"))["readOnly"] != json!(true)
    };
    let args: Vec<String> = list(&pod["containers"][0]["args"])
        .iter()
        .map(text)
        .collect();
    assert_eq!(args[..2], ["cron".to_owned(), LOGS.to_owned()]);
    assert!(!writable(LOGS));
    for arg in &args[2..] {
        match arg.split_once('=') {
            Some(("--state" | "--findings-out" | "--metrics-out", path)) => assert!(writable(path)),
            Some(("--config", path)) => assert!(!writable(path)),
            _ => assert!(
                ["--new", "--fail-on=never"].contains(&arg.as_str()),
                "{arg}"
            ),
        }
    }
}

/// What `include_str!` names, relative to the repository; tests are not part of a release build.
fn included(file: &Path, found: &mut Vec<String>) {
    if file.is_dir() {
        for entry in fs::read_dir(file).unwrap() {
            included(&entry.unwrap().path(), found);
        }
        return;
    }
    let text = fs::read_to_string(file).unwrap_or_default();
    let code = text.split("#[cfg(test)]").next().unwrap();
    if file.ends_with("tests.rs") || !code.contains("include_str!(") {
        return;
    }
    for part in code.split("include_str!(\"").skip(1) {
        let name = part.split('"').next().unwrap();
        let path = fs::canonicalize(file.parent().unwrap().join(name)).unwrap();
        let path = path
            .strip_prefix(fs::canonicalize(ROOT).unwrap())
            .unwrap()
            .to_owned();
        found.push(path.display().to_string());
    }
}

/// The image's build sees what `.dockerignore` lets through and nothing else.
#[test]
fn the_build_context_has_what_the_build_reads() {
    let ignore = read("image/Dockerfile.dockerignore");
    let kept: Vec<&str> = ignore
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    let mut needed = Vec::new();
    included(&Path::new(ROOT).join("src"), &mut needed);
    assert!(needed.len() > 20, "{needed:?}");
    for path in &needed {
        let top = path.split('/').next().unwrap();
        assert!(kept.contains(&top), "{path} is not in the build context");
    }
    // What macros put together no search finds: the queries, and where the templates are.
    for name in [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "src",
        "benches",
        "queries",
        "askama.toml",
    ] {
        assert!(kept.contains(&name), "{name}");
    }
    // A pattern for what is not there any more is a mistake too.
    for name in &kept {
        assert!(Path::new(ROOT).join(name).exists(), "{name}");
    }
    let dockerfile = read("image/Dockerfile");
    assert!(
        dockerfile.contains("--locked --features") && dockerfile.contains("\nUSER 65532:65532\n")
    );
}
