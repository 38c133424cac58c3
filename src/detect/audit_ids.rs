//! Which requests carry an audit ID, for as many IDs of a user as memory allows, the same ones whatever the
//! order.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{finding::Timestamp, source::Origin};

use super::{Merge, by_hash::ByHash, deed::Deed, keyed, request::Request};

/// How many IDs that look like the server's own are kept.
const MADE: usize = 128;
/// How many others.
const CHOSEN: usize = 64;
/// How many requests of one ID.
const KEPT: usize = 16;
/// How much of an ID's text is kept, in bytes: a client may send a megabyte. IDs are told apart by hash.
const SHOWN: usize = 256;
/// Where the dashes of a UUID stand.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// The audit IDs of one user.
///
/// Those with the smallest hashes are kept, each with all of its requests from the first one on: what is kept
/// in the end was kept all along, whatever the order of the input and however it was split.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Sample {
    requests: u64,
    without_id: u64,
    chosen_by_client: u64,
    /// Shaped like the server's own.
    made: Ids<MADE>,
    /// Of any other shape: chosen by a client for certain.
    chosen: Ids<CHOSEN>,
}

/// The `MOST` IDs with the smallest hashes.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Ids<const MOST: usize> {
    kept: ByHash<Uses>,
    dropped: bool,
}

/// The largest hash that is kept, by the seat of whoever calls, with the user's own hash. Good for ever, since more IDs
/// only make it smaller.
#[derive(Debug, Default)]
pub(super) struct Gates(Vec<Option<(u64, u64)>>);

/// The requests with one ID: the `KEPT` with the smallest hashes, and a count of the others.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Uses {
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
pub(super) struct Sighting {
    key: u64,
    /// How often it was seen: more than once if it was delivered twice.
    seen: u64,
    pub(super) time: Option<Timestamp>,
    pub(super) identity: u64,
    pub(super) origin: Origin,
    /// A hash of verb and URI.
    pub(super) what: u64,
    /// Whether it changed something, read secrets, made a token or entered a pod.
    pub(super) grave: bool,
    /// Whether kube-apiserver may have passed it on to an aggregated API server.
    pub(super) aggregated: bool,
}

/// An ID: a UUID's digits without its dashes, so that nothing is allocated for it, or any text.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Id {
    Uuid([u8; 32]),
    Text(String),
}

impl Sample {
    /// Takes note of one request. For nearly all of them that is a hash and a comparison.
    pub(super) fn add(&mut self, event: &Request<'_>) {
        self.count(1);
        self.keep(event);
    }

    /// Counts `requests` whose IDs are shown to [`Sample::keep`].
    pub(super) const fn count(&mut self, requests: u64) {
        self.requests += requests;
    }

    /// Keeps the ID of one request if it is among those with the smallest hashes. Says which hash is too large if
    /// it is one like the server's and is not.
    pub(super) fn keep(&mut self, event: &Request<'_>) -> Option<u64> {
        let id = event.audit_id.read();
        let id = id.as_bytes();
        if id.is_empty() {
            self.without_id += 1;
        } else if is_uuid_shaped(id) {
            self.made.add(id, event);
            return self.made.kept.last().filter(|_| self.made.dropped);
        } else {
            self.chosen_by_client += 1;
            self.chosen.add(id, event);
        }
        None
    }

    /// The IDs kept, with their hashes.
    pub(super) fn ids(&self) -> impl Iterator<Item = (u64, &Uses)> {
        self.made.kept.iter().chain(self.chosen.kept.iter())
    }

    /// All requests.
    pub(super) const fn requests(&self) -> u64 {
        self.requests
    }

    /// Those without an ID.
    pub(super) const fn without_id(&self) -> u64 {
        self.without_id
    }

    /// Those with an ID that no server makes.
    pub(super) const fn chosen_by_client(&self) -> u64 {
        self.chosen_by_client
    }

    /// Whether all IDs were kept.
    pub(super) const fn is_exact(&self) -> bool {
        !self.made.dropped && !self.chosen.dropped
    }
}

/// Whether dashes and version stand where a random UUID has them. Not whether its digits are some: a client
/// may choose those as well.
fn is_uuid_shaped(id: &[u8]) -> bool {
    id.len() == 36 && DASHES.iter().all(|&at| id[at] == b'-') && id[14] == b'4'
}

impl Gates {
    /// Whether the ID of `event` is one like the server's own and certain not to be kept.
    pub(super) fn turns_away(&self, event: &Request<'_>) -> bool {
        let caller = event.caller;
        let Some(Some((user, largest))) = self.0.get(caller.seat) else {
            return false;
        };
        let id = event.audit_id.read();
        *user == caller.user_hash
            && is_uuid_shaped(id.as_bytes())
            && xxh3_64(id.as_bytes()) > *largest
    }

    /// Remembers that no ID of the user of `event` is kept that is larger than `largest` and like the server's own.
    pub(super) fn close(&mut self, event: &Request<'_>, largest: u64) {
        let caller = event.caller;
        if self.0.len() <= caller.seat {
            self.0.resize(caller.seat + 1, None);
        }
        self.0[caller.seat] = Some((caller.user_hash, largest));
    }
}

impl<const MOST: usize> Ids<MOST> {
    fn add(&mut self, id: &[u8], event: &Request<'_>) {
        let hash = xxh3_64(id);
        let full = self.kept.len() >= MOST;
        if full && self.kept.last().is_some_and(|last| hash > last) {
            self.dropped = true;
            return;
        }
        let sighting = Sighting::of(event);
        if let Some(uses) = self.kept.get_mut(hash) {
            uses.add(sighting);
        } else {
            self.kept.entry(hash, || Uses::new(Id::of(id), sighting));
            self.shrink();
        }
    }

    fn merge(&mut self, other: Self) {
        self.dropped |= other.dropped;
        for (hash, theirs) in other.kept {
            if let Some(ours) = self.kept.get_mut(hash) {
                ours.merge(theirs);
            } else {
                self.kept.entry(hash, || theirs);
            }
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.kept.len() > MOST {
            self.kept.pop_last();
            self.dropped = true;
        }
    }
}

impl Uses {
    const fn new(id: Id, first: Sighting) -> Self {
        Self {
            id,
            first,
            more: Vec::new(),
            beyond: 0,
        }
    }

    fn add(&mut self, mut new: Sighting) {
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

    fn merge(&mut self, other: Self) {
        self.beyond += other.beyond;
        for sighting in other.more.into_iter().chain([other.first]) {
            self.add(sighting);
        }
    }

    /// The ID, or what it begins with if it is long.
    pub(super) fn id(&self) -> String {
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
    pub(super) fn count(&self) -> u64 {
        1 + self.more.len() as u64 + self.beyond
    }

    /// The requests that are kept, by time.
    pub(super) fn requests(&self) -> Vec<&Sighting> {
        let mut requests: Vec<&Sighting> = self.more.iter().chain([&self.first]).collect();
        requests.sort_by_key(|request| (request.time, request.key));
        requests
    }
}

impl Sighting {
    fn of(event: &Request<'_>) -> Self {
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
    fn of(id: &[u8]) -> Self {
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

impl Merge for Sample {
    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.without_id += other.without_id;
        self.chosen_by_client += other.chosen_by_client;
        self.made.merge(other.made);
        self.chosen.merge(other.chosen);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{detect::Memo, event::Parser};

    /// One user's requests, each by the number of its ID and the second at which it came.
    fn lines(requests: &[(u16, u8)]) -> Vec<String> {
        let line = |&(id, second): &(u16, u8)| {
            let (id, time) = match id % 3 {
                0 => (format!("client-{id}"), second % 60),
                _ => (format!("00000000-0000-4000-8000-{id:012x}"), second % 60),
            };
            serde_json::json!({
                "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": id,
                "stage": "ResponseComplete", "requestURI": "/api", "verb": "get", "user": {"username": "u"},
                "requestReceivedTimestamp": format!("2026-01-01T00:00:{time:02}.000000Z"),
                "stageTimestamp": format!("2026-01-01T00:00:{time:02}.000000Z"),
            })
            .to_string()
        };
        requests.iter().map(line).collect()
    }

    fn sample(lines: &[String], from: u32) -> Sample {
        let mut memo = Memo::default();
        let mut sample = Sample::default();
        for (line, text) in (from..).zip(lines) {
            let origin = Origin {
                source: 0,
                chunk: 0,
                line,
            };
            let mut parser = Parser::default();
            sample.add(&memo.request(&parser.parse(text, origin).unwrap()));
        }
        sample
    }

    fn bytes(sample: &Sample) -> Vec<u8> {
        postcard::to_stdvec(sample).unwrap()
    }

    proptest! {
        #[test]
        fn does_not_depend_on_the_split(
            requests in prop::collection::vec((0_u16..400, 0_u8..60), 0..500), cut: prop::sample::Index,
        ) {
            let lines = lines(&requests);
            let at = if lines.is_empty() { 0 } else { cut.index(lines.len()) };
            let whole = sample(&lines, 0);
            let from = u32::try_from(at).unwrap();
            let (mut left, mut right) = (sample(&lines[..at], 0), sample(&lines[at..], from));
            let other = (sample(&lines[..at], 0), sample(&lines[at..], from));
            left.merge(right);
            prop_assert_eq!(bytes(&left), bytes(&whole));
            right = other.1;
            right.merge(other.0);
            prop_assert_eq!(bytes(&right), bytes(&whole));
        }
    }

    #[test]
    fn a_constant_id_is_counted_beyond_what_is_kept() {
        let requests: Vec<(u16, u8)> = (0..50).map(|second| (1, second)).collect();
        let sample = sample(&lines(&requests), 0);
        let (_, uses) = sample.ids().next().unwrap();
        assert_eq!((uses.count(), uses.requests().len()), (50, KEPT));
        assert_eq!(uses.id(), "00000000-0000-4000-8000-000000000001");
        assert!(sample.is_exact());
    }

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
