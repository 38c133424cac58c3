//! Lines delivered twice: removed on demand, estimated otherwise.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::event::Event;

/// How many distinct events the estimate rests on, at most.
const SAMPLED: usize = 4096;

/// How often events stand in the input, told from a sample: the events with the smallest hashes, every
/// one of them counted exactly. The same sample whatever the order and the split.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Sample {
    kept: BTreeMap<u64, u32>,
    /// The largest hash that is kept, once what is larger is not; it is asked of every event.
    #[serde(skip)]
    largest: Option<u64>,
}

impl Sample {
    /// Counts one event. For nearly all of them that is a look at what the hash begins with.
    pub(super) fn add(&mut self, event: &Event<'_>) {
        if self
            .largest
            .is_some_and(|most| event.identity_prefix() > most)
        {
            return;
        }
        *self.kept.entry(event.identity()).or_default() += 1;
        self.shrink();
    }

    /// Adds what another sample has counted.
    pub(super) fn merge(&mut self, other: Self) {
        for (identity, count) in other.kept {
            *self.kept.entry(identity).or_default() += count;
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.kept.len() > SAMPLED {
            self.kept.pop_last();
        }
        let largest = self.kept.last_key_value().map(|(&largest, _)| largest);
        self.largest = largest.filter(|_| self.kept.len() == SAMPLED);
    }

    /// How many events were sampled, repeats included, and what share of them are repeats, in percent.
    pub(super) fn estimate(&self) -> (u64, f64) {
        let sampled: u64 = self.kept.values().map(|&count| u64::from(count)).sum();
        let repeats = sampled - self.kept.len() as u64;
        let percent = if sampled == 0 {
            0.0
        } else {
            100.0 * repeats as f64 / sampled as f64
        };
        (sampled, (percent * 10.0).round() / 10.0)
    }
}

impl PartialEq for Sample {
    fn eq(&self, other: &Self) -> bool {
        self.kept == other.kept
    }
}

/// The events seen so far, shared by all threads, with `--dedup`.
///
/// Exact up to hash collisions (64 bits, keyed anew for every run, so that no client can aim at one):
/// below one in a million for a hundred million events. Costs about 16 bytes of memory an event.
#[derive(Debug)]
pub(super) struct Seen {
    keyed: RandomState,
    shards: Vec<Mutex<HashSet<u64, rustc_hash::FxBuildHasher>>>,
}

impl Seen {
    pub(super) fn new() -> Self {
        let shards = (0..64).map(|_| Mutex::default()).collect();
        Self {
            keyed: RandomState::new(),
            shards,
        }
    }

    /// Whether `event` was not seen before.
    pub(super) fn is_new(&self, event: &Event<'_>) -> bool {
        let hash = self.keyed.hash_one((
            event.audit_id.read(),
            event.request_uri.read(),
            event.verb.read(),
            event.received,
            event.stage_time,
            event.stage.as_str(),
        ));
        let shard = &self.shards[(hash >> 58) as usize % self.shards.len()];
        shard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(hash)
    }
}
