//! Findings on their way to an Alertmanager: a real one on loopback (Debian package `prometheus-alertmanager`;
//! scripts/test installs it), and servers that misbehave.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is a failure"
)]

mod fake;
mod real;
mod server;

use satrail::finding::{
    Attributes, Evidence, Finding, Involved, Remediation, Severity, Status, Subject, Timestamp,
    Tracking, fingerprint,
};

/// What a run of cron hands over.
fn finding(name: &str, severity: Severity, status: Status) -> Finding {
    let subject = Subject::service_account("shop", name);
    let time = now();
    Finding {
        detector: "secret-listing".to_owned(),
        severity,
        count: 3,
        first_seen: Some(time),
        last_seen: Some(time),
        fingerprint: fingerprint("secret-listing", &subject, &[]),
        subject,
        summary: format!("shop/{name} lists secrets"),
        attributes: Attributes::new(),
        attack: Vec::new(),
        involves: Involved::default(),
        related: Vec::new(),
        evidence: vec![Evidence {
            time: Some(time),
            audit_id: Some("a-1".to_owned()),
            file: "audit.log".to_owned(),
            line: Some(1),
        }],
        remediation: Remediation {
            summary: "narrow its role".to_owned(),
            steps: Vec::new(),
        },
        tracking: Some(Tracking {
            status,
            status_since: time,
            first_reported: time,
        }),
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_micros(i64::try_from(since.unwrap().as_micros()).unwrap())
}
