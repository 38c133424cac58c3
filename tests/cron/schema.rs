//! What cron writes is what the schemas say.

use std::fs;

use jsonschema::Validator;
use serde_json::Value;

use super::site::{Site, joined, of, on, sample};

fn schema(text: &str) -> Validator {
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
}

#[track_caller]
fn assert_valid(schema: &Validator, value: &Value) {
    let errors: Vec<String> = schema
        .iter_errors(value)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn reports_and_findings_of_every_status_are_valid() {
    let report_schema = schema(include_str!("../../schema/report.schema.json"));
    let finding_schema = schema(include_str!("../../schema/finding.schema.json"));
    let (site, all) = (Site::new(), &sample()[..300]);
    let files = ["--findings-out", "findings.jsonl"];
    let mut seen = std::collections::BTreeSet::new();
    site.write("audit.log", joined(&on("2024-03-01", all)));
    for piece in ["", "", &joined(&of("ci:deployer", &on("2024-03-03", all)))] {
        site.append("audit.log", piece);
        assert_valid(&report_schema, &site.report(&files));
        let findings = fs::read_to_string(site.path("findings.jsonl")).unwrap();
        for line in findings.lines() {
            let finding: Value = serde_json::from_str(line).unwrap();
            assert_valid(&finding_schema, &finding);
            seen.insert(finding["status"].as_str().unwrap().to_owned());
        }
    }
    assert_valid(&report_schema, &site.report(&["--new"]));
    assert_eq!(Vec::from_iter(seen), ["new", "ongoing", "resolved"]);
}
