//! Findings about a kube-apiserver, from its scrapes.

use crate::{
    finding::{Attributes, Finding, Remediation, Severity, Step, Subject},
    metric::Archive,
};

use super::{About, counter::Counter};

/// A finding, as far as the counter does not know it.
pub(super) struct Scraped<'a> {
    pub(super) about: &'static About,
    pub(super) counter: &'a Counter<'a>,
    pub(super) severity: Severity,
    pub(super) summary: String,
    pub(super) attributes: Attributes,
    pub(super) remediation: Remediation,
}

impl Scraped<'_> {
    /// The finding about the counter's kube-apiserver.
    pub(super) fn finding(self, archive: &Archive) -> Finding {
        let subject = Subject::api_server(self.counter.instance);
        let mut attributes = self.attributes;
        attributes.extend(self.counter.attributes());
        Finding {
            severity: self.severity,
            count: self.counter.count(),
            first_seen: self.counter.first_seen(),
            last_seen: self.counter.last_seen(),
            summary: self.summary,
            attributes,
            attack: self.about.technique_ids(),
            evidence: self.counter.evidence(archive),
            tracking: None,
            remediation: self.remediation,
            ..Finding::of(self.about.id, subject)
        }
    }
}

/// What to do: each step with its command.
pub(super) fn remedy(summary: &str, steps: &[(&str, &str)]) -> Remediation {
    let step = |&(text, command): &(&str, &str)| Step {
        text: text.to_owned(),
        command: (!command.is_empty()).then(|| command.to_owned()),
    };
    Remediation {
        summary: summary.to_owned(),
        steps: steps.iter().map(step).collect(),
    }
}
