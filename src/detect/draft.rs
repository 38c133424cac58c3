//! What every finding of an audit detector has in common.

use crate::finding::{Attributes, Finding, Involved, Remediation, Severity, Subject, fingerprint};

use super::{About, Context, EvidenceSet};

/// A finding with all that its detector, subject and evidence tell. Severity, words, attributes and the way
/// out are for the detector to fill in: `Finding { severity, summary, ..draft(…) }`.
pub(super) fn draft(
    about: &About,
    subject: Subject,
    key: &[&str],
    evidence: &EvidenceSet,
    context: &Context<'_>,
) -> Finding {
    Finding {
        detector: about.id.to_owned(),
        severity: Severity::Info,
        fingerprint: fingerprint(about.id, &subject, key),
        subject,
        count: evidence.count(),
        first_seen: evidence.first_seen(),
        last_seen: evidence.last_seen(),
        summary: String::new(),
        attributes: Attributes::new(),
        attack: about.technique_ids(),
        involves: Involved::default(),
        related: Vec::new(),
        evidence: evidence.show(context),
        tracking: None,
        remediation: Remediation {
            summary: String::new(),
            steps: Vec::new(),
        },
    }
}
