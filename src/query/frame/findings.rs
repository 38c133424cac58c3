//! The columns of `findings`.

use crate::finding::{Finding, SubjectKind, Timestamp};

use super::{Cell, Column, Kind, day_of};

/// One column of `findings`.
#[derive(Debug, Clone, Copy)]
pub struct FindingColumn {
    /// What there is to say about it.
    pub about: Column,
    /// What of a finding it holds.
    pub cell: fn(&Finding) -> Cell,
}

macro_rules! columns {
    ($($name:ident $kind:ident: $cell:expr, $meaning:literal;)*) => {
        /// The columns, in the order in which `SELECT *` shows them.
        pub static FINDINGS: &[FindingColumn] = &[$(FindingColumn {
            about: Column { name: stringify!($name), kind: Kind::$kind, meaning: $meaning },
            cell: $cell,
        },)*];
    };
}

columns! {
    detector Text: |f| Cell::Text(f.detector.clone()), "The detector's id (satrail explain ID)";
    severity Text: |f| Cell::Text(f.severity.as_str().to_owned()), "info, low, medium, high or critical";
    severity_rank Integer: |f| Cell::Integer(Some(f.severity as i64)), "The same as a number from 0 (info) to 4 (critical), to sort by";
    subject_kind Text: |f| Cell::Text(f.subject.kind.as_str().to_owned()), "ServiceAccount, User, AuditLog, ApiServer or Client";
    subject Text: |f| Cell::Text(f.subject.to_string()), "Whom it is about";
    account Text: |f| Cell::Text(account(f)), "The ServiceAccount as namespace/name, as in events; empty for everybody else";
    requests Integer: |f| Cell::Integer(i64::try_from(f.count).ok()), "How many requests it stands for";
    first_seen Time: |f| Cell::Time(f.first_seen.map(Timestamp::micros)), "The first of them";
    last_seen Time: |f| Cell::Time(f.last_seen.map(Timestamp::micros)), "The last of them";
    day Day: |f| Cell::Day(f.first_seen.and_then(|t| day_of(t.micros()))), "The day of the first of them";
    summary Text: |f| Cell::Text(f.summary.clone()), "What happened, in a line";
    remediation Text: |f| Cell::Text(f.remediation.summary.clone()), "What to do about it, in a line";
    attack Text: |f| Cell::Text(f.attack.join(" ")), "The ATT&CK techniques that it may be a trace of, with spaces between";
    fingerprint Text: |f| Cell::Text(f.fingerprint.clone()), "Names the same matter in every run";
    attributes Text: |f| Cell::Text(json(&f.attributes)), "What else the detector says, a JSON object";
    evidence Text: |f| Cell::Text(json(&f.evidence)), "A few events, with time, audit ID, file and line, a JSON array";
}

fn account(finding: &Finding) -> String {
    match (&finding.subject.kind, &finding.subject.namespace) {
        (SubjectKind::ServiceAccount, Some(namespace)) => {
            format!("{namespace}/{}", finding.subject.name)
        }
        _ => String::new(),
    }
}

/// JSON of what always can be written as such.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
