//! What is no plain log with a line an event: containers' logs, documents, damaged files, other things.

use std::fs;

use serde_json::Value;

use super::site::{Site, assert_holds, gzip, joined, sample};

/// Lines as containerd writes them, each event cut in parts.
fn cri(lines: &[String]) -> Vec<String> {
    let parts = |line: &String| {
        let mut parts = Vec::new();
        let mut rest = line.as_str();
        while rest.len() > 400 {
            let (part, behind) = rest.split_at(400);
            parts.push(format!("2026-11-22T04:24:45.000000001Z stdout P {part}\n"));
            rest = behind;
        }
        parts.push(format!("2026-11-22T04:24:45.000000001Z stdout F {rest}\n"));
        parts
    };
    lines.iter().flat_map(parts).collect()
}

fn pretty(lines: &[String]) -> Vec<String> {
    let pretty = |line: &String| {
        let event: Value = serde_json::from_str(line).unwrap();
        serde_json::to_string_pretty(&event).unwrap()
    };
    lines.iter().map(pretty).collect()
}

/// Writes a text in pieces cut anywhere, with a run after each; the state must come to these lines, and what
/// was not written yet must be no bad line, and no trouble in the end.
fn grows(text: &str, pieces: usize, lines: &[String]) -> Value {
    let site = Site::new();
    site.write("audit.log", "");
    let mut report = Value::Null;
    for n in 0..pieces {
        let (from, to) = (text.len() * n / pieces, text.len() * (n + 1) / pieces);
        site.append("audit.log", &text[from..to]);
        report = site.report(&[]);
        assert_eq!(
            report["input"]["bad_lines"], 0,
            "{n}: {}",
            report["coverage"]
        );
    }
    assert_eq!(report["coverage"]["troubles"], Value::from([(); 0]));
    assert_holds(&report, lines);
    assert_holds(&site.report(&[]), lines);
    report
}

#[test]
fn a_container_log_grows() {
    let all = &sample()[..60];
    grows(&cri(all).concat(), 9, all);
}

#[test]
fn an_event_in_parts_waits_for_its_last_one() {
    let (site, all) = (Site::new(), sample());
    let lines = cri(&all[..60]);
    let last = lines.len() - 1;
    site.write("audit.log", lines[..last].concat());
    assert_holds(&site.report(&[]), &all[..59]);
    site.append("audit.log", &lines[last]);
    assert_holds(&site.report(&[]), &all[..60]);
}

#[test]
fn pretty_printed_documents_grow() {
    let all = &sample()[..60];
    grows(&(pretty(all).join("\n") + "\n"), 7, all);
}

#[test]
fn a_list_grows() {
    let all = &sample()[..60];
    let list = format!(
        "{{\n\"kind\": \"EventList\",\n\"apiVersion\": \"audit.k8s.io/v1\",\n\"items\": [\n{}\n]\n}}\n",
        pretty(all).join(",\n")
    );
    grows(&list, 7, all);
}

#[test]
fn an_array_grows() {
    let all = &sample()[..60];
    grows(&format!("[\n{}\n]\n", all.join(",\n")), 7, all);
}

#[test]
fn a_document_without_an_end_is_a_trouble_once_nobody_writes_it() {
    let (site, all) = (Site::new(), &sample()[..60]);
    let none = Value::from([(); 0]);
    // In the middle of a record, and behind one.
    for end in [all[20].len() / 2, all[20].len()] {
        let text = format!("[\n{},\n{}", all[..20].join(",\n"), &all[20][..end]);
        site.write("audit.log", text);
        for _ in 0..2 {
            assert_eq!(site.report(&[])["coverage"]["troubles"], none);
        }
        assert_eq!(site.run(&["--strict", "--fail-on", "never"]).code, Some(0));
        site.age("audit.log", 11);
        for _ in 0..2 {
            let report = site.report(&[]);
            let troubles = report["coverage"]["troubles"].as_array().unwrap();
            let why = troubles[0]["why"].as_str().unwrap();
            assert!(why.contains("ends within a JSON document"), "{why}");
            assert_eq!(troubles.len(), 1);
        }
    }
    // Somebody did write it, after all.
    site.write("audit.log", format!("[\n{}\n]\n", all.join(",\n")));
    assert_eq!(site.report(&[])["coverage"]["troubles"], none);
}

#[test]
fn damage_of_a_compressed_file_stays_in_the_report() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..100]));
    let mut packed = gzip(joined(&all[100..400]));
    packed.truncate(packed.len() - 30);
    site.write("audit-1.log.gz", &packed);
    let first = site.report(&[]);
    let troubles = first["coverage"]["troubles"].as_array().unwrap();
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert_eq!(troubles[0]["file"], "logs/audit-1.log.gz");
    let events = first["input"]["events"].as_u64().unwrap();
    assert!((350..400).contains(&events), "{events}");
    site.append("audit.log", joined(&all[400..401]));
    let second = site.report(&[]);
    assert_eq!(
        second["coverage"]["troubles"],
        first["coverage"]["troubles"]
    );
    assert_eq!(second["input"]["events"], events + 1);
    assert_eq!(site.run(&["--strict", "--fail-on", "never"]).code, Some(2));
    // It was still being written.
    site.write("audit-1.log.gz", gzip(joined(&all[100..400])));
    let third = site.holds(&[&all[..401]]);
    assert_eq!(third["coverage"]["troubles"], Value::from([(); 0]));
}

#[test]
fn what_cannot_be_read_ends_with_2_and_the_rest_is_kept() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..100]));
    site.write("audit-1.log.xz", b"\xfd7zXZ\0\0\x04 and so on");
    for _ in 0..2 {
        let report = site.report_ending(&[], 2);
        assert_holds(&report, &all[..100]);
        let trouble = &report["coverage"]["troubles"][0];
        assert_eq!(trouble["file"], "logs/audit-1.log.xz");
    }
    let run = site.run(&["--fail-on", "never"]);
    assert!(run.said.contains("audit-1.log.xz"), "{}", run.said);
    site.remove("audit-1.log.xz");
    site.holds(&[&all[..100]]);
}

#[test]
fn what_was_named_and_is_not_there_is_an_error() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..100]));
    let report = site.report_ending(&["logs/audit-9.log"], 2);
    assert_holds(&report, &all[..100]);
    let report = site.report_ending(&["elsewhere-*.log"], 2);
    assert_holds(&report, &all[..100]);
}

#[test]
fn bad_lines_are_counted_once() {
    let (site, all) = (Site::new(), sample());
    let good = joined(&all[..50]);
    site.write("audit.log", good + "{\"kind\":\"Event\",,}\n");
    for _ in 0..2 {
        let report = site.report(&[]);
        assert_eq!(report["input"]["bad_lines"], 1);
        assert_eq!(report["input"]["events"], 50);
        let bad = &report["coverage"]["bad_lines"][0];
        assert_eq!(
            (&bad["file"], &bad["line"]),
            (&"logs/audit.log".into(), &51.into())
        );
    }
    site.rename("audit.log", "audit-1.log");
    let report = site.report(&[]);
    assert_eq!(
        report["coverage"]["bad_lines"][0]["file"],
        "logs/audit-1.log"
    );
    // A bad line of an earlier run is no failure of this one.
    assert_eq!(site.run(&["--strict", "--fail-on", "never"]).code, Some(0));
    site.append("audit-1.log", "[1,\n");
    assert_eq!(site.run(&["--strict", "--fail-on", "never"]).code, Some(2));
}

#[test]
fn standard_input_and_pipes_are_no_logs_to_follow() {
    let site = Site::new();
    let state = site.state();
    let state = state.to_str().unwrap();
    let run = site.satrail(&["cron", "-", "--state", state]);
    assert_eq!(run.code, Some(2));
    assert!(
        run.said.contains("standard input cannot be followed"),
        "{}",
        run.said
    );
    assert!(!fs::exists(state).unwrap());
    let run = site.satrail(&["cron", "logs", "--state", state, "--dedup"]);
    assert_eq!(run.code, Some(2));
    assert!(run.said.contains("--dedup"), "{}", run.said);
}
