//! What an account did, from where and when: what findings about a whole account have in common.

use serde::{Deserialize, Serialize};

use crate::finding::{Attribute, Attributes};

use super::{
    EvidenceSet, Merge, Tally,
    caller::{Callers, SHOWN},
    deed::{self, Deed},
    judge::{ByAgent, Graded},
    request::Request,
};

/// What an account did, from where and when. `G` is what a detector tells requests apart by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Activity<G: Ord = Deed> {
    pub(super) evidence: EvidenceSet,
    pub(super) deeds: ByAgent<G>,
    pub(super) callers: Callers,
    pub(super) requests: Tally,
    pub(super) codes: Tally,
    pub(super) namespaces: Tally,
}

impl<G: Graded> Activity<G> {
    /// Takes note of one request.
    pub(super) fn add(&mut self, grade: G, event: &Request<'_>) {
        self.evidence.add(event);
        self.deeds
            .add(grade, event.agent(), event.caller.agent_hash);
        self.callers.add(event);
        let time = event.time();
        self.requests.add_name(&event.kind.words, time);
        self.codes.add_name(&event.kind.code_words, time);
        if let Some(namespace) = event.namespace {
            self.namespaces.add_name(&namespace.shown, time);
        }
    }

    /// `requests`, `codes`, `namespaces` and what [`Callers`] has.
    pub(super) fn write(&self, attributes: &mut Attributes) {
        attributes.insert("requests".to_owned(), self.requests.attribute(SHOWN));
        attributes.insert("codes".to_owned(), self.codes.attribute(SHOWN));
        attributes.insert("namespaces".to_owned(), self.namespaces.attribute(SHOWN));
        self.callers.write(attributes);
    }
}

impl Activity {
    /// `did`: requests by what they did.
    pub(super) fn write_deeds(&self, attributes: &mut Attributes) {
        let did = self.deeds.total().iter();
        let did: Attributes = did
            .map(|(deed, &n)| (deed.as_str().to_owned(), n.into()))
            .collect();
        attributes.insert("did".to_owned(), Attribute::Map(did));
    }

    /// The gravest things it did, in words.
    pub(super) fn in_words(&self) -> String {
        deed::in_words(self.deeds.total())
    }
}

impl<G: Ord> Default for Activity<G> {
    fn default() -> Self {
        Self {
            evidence: EvidenceSet::default(),
            deeds: ByAgent::default(),
            callers: Callers::default(),
            requests: Tally::default(),
            codes: Tally::default(),
            namespaces: Tally::default(),
        }
    }
}

impl<G: Ord> Merge for Activity<G> {
    fn merge(&mut self, other: Self) {
        self.evidence.merge(other.evidence);
        self.deeds.merge(other.deeds);
        self.callers.merge(other.callers);
        self.requests.merge(other.requests);
        self.codes.merge(other.codes);
        self.namespaces.merge(other.namespaces);
    }
}

/// The HTTP status, or `none` for a request that was never answered.
pub(super) fn code(event: &Request<'_>) -> String {
    event
        .code
        .map_or_else(|| "none".to_owned(), |code| code.to_string())
}

/// `*` for requests that name no namespace.
pub(super) fn namespace(name: &str) -> &str {
    if name.is_empty() { "*" } else { name }
}
