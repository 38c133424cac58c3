//! The formats for other programs and for pages, on the rich report.

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::Value;

use super::{sample, *};

fn all(format: ReportFormat) -> String {
    let text = written(&sample::report(), format, Look::default());
    text.replace(env!("CARGO_PKG_VERSION"), "1.2.3")
}

#[test]
fn sarif_results() {
    let log: Value = serde_json::from_str(&all(ReportFormat::Sarif)).unwrap();
    let run = &log["runs"][0];
    let shown = serde_json::json!([run["invocations"], run["results"]]);
    assert_snapshot!(serde_json::to_string_pretty(&shown).unwrap());
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), crate::detect::CATALOGUE.len());
}

#[test]
fn ocsf_events() {
    assert_snapshot!(all(ReportFormat::Ocsf));
}

#[test]
fn markdown_page() {
    assert_snapshot!(all(ReportFormat::Markdown));
}

#[test]
fn csv_rows() {
    assert_snapshot!(all(ReportFormat::Csv).replace("\r\n", "\n"));
}

#[test]
fn junit_suite() {
    assert_snapshot!(all(ReportFormat::Junit));
}

/// Ten thousand findings fit an issue, and what is left out is counted.
#[test]
fn a_large_report_fits_an_issue() {
    let mut report = sample::report();
    let known = report.findings.clone();
    report.findings = known.iter().cycle().take(10_000).cloned().collect();
    let page = written(&report, ReportFormat::Markdown, Look::default());
    assert!(page.chars().count() < 65_536, "{}", page.len());
    assert!(page.contains("and 9,900 more") && page.contains("Not everything fits here"));
}

proptest! {
    #[test]
    fn no_hostile_string_acts_anywhere(text in any::<String>()) {
        let report = sample::poisoned(&text);
        let harmless = sample::poisoned("x");
        for format in [ReportFormat::Markdown, ReportFormat::Csv, ReportFormat::Junit] {
            let [hostile, plain] = [&report, &harmless].map(|report| {
                written(report, format, Look::default()).replace("\r\n", "\n")
            });
            prop_assert!(hostile.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", format);
            prop_assert!(!hostile.contains(DECEITS), "{:?}", format);
            prop_assert!(hostile.lines().count() <= plain.lines().count(), "{:?}", format);
        }
        let html = written(&report, ReportFormat::Html, Look::default());
        prop_assert_eq!(html.matches("</script").count(), 4);
        prop_assert!(!html.contains(DECEITS));
        let ocsf = written(&report, ReportFormat::Ocsf, Look::default());
        let event: Value = serde_json::from_str(&ocsf).unwrap();
        prop_assert_eq!(event["message"].as_str(), Some(text.as_str()));
        let sarif = written(&report, ReportFormat::Sarif, Look::default());
        let log: Value = serde_json::from_str(&sarif).unwrap();
        let message = log["runs"][0]["results"][0]["message"]["text"].as_str().unwrap();
        prop_assert!(!message.contains(DECEITS) && !message.contains("]("));
    }
}
