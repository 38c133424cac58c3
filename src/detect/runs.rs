//! Requests that are alike but for their time and their object's name: collected, and shown once to the detectors that
//! only count them.
//!
//! ```text
//!   request --plain?--no--> every detector that is interested
//!              |yes
//!              |----------> those that look at each request by itself
//!              |--> a presence: all requests of one caller, whatever it asked for
//!              `--> a run: caller, kind, annotations, namespace
//!                     |      how many, in which seconds, the first three
//!                     `--when there are too many, or at the end--> the detectors that take runs
//! ```
//!
//! A pod asks for the same few things all day. What it comes to in a detector's state lies scattered over memory, and
//! fetching it costs far more than counting: it is fetched once for all requests of a run, and what does not hang on
//! what was asked for, once for all runs of a caller.
//!
//! Neither is state. They have to be settled before a state is merged, saved or finished.

use std::{hash::Hasher, sync::Arc};

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use crate::{
    event::{Level, Stage},
    finding::Timestamp,
};

use super::{
    Aspects, Detectors,
    batch::Batch,
    deed::Deed,
    memo::{Caller, Kind, Namespace, Notes},
    request::Request,
};

/// How many runs are collected at a time. Less than a kilobyte each.
const MOST: usize = 65_536;

/// How many bytes of text they may keep from being forgotten by [`Memo`](super::Memo).
const MOST_TEXT: usize = 16 << 20;

/// In so many seconds the requests of a run may lie before it is shown.
const SECONDS_OF_RUN: usize = 32;

/// The same for all requests of a caller.
const SECONDS_OF_PRESENCE: usize = 256;

/// Requests that are alike, collected for the detectors that take them as runs.
#[derive(Debug, Default)]
pub struct Runs {
    /// By the caller's seat.
    presences: Vec<Option<Box<Presence>>>,
    begun: Vec<Run>,
    /// Their numbers, by hash.
    by_hash: HashTable<u32>,
    /// Bytes of text that are in use by runs.
    text: usize,
}

/// Requests by one caller, of one kind, with the same annotations, in one namespace.
///
/// None was done as somebody else, was cut, or lacks a time or a status.
#[derive(Debug)]
pub struct Run {
    pub(super) caller: Arc<Caller>,
    pub(super) kind: Arc<Kind>,
    pub(super) notes: Arc<Notes>,
    /// That of the object; `None` if there is no object.
    pub(super) namespace: Option<Arc<Namespace>>,
    pub(super) form: Form,
    pub(super) aspects: Aspects,
    pub(super) batch: Batch,
    hash: u64,
}

/// Requests by one caller, whatever it asked for: those of all its runs.
#[derive(Debug)]
pub struct Presence {
    pub(super) caller: Arc<Caller>,
    pub(super) batch: Batch,
    did: [u64; Deed::ALL.len()],
}

/// What the log has of a request, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) level: Level,
    pub(super) request_body: bool,
    pub(super) response_body: bool,
    /// What each of them did.
    pub(super) deed: Deed,
}

impl Runs {
    /// Shows a request to `detectors`, at once or later on.
    pub fn observe(&mut self, detectors: &mut Detectors, request: &Request<'_>) {
        let Some(time) = request.time().filter(|_| is_plain(request)) else {
            detectors.observe(request);
            return;
        };
        detectors.observe_each(request);
        let form = Form::of(request);
        self.attend(detectors, request, form.deed, time);
        self.join(detectors, request, form, time);
    }

    /// Shows `detectors` all that has been collected.
    pub fn settle(&mut self, detectors: &mut Detectors) {
        self.show_runs(detectors);
        for presence in self.presences.drain(..).flatten() {
            detectors.observe_presence(&presence);
        }
    }

    fn show_runs(&mut self, detectors: &mut Detectors) {
        for run in self.begun.drain(..) {
            detectors.observe_run(&run);
        }
        self.by_hash.clear();
        self.text = 0;
    }

    /// Counts `request` in the presence of its caller.
    fn attend(
        &mut self,
        detectors: &mut Detectors,
        request: &Request<'_>,
        deed: Deed,
        time: Timestamp,
    ) {
        let seat = request.caller.seat;
        if self.presences.len() <= seat {
            self.presences.resize_with(seat + 1, || None);
        }
        let place = &mut self.presences[seat];
        let is_same = |known: &Presence| Arc::ptr_eq(&known.caller, request.caller);
        if !place.as_deref().is_some_and(is_same) {
            let new = Presence {
                caller: Arc::clone(request.caller),
                batch: Batch::new(time),
                did: [0; Deed::ALL.len()],
            };
            if let Some(old) = place.replace(Box::new(new)) {
                detectors.observe_presence(&old);
            }
        }
        let Some(presence) = place else { return };
        if !presence.batch.add(request, time, SECONDS_OF_PRESENCE) {
            detectors.observe_presence(presence);
            presence.batch.clear(time);
            presence.did = [0; Deed::ALL.len()];
            presence.batch.add(request, time, SECONDS_OF_PRESENCE);
        }
        presence.did[deed as usize] += 1;
    }

    /// Counts `request` in the run of those that are like it.
    fn join(
        &mut self,
        detectors: &mut Detectors,
        request: &Request<'_>,
        form: Form,
        time: Timestamp,
    ) {
        let hash = hash_of(request, form);
        let is_like = |&at: &u32| self.begun[at as usize].is_like(request, form);
        let at = match self.by_hash.find(hash, is_like) {
            Some(&at) => at as usize,
            None => self.begin(detectors, request, form, (time, hash)),
        };
        let run = &mut self.begun[at];
        if !run.batch.add(request, time, SECONDS_OF_RUN) {
            detectors.observe_run(run);
            run.batch.clear(time);
            run.batch.add(request, time, SECONDS_OF_RUN);
        }
    }

    /// Begins the run of `request`; says where it stands.
    fn begin(
        &mut self,
        detectors: &mut Detectors,
        request: &Request<'_>,
        form: Form,
        (time, hash): (Timestamp, u64),
    ) -> usize {
        if self.begun.len() >= MOST || self.text >= MOST_TEXT {
            self.show_runs(detectors);
        }
        self.text += request.new_text();
        let at = self.begun.len();
        self.begun.push(Run {
            caller: Arc::clone(request.caller),
            kind: Arc::clone(request.kind),
            notes: Arc::clone(request.notes),
            namespace: request.namespace.cloned(),
            form,
            aspects: request.aspects(),
            batch: Batch::new(time),
            hash,
        });
        let begun = &self.begun;
        #[expect(clippy::cast_possible_truncation, reason = "at most MOST")]
        self.by_hash
            .insert_unique(hash, at as u32, |&at| begun[at as usize].hash);
        at
    }
}

impl Run {
    fn is_like(&self, request: &Request<'_>, form: Form) -> bool {
        let same_namespace = match (&self.namespace, request.namespace) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            (None, None) => true,
            _ => false,
        };
        Arc::ptr_eq(&self.caller, request.caller)
            && Arc::ptr_eq(&self.kind, request.kind)
            && Arc::ptr_eq(&self.notes, request.notes)
            && same_namespace
            && self.form == form
    }

    /// What each of them did.
    pub(super) const fn deed(&self) -> Deed {
        self.form.deed
    }
}

impl Presence {
    /// What the requests did, with how many of them.
    pub(super) fn deeds(&self) -> impl Iterator<Item = (Deed, u64)> {
        let deeds = Deed::ALL.into_iter().zip(self.did);
        deeds.filter(|&(_, requests)| requests > 0)
    }
}

impl Form {
    fn of(request: &Request<'_>) -> Self {
        Self {
            level: request.level,
            request_body: request.request_body.is_some(),
            response_body: request.response_body.is_some(),
            deed: request.deed(),
        }
    }
}

/// Whether its parts and its time are all that any detector that takes runs looks at.
fn is_plain(request: &Request<'_>) -> bool {
    const SINGULAR: Aspects = Aspects::TRUNCATED
        .and(Aspects::IMPERSONATION)
        .and(Aspects::UNAUTHENTICATED);
    request.stage == Stage::ResponseComplete
        && request.code.is_some()
        && request.impersonated_user.is_none()
        && !request.aspects().meets(SINGULAR)
        && request.has_known_parts()
        // Another latency or another token's ID in each of them.
        && !request.notes.is_singular
}

fn hash_of(request: &Request<'_>, form: Form) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_usize(Arc::as_ptr(request.caller).addr());
    hasher.write_usize(Arc::as_ptr(request.kind).addr());
    hasher.write_usize(Arc::as_ptr(request.notes).addr());
    let namespace = request.namespace.map_or(0, |name| Arc::as_ptr(name).addr());
    hasher.write_usize(namespace);
    hasher.write_u8(form.deed as u8);
    hasher.finish()
}
