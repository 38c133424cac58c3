//! Tokens by their ID: who made them, and who came with them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    detect::{Merge, Tally},
    event::{Event, TokenKind},
    finding::Timestamp,
    permission::Uses,
};

use super::Values;

/// How many tokens are kept: those whose IDs have the smallest hashes, whether they were seen when they
/// were made or when they were used, so that the two can meet.
const KEPT: usize = 64;

/// The tokens of one account.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    kept: BTreeMap<u64, Known>,
    overflowed: bool,
    /// Who made tokens of the account, whether their IDs are known or not.
    minters: Tally,
}

#[derive(Debug, Default)]
struct Known {
    id: String,
    uses: Uses,
    kinds: BTreeSet<TokenKind>,
    addresses: Tally,
    pods: Tally,
    minted: Option<Minting>,
}

/// How a token came to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Minting {
    /// When.
    pub time: Option<Timestamp>,
    /// The user name of who asked for it: a node, for the tokens of pods. Hostile.
    pub by: String,
    /// From where.
    pub from: String,
}

/// One token, by its ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credential {
    /// `JTI=...` of a token, `X509SHA256=...` of a certificate. Hostile.
    pub id: String,
    /// Its kind; several if it was seen before and after it should have been renewed.
    pub kinds: Vec<&'static str>,
    /// The requests with it.
    pub uses: Uses,
    /// From where they came.
    pub addresses: Values,
    /// The pods that it is bound to.
    pub pods: Values,
    /// Who made it, if that is in the log.
    pub minted: Option<Minting>,
}

impl Credentials {
    pub(super) fn used(&mut self, id: &str, kind: TokenKind, event: &Event<'_>) {
        let Some(known) = self.slot(id) else {
            return;
        };
        known.uses.add(event.time());
        known.kinds.insert(kind);
        if let Some(peer) = event.peer() {
            known.addresses.add(&peer.read(), event);
        }
        if let Some(pod) = event.user.extra("authentication.kubernetes.io/pod-name") {
            known.pods.add(&pod.read(), event);
        }
    }

    pub(super) fn minted(&mut self, by: &str, event: &Event<'_>) {
        self.minters.add(by, event);
        // Kubernetes 1.30 and later (FACTS 2).
        let id = event.annotation("authentication.kubernetes.io/issued-credential-id");
        let Some(known) = id.and_then(|id| self.slot(&id.read())) else {
            return;
        };
        let minting = Minting {
            time: event.time(),
            by: by.to_owned(),
            from: event.peer().unwrap_or_default().read().into_owned(),
        };
        known.minted = first(known.minted.take(), Some(minting));
    }

    fn slot(&mut self, id: &str) -> Option<&mut Known> {
        let hash = xxh3_64(id.as_bytes());
        if self.kept.len() == KEPT && !self.kept.contains_key(&hash) {
            self.overflowed = true;
            if self
                .kept
                .last_key_value()
                .is_some_and(|(&last, _)| hash > last)
            {
                return None;
            }
            self.kept.pop_last();
        }
        let new = || Known {
            id: id.to_owned(),
            ..Known::default()
        };
        Some(self.kept.entry(hash).or_insert_with(new))
    }

    /// The tokens kept, by when they were first heard of.
    pub(super) fn list(&self) -> Vec<Credential> {
        let mut all: Vec<_> = self.kept.values().map(Known::credential).collect();
        all.sort_by(|a, b| {
            let heard = |c: &Credential| {
                let minted = c.minted.as_ref().and_then(|minted| minted.time);
                minted.into_iter().chain(c.uses.first_seen).min()
            };
            (heard(a), &a.id).cmp(&(heard(b), &b.id))
        });
        all
    }

    /// Whether there were more tokens than are kept.
    pub(super) const fn overflowed(&self) -> bool {
        self.overflowed
    }

    pub(super) const fn minters(&self) -> &Tally {
        &self.minters
    }
}

impl Known {
    fn credential(&self) -> Credential {
        Credential {
            id: self.id.clone(),
            kinds: self.kinds.iter().map(|kind| kind.as_str()).collect(),
            uses: self.uses,
            addresses: Values::of(&self.addresses),
            pods: Values::of(&self.pods),
            minted: self.minted.clone(),
        }
    }
}

impl Merge for Known {
    fn merge(&mut self, other: Self) {
        self.uses.merge(other.uses);
        self.kinds.extend(other.kinds);
        self.addresses.merge(other.addresses);
        self.pods.merge(other.pods);
        self.minted = first(self.minted.take(), other.minted);
    }
}

impl Merge for Credentials {
    fn merge(&mut self, other: Self) {
        self.overflowed |= other.overflowed;
        self.minters.merge(other.minters);
        for (hash, theirs) in other.kept {
            match self.kept.get_mut(&hash) {
                Some(ours) => ours.merge(theirs),
                None => drop(self.kept.insert(hash, theirs)),
            }
        }
        while self.kept.len() > KEPT {
            self.kept.pop_last();
            self.overflowed = true;
        }
    }
}

/// The first of two: an ID is issued once, but a client may repeat a line.
fn first(a: Option<Minting>, b: Option<Minting>) -> Option<Minting> {
    [a, b].into_iter().flatten().min()
}
