//! The requests that carry one audit ID, and the ID itself.

use std::{borrow::Cow, cmp::Ordering};

use serde::{Deserialize, Serialize};

use crate::{finding::Timestamp, source::Origin};

use super::super::{audit_id::AuditId, deed::Deed, keyed, request::Request};

/// How many requests of one ID.
pub(super) const KEPT: usize = 16;

/// A request with an ID of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::detect) struct Once {
    /// That of the ID.
    pub(super) hash: u64,
    pub(super) id: AuditId,
    pub(super) request: Sighting,
}

/// An ID and what it was used for.
#[derive(Debug)]
pub(in crate::detect) enum Used<'a> {
    Once(&'a Once),
    Again(Cow<'a, Uses>),
}

/// The requests with one ID: the `KEPT` with the smallest hashes, and a count of the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::detect) struct Uses {
    id: AuditId,
    /// The one with the smallest hash; nearly always the only one.
    first: Sighting,
    /// The others, by hash.
    more: Vec<Sighting>,
    /// Events of requests that are not kept.
    beyond: u64,
}

/// One request, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::detect) struct Sighting {
    key: u64,
    /// How often it was seen: more than once if it was delivered twice.
    seen: u32,
    pub(in crate::detect) time: Option<Timestamp>,
    pub(in crate::detect) identity: u64,
    pub(in crate::detect) origin: Origin,
    /// A hash of verb and URI.
    pub(in crate::detect) what: u64,
    /// Whether it changed something, read secrets, made a token or entered a pod.
    pub(in crate::detect) grave: bool,
    /// Whether kube-apiserver may have passed it on to an aggregated API server.
    pub(in crate::detect) aggregated: bool,
}

impl Uses {
    /// Requests with one ID.
    pub(super) fn of(first: &Once, more: impl IntoIterator<Item = Sighting>) -> Self {
        let mut uses = Self {
            id: first.id.clone(),
            first: first.request,
            more: Vec::new(),
            beyond: 0,
        };
        for request in more {
            uses.add(request);
        }
        uses
    }

    pub(super) fn add(&mut self, mut new: Sighting) {
        match new.key.cmp(&self.first.key) {
            Ordering::Equal => return self.first.join(new),
            Ordering::Less => std::mem::swap(&mut self.first, &mut new),
            Ordering::Greater => {}
        }
        match self.more.binary_search_by_key(&new.key, |known| known.key) {
            Ok(at) => self.more[at].join(new),
            Err(at) => self.more.insert(at, new),
        }
        let dropped = self.more.drain(self.more.len().min(KEPT - 1)..);
        self.beyond += dropped
            .map(|sighting| u64::from(sighting.seen))
            .sum::<u64>();
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.beyond += other.beyond;
        for sighting in other.more.into_iter().chain([other.first]) {
            self.add(sighting);
        }
    }
}

impl Used<'_> {
    /// The ID, or what it begins with if it is long.
    pub(in crate::detect) fn id(&self) -> String {
        match self {
            Self::Once(once) => once.id.to_string(),
            Self::Again(uses) => uses.id.to_string(),
        }
    }

    /// How many requests carried it; beyond 16, lines that were delivered twice count twice.
    pub(in crate::detect) fn count(&self) -> u64 {
        match self {
            Self::Once(_) => 1,
            Self::Again(uses) => 1 + uses.more.len() as u64 + uses.beyond,
        }
    }

    /// The requests that are kept, by time.
    pub(in crate::detect) fn requests(&self) -> Vec<&Sighting> {
        let uses = match self {
            Self::Once(once) => return vec![&once.request],
            Self::Again(uses) => uses,
        };
        let mut requests: Vec<&Sighting> = uses.more.iter().chain([&uses.first]).collect();
        requests.sort_by_key(|request| (request.time, request.key));
        requests
    }
}

impl Sighting {
    pub(super) fn of(event: &Request<'_>) -> Self {
        let uri = event.uri();
        let grave = match event.deed() {
            Deed::Discovered | Deed::Refused | Deed::Failed | Deed::Read | Deed::Attempted => false,
            Deed::Changed | Deed::ReadSecrets | Deed::Entered | Deed::Minted | Deed::WroteRbac => {
                true
            }
        };
        Self {
            key: event.key().0,
            seen: 1,
            time: event.time(),
            identity: event.identity(),
            origin: event.origin,
            what: keyed::hash(0, &[&event.verb.read(), uri]),
            grave,
            aggregated: is_aggregated(uri),
        }
    }

    /// The same request once more: where it stands and what it did must not depend on which came first.
    fn join(&mut self, other: Self) {
        self.seen = self.seen.saturating_add(other.seen);
        self.grave |= other.grave;
        let order = |sighting: &Self| (sighting.identity, sighting.origin, sighting.time);
        if order(&other) < order(self) {
            (self.identity, self.origin, self.time) = (other.identity, other.origin, other.time);
        }
    }
}

/// Whether a path may be served by an aggregated API server: a group that is not one of Kubernetes' own
/// (`apps` and the like have no dot, the others end with `k8s.io`; the metrics APIs are aggregated).
fn is_aggregated(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix("/apis/") else {
        return false;
    };
    let group = rest.split(['/', '?']).next().unwrap_or_default();
    group.contains('.') && (!group.ends_with(".k8s.io") || group.ends_with("metrics.k8s.io"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregated_groups_are_told_from_kubernetes_own() {
        for (uri, expected) in [
            ("/apis/project.openshift.io/v1/projects", true),
            ("/apis/metrics.k8s.io/v1beta1/nodes", true),
            ("/apis/custom.metrics.k8s.io/v1beta2", true),
            ("/apis/apps/v1/deployments", false),
            ("/apis/rbac.authorization.k8s.io/v1/roles", false),
            ("/api/v1/namespaces/shop/pods", false),
            ("/apis", false),
        ] {
            assert_eq!(is_aggregated(uri), expected, "{uri}");
        }
    }
}
