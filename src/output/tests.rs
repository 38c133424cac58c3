//! The writers on one rich, hostile report.

mod formats;
mod sample;
mod schema;

use std::{fmt::Write as _, time::Duration};

use insta::assert_snapshot;
use proptest::prelude::*;

use crate::{
    detect::About,
    pipeline::{Coverage, Input},
};

use super::*;

fn written(report: &Report, format: ReportFormat, look: Look) -> String {
    let pace = Some(Pace {
        elapsed: Duration::from_millis(312),
    });
    let mut out = Vec::new();
    write_report(report, format, look, pace, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn columns(width: usize) -> Look {
    Look {
        width: Some(width),
        ..Look::default()
    }
}

fn accounts_table(look: Look) -> String {
    let mut out = Vec::new();
    let rows = sample::accounts();
    write_accounts(&sample::report(), &rows, Format::Table, look, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn table_on_80_columns() {
    assert_snapshot!(written(&sample::report(), ReportFormat::Table, columns(80)));
}

#[test]
fn table_in_a_pipe() {
    assert_snapshot!(written(
        &sample::report(),
        ReportFormat::Table,
        Look::default()
    ));
}

#[test]
fn table_with_details() {
    let look = Look {
        detailed: true,
        ..columns(100)
    };
    assert_snapshot!(written(&sample::report(), ReportFormat::Table, look));
}

#[test]
fn table_of_nothing() {
    let report = Report {
        input: Input::default(),
        coverage: Coverage::default(),
        ..sample::clean()
    };
    assert_snapshot!(written(&report, ReportFormat::Table, columns(80)));
}

#[test]
fn table_of_a_clean_log() {
    assert_snapshot!(written(&sample::clean(), ReportFormat::Table, columns(80)));
}

#[test]
fn json_document() {
    let text = written(&sample::report(), ReportFormat::Json, Look::default());
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    assert_snapshot!(text.replace(&version, "\"version\": \"1.2.3\""));
}

#[test]
fn json_lines() {
    let text = written(&sample::report(), ReportFormat::Jsonl, Look::default());
    let mut types = String::new();
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        writeln!(types, "{} {}", value["type"], line.len()).unwrap();
        if value["type"] == "finding" {
            let mut value = value;
            value.as_object_mut().unwrap().remove("type");
            let finding: crate::finding::Finding = serde_json::from_value(value).unwrap();
            assert!(sample::report().findings.contains(&finding));
        }
    }
    assert!(types.starts_with("\"input\""));
    assert_eq!(types.matches("\"finding\"").count(), 6);
    assert!(types.lines().last().unwrap().starts_with("\"coverage\""));
}

#[test]
fn accounts_on_80_columns() {
    assert_snapshot!(accounts_table(columns(80)));
}

#[test]
fn accounts_in_a_pipe() {
    assert_snapshot!(accounts_table(Look::default()));
}

#[test]
fn accounts_as_json() {
    let (report, rows) = (sample::report(), sample::accounts());
    let mut out = Vec::new();
    write_accounts(&report, &rows, Format::Json, Look::default(), &mut out).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["accounts"][0]["verbs"]["get"], 412);
    assert_eq!(value["accounts"][0]["secrets"]["distinct"], 2);
    let mut out = Vec::new();
    write_accounts(&report, &rows, Format::Jsonl, Look::default(), &mut out).unwrap();
    let lines = String::from_utf8(out).unwrap();
    assert_eq!(lines.matches("{\"type\":\"account\"").count(), rows.len());
}

#[test]
fn tables_keep_to_their_width() {
    for width in [60, 80, 100, 140, 200] {
        let tables = [
            written(&sample::clean(), ReportFormat::Table, columns(width)),
            accounts_table(columns(width)),
        ];
        for line in tables.iter().flat_map(|table| table.lines()) {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn colour_changes_no_character() {
    let look = |color| Look {
        width: Some(100),
        color,
        ..Look::default()
    };
    let colored = written(&sample::report(), ReportFormat::Table, look(true));
    let plain = written(&sample::report(), ReportFormat::Table, look(false));
    assert!(colored.contains("\u{1b}[1m"));
    assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
}

#[test]
fn one_finding_is_one_line_in_a_pipe_but_for_its_text() {
    let text = written(&sample::report(), ReportFormat::Table, Look::default());
    let line = text
        .lines()
        .find(|line| line.starts_with("critical"))
        .unwrap();
    for part in [
        "shop/web",
        "token-theft",
        "513 requests",
        "2026-11-22 04:24:02",
        "audit.log:17",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn the_catalogue_and_an_explanation() {
    let about = About {
        id: "secret-listing",
        title: "Lists secrets",
        attack: &[],
        doc: " # What it finds\n Lists of `secrets`.\n\n ```sh\n kubectl get secrets\n ```\n",
    };
    let mut out = Vec::new();
    write_catalogue(&[&about], Format::Table, Look::default(), &mut out).unwrap();
    assert_eq!(out, b"secret-listing  Lists secrets\n");
    let mut out = Vec::new();
    write_explanation(&about, columns(80), &mut out).unwrap();
    assert_snapshot!(String::from_utf8(out).unwrap());
}

/// An override, an isolate, a zero-width space, a byte order mark, a line separator.
const DECEITS: [char; 5] = ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{2028}'];

proptest! {
    #[test]
    fn no_hostile_string_acts(text in any::<String>(), width in proptest::option::of(20_usize..200)) {
        let report = sample::poisoned(&text);
        let table = written(&report, ReportFormat::Table, Look { width, color: false, ..Look::default() });
        prop_assert!(table.chars().all(|c| c == '\n' || !c.is_control()));
        prop_assert!(!table.contains(DECEITS));
        let mut out = Vec::new();
        let rows = sample::poisoned_accounts(&text);
        let look = Look { width, color: false, ..Look::default() };
        write_accounts(&report, &rows, Format::Table, look, &mut out).unwrap();
        let accounts = String::from_utf8(out).unwrap();
        prop_assert!(accounts.chars().all(|c| c == '\n' || !c.is_control()));
        // No string makes a line of its own.
        let harmless = written(&sample::poisoned("x"), ReportFormat::Table, Look::default());
        let poisoned = written(&report, ReportFormat::Table, Look::default());
        prop_assert!(poisoned.lines().count() <= harmless.lines().count());
        let json = written(&report, ReportFormat::Json, Look::default());
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(value["findings"][0]["summary"].as_str(), Some(text.as_str()));
        let lines = written(&report, ReportFormat::Jsonl, Look::default());
        prop_assert_eq!(lines.lines().count(), 6);
    }
}
