//! The published schemas describe what is written, and nothing else.

use std::{env, fs};

use serde_json::{Value, json};

use super::{sample, *};

fn schema(name: &str) -> Value {
    let text = fs::read_to_string(path(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn path(name: &str) -> String {
    format!("{}/schema/{name}.schema.json", env!("CARGO_MANIFEST_DIR"))
}

fn errors(schema: &Value, instance: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    let errors = validator.iter_errors(instance);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn document(report: &Report) -> Value {
    serde_json::from_str(&written(report, ReportFormat::Json, Look::default())).unwrap()
}

/// The report's schema carries a copy of the finding's, so that one file is enough to validate with.
#[test]
fn the_reports_schema_contains_the_findings_schema() {
    let mut report = schema("report");
    if report["$defs"]["finding"] == schema("finding") {
        return;
    }
    assert!(
        env::var_os("BLESS").is_some(),
        "out of date: BLESS=1 cargo test schema"
    );
    report["$defs"]["finding"] = schema("finding");
    let text = serde_json::to_string_pretty(&report).unwrap();
    fs::write(path("report"), text + "\n").unwrap();
}

#[test]
fn the_schemas_are_schemas() {
    for name in ["report", "finding"] {
        assert!(jsonschema::meta::is_valid(&schema(name)), "{name}");
    }
}

#[test]
fn reports_are_valid() {
    let schema = schema("report");
    for report in [
        sample::report(),
        sample::clean(),
        sample::poisoned("\u{2028}\0\u{fffd}"),
    ] {
        assert_eq!(errors(&schema, &document(&report)), [""; 0]);
    }
}

#[test]
fn each_finding_of_json_lines_is_valid() {
    let schema = schema("finding");
    for line in written(&sample::report(), ReportFormat::Jsonl, Look::default()).lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        if value["type"] == "finding" {
            assert_eq!(errors(&schema, &value), [""; 0]);
        }
    }
}

#[test]
fn mutations_are_invalid() {
    let schema = schema("report");
    let good = document(&sample::report());
    for (at, value) in [
        ("/findings/0/severity", json!("bad")),
        ("/findings/0/count", json!(-1)),
        ("/findings/0/count", json!("12")),
        ("/findings/0/first_seen", json!("yesterday")),
        ("/findings/0/fingerprint", json!("")),
        ("/findings/0/subject/kind", json!("Group")),
        ("/findings/0/evidence/0/line", json!(1.5)),
        ("/input/bytes", json!(null)),
        ("/schema_version", json!("2")),
        ("/exceptions/applied/0/expires", json!("soon")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(at).unwrap() = value;
        assert_ne!(errors(&schema, &bad), [""; 0], "{at}");
    }
}

/// Every field is required and none may be added, on every object but the free ones.
#[test]
fn every_field_is_required_and_no_other_is_known() {
    let schema = schema("report");
    let good = document(&sample::report());
    let free = [
        "/coverage/stages",
        "/coverage/levels",
        "/findings/0/attributes",
    ];
    let mut objects = Vec::new();
    walk(&good, "", &mut objects);
    objects.retain(|at| !free.iter().any(|free| at.starts_with(free)) && !at.contains("/1"));
    assert!(objects.len() > 15, "{objects:?}");
    for at in objects {
        let mut more = good.clone();
        more.pointer_mut(&at).unwrap()["surprise"] = json!(1);
        assert_ne!(errors(&schema, &more), [""; 0], "{at}/surprise");
        let fields = good.pointer(&at).unwrap().as_object().unwrap();
        for field in fields.keys() {
            let mut less = good.clone();
            let object = less.pointer_mut(&at).unwrap().as_object_mut().unwrap();
            object.remove(field);
            assert_ne!(errors(&schema, &less), [""; 0], "{at}/{field}");
        }
    }
}

fn walk(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.push(at.to_owned());
            for (name, value) in fields {
                walk(value, &format!("{at}/{name}"), found);
            }
        }
        // The elements of a list are alike.
        Value::Array(items) => {
            if let Some(first) = items.first() {
                walk(first, &format!("{at}/0"), found);
            }
        }
        _ => {}
    }
}
