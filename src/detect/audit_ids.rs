//! Which requests carry an audit ID, for as many IDs of a user as memory allows, the same ones whatever the
//! order.

mod uses;

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Merge,
    audit_id::{AuditId, DASHES},
    by_hash::ByHash,
    request::Request,
};

use uses::{Once, Uses};
pub(super) use uses::{Sighting, Used};

/// How many IDs that look like the server's own are kept.
const MADE: usize = 128;
/// How many others.
const CHOSEN: usize = 64;
/// How much of an ID's text is kept, in bytes.
const SHOWN: usize = 256;

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

/// So many requests are added before it is looked at which of them have one ID, and which are among the `MOST`.
const UNSORTED: usize = 32;

/// The `MOST` IDs with the smallest hashes, and perhaps some more that were added since.
#[derive(Debug, Clone, Default)]
struct Ids<const MOST: usize> {
    /// Requests with IDs that nobody has seen twice, the last ones in no order: putting each where it belongs moves
    /// half of the others.
    once: Vec<Once>,
    again: ByHash<Box<Uses>>,
    /// The largest hash, if others were larger.
    limit: Option<u64>,
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
        let id = &*event.audit_id.read();
        if id.is_empty() {
            self.without_id += 1;
        } else if is_uuid_shaped(id.as_bytes()) {
            self.made.add(id, event);
            return self.made.limit;
        } else {
            self.chosen_by_client += 1;
            self.chosen.add(id, event);
        }
        None
    }

    /// The IDs kept, with their hashes.
    pub(super) fn ids(&self) -> impl Iterator<Item = (u64, Used<'_>)> {
        self.made.kept().into_iter().chain(self.chosen.kept())
    }

    /// The hashes of the IDs kept, twice where one stands for several requests.
    pub(super) fn hashes(&self) -> impl Iterator<Item = u64> {
        self.made.hashes().into_iter().chain(self.chosen.hashes())
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
    pub(super) fn is_exact(&self) -> bool {
        self.made.is_exact() && self.chosen.is_exact()
    }
}

/// Whether dashes and version stand where a random UUID has them. Not whether its digits are some: a client
/// may choose those as well.
fn is_uuid_shaped(id: &[u8]) -> bool {
    id.len() == 36 && DASHES.iter().all(|&at| id[at] == b'-') && id[14] == b'4'
}

/// Whether the ID of `event` is one like the server's own, and its hash is larger than `largest`: where that is what
/// [`Sample::keep`] has said, it is certain not to be kept, since more IDs only make the largest one smaller.
pub(super) fn is_beyond(largest: u64, event: &Request<'_>) -> bool {
    let id = event.audit_id.read();
    is_uuid_shaped(id.as_bytes()) && xxh3_64(id.as_bytes()) > largest
}

impl<const MOST: usize> Ids<MOST> {
    fn add(&mut self, id: &str, event: &Request<'_>) {
        let hash = xxh3_64(id.as_bytes());
        if self.limit.is_some_and(|limit| hash > limit) {
            return;
        }
        if self.once.len() + self.again.len() >= MOST + UNSORTED {
            self.sort();
        }
        let request = Sighting::of(event);
        if let Some(uses) = self.again.get_mut(hash) {
            uses.add(request);
        } else {
            if self.once.len() == self.once.capacity() {
                self.once.reserve_exact(self.once.len().clamp(1, UNSORTED));
            }
            self.once.push(Once {
                hash,
                id: shown(id),
                request,
            });
        }
    }

    /// Finds what has one ID, and drops what is not among the `MOST`.
    fn sort(&mut self) {
        self.once.sort_unstable_by_key(|once| once.hash);
        if self.once.is_sorted_by(|a, b| a.hash < b.hash) {
            return self.shrink();
        }
        let mut at = 0;
        while let Some(first) = self.once.get(at) {
            let hash = first.hash;
            let same = self.once[at..].partition_point(|once| once.hash == hash);
            if same > 1 {
                let mut same = self.once.drain(at..at + same);
                if let Some(first) = same.next() {
                    let uses = Uses::of(&first, same.map(|once| once.request));
                    self.again.entry(hash, || Box::new(uses));
                }
            } else {
                at += 1;
            }
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        let last = |ids: &Self| (ids.once.last().map(|once| once.hash), ids.again.last());
        while self.once.len() + self.again.len() > MOST {
            let (once, again) = last(self);
            if once > again {
                self.once.pop();
            } else {
                self.again.pop_last();
            }
            self.limit = Some(0);
        }
        if self.limit.is_some() {
            let (once, again) = last(self);
            self.limit = once.max(again);
        }
    }

    fn merge(&mut self, mut other: Self) {
        self.sort();
        other.sort();
        // Between them there may be twice as many as are kept.
        let mut all = self.hashes();
        all.extend(other.hashes());
        all.sort_unstable();
        let largest = all.chunk_by(|a, b| a == b).nth(MOST - 1);
        if let Some(&largest) = largest.and_then(<[u64]>::first) {
            self.drop_above(largest);
            other.drop_above(largest);
        }
        self.limit = self.limit.or(other.limit);
        for (hash, mut theirs) in other.again {
            for own in self.once.extract_if(.., |own| own.hash == hash) {
                theirs.add(own.request);
            }
            if let Some(ours) = self.again.get_mut(hash) {
                ours.merge(*theirs);
            } else {
                self.again.entry(hash, || theirs);
            }
        }
        for theirs in other.once {
            if let Some(ours) = self.again.get_mut(theirs.hash) {
                ours.add(theirs.request);
            } else {
                self.once.push(theirs);
            }
        }
        self.sort();
    }

    /// Drops the IDs with hashes larger than `largest`.
    fn drop_above(&mut self, largest: u64) {
        let before = self.once.len() + self.again.len();
        self.once.retain(|once| once.hash <= largest);
        while self.again.last().is_some_and(|last| last > largest) {
            self.again.pop_last();
        }
        if self.once.len() + self.again.len() < before {
            self.limit = Some(largest);
        }
    }

    /// All IDs with their hashes, those with the smallest ones first.
    fn all(&self) -> Vec<(u64, Used<'_>)> {
        let mut once: Vec<&Once> = self.once.iter().collect();
        once.sort_unstable_by_key(|once| once.hash);
        let once = once.chunk_by(|a, b| a.hash == b.hash);
        let once = once.filter_map(|same| {
            let (&first, more) = same.split_first()?;
            let used = if more.is_empty() {
                Used::Once(first)
            } else {
                let more = more.iter().map(|once| once.request);
                Used::Again(Cow::Owned(Uses::of(first, more)))
            };
            Some((first.hash, used))
        });
        let again = self.again.iter();
        let again = again.map(|(hash, uses)| (hash, Used::Again(Cow::Borrowed(&**uses))));
        let mut all: Vec<(u64, Used<'_>)> = once.chain(again).collect();
        all.sort_by_key(|(hash, _)| *hash);
        all
    }

    /// The hashes of [`Ids::kept`], twice where one stands for several requests.
    fn hashes(&self) -> Vec<u64> {
        let again = self.again.iter().flat_map(|(hash, _)| [hash, hash]);
        let mut all: Vec<u64> = self
            .once
            .iter()
            .map(|once| once.hash)
            .chain(again)
            .collect();
        all.sort_unstable();
        let ids = all.chunk_by(|a, b| a == b).take(MOST);
        all.truncate(ids.map(<[u64]>::len).sum());
        all
    }

    fn kept(&self) -> Vec<(u64, Used<'_>)> {
        let mut kept = self.all();
        kept.truncate(MOST);
        kept
    }

    fn is_exact(&self) -> bool {
        self.limit.is_none() && self.all().len() <= MOST
    }
}

/// As much of an ID as is kept: a client may send a megabyte. IDs are told apart by hash.
fn shown(id: &str) -> AuditId {
    let mut cuts = (0..=SHOWN.min(id.len())).rev();
    let cut = cuts.find(|&at| id.is_char_boundary(at));
    AuditId::of(&id[..cut.unwrap_or_default()])
}

/// The same state gives the same bytes, whatever is still to be sorted.
impl<const MOST: usize> Serialize for Ids<MOST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sorted = self.clone();
        sorted.sort();
        (sorted.once, sorted.again, sorted.limit).serialize(serializer)
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Ids<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (once, again, limit) = Deserialize::deserialize(deserializer)?;
        Ok(Self { once, again, limit })
    }
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
    use crate::{detect::Memo, event::Parser, source::Origin};

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
        let (_, known) = sample.ids().next().unwrap();
        assert_eq!((known.count(), known.requests().len()), (50, uses::KEPT));
        assert_eq!(known.id(), "00000000-0000-4000-8000-000000000001");
        assert!(sample.is_exact());
    }
}
