//! The page in a real browser: it opens without a complaint, filters, finds, and shows what is hostile as text.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support {
    pub(crate) mod page;
}

use std::{fs, path::Path};

use satrail::{
    finding::{Attribute, Evidence, Finding, Remediation, Severity, Step, Subject, Timestamp},
    output::write_html,
    permission::Uses,
    pipeline::{
        self, Chronicle, Columns, Coverage, Dossier, Exceptions, Flow, Input, Life, Options,
        Report, Silent,
    },
};
use serde_json::Value;
use support::page::{Page, block, open, text_of};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The sample of the repository, as `satrail scan` writes it.
fn sample(threads: usize, paths: &[&str]) -> (Report, String) {
    let options = Options {
        paths: paths.iter().map(|path| root().join(path)).collect(),
        threads,
        ..Options::default()
    };
    let (state, _, chronicle) = pipeline::scan_and_chronicle(&options, &Silent).unwrap();
    let report = state.report(&options);
    let page = written(&report, Some(&chronicle));
    (report, page)
}

fn written(report: &Report, chronicle: Option<&Chronicle>) -> String {
    let mut out = Vec::new();
    write_html(report, chronicle, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_sample_opens_filters_and_finds() {
    let (report, html) = sample(0, &["data/audit"]);
    let page = Page::new(&html);
    let total = report.findings.len();

    let overview = page.show("#/");
    assert_eq!(overview.complaints, Vec::<String>::new());
    assert!(overview.dom.contains("data-ready=\"yes\""));
    assert!(
        overview.dom.contains("class=\"accounts\"")
            && overview.dom.contains("class=\"lane critical\"")
    );
    let rows = overview.dom.matches("<svg viewBox=").count();
    assert_eq!(rows, 18, "a row of the heat map for each account");

    let counted = |hash: &str| {
        let shown = page.show(hash);
        assert_eq!(shown.complaints, Vec::<String>::new(), "{hash}");
        text_of(&shown.dom, "finding-count").to_owned()
    };
    assert_eq!(counted("#/findings"), format!("{total} findings"));
    for severity in Severity::ALL {
        let n = report
            .findings
            .iter()
            .filter(|f| f.severity == severity)
            .count();
        let said = counted(&format!("#/findings?severity={severity}"));
        assert_eq!(said, format!("{n} of {total} findings"));
    }
    // An address that stands only in what a finding says of itself.
    let stands_in = |finding: &&Finding| {
        let own =
            serde_json::to_string(&(&finding.attributes, &finding.summary, &finding.evidence));
        own.unwrap().contains("127.0.66.6")
    };
    let n = report.findings.iter().filter(stands_in).count();
    assert!(n > 0 && n < total);
    assert_eq!(
        counted("#/findings?q=127.0.66.6"),
        format!("{n} of {total} findings")
    );
    assert_eq!(
        counted("#/findings?q=no+such+thing"),
        format!("0 of {total} findings")
    );
}

#[test]
fn a_finding_and_an_account_tell_all() {
    let (report, html) = sample(0, &["data/audit"]);
    let page = Page::new(&html);
    let first = &report.findings[0];
    let one = page.show(&format!("#/findings?id={}", first.fingerprint));
    assert_eq!(one.dom.matches("<details class=\"finding").count(), 1);
    let step = first
        .remediation
        .steps
        .iter()
        .find_map(|step| step.command.as_ref());
    assert!(one.dom.contains(step.unwrap()), "a command to copy");
    let line = format!(
        "{}:{}",
        first.evidence[0].file,
        first.evidence[0].line.unwrap()
    );
    assert!(one.dom.contains(&line), "the place of the evidence");

    let account = page.show("#/account/ops/intruder");
    assert_eq!(account.complaints, Vec::<String>::new());
    for part in [
        "What it was refused",
        "clusterrolebindings",
        "127.0.11.11",
        "kubectl/v1.37.1",
        "Tokens",
    ] {
        assert!(account.dom.contains(part), "{part}");
    }
}

/// Counts of the page, against a count over the log itself.
#[test]
fn the_charts_count_what_stands_in_the_log() {
    let (report, html) = sample(0, &["data/audit"]);
    let index: Value = serde_json::from_str(block(&html, "index")).unwrap();
    let sum = |value: &Value| {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap())
            .sum::<u64>()
    };
    let traffic = &index["traffic"];
    assert_eq!(
        sum(&traffic["accounts"]) + sum(&traffic["others"]),
        report.input.requests
    );

    // Requests of one account that are over at once, so that a line is a request.
    let mut seconds = std::collections::BTreeMap::<i64, u64>::new();
    for entry in fs::read_dir(root().join("data/audit")).unwrap() {
        let path = entry.unwrap().path();
        let file = fs::File::open(&path).unwrap();
        let mut text = String::new();
        if path.extension().is_some_and(|extension| extension == "gz") {
            std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file), &mut text)
                .unwrap();
        } else {
            std::io::Read::read_to_string(&mut { file }, &mut text).unwrap();
        }
        for line in text.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            if event["user"]["username"] == "system:serviceaccount:ops:hot-loop"
                && event["stage"] == "ResponseComplete"
            {
                let time = Timestamp::parse(event["requestReceivedTimestamp"].as_str().unwrap());
                *seconds.entry(time.unwrap().seconds()).or_default() += 1;
            }
        }
    }
    let accounts = index["accounts"].as_array().unwrap();
    let account = accounts
        .iter()
        .find(|row| row[0] == "ops/hot-loop")
        .unwrap();
    let columns = &index["columns"];
    let (from, width) = (
        columns["from"].as_i64().unwrap(),
        columns["seconds"].as_i64().unwrap(),
    );
    let first = account[8].as_i64().unwrap();
    let mut expected = std::collections::BTreeMap::<i64, u64>::new();
    for (second, count) in seconds {
        *expected.entry((second - from) / width - first).or_default() += count;
    }
    for (at, count) in account[9].as_array().unwrap().iter().enumerate() {
        let known = expected
            .get(&i64::try_from(at).unwrap())
            .copied()
            .unwrap_or(0);
        assert_eq!(count.as_u64().unwrap(), known, "column {at}");
    }
}

/// The law: no thread, no order and no split is to be seen in the page.
#[test]
fn the_page_does_not_depend_on_how_the_log_was_read() {
    let one = sample(1, &["data/audit"]).1;
    let mut files: Vec<String> = (fs::read_dir(root().join("data/audit")).unwrap())
        .map(|entry| {
            format!(
                "data/audit/{}",
                entry.unwrap().file_name().into_string().unwrap()
            )
        })
        .collect();
    files.sort();
    files.reverse();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    assert!(files.len() > 1);
    let other = sample(4, &files).1;
    assert!(one == other, "{} and {} bytes", one.len(), other.len());
}

const HOSTILE: &str = "</script><script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">\
    <!-- \u{202e}gpj.exe \u{2028}\u{0} '\"`${alert(1)} &lt;b&gt;";

fn hostile() -> (Report, Chronicle) {
    let time = Timestamp::parse("2026-11-22T04:24:02.000000Z");
    let subject = Subject::service_account("shop", HOSTILE);
    let long = format!("{HOSTILE}{}", "x".repeat(1024));
    let mut attributes = std::collections::BTreeMap::new();
    attributes.insert(long.clone(), Attribute::from(vec![long.as_str(), HOSTILE]));
    let finding = Finding {
        severity: Severity::Critical,
        count: 3,
        first_seen: time,
        last_seen: time,
        summary: format!("is used by {HOSTILE}"),
        attributes,
        evidence: vec![Evidence {
            time,
            audit_id: Some(HOSTILE.to_owned()),
            file: HOSTILE.to_owned(),
            line: Some(1),
        }],
        remediation: Remediation {
            summary: HOSTILE.to_owned(),
            steps: vec![Step {
                text: HOSTILE.to_owned(),
                command: Some(HOSTILE.to_owned()),
            }],
        },
        ..Finding::of("interactive-client", subject)
    };
    let coverage = Coverage {
        stages: [(HOSTILE.to_owned(), 1)].into(),
        ..Coverage::default()
    };
    let report = report(vec![finding], coverage);
    let life = Life {
        dossier: Dossier {
            namespace: "shop".to_owned(),
            name: HOSTILE.to_owned(),
            ..Dossier::default()
        },
        peak: None,
        first_cell: 0,
        cells: vec![1],
    };
    let columns = Columns {
        from: time.unwrap(),
        seconds: 1,
        count: 1,
    };
    let chronicle = Chronicle {
        traffic: None,
        columns: Some(columns),
        accounts: vec![life],
    };
    (report, chronicle)
}

fn report(findings: Vec<Finding>, coverage: Coverage) -> Report {
    Report {
        input: Input {
            files: 1,
            events: 1,
            ..Input::default()
        },
        findings,
        stories: Vec::new(),
        exceptions: Exceptions::default(),
        coverage,
        reconciliation: None,
    }
}

#[test]
fn what_is_hostile_shows_as_text() {
    let (report, chronicle) = hostile();
    let html = written(&report, Some(&chronicle));
    assert_eq!(
        html.matches("</script").count(),
        4,
        "three blocks of data and the script"
    );
    let page = Page::new(&html);
    for hash in [
        "#/",
        "#/findings",
        "#/accounts",
        "#/coverage",
        &format!("#/findings?id={}", report.findings[0].fingerprint),
    ] {
        let shown = page.show(hash);
        assert_eq!(shown.complaints, Vec::<String>::new(), "{hash}");
        assert!(
            shown.dom.contains("<title>satrail report</title>"),
            "{hash}: a string ran"
        );
        let body = shown
            .dom
            .split("<main")
            .nth(1)
            .unwrap()
            .split("</main>")
            .next()
            .unwrap();
        for element in ["<script", "<img", "<b>&lt"] {
            assert!(!body.contains(element), "{hash}: {element}");
        }
        assert!(!body.contains(['\u{202e}', '\u{2028}', '\0']), "{hash}");
        if hash != "#/" {
            assert!(
                body.contains("&lt;/script&gt;&lt;script&gt;document.title"),
                "{hash}"
            );
            assert!(body.contains(r"\u{202e}gpj.exe"), "{hash}");
        }
    }
}

/// The policy is what holds if all else fails: a script that is not the page's own does not run.
#[test]
fn a_foreign_script_does_not_run() {
    let (_, html) = sample(0, &["data/audit"]);
    let broken = html.replace("<main ", "<script>document.title='pwned'</script><main ");
    let shown = open(&broken, "#/");
    assert!(shown.dom.contains("<title>satrail report</title>"));
    // And complaints of the browser are heard.
    assert!(
        shown
            .complaints
            .iter()
            .any(|line| line.contains("Content Security Policy")),
        "{:?}",
        shown.complaints
    );
}

/// Ten thousand findings of five thousand accounts over a week.
#[test]
fn a_large_report_opens() {
    let (report, chronicle) = large();
    let html = written(&report, Some(&chronicle));
    // The figure of docs/reports.md.
    let megabytes = html.len() / 1_000_000;
    assert!((40..80).contains(&megabytes), "{megabytes} MB");
    let page = Page::new(&html);
    let shown = page.show("#/findings?q=app-1&severity=high");
    assert_eq!(shown.complaints, Vec::<String>::new());
    let expected = report
        .findings
        .iter()
        .filter(|f| f.severity == Severity::High && f.subject.to_string().contains("app-1"));
    assert_eq!(
        text_of(&shown.dom, "finding-count"),
        format!("{} of 10,000 findings", expected.count())
    );
    let drawn = shown.dom.matches("<details class=\"finding").count();
    assert!(
        drawn <= 100,
        "lists are drawn as they are looked at: {drawn}"
    );
}

fn large() -> (Report, Chronicle) {
    let accounts = 5000;
    let start = Timestamp::parse("2026-11-15T00:00:00.000000Z").unwrap();
    let at = |hour: u64| {
        Timestamp::from_micros(start.micros() + i64::try_from(hour).unwrap() * 3_600_000_000)
    };
    let template = sample(0, &["data/audit"]).0.findings;
    let findings = (0..10_000_u64).map(|n| {
        let known = &template[usize::try_from(n).unwrap() % template.len()];
        let name = format!("app-{}", n % accounts);
        let subject = Subject::service_account(format!("team-{}", n % 200), name);
        let fingerprint = format!("{n:032x}");
        Finding {
            subject,
            fingerprint,
            first_seen: Some(at(n % 168)),
            last_seen: Some(at(n % 168 + 1)),
            related: Vec::new(),
            ..known.clone()
        }
    });
    let mut findings: Vec<_> = findings.collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let dossier = satrail_dossier();
    let lives = (0..accounts).map(|n| Life {
        dossier: Dossier {
            namespace: format!("team-{}", n % 200),
            name: format!("app-{n}"),
            requests: Uses {
                count: n * 17,
                first_seen: Some(at(0)),
                last_seen: Some(at(167)),
            },
            ..dossier.clone()
        },
        peak: None,
        first_cell: 0,
        cells: (0..168)
            .map(|hour| (n * 7919 + hour * 104_729) % 5000)
            .collect(),
    });
    let columns = Columns {
        from: start,
        seconds: 3600,
        count: 168,
    };
    let week: Vec<u64> = (0..168).map(|hour| 1000 + hour * hour).collect();
    let chronicle = Chronicle {
        accounts: lives.collect(),
        columns: Some(columns),
        traffic: Some(Flow {
            columns,
            accounts: week.clone(),
            others: week.clone(),
            refused: week,
        }),
    };
    (report(findings, Coverage::default()), chronicle)
}

/// The dossier of an account that did a lot.
fn satrail_dossier() -> Dossier {
    let options = Options {
        paths: vec![root().join("data/audit")],
        ..Options::default()
    };
    let (_, _, chronicle) = pipeline::scan_and_chronicle(&options, &Silent).unwrap();
    let busy = chronicle
        .accounts
        .into_iter()
        .find(|life| life.dossier.name == "intruder");
    busy.unwrap().dossier
}
