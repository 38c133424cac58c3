//! From what was done, and under which user agent, to a severity.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::{Attribute, Attributes, Severity};

use super::{AllowEntry, Merge, keyed::Keyed};

/// Something that a request did, to which a detector gives a severity.
pub(super) trait Graded: Copy + Ord {
    /// Whether it was refused: the allow-list never makes light of that.
    fn is_denial(self) -> bool;
}

/// Requests by what they did, in all and for each user agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ByAgent<G: Ord> {
    total: Counts<G>,
    agents: Keyed<Counts<G>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Counts<G: Ord>(BTreeMap<G, u64>);

/// What a detector thinks of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judgement {
    /// The gravest of its requests.
    pub(super) severity: Severity,
    /// Why some of its requests are taken lightly, if some are.
    pub(super) allowed: Option<AllowEntry>,
    /// Requests that the allow-list does not cover.
    pub(super) uncovered: u64,
}

impl<G: Graded> ByAgent<G> {
    /// Takes note of one request.
    pub(super) fn add(&mut self, grade: G, user_agent: &str, hash: u64) {
        *self.total.0.entry(grade).or_default() += 1;
        let name = || user_agent.to_owned();
        if let Some(counts) = self.agents.slot(hash, name) {
            *counts.0.entry(grade).or_default() += 1;
        }
    }

    /// Requests by what they did.
    pub(super) const fn total(&self) -> &BTreeMap<G, u64> {
        &self.total.0
    }

    /// How many requests `wanted` says yes to.
    pub(super) fn count(&self, wanted: impl Fn(G) -> bool) -> u64 {
        let matching = self.total.0.iter().filter(|&(&grade, _)| wanted(grade));
        matching.map(|(_, n)| n).sum()
    }

    /// The severity of the gravest request. Requests whose user agent `allow` has an entry for are
    /// info, unless they were refused.
    pub(super) fn judge<'a>(
        &self,
        allow: impl Fn(&str) -> Option<&'a AllowEntry>,
        severity: impl Fn(G) -> Severity,
    ) -> Judgement {
        let mut uncovered = self.total.0.clone();
        let mut allowed = None;
        for (agent, counts) in self.agents.sorted() {
            let Some(entry) = allow(agent) else { continue };
            for (grade, n) in counts.0.iter().filter(|(grade, _)| !grade.is_denial()) {
                allowed = Some(entry.clone());
                // More than 64 agents: those that were dropped stay uncovered.
                uncovered.entry(*grade).and_modify(|left| *left -= n);
            }
        }
        let left = uncovered.iter().filter(|&(_, &n)| n > 0);
        let worst = left.clone().map(|(&grade, _)| severity(grade)).max();
        Judgement {
            severity: worst.unwrap_or(Severity::Info),
            allowed,
            uncovered: left.map(|(_, n)| n).sum(),
        }
    }
}

impl Judgement {
    /// `allowed_as`: why requests are taken lightly; `not_allow_listed`: how many are not.
    pub(super) fn write(&self, attributes: &mut Attributes) {
        let reason: Attribute = self.allowed.as_ref().map(|e| e.reason.clone()).into();
        attributes.insert("allowed_as".to_owned(), reason);
        let uncovered = self.uncovered.into();
        attributes.insert("not_allow_listed".to_owned(), uncovered);
    }
}

impl<G: Ord> Default for ByAgent<G> {
    fn default() -> Self {
        Self {
            total: Counts::default(),
            agents: Keyed::default(),
        }
    }
}

impl<G: Ord> Merge for ByAgent<G> {
    fn merge(&mut self, other: Self) {
        self.total.merge(other.total);
        self.agents.merge(other.agents);
    }
}

impl<G: Ord> Default for Counts<G> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<G: Ord> Merge for Counts<G> {
    fn merge(&mut self, other: Self) {
        for (grade, count) in other.0 {
            *self.0.entry(grade).or_default() += count;
        }
    }
}
