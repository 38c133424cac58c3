//! Which requests carry an audit ID, for as many IDs of a user as memory allows, the same ones whatever the
//! order.

mod uses;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{Merge, by_hash::ByHash, request::Request};

use uses::Id;
pub(super) use uses::{Sighting, Uses};

/// How many IDs that look like the server's own are kept.
const MADE: usize = 128;
/// How many others.
const CHOSEN: usize = 64;
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
    /// Boxed, since putting one in moves all behind it.
    kept: ByHash<Box<Uses>>,
    dropped: bool,
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
        let ids = self.made.kept.iter().chain(self.chosen.kept.iter());
        ids.map(|(hash, uses)| (hash, &**uses))
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

/// Whether the ID of `event` is one like the server's own, and its hash is larger than `largest`: where that is what
/// [`Sample::keep`] has said, it is certain not to be kept, since more IDs only make the largest one smaller.
pub(super) fn is_beyond(largest: u64, event: &Request<'_>) -> bool {
    let id = event.audit_id.read();
    is_uuid_shaped(id.as_bytes()) && xxh3_64(id.as_bytes()) > largest
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
            self.kept
                .entry(hash, || Box::new(Uses::new(Id::of(id), sighting)));
            self.shrink();
        }
    }

    fn merge(&mut self, other: Self) {
        self.dropped |= other.dropped;
        for (hash, theirs) in other.kept {
            if let Some(ours) = self.kept.get_mut(hash) {
                ours.merge(*theirs);
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
