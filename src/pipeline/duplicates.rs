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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sample(BTreeMap<u64, u32>);

impl Sample {
    /// Takes note of one event.
    pub(super) fn add(&mut self, event: &Event<'_>) {
        let full = self.0.len() >= SAMPLED;
        if full
            && self
                .0
                .last_key_value()
                .is_some_and(|(max, _)| event.identity_prefix() > *max)
        {
            return;
        }
        *self.0.entry(event.identity()).or_default() += 1;
        if self.0.len() > SAMPLED {
            self.0.pop_last();
        }
    }

    /// Adds another sample.
    pub(super) fn merge(&mut self, other: Self) {
        for (identity, count) in other.0 {
            *self.0.entry(identity).or_default() += count;
        }
        while self.0.len() > SAMPLED {
            self.0.pop_last();
        }
    }

    /// How many events were sampled, repeats included, and what share of them are repeats, in percent.
    pub(super) fn estimate(&self) -> (u64, f64) {
        let sampled: u64 = self.0.values().map(|&count| u64::from(count)).sum();
        let repeats = sampled - self.0.len() as u64;
        let percent = if sampled == 0 {
            0.0
        } else {
            100.0 * repeats as f64 / sampled as f64
        };
        (sampled, (percent * 10.0).round() / 10.0)
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
