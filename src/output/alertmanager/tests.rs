use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::finding::{Attributes, Involved, Remediation, Severity, Subject, Tracking};

const NOW: Timestamp = Timestamp::from_micros(1_795_321_433_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const SETTINGS: AlertSettings<'_> = AlertSettings {
    hold: HOUR,
    labels: &[],
};

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn finding(subject: Subject) -> Finding {
    Finding {
        detector: "secret-listing".to_owned(),
        severity: Severity::High,
        subject,
        count: 3,
        first_seen: Some(time("2026-11-22T04:00:00Z")),
        last_seen: Some(time("2026-11-22T04:01:00Z")),
        fingerprint: "0123456789abcdef0123456789abcdef".to_owned(),
        summary: "shop/web lists secrets".to_owned(),
        attributes: Attributes::new(),
        attack: Vec::new(),
        involves: Involved::default(),
        related: Vec::new(),
        evidence: vec![Evidence {
            time: None,
            audit_id: Some("a-1".to_owned()),
            file: "audit.log".to_owned(),
            line: Some(7),
        }],
        tracking: None,
        remediation: Remediation {
            summary: "narrow its role".to_owned(),
            steps: vec![Step {
                text: "Look at it".to_owned(),
                command: Some("kubectl get role".to_owned()),
            }],
        },
    }
}

fn tracked(status: Status, since: Timestamp) -> Finding {
    Finding {
        tracking: Some(Tracking {
            status,
            status_since: since,
            first_reported: since,
        }),
        ..finding(Subject::service_account("shop", "web"))
    }
}

fn alerts(findings: &[Finding], settings: &AlertSettings<'_>) -> Vec<Value> {
    let batches = alert_batches(findings, NOW, settings).unwrap();
    let read = |batch: &Vec<u8>| -> Vec<Value> { serde_json::from_slice(batch).unwrap() };
    batches.iter().flat_map(read).collect()
}

#[test]
fn an_alert_says_who_what_when_and_where() {
    let labels = [
        ("cluster".to_owned(), "prod".to_owned()),
        ("severity".to_owned(), "mine".to_owned()),
    ];
    let settings = AlertSettings {
        labels: &labels,
        ..SETTINGS
    };
    let finding = finding(Subject::service_account("shop", "web"));
    let expected = serde_json::json!([{
        "labels": {
            "alertname": "SatrailFinding", "cluster": "prod", "detector": "secret-listing",
            "fingerprint": "0123456789abcdef0123456789abcdef", "namespace": "shop",
            "serviceaccount": "web", "severity": "high", "subject_kind": "ServiceAccount",
        },
        "annotations": {
            "summary": "shop/web lists secrets",
            "description": "secret-listing on shop/web: 3 requests, first at 2026-11-22T04:00:00.000000Z, last at \
                            2026-11-22T04:01:00.000000Z\naudit.log:7 audit ID a-1",
            "remediation": "narrow its role\n1. Look at it\n   kubectl get role",
        },
        "startsAt": "2026-11-22T04:00:00.000000Z",
        "endsAt": "2026-11-22T05:23:53.000000Z",
    }]);
    assert_eq!(Value::Array(alerts(&[finding], &settings)), expected);
}

#[test]
fn others_than_accounts_have_a_subject() {
    for (subject, name) in [
        (Subject::user("alice@example.com"), "alice@example.com"),
        (Subject::audit_log(), "audit log"),
        (Subject::client("10.0.0.1"), "10.0.0.1"),
    ] {
        let kind = subject.kind.as_str();
        let alert = alerts(&[finding(subject)], &SETTINGS).remove(0);
        assert_eq!(alert["labels"]["subject"], name);
        assert_eq!(alert["labels"]["subject_kind"], kind);
        assert_eq!(alert["labels"]["namespace"], Value::Null);
    }
}

#[test]
fn what_is_over_is_told_until_nobody_can_believe_otherwise() {
    let since = time("2026-11-22T04:10:00Z");
    let span = |finding: Finding| {
        let alerts = alerts(&[finding], &SETTINGS);
        let alert = alerts.first()?;
        Some(["startsAt", "endsAt"].map(|at| alert[at].as_str().unwrap().to_owned()))
    };
    let over = span(tracked(Status::Resolved, since)).unwrap();
    assert_eq!(over[1], since.to_string());
    assert!(span(tracked(Status::Resolved, time("2026-11-22T03:10:00Z"))).is_none());
    for status in [Status::New, Status::Ongoing] {
        let goes_on = span(tracked(status, since)).unwrap();
        assert_eq!(goes_on[1], "2026-11-22T05:23:53.000000Z");
    }
    // Begun after it was over, by a clock that is ahead.
    let mut odd = tracked(Status::Resolved, since);
    odd.first_seen = Some(time("2026-11-22T05:00:00Z"));
    assert_eq!(span(odd).unwrap(), [since.to_string(), since.to_string()]);
}

#[test]
fn hostile_strings_are_text() {
    let hostile = "<!channel> \u{1b}[31m\u{202e}\0\r\n\"}]".to_owned() + &"x".repeat(1_000_000);
    let mut finding = finding(Subject::service_account(&*hostile, &*hostile));
    finding.summary.clone_from(&hostile);
    finding.evidence[0].file.clone_from(&hostile);
    finding.evidence[0].audit_id = Some(hostile.clone());
    finding.remediation.steps = vec![
        Step {
            text: hostile.clone(),
            command: Some(hostile),
        },
        Step {
            text: "By hand".to_owned(),
            command: None,
        },
    ];
    let alert = alerts(&[finding], &SETTINGS).remove(0);
    assert!(
        alert.to_string().len() < 10_000,
        "{}",
        alert.to_string().len()
    );
    for part in ["labels", "annotations"] {
        for (name, text) in alert[part].as_object().unwrap() {
            let text = text.as_str().unwrap().replace('\n', "");
            assert_eq!(spelled(&text), text, "{name}");
        }
    }
    let remediation = alert["annotations"]["remediation"].as_str().unwrap();
    let expected = "narrow its role\n2. By hand\n(1 more in the report of satrail)";
    assert_eq!(remediation, expected);
}

#[test]
fn requests_are_of_a_size_that_passes() {
    let one = |at: usize| Finding {
        fingerprint: format!("{at:032x}"),
        ..finding(Subject::service_account("shop", "web"))
    };
    let small: Vec<_> = (0..1_001).map(one).collect();
    let batches = alert_batches(&small, NOW, &SETTINGS).unwrap();
    assert_eq!(alerts(&small, &SETTINGS).len(), 1_001);
    assert!(batches.len() >= 3);
    let big: Vec<_> = (0..400)
        .map(|at| Finding {
            summary: "x".repeat(5_000),
            ..one(at)
        })
        .collect();
    let batches = alert_batches(&big, NOW, &SETTINGS).unwrap();
    assert!(batches.iter().all(|batch| batch.len() <= MOST_BYTES + 1));
    assert_eq!(alerts(&big, &SETTINGS).len(), 400);
    assert!(alert_batches(&[], NOW, &SETTINGS).unwrap().is_empty());
}

proptest! {
    /// Whatever clocks say, an alert ends no earlier than it starts and has times that Go can read.
    #[test]
    fn times_are_in_order(
        first in prop::option::of(any::<i64>()), since: i64, now: i64, over: bool, hold in any::<u64>(),
    ) {
        let status = if over { Status::Resolved } else { Status::New };
        let mut finding = tracked(status, Timestamp::from_micros(since));
        finding.first_seen = first.map(Timestamp::from_micros);
        let hold = Duration::from_secs(hold);
        if let Some((start, end)) = span(&finding, Timestamp::from_micros(now), hold) {
            prop_assert!(start <= end);
            for time in [start, end] {
                prop_assert_eq!(time.to_string().len(), 27, "{}", time);
                prop_assert!(time.seconds() >= 0);
            }
        }
    }

    #[test]
    fn labels_do_not_depend_on_what_changes(
        count: u64, first: i64, last: i64, summary: String, file: String,
    ) {
        let earlier = finding(Subject::service_account("shop", "web"));
        let mut later = earlier.clone();
        later.count = count;
        later.first_seen = Some(Timestamp::from_micros(first));
        later.last_seen = Some(Timestamp::from_micros(last));
        later.summary = summary;
        later.evidence[0].file = file;
        prop_assert_eq!(labels(&earlier, &[]), labels(&later, &[]));
    }
}
