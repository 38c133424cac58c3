//! Every form in which audit logs reach people, held against the plain log: the same events, wrapped, give
//! the same findings, byte for byte, but for places and for what the form cannot carry.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail as tests do"
)]

mod gke;
#[path = "../input/law.rs"]
#[expect(dead_code, reason = "other tests use the other half")]
mod law;
mod odd;
mod public;
mod wrap;

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use proptest::{collection::vec, prelude::*, sample::Index};
use satrail::{
    event::Dialect,
    pipeline::{self, Options, Report, Silent},
    source::Limits,
};
use serde_json::Value;

use wrap::{LAYOUTS, Layout};

/// The recorded minute in `data/`, thinned out: every fifth event, and every one that is not of the hot
/// loop, which alone makes up most of it.
static LINES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/audit");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let mut lines = Vec::new();
    for path in files {
        let bytes = fs::read(path).unwrap();
        let mut text = String::new();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            MultiGzDecoder::new(&bytes[..])
                .read_to_string(&mut text)
                .unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        lines.extend(text.lines().map(str::to_owned));
    }
    let mut at = 0;
    lines.retain(|line| {
        at += 1;
        at % 5 == 0 || !line.contains("ops:hot-loop") && at % 2 == 0 || line.len() > 16 << 10
    });
    lines
});

fn lines() -> Vec<&'static str> {
    LINES.iter().map(String::as_str).collect()
}

/// A scan of one file called `log`, with all that places have to do with taken out of the report.
fn scan(content: &[u8], threads: usize, format_in: Option<Dialect>) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, content).unwrap();
    let options = Options {
        paths: vec![path],
        threads,
        format_in,
        limits: Limits::default(),
        ..Options::default()
    };
    let mut report = pipeline::scan(&options, &Silent).unwrap().report(&options);
    report.input.stored_bytes = 0;
    let name = format!("{}/", folder.path().display());
    let text = serde_json::to_string(&report.findings).unwrap();
    assert!(!text.contains(&name) || !report.findings.is_empty());
    for finding in &mut report.findings {
        for evidence in &mut finding.evidence {
            evidence.file = evidence.file.replace(&name, "");
        }
    }
    for file in &mut report.input.by_file {
        file.file = file.file.replace(&name, "");
    }
    for bad in &mut report.coverage.bad_lines {
        bad.file = bad.file.replace(&name, "");
    }
    for trouble in &mut report.coverage.troubles {
        trouble.file = trouble.file.replace(&name, "");
    }
    report
}

/// The findings without places.
fn findings(report: &Report) -> String {
    let mut findings = report.findings.clone();
    for evidence in findings
        .iter_mut()
        .flat_map(|finding| &mut finding.evidence)
    {
        evidence.line = None;
    }
    serde_json::to_string_pretty(&findings).unwrap()
}

/// One a line.
fn each_on_a_line(values: impl Iterator<Item = Value>) -> String {
    values.fold(String::new(), |text, value| {
        text + &value.to_string() + "\n"
    })
}

fn gzip(content: &[u8]) -> Vec<u8> {
    // In members, as Firehose concatenates them.
    let mut packed = Vec::new();
    for part in content.chunks(1 + content.len() / 3) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(part).unwrap();
        packed.extend(encoder.finish().unwrap());
    }
    packed
}

fn forms(report: &Report) -> Vec<(String, u64)> {
    let forms = report.input.forms.iter();
    forms
        .map(|count| (count.form.clone(), count.events))
        .collect()
}

fn skipped(report: &Report) -> Vec<(String, u64)> {
    let skipped = report.input.skipped.iter();
    skipped
        .map(|count| (count.what.clone(), count.records))
        .collect()
}

/// The wrapped lines give what the plain ones give, however they are stored and read.
fn check(layout: &Layout, content: &str, lines: &[&str], expected: &str) {
    let plain = scan(content.as_bytes(), 1, None);
    let name = layout.file;
    assert_eq!(plain.coverage.bad_lines, [], "{name}");
    assert_eq!(plain.coverage.troubles, [], "{name}");
    assert_eq!(
        forms(&plain),
        [(layout.form.to_owned(), lines.len() as u64)],
        "{name}"
    );
    assert_eq!(plain.input.by_file.len(), 1, "{name}");
    assert_eq!(findings(&plain), expected, "{name}");
    let newlines = content.matches('\n').count() + usize::from(!content.ends_with('\n'));
    assert_eq!(plain.input.lines, newlines as u64, "{name}");
    let whole = serde_json::to_string(&plain).unwrap();
    for (content, threads) in [
        (content.as_bytes().to_vec(), 3),
        (gzip(content.as_bytes()), 1),
        (gzip(content.as_bytes()), 3),
    ] {
        let other = serde_json::to_string(&scan(&content, threads, None)).unwrap();
        assert_eq!(other, whole, "{name} by {threads} threads");
    }
    let named = Dialect::ALL
        .iter()
        .find(|dialect| dialect.name() == layout.form)
        .unwrap();
    let named = scan(content.as_bytes(), 2, Some(*named));
    assert_eq!(findings(&named), expected, "{name} named");
}

#[test]
fn every_layout_gives_the_findings_of_the_plain_log() {
    let lines = lines();
    let plain = scan((lines.join("\n") + "\n").as_bytes(), 2, None);
    assert!(plain.findings.len() > 8, "{}", plain.findings.len());
    let expected = findings(&plain);
    for layout in LAYOUTS {
        check(layout, &(layout.write)(&lines), &lines, &expected);
    }
}

/// What an entry of Cloud Logging can hold of the events gives what those events, cut down to that, give.
#[test]
fn gke_gives_the_findings_of_what_it_can_carry() {
    let events: Vec<Value> = LINES
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: Vec<&Value> = events.iter().filter(|event| gke::fits(event)).collect();
    assert!(events.len() > 1000, "{}", events.len());
    let reduced = each_on_a_line(events.iter().map(|event| gke::reduced(event)));
    let expected = scan(reduced.as_bytes(), 1, None);
    assert!(expected.findings.len() > 4);
    let entries: Vec<Value> = events.iter().map(|event| gke::entry(event)).collect();
    let lines = each_on_a_line(entries.iter().cloned());
    let pretty = serde_json::to_string_pretty(&entries).unwrap();
    for content in [lines, pretty] {
        for (content, threads) in [
            (content.as_bytes().to_vec(), 1),
            (gzip(content.as_bytes()), 3),
        ] {
            let report = scan(&content, threads, None);
            assert_eq!(report.coverage.bad_lines, []);
            assert_eq!(forms(&report), [("gke".to_owned(), entries.len() as u64)]);
            assert_eq!(findings(&report), findings(&expected));
            assert_eq!(report.coverage.forms.len(), 1);
        }
    }
}

/// A line of the original log stands behind each place that evidence names.
#[test]
fn places_are_those_of_the_record() {
    let lines = lines();
    for layout in LAYOUTS {
        let content = (layout.write)(&lines[..200]);
        let at: Vec<&str> = content.split('\n').collect();
        let report = scan(content.as_bytes(), 2, None);
        let evidence = report.findings.iter().flat_map(|finding| &finding.evidence);
        let mut seen = 0;
        for shown in evidence {
            let line = usize::try_from(shown.line.unwrap()).unwrap();
            // The record starts there, and what follows has the event's id in it; packed data has it inside.
            let id = shown.audit_id.as_ref().unwrap();
            let record = at[line - 1..].join("\n");
            let packed = record.contains("awslogs") || record.contains("kinesis");
            assert!(
                packed || record.contains(id.as_str()),
                "{} line {line}: {id}",
                layout.file
            );
            seen += 1;
        }
        assert!(seen > 5, "{}", layout.file);
    }
}

/// One small file for each layout: real events and what stands beside them there.
#[test]
fn fixtures_are_what_the_layouts_write() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects/fixtures");
    let all = lines();
    let lines: Vec<&str> = all
        .iter()
        .copied()
        .filter(|line| line.len() < 1300)
        .take(2)
        .collect();
    let mut expected = LAYOUTS
        .iter()
        .map(|layout| (layout.file, (layout.write)(&lines)))
        .collect::<Vec<_>>();
    let event = |line: &&str| serde_json::from_str(line).unwrap();
    let entry = |line| gke::entry(&event(line));
    let fitting = all.iter().filter(|line| gke::fits(&event(line))).take(2);
    expected.push((
        "gke.json",
        serde_json::to_string_pretty(&fitting.map(entry).collect::<Vec<Value>>()).unwrap(),
    ));
    for (name, content) in expected {
        let path = folder.join(name);
        // Packed bytes differ with the version of the compressor.
        let packed = ["lambda.jsonl", "kinesis.json"].contains(&name);
        let mut committed = fs::read_to_string(&path).unwrap_or_default();
        if std::env::var_os("BLESS").is_some() && committed != content {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &content).unwrap();
            committed = content;
        } else if !packed {
            assert_eq!(
                committed, content,
                "{name} is out of date: BLESS=1 cargo test --test dialects"
            );
        }
        let report = scan(committed.as_bytes(), 1, None);
        assert_eq!(
            (report.input.events, report.input.bad_lines),
            (2, 0),
            "{name}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    /// Any events in any layouts behind each other: each line form goes on where another stopped.
    #[test]
    fn a_file_that_changes_its_mind_is_read(picks in vec((any::<Index>(), any::<Index>(), 1..9_usize), 1..6)) {
        let lines = lines();
        let mut content = String::new();
        let mut events = 0;
        for (layout, from, many) in &picks {
            let by_line: Vec<&Layout> = LAYOUTS.iter().filter(|layout| is_by_line(layout)).collect();
            let from = from.index(lines.len());
            let some: Vec<&str> = lines[from..].iter().copied().filter(|line| line.len() < 8000).take(*many).collect();
            content += &(layout.get(&by_line).write)(&some);
            events += some.len() as u64;
        }
        let one = scan(content.as_bytes(), 1, None);
        prop_assert_eq!(one.input.bad_lines, 0);
        prop_assert_eq!(one.input.forms.iter().map(|form| form.events).sum::<u64>(), events);
        let other = scan(&gzip(content.as_bytes()), 3, None);
        prop_assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&other).unwrap());
    }

    /// Damage anywhere: no panic, and the same report however it is read.
    #[test]
    fn damaged_layouts_give_one_report(
        layout in any::<Index>(), from in any::<Index>(), chunk in 1..3000_usize,
        hits in vec((any::<Index>(), any::<u8>(), any::<bool>()), 1..5),
    ) {
        let lines = lines();
        let from = from.index(lines.len() - 4);
        let mut content = (layout.get(LAYOUTS).write)(&lines[from..from + 4]).into_bytes();
        for (at, byte, cut) in hits {
            if content.is_empty() { break }
            let at = at.index(content.len());
            if cut { content.drain(at..(at + usize::from(byte)).min(content.len())); } else { content[at] = byte }
        }
        law::check_scan(&content, chunk);
    }

    /// Wrappers from a grammar of their own keys.
    #[test]
    fn any_nonsense_gives_one_report(
        text in r#"(\{|\}|\[|\]|"|\\"|\\|,|:|"(items|records|message|log|stream|time|values|data|hits|auditID|stage|kind|protoPayload|AuditId|Stage|body|event|_source|awslogs)":|"Event"|1|\n| |stdout P |2026-11-22T04:25:44Z |a: \[1, ){0,60}"#,
        chunk in 1..300_usize,
    ) {
        law::check_scan(text.as_bytes(), chunk);
    }
}

/// Whether a layout has one record a line.
fn is_by_line(layout: &Layout) -> bool {
    let by_line = ["log", "jsonl", "txt"];
    let ends = layout
        .file
        .rsplit('.')
        .next()
        .is_some_and(|end| by_line.contains(&end));
    // Parts are joined in files that begin with them.
    ends && !["docker.log", "cri.log"].contains(&layout.file)
}
