//! The requests that carry one audit ID, and the ID itself.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{finding::Timestamp, source::Origin};

use super::{
    super::{deed::Deed, keyed, request::Request},
    is_uuid_shaped,
};

/// How many requests of one ID.
pub(super) const KEPT: usize = 16;
/// How much of an ID's text is kept, in bytes: a client may send a megabyte. IDs are told apart by hash.
const SHOWN: usize = 256;
/// The requests with one ID: the `KEPT` with the smallest hashes, and a count of the others.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::detect) struct Uses {
    id: Id,
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
    seen: u64,
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

/// An ID: a UUID's digits without its dashes, so that nothing is allocated for it, or any text.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Id {
    Uuid([u8; 32]),
    Text(String),
}

impl Uses {
    pub(super) const fn new(id: Id, first: Sighting) -> Self {
        Self {
            id,
            first,
            more: Vec::new(),
            beyond: 0,
        }
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
        self.beyond += dropped.map(|sighting| sighting.seen).sum::<u64>();
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.beyond += other.beyond;
        for sighting in other.more.into_iter().chain([other.first]) {
            self.add(sighting);
        }
    }

    /// The ID, or what it begins with if it is long.
    pub(in crate::detect) fn id(&self) -> String {
        match &self.id {
            Id::Uuid(digits) => {
                let text = String::from_utf8_lossy(digits);
                let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
                format!(
                    "{}-{}-{}-{}-{}",
                    part(0, 8),
                    part(8, 12),
                    part(12, 16),
                    part(16, 20),
                    part(20, text.len())
                )
            }
            Id::Text(text) => text.clone(),
        }
    }

    /// How many requests carried it; beyond 16, lines that were delivered twice count twice.
    pub(in crate::detect) fn count(&self) -> u64 {
        1 + self.more.len() as u64 + self.beyond
    }

    /// The requests that are kept, by time.
    pub(in crate::detect) fn requests(&self) -> Vec<&Sighting> {
        let mut requests: Vec<&Sighting> = self.more.iter().chain([&self.first]).collect();
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
        self.seen += other.seen;
        self.grave |= other.grave;
        let order = |sighting: &Self| (sighting.identity, sighting.origin, sighting.time);
        if order(&other) < order(self) {
            (self.identity, self.origin, self.time) = (other.identity, other.origin, other.time);
        }
    }
}

impl Id {
    pub(super) fn of(id: &[u8]) -> Self {
        if is_uuid_shaped(id) && id.is_ascii() {
            let mut digits = [0; 32];
            for (to, from) in [
                (0..8, 0..8),
                (8..12, 9..13),
                (12..16, 14..18),
                (16..20, 19..23),
                (20..32, 24..36),
            ] {
                digits[to].copy_from_slice(&id[from]);
            }
            Self::Uuid(digits)
        } else {
            let mut text = String::from_utf8_lossy(id).into_owned();
            let cut = (0..=SHOWN.min(text.len()))
                .rev()
                .find(|&at| text.is_char_boundary(at));
            text.truncate(cut.unwrap_or_default());
            Self::Text(text)
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
