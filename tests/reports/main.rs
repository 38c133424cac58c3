//! The report in every format, read back by readers that are not satrail's.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use serde_json::Value;

/// A directory with the sample in every format, and the exit code.
struct Reports {
    home: tempfile::TempDir,
    code: Option<i32>,
}

const FILES: [&str; 9] = [
    "report.csv",
    "report.html",
    "report.json",
    "report.jsonl",
    "report.md",
    "report.ocsf.jsonl",
    "report.sarif",
    "report.txt",
    "report.xml",
];

impl Reports {
    fn of(paths: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = satrail();
        command.arg("scan").args(paths);
        for format in [
            "table", "json", "jsonl", "html", "sarif", "ocsf", "markdown", "csv", "junit",
        ] {
            command.args(["--format", format]);
        }
        // The directory is made where it is missing.
        let out = home.path().join("a/b");
        let output = command.arg("--output-dir").arg(&out).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert!(output.stdout.is_empty());
        Self {
            home,
            code: output.status.code(),
        }
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join("a/b").join(name)).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.file("report.json")).unwrap()
    }
}

fn satrail() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_satrail"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn schema(name: &str) -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reports")
        .join(name);
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

fn errors(schema: &jsonschema::Validator, value: &Value) -> Vec<String> {
    let errors = schema.iter_errors(value);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn several_formats_come_from_one_run() {
    let reports = Reports::of(&["data/audit"]);
    assert_eq!(reports.code, Some(1));
    let mut names: Vec<_> = (fs::read_dir(reports.home.path().join("a/b")).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, FILES, "each whole, and nothing else");
    // The same as if they were asked for one by one.
    for (format, name) in [
        ("json", "report.json"),
        ("sarif", "report.sarif"),
        ("csv", "report.csv"),
    ] {
        let output = satrail()
            .args(["scan", "--format", format, "data/audit"])
            .output()
            .unwrap();
        assert!(output.stdout == reports.file(name).into_bytes(), "{name}");
    }
}

#[test]
fn sarif_is_what_its_schema_says() {
    let reports = Reports::of(&["data/audit"]);
    let sarif: Value = serde_json::from_str(&reports.file("report.sarif")).unwrap();
    let schema = schema("sarif.schema.json");
    assert_eq!(errors(&schema, &sarif), Vec::<String>::new());
    let mut broken = sarif.clone();
    broken["runs"][0]["results"][0]["level"] = "critical".into();
    assert_ne!(errors(&schema, &broken), Vec::<String>::new());

    let report = reports.json();
    let run = &sarif["runs"][0];
    let (results, findings) = (
        run["results"].as_array().unwrap(),
        report["findings"].as_array().unwrap(),
    );
    assert_eq!(results.len(), findings.len());
    for (result, finding) in results.iter().zip(findings) {
        assert_eq!(
            result["partialFingerprints"]["satrail/v1"],
            finding["fingerprint"]
        );
        assert_eq!(result["ruleId"], finding["detector"]);
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        let rule = &run["tool"]["driver"]["rules"][index];
        assert_eq!(rule["id"], finding["detector"]);
        assert!(
            rule["help"]["markdown"]
                .as_str()
                .unwrap()
                .contains("# What to do")
        );
        let place = &result["locations"][0]["physicalLocation"];
        let evidence = &finding["evidence"][0];
        assert_eq!(place["artifactLocation"]["uri"], evidence["file"]);
        assert_eq!(place["region"]["startLine"], evidence["line"]);
        let level = match finding["severity"].as_str().unwrap() {
            "critical" | "high" => "error",
            "medium" => "warning",
            _ => "note",
        };
        assert_eq!(result["level"], level);
    }
}

#[test]
fn ocsf_is_what_its_schema_says() {
    let reports = Reports::of(&["data/audit"]);
    let schema = schema("ocsf.schema.json");
    let report = reports.json();
    let findings = report["findings"].as_array().unwrap();
    let events: Vec<Value> = (reports.file("report.ocsf.jsonl").lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), findings.len());
    for (event, finding) in events.iter().zip(findings) {
        assert_eq!(errors(&schema, event), Vec::<String>::new());
        assert_eq!(event["type_uid"], 200_401);
        assert_eq!(event["finding_info"]["uid"], finding["fingerprint"]);
        // Every technique comes with its name and its tactic.
        let techniques: Vec<_> = (event["finding_info"]["attacks"].as_array().unwrap().iter())
            .map(|attack| {
                let finest = attack.get("sub_technique").unwrap_or(&attack["technique"]);
                assert!(attack["tactic"]["uid"].as_str().unwrap().starts_with("TA"));
                finest["uid"].clone()
            })
            .collect();
        assert_eq!(Value::from(techniques), finding["attack"]);
    }
    let mut broken = events[0].clone();
    broken["finding_info"]
        .as_object_mut()
        .unwrap()
        .remove("uid");
    assert_ne!(errors(&schema, &broken), Vec::<String>::new());
}

/// Python's readers are the judges.
#[test]
fn csv_and_junit_are_read_by_others() {
    let reports = Reports::of(&["data/audit"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("python3")
        .arg(root.join("tests/reports/read.py"))
        .arg(reports.home.path().join("a/b"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    let report = reports.json();
    let findings = report["findings"].as_array().unwrap();
    let rows = read["rows"].as_array().unwrap();
    assert_eq!(rows.len(), findings.len());
    for (row, finding) in rows.iter().zip(findings) {
        for name in [
            "fingerprint",
            "severity",
            "detector",
            "summary",
            "first_seen",
        ] {
            assert_eq!(row[name], finding[name], "{name}");
        }
        assert_eq!(row["count"].as_str().unwrap(), finding["count"].to_string());
        assert_eq!(row["name"], finding["subject"]["name"]);
    }
    let mut expected = BTreeMap::<&str, usize>::new();
    for finding in findings
        .iter()
        .filter(|finding| finding["severity"] != "info")
    {
        *expected
            .entry(finding["detector"].as_str().unwrap())
            .or_default() += 1;
    }
    let cases = read["cases"].as_array().unwrap();
    let failures = |case: &Value| case["failures"].as_array().unwrap().len();
    let failing: BTreeMap<&str, usize> = (cases.iter())
        .map(|case| (case["name"].as_str().unwrap(), failures(case)))
        .filter(|(_, failures)| *failures > 0)
        .collect();
    assert_eq!(failing, expected);
    assert_eq!(read["suites"]["failures"], expected.len().to_string());
    assert_eq!(read["suites"]["tests"], cases.len().to_string());
    let skipped = cases
        .iter()
        .filter(|case| !case["skipped"].as_array().unwrap().is_empty());
    assert_eq!(read["suite"]["skipped"], skipped.count().to_string());
    assert_eq!(
        cases.len(),
        report["coverage"]["detectors"].as_array().unwrap().len()
    );
}

#[test]
fn markdown_fits_an_issue_and_has_the_gravest() {
    let reports = Reports::of(&["data/audit"]);
    let page = reports.file("report.md");
    assert!(page.len() < 65_536, "{}", page.len());
    let report = reports.json();
    let findings = report["findings"].as_array().unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ")).count();
    assert_eq!(rows, findings.len() + 1, "a row for each, and the head");
    let grave = findings
        .iter()
        .filter(|f| f["severity"] == "critical" || f["severity"] == "high");
    assert_eq!(page.matches("\n### ").count(), grave.count().min(15));
    assert!(page.contains("kubectl delete clusterrolebinding sys-metrics-helper"));
}

#[test]
fn diff_says_what_is_new_grown_and_gone() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let whole = path("whole.json");
    let scan = satrail()
        .args(["scan", "data/audit", "-o"])
        .arg(&whole)
        .output()
        .unwrap();
    assert_eq!(scan.status.code(), Some(1));
    let report: Value = serde_json::from_str(&fs::read_to_string(&whole).unwrap()).unwrap();
    let mut old = report.clone();
    let findings = old["findings"].as_array_mut().unwrap();
    let fresh = findings.remove(0);
    findings[3]["count"] = (findings[3]["count"].as_u64().unwrap() - 1).into();
    let mut gone = findings[5].clone();
    gone["fingerprint"] = "0123".into();
    let grown = findings[3]["fingerprint"].clone();
    findings.push(gone);
    let total = report["findings"].as_array().unwrap().len();
    fs::write(path("old.json"), old.to_string()).unwrap();

    let diff = |old: &Path, new: &Path, more: &[&str]| {
        let output = satrail()
            .arg("diff")
            .arg(old)
            .arg(new)
            .args(more)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, json) = diff(&path("old.json"), &whole, &["--format", "json"]);
    assert_eq!(code, Some(1));
    let changes: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(changes["new"].as_array().unwrap().len(), 1);
    assert_eq!(changes["new"][0]["fingerprint"], fresh["fingerprint"]);
    assert_eq!(changes["grown"].as_array().unwrap().len(), 1);
    assert_eq!(changes["grown"][0]["finding"]["fingerprint"], grown);
    assert_eq!(changes["resolved"][0]["fingerprint"], "0123");
    assert_eq!(changes["unchanged"], total - 2);

    let (code, table) = diff(&path("old.json"), &whole, &[]);
    assert_eq!(code, Some(1));
    let head = table.lines().next().unwrap();
    assert_eq!(
        head,
        format!(
            "Findings  1 new, 1 grown, 1 resolved, {} unchanged",
            total - 2
        )
    );
    assert_eq!(
        diff(&path("old.json"), &whole, &["--fail-on", "never"]).0,
        Some(0)
    );
    assert_eq!(diff(&whole, &whole, &[]).0, Some(0));
}

#[test]
fn what_is_gone_is_good_news_and_what_is_no_report_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let whole = path("whole.json");
    let mut scan = satrail();
    scan.args(["scan", "data/audit", "-o"]).arg(&whole);
    assert_eq!(scan.output().unwrap().status.code(), Some(1));
    let report: Value = serde_json::from_str(&fs::read_to_string(&whole).unwrap()).unwrap();
    let diff = |old: &Path, new: &Path| {
        let output = satrail().arg("diff").arg(old).arg(new).output().unwrap();
        output.status.code()
    };
    let mut less = report;
    less["findings"].as_array_mut().unwrap().truncate(1);
    fs::write(path("less.json"), less.to_string()).unwrap();
    assert_eq!(diff(&whole, &path("less.json")), Some(0));
    assert_eq!(diff(&path("no.json"), &whole), Some(2));
    fs::write(path("other.json"), "{\"kind\": \"Event\"}").unwrap();
    assert_eq!(diff(&path("other.json"), &whole), Some(2));
}

#[test]
fn what_does_not_go_together_is_refused() {
    for arguments in [
        &["--format", "html", "--format", "json"][..],
        &["--output-dir", "out"],
        &["--output-dir", "out", "--format", "json", "-o", "x"],
    ] {
        let output = satrail()
            .arg("scan")
            .args(arguments)
            .arg("data/audit")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
}
