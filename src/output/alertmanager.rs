//! Findings as Alertmanager's API takes alerts (`POST /api/v2/alerts`).
//!
//! An alert is known by its labels, so nothing that changes from run to run is one: posting a finding again
//! only moves its end. An alert that is not posted again ends by itself when its `endsAt` passes; one that is
//! over is posted with the time when it ended.
//!
//! Strings from the log come in cut to a length and with every character spelled out that acts on a terminal
//! or, in angle brackets, on a chat system that Alertmanager passes annotations on to.

use std::{borrow::Cow, collections::BTreeMap, io, time::Duration};

use serde::Serialize;

use super::hostile::{clip, shown};
use crate::finding::{Evidence, Finding, Status, Step, SubjectKind, Timestamp};

/// The name of every alert (`alertname`): what it is about stands in the other labels.
pub const ALERT_NAME: &str = "SatrailFinding";

/// Alerts in one request, at most.
const MOST_ALERTS: usize = 500;

/// Bytes in one request, unless one alert alone has more: half of what nginx lets through by default
/// (`client_max_body_size 1m`).
const MOST_BYTES: usize = 512 * 1024;

/// Characters of a label's value, and of each kind of annotation.
const LABEL: usize = 200;
const SUMMARY: usize = 1_000;
const DESCRIPTION: usize = 4_000;

/// 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
const END_OF_TIME: i64 = 253_402_300_799_000_000;

/// How long an alert lives without being posted again, where nothing else is known: a timer that fires every
/// few minutes may fail for hours before anybody is told that all is well. A finding that is over is posted as such,
/// so a long life costs nothing.
pub const HOLD: Duration = Duration::from_secs(4 * 3600);

/// How findings become alerts.
#[derive(Debug, Clone, Copy)]
pub struct AlertSettings<'a> {
    /// How long an alert lives unless it is posted again: longer than a run may be late, or Alertmanager tells
    /// everybody that it is over.
    pub hold: Duration,
    /// Labels that every alert gets, such as the cluster's name: two clusters have accounts of the same name.
    /// Names that this module uses itself stay as they are here.
    pub labels: &'a [(String, String)],
}

/// One alert, as `postableAlert` of Alertmanager's `api/v2/openapi.yaml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    labels: BTreeMap<&'a str, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: Timestamp,
    ends_at: Timestamp,
}

/// The bodies of as many requests as it takes. None where there is nothing to say: no request is due then.
///
/// Findings that have been over for longer than `hold` are left out: whenever they were last posted as going
/// on, that end has passed by now.
pub fn alert_batches(
    findings: &[Finding],
    now: Timestamp,
    settings: &AlertSettings<'_>,
) -> io::Result<Vec<Vec<u8>>> {
    let mut batches = Vec::new();
    let mut batch = Batch::default();
    for alert in findings.iter().filter_map(|f| alert(f, now, settings)) {
        let json = serde_json::to_vec(&alert)?;
        if batch.is_full(json.len()) {
            batches.push(std::mem::take(&mut batch).close());
        }
        batch.add(&json);
    }
    if batch.alerts > 0 {
        batches.push(batch.close());
    }
    Ok(batches)
}

/// A JSON array that grows.
#[derive(Debug, Default)]
struct Batch {
    alerts: usize,
    json: Vec<u8>,
}

impl Batch {
    const fn is_full(&self, more: usize) -> bool {
        self.alerts > 0 && (self.alerts == MOST_ALERTS || self.json.len() + more > MOST_BYTES)
    }

    fn add(&mut self, alert: &[u8]) {
        self.json.push(if self.alerts == 0 { b'[' } else { b',' });
        self.json.extend(alert);
        self.alerts += 1;
    }

    fn close(mut self) -> Vec<u8> {
        self.json.push(b']');
        self.json
    }
}

fn alert<'a>(
    finding: &'a Finding,
    now: Timestamp,
    settings: &AlertSettings<'a>,
) -> Option<Alert<'a>> {
    let (starts_at, ends_at) = span(finding, now, settings.hold)?;
    Some(Alert {
        labels: labels(finding, settings.labels),
        annotations: annotations(finding),
        starts_at,
        ends_at,
    })
}

/// From when to when; `None` for what has long been over. A start before 1970 or in the future, which clocks and
/// clients can bring about, is moved: Alertmanager takes no alert that ends before it starts, and none at all of a
/// request with a time that RFC 3339 cannot write.
fn span(finding: &Finding, now: Timestamp, hold: Duration) -> Option<(Timestamp, Timestamp)> {
    let within = |micros: i64| micros.clamp(0, END_OF_TIME);
    let hold = i64::try_from(hold.as_micros()).unwrap_or(i64::MAX);
    let now = within(now.micros());
    let end = match finding.tracking {
        Some(tracking) if tracking.status == Status::Resolved => {
            let since = within(tracking.status_since.micros());
            if now.saturating_sub(since) > hold {
                return None;
            }
            since.min(now)
        }
        _ => within(now.saturating_add(hold)),
    };
    let first = finding.first_seen;
    let first = first.or(finding.tracking.map(|tracking| tracking.first_reported));
    let start = first.map_or(now, |time| within(time.micros())).min(now);
    let [start, end] = [start.min(end), end].map(Timestamp::from_micros);
    Some((start, end))
}

/// The same in every run, as long as the severity is.
fn labels<'a>(finding: &'a Finding, more: &'a [(String, String)]) -> BTreeMap<&'a str, String> {
    let subject = &finding.subject;
    let mut labels: BTreeMap<&str, String> = more
        .iter()
        .map(|(name, value)| (&**name, safe(value, LABEL)))
        .collect();
    labels.extend([
        ("alertname", ALERT_NAME.to_owned()),
        ("detector", safe(&finding.detector, LABEL)),
        ("severity", finding.severity.as_str().to_owned()),
        ("fingerprint", safe(&finding.fingerprint, LABEL)),
        ("subject_kind", subject.kind.as_str().to_owned()),
    ]);
    match (&subject.kind, &subject.namespace) {
        (SubjectKind::ServiceAccount, Some(namespace)) => labels.extend([
            ("namespace", safe(namespace, LABEL)),
            ("serviceaccount", safe(&subject.name, LABEL)),
        ]),
        _ => labels.extend([("subject", safe(&subject.to_string(), LABEL))]),
    }
    labels
}

fn annotations(finding: &Finding) -> BTreeMap<&'static str, String> {
    let mut annotations = BTreeMap::from([
        ("summary", safe(&finding.summary, SUMMARY)),
        ("description", description(finding)),
    ]);
    let remediation = remediation(finding);
    if !remediation.is_empty() {
        annotations.insert("remediation", remediation);
    }
    annotations
}

/// How often, when, and where to look.
fn description(finding: &Finding) -> String {
    let detector = safe(&finding.detector, LABEL);
    let subject = safe(&finding.subject.to_string(), LABEL);
    let requests = match finding.count {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    };
    let when = match (finding.first_seen, finding.last_seen) {
        (Some(first), Some(last)) if first != last => {
            format!(", first at {first}, last at {last}")
        }
        (Some(time), _) | (_, Some(time)) => format!(", at {time}"),
        (None, None) => String::new(),
    };
    let places: Vec<String> = finding.evidence.iter().map(place).collect();
    let text = format!(
        "{detector} on {subject}: {requests}{when}{}",
        places.concat()
    );
    clip(&text, DESCRIPTION).into_owned()
}

/// `file:line` on a line of its own, and the audit ID to search other places for.
fn place(evidence: &Evidence) -> String {
    let file = safe(&evidence.file, LABEL);
    let line = evidence.line.map(|line| format!(":{line}"));
    let audit_id = evidence.audit_id.as_deref();
    let audit_id = audit_id.map(|id| format!(" audit ID {}", safe(id, LABEL)));
    [Some("\n".to_owned()), Some(file), line, audit_id]
        .into_iter()
        .flatten()
        .collect()
}

/// What to do. A command stands here whole and as it is to be pasted, or not at all.
fn remediation(finding: &Finding) -> String {
    let remediation = &finding.remediation;
    let mut text = safe(&remediation.summary, SUMMARY);
    let mut left_out = 0;
    for (at, step) in remediation.steps.iter().enumerate() {
        match numbered(at + 1, step) {
            Some(line) if text.len() + line.len() <= DESCRIPTION => text += &line,
            _ => left_out += 1,
        }
    }
    if left_out == 0 {
        return text;
    }
    format!("{text}\n({left_out} more in the report of satrail)")
}

/// A step on lines of its own; `None` where its command has something in it that acts.
fn numbered(number: usize, step: &Step) -> Option<String> {
    let text = safe(&step.text, SUMMARY);
    match &step.command {
        None => Some(format!("\n{number}. {text}")),
        Some(command) if spelled(command) != *command => None,
        Some(command) => Some(format!("\n{number}. {text}\n   {command}")),
    }
}

/// A string from the log: spelled out and cut.
fn safe(text: &str, most: usize) -> String {
    // Cut first: a megabyte need not be looked at.
    let cut = clip(text, most);
    clip(&spelled(&cut), most * 2).into_owned()
}

/// With nothing in it that acts. `<!channel>` and `<address|words>` do so in Slack's messages.
fn spelled(text: &str) -> Cow<'_, str> {
    match shown(text) {
        Cow::Borrowed(text) if !text.contains('<') => Cow::Borrowed(text),
        text => Cow::Owned(text.replace('<', "\\u{3c}")),
    }
}

#[cfg(test)]
mod tests;
