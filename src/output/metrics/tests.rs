use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::{
    finding::{Subject, Tracking},
    metric::{Exposition, Format, Kind, Names, read_exposition},
    pipeline::Counts,
};

fn counter(metric: &str, labels: &[(&str, &str)], times: &[i64]) -> Counter<'static> {
    let mut counts = Counts::default();
    for time in times {
        counts.add(Some(Timestamp::from_micros(time * 1_000_000)));
    }
    Counter {
        metric: Published::named(metric).unwrap(),
        labels: Labels::of(labels),
        counts: Cow::Owned(counts),
    }
}

fn finding(namespace: &str, name: &str, severity: Severity) -> Finding {
    Finding {
        severity,
        ..Finding::of("secret-listing", Subject::service_account(namespace, name))
    }
}

const MOMENT: Moment = Moment {
    now: Timestamp::from_micros(1_795_321_433_250_000),
    last_event: Some(Timestamp::from_micros(1_795_321_430_123_939)),
};

fn text(counters: &[Counter<'_>], findings: &[Finding], top: usize) -> String {
    let totals: Vec<_> = counters.iter().map(Counter::to_total).collect();
    written(&Present {
        totals: &totals,
        findings,
        top,
        moment: MOMENT,
        last_run: None,
    })
}

fn written(present: &Present<'_>) -> String {
    let mut out = Vec::new();
    write_metrics(present, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn openmetrics(counters: &[Counter<'_>], step: u32) -> String {
    let mut out = Vec::new();
    let span = [1000, 1500].map(|second: i64| Timestamp::from_micros(second * 1_000_000));
    write_openmetrics(counters, Some((span[0], span[1])), step, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn read(text: &str, format: Format) -> Exposition {
    let read = read_exposition(text.as_bytes(), format, &|_| true, &mut Names::default());
    assert_eq!(read.bad.count, 0, "{:?}\n{text}", read.bad);
    read
}

#[test]
fn the_present_is_text_without_times() {
    let labels = [("namespace", "shop"), ("serviceaccount", "web")];
    let counters = [
        counter(
            "satrail_serviceaccount_requests_total",
            &labels,
            &[1000, 1001],
        ),
        counter("satrail_bad_lines_total", &[], &[]),
    ];
    let findings = [
        finding("shop", "web", Severity::High),
        finding("shop", "web", Severity::High),
        finding("shop", "default", Severity::Low),
    ];
    let text = text(&counters, &findings, 1);
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        samples,
        [
            r#"satrail_serviceaccount_requests_total{namespace="shop",serviceaccount="web"} 2"#,
            "satrail_bad_lines_total 0",
            r#"satrail_findings{detector="secret-listing",namespace="_other",serviceaccount="_other",severity="low",subject="_other"} 1"#,
            r#"satrail_findings{detector="secret-listing",namespace="shop",serviceaccount="web",severity="high",subject="shop/web"} 2"#,
            "satrail_last_run_timestamp_seconds 1795321433.250000",
            "satrail_last_event_timestamp_seconds 1795321430.123939",
        ]
    );
    for family in read(&text, Format::Text).families {
        assert!(!family.help.is_empty() && family.kind != Kind::Unknown);
    }
}

/// A run that keeps a state: totals from an earlier run in any order, and what became of findings.
#[test]
fn a_run_tells_of_itself() {
    let total = |name: &str, value| Total {
        metric: Published::named("satrail_serviceaccount_requests_total").unwrap(),
        labels: Labels::of(&[("namespace", "shop"), ("serviceaccount", name)]),
        value,
    };
    let with = |status| Finding {
        tracking: Some(Tracking {
            status,
            status_since: MOMENT.now,
            first_reported: MOMENT.now,
        }),
        ..finding("shop", "web", Severity::High)
    };
    let text = written(&Present {
        totals: &[total("web", 7), total("api", u64::MAX)],
        findings: &[
            with(Status::New),
            with(Status::Resolved),
            with(Status::Ongoing),
            with(Status::New),
        ],
        top: 5,
        moment: MOMENT,
        last_run: Some(LastRun {
            success: false,
            duration: Duration::from_millis(1250),
            files: 3,
            bytes: 4096,
            events: 12,
            bad_lines: 1,
            state_bytes: 81_920,
        }),
    });
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        samples,
        [
            r#"satrail_serviceaccount_requests_total{namespace="shop",serviceaccount="api"} 18446744073709551615"#,
            r#"satrail_serviceaccount_requests_total{namespace="shop",serviceaccount="web"} 7"#,
            r#"satrail_findings{detector="secret-listing",namespace="shop",serviceaccount="web",severity="high",subject="shop/web"} 3"#,
            "satrail_last_run_timestamp_seconds 1795321433.250000",
            "satrail_last_run_success 0",
            "satrail_last_run_duration_seconds 1.250000",
            "satrail_last_run_files 3",
            "satrail_last_run_bytes 4096",
            "satrail_last_run_events 12",
            "satrail_last_run_bad_lines 1",
            r#"satrail_last_run_findings{status="new"} 2"#,
            r#"satrail_last_run_findings{status="ongoing"} 1"#,
            r#"satrail_last_run_findings{status="resolved"} 1"#,
            "satrail_state_bytes 81920",
            "satrail_last_event_timestamp_seconds 1795321430.123939",
        ]
    );
    read(&text, Format::Text);
}

#[test]
fn a_finding_about_no_account_says_whom_it_is_about() {
    let about = |subject: Subject| Finding {
        subject,
        ..finding("", "", Severity::High)
    };
    let findings = [
        about(Subject::user("alice")),
        about(Subject::audit_log()),
        about(Subject::audit_log()),
    ];
    let samples = |top| {
        let text = text(&[], &findings, top);
        let samples = text
            .lines()
            .filter(|line| line.starts_with("satrail_findings"));
        samples.map(str::to_owned).collect::<Vec<_>>()
    };
    let one = |subject: &str, n: u64| {
        format!(
            r#"satrail_findings{{detector="secret-listing",severity="high",subject="{subject}"}} {n}"#
        )
    };
    assert_eq!(samples(2), [one("alice", 1), one("audit log", 2)]);
    assert_eq!(samples(1), [one("_other", 1), one("audit log", 2)]);
}

#[test]
fn the_history_has_no_holes_and_begins_with_zero() {
    let counters = [counter(
        "satrail_audit_events_total",
        &[],
        &[1010, 1010, 1400],
    )];
    let text = openmetrics(&counters, 200);
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        samples,
        [
            "satrail_audit_events_total 0 1010",
            "satrail_audit_events_total 2 1011",
            "satrail_audit_events_total 2 1200",
            "satrail_audit_events_total 2 1400",
            "satrail_audit_events_total 3 1401",
        ]
    );
    assert!(text.ends_with("\n# EOF\n"));
    assert!(text.contains("# TYPE satrail_audit_events counter\n"));
}

#[test]
fn nothing_is_a_history_too() {
    let mut out = Vec::new();
    write_openmetrics(&[], None, 60, &mut out).unwrap();
    assert_eq!(out, b"# EOF\n");
}

const HOSTILE: &str = r#"([a-z{}"'\\#=, \n\r\t\u{0}]|\{\{|# EOF|é|\u{202e}|\PC){0,12}"#;

proptest! {
    #[test]
    fn hostile_labels_come_back_as_they_were(
        secrets in prop::collection::btree_set(HOSTILE, 1..5), name in HOSTILE,
    ) {
        let labels = |secret| [("namespace", "shop"), ("serviceaccount", &*name), ("secret", secret)];
        let counters: Vec<_> = secrets
            .iter()
            .map(|secret| counter("satrail_legacy_token_requests_total", &labels(secret), &[1000, 1234]))
            .collect();
        let text = text(&counters, &[finding(&name, "x", Severity::Low)], 10);
        let history = openmetrics(&counters, 60);
        for (text, format) in [(text, Format::Text), (history, Format::OpenMetrics)] {
            let read = read(&text, format);
            let samples = read.samples().filter(|s| &*s.name == "satrail_legacy_token_requests_total");
            let mut found: Vec<_> = samples.map(|s| s.labels.clone()).collect();
            // Each series in one piece; in which order is the writer's matter.
            found.dedup();
            found.sort();
            let mut expected: Vec<_> = counters.iter().map(|c| c.labels.clone()).collect();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
