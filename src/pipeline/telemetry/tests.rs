use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::{
    event::Parser,
    pipeline::{Options, Silent},
    source::Origin,
};

/// One line of an audit log: account, second, and what was asked.
fn line((account, second, what): (u8, u32, u8)) -> String {
    let account = ["shop:web", "shop:default", "ops:x", "ops:default"][usize::from(account % 4)];
    let (code, resource, annotations) = match what % 5 {
        0 => (200, "pods", ""),
        1 => (403, "secrets", ""),
        2 => (200, "secrets", ""),
        3 => (
            200,
            "pods",
            r#""authentication.k8s.io/legacy-token-manual-secret":"s""#,
        ),
        _ => (
            200,
            "pods",
            r#""authentication.k8s.io/stale-token":"subject: x""#,
        ),
    };
    let time = format!(
        "2026-11-22T04:{:02}:{:02}.000000Z",
        second / 60,
        second % 60
    );
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a","stage":"ResponseComplete","requestURI":"/","verb":"list","user":{{"username":"system:serviceaccount:{account}"}},"objectRef":{{"resource":"{resource}","namespace":"shop","apiVersion":"v1"}},"responseStatus":{{"code":{code}}},"requestReceivedTimestamp":"{time}","stageTimestamp":"{time}","annotations":{{{annotations}}}}}"#
    )
}

fn telemetry_of(events: &[(u8, u32, u8)]) -> Telemetry {
    let (mut telemetry, mut parser) = (Telemetry::default(), Parser::default());
    let origin = Origin {
        source: 0,
        chunk: 0,
        line: 0,
    };
    for &event in events {
        let line = line(event);
        let event = parser.parse(&line, origin).unwrap();
        telemetry.event(&event);
        telemetry.request(&event);
    }
    telemetry
}

fn total(telemetry: &Telemetry, top: usize, metric: &str) -> u64 {
    let counters = telemetry.counters(top);
    let of_metric = counters.iter().filter(|c| c.metric.name == metric);
    of_metric.map(|counter| counter.counts.total()).sum()
}

proptest! {
    #[test]
    fn does_not_depend_on_order_or_split(
        mut events in prop::collection::vec((0_u8..4, 0_u32..3000, 0_u8..5), 0..200), cut: prop::sample::Index,
    ) {
        let whole = telemetry_of(&events);
        let at = if events.is_empty() { 0 } else { cut.index(events.len()) };
        let mut left = telemetry_of(&events[..at]);
        left.merge(telemetry_of(&events[at..]));
        prop_assert_eq!(&left, &whole);
        events.reverse();
        prop_assert_eq!(telemetry_of(&events), whole);
    }

    #[test]
    fn nothing_is_lost_among_the_others(
        events in prop::collection::vec((0_u8..4, 0_u32..3000, 0_u8..5), 0..100), top in 0_usize..5,
    ) {
        let telemetry = telemetry_of(&events);
        for metric in PUBLISHED.iter().filter(|metric| metric.kind == Kind::Counter) {
            let all = total(&telemetry, usize::MAX, metric.name);
            prop_assert_eq!(total(&telemetry, top, metric.name), all, "{}", metric.name);
        }
        let named = telemetry.counters(top);
        let accounts = named.iter().filter(|c| c.metric == &published::REQUESTS);
        prop_assert!(accounts.count() <= top + 1);
    }

    #[test]
    fn counters_never_fall_and_end_with_the_total(
        events in prop::collection::vec((0_u8..4, 0_u32..3000, 0_u8..5), 1..100), step in 1_u32..400,
        changes: bool,
    ) {
        let telemetry = telemetry_of(&events);
        let span = telemetry.span().unwrap();
        let sampling = if changes { Sampling::Changes(step) } else { Sampling::Regular(step) };
        for counter in telemetry.counters(2) {
            let points: Vec<_> = counter.points(span, sampling).collect();
            prop_assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{points:?}");
            prop_assert_eq!(points.first().map(|p| p.1), Some(0));
            prop_assert_eq!(points.last().map(|p| p.1), Some(counter.counts.total()));
            let hole = points.windows(2).any(|p| p[1].0.seconds() - p[0].0.seconds() > i64::from(step));
            prop_assert!(!hole, "{points:?}");
            for (time, value) in points {
                let before = counter.counts.buckets().filter(|&(b, _)| counter.counts.start_of(b) < time);
                prop_assert_eq!(value, before.map(|(_, n)| u64::from(n)).sum::<u64>());
            }
        }
    }
}

#[test]
fn what_has_no_time_counts_from_the_beginning() {
    let mut telemetry = telemetry_of(&[(0, 30, 0), (0, 90, 0)]);
    telemetry.add_bad_lines(3);
    let history = telemetry.to_history(60);
    let metric = history.metric("satrail_bad_lines_total").unwrap();
    let points = metric.series[&Labels::default()].points();
    assert_eq!(points.iter().map(|p| p.value).collect::<Vec<_>>(), [3.0; 3]);
    let metric = history.metric("satrail_audit_requests_total").unwrap();
    let points = metric.series[&Labels::default()].points();
    assert_eq!(
        points.iter().map(|p| p.value).collect::<Vec<_>>(),
        [0.0, 1.0, 2.0]
    );
}

/// An alert and the report behind it must not disagree.
#[test]
fn counts_agree_with_findings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/audit");
    let options = Options {
        paths: vec![path],
        ..Options::default()
    };
    let (state, telemetry) = crate::pipeline::telemetry(&options, &Silent).unwrap();
    let report = state.report(&options);
    assert_eq!(
        total(&telemetry, 0, "satrail_audit_requests_total"),
        report.input.requests
    );
    assert_eq!(
        total(&telemetry, 0, "satrail_audit_events_total"),
        report.input.events
    );
    let counters = telemetry.counters(TOP);
    for (detector, metric) in [
        ("default-serviceaccount", &published::DEFAULT),
        ("secret-listing", &published::SECRET_LISTS),
        ("legacy-token", &published::LEGACY),
    ] {
        let mut by_account = BTreeMap::new();
        for counter in counters.iter().filter(|c| c.metric == metric) {
            let name = ["namespace", "serviceaccount"].map(|label| counter.labels.get(label));
            *by_account.entry(name.join("/")).or_default() += counter.counts.total();
        }
        by_account.retain(|_, count| *count > 0);
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        for finding in report.findings.iter().filter(|f| f.detector == detector) {
            *found.entry(finding.subject.to_string()).or_default() += finding.count;
        }
        assert!(!found.is_empty(), "{detector}");
        assert_eq!(by_account, found, "{detector}");
    }
}
