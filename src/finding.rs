//! What a detector says: a finding about a subject, with its evidence.
//!
//! This is the vocabulary that detectors write and every output reads. It knows nothing of audit
//! events, of files or of formats.

mod attribute;
mod changes;
mod related;
mod severity;
mod shell;
mod subject;
mod timestamp;
mod tracking;

pub use attribute::{Attribute, Attributes};
pub use changes::{Changes, Grown};
pub use related::{Involved, Related, Story, relate, stories};
pub use severity::Severity;
pub use shell::quote;
pub use subject::{Subject, SubjectKind};
pub use timestamp::Timestamp;
pub use tracking::{Status, Tracking};

use serde::{Deserialize, Serialize};

/// Misuse, or the trace of it, by one subject: a thousand secret lists by one account are one finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The detector's id, as in `satrail explain ID`.
    pub detector: String,
    /// How bad it is, judged by what the subject did.
    pub severity: Severity,
    /// Whom it is about.
    pub subject: Subject,
    /// How many requests it stands for.
    pub count: u64,
    /// Time of the first of these requests; `None` where no event carried a time.
    pub first_seen: Option<Timestamp>,
    /// Time of the last of these requests.
    pub last_seen: Option<Timestamp>,
    /// Names the same matter from run to run: detector, subject and key, and nothing that changes.
    pub fingerprint: String,
    /// One line: what happened and why it matters.
    pub summary: String,
    /// What a responder asks next, under names documented with each detector.
    pub attributes: Attributes,
    /// The ATT&CK techniques that it may be a trace of: `T1552.007`.
    pub attack: Vec<String>,
    /// Whom and what it is about beside its subject: what other findings can be recognised by.
    pub involves: Involved,
    /// Other findings about the same, the most severe first; at most [`Finding::MOST_RELATED`].
    pub related: Vec<Related>,
    /// A handful of events, the first ones and the last ones, to go and look at.
    pub evidence: Vec<Evidence>,
    /// What to do about it.
    pub remediation: Remediation,
    /// What became of it since earlier runs; `None` where runs are not followed.
    #[serde(flatten)]
    pub tracking: Option<Tracking>,
}

impl Finding {
    /// That `detector` found something about `subject`; what it is remains to be said. The fingerprint is the one of a
    /// finding without a key.
    #[must_use]
    pub fn of(detector: &str, subject: Subject) -> Self {
        Self {
            detector: detector.to_owned(),
            severity: Severity::Info,
            fingerprint: fingerprint(detector, &subject, &[]),
            subject,
            count: 0,
            first_seen: None,
            last_seen: None,
            summary: String::new(),
            attributes: Attributes::new(),
            attack: Vec::new(),
            involves: Involved::default(),
            related: Vec::new(),
            evidence: Vec::new(),
            remediation: Remediation::default(),
            tracking: None,
        }
    }
}

/// One audit event, or one scrape of metrics, that a finding rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    /// When the request was received; when the scrape was taken.
    pub time: Option<Timestamp>,
    /// The event's audit ID, as logged: clients may choose it. `None` for a scrape.
    pub audit_id: Option<String>,
    /// The file, as it was named on the command line or found below it.
    pub file: String,
    /// The line in that file (decompressed), counted from 1; `None` for a scrape.
    pub line: Option<u64>,
}

/// The way out, with commands that can be pasted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remediation {
    /// One line: what to do.
    pub summary: String,
    /// The exact steps, in order.
    pub steps: Vec<Step>,
}

/// One step of a remediation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What this step does.
    pub text: String,
    /// The command to run, quoted for a POSIX shell; `None` for a step that is done by hand.
    pub command: Option<String>,
}

/// The stable name of one matter: 32 hexadecimal digits over the detector, the subject and a key.
#[must_use]
pub fn fingerprint(detector: &str, subject: &Subject, key: &[&str]) -> String {
    let mut text = String::new();
    let namespace = subject.namespace.as_deref().unwrap_or("");
    let fixed = [detector, subject.kind.as_str(), namespace, &subject.name];
    for part in fixed.iter().chain(key) {
        text.push_str(part);
        text.push('\0');
    }
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
}
