//! What every finding of an audit detector has in common.

use crate::finding::{Finding, Subject, fingerprint};

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
        fingerprint: fingerprint(about.id, &subject, key),
        count: evidence.count(),
        first_seen: evidence.first_seen(),
        last_seen: evidence.last_seen(),
        attack: about.technique_ids(),
        evidence: evidence.show(context),
        ..Finding::of(about.id, subject)
    }
}
