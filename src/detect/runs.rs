//! Requests that are alike but for their time and their object's name: collected, and shown once to the detectors that
//! only count them.
//!
//! ```text
//!   request --plain?--no--> every detector that is interested
//!              |yes
//!              |----------> those that look at each request by itself
//!              `--> a run: caller, kind, annotations, namespace
//!                     |      how many, in which seconds, the first three
//!                     `--when its place is wanted, or at the end--> the detectors that take runs
//! ```
//!
//! A pod asks for the same few things all day. What it comes to in a detector's state lies scattered over memory, and
//! fetching it costs far more than counting: a run is fetched once for all of its requests and detectors.
//!
//! Runs are no state. They have to be settled before a state is merged, saved or finished.

use std::{hash::Hasher, sync::Arc};

use rustc_hash::FxHasher;

use crate::{
    event::{Level, Stage},
    finding::Timestamp,
};

use super::{
    Aspects, Detectors, EvidenceSet,
    deed::Deed,
    memo::{Caller, Kind, Notes},
    request::Request,
};

/// How many runs are collected at a time: a power of two. Less than a kilobyte each.
const PLACES: usize = 16_384;

/// In so many seconds the requests of a run may lie before it is shown.
const SECONDS: usize = 32;

/// Latencies of authentication are only written of requests that took longer (FACTS 2).
const SLOW: i64 = 500_000;

/// Requests that are alike, collected for the detectors that take them as runs.
#[derive(Debug, Default)]
pub struct Runs {
    places: Vec<Option<Box<Run>>>,
}

/// Requests by one caller, of one kind, with the same annotations, in one namespace.
///
/// None was refused or failed, has bodies, was done as somebody else or was a dry run.
#[derive(Debug)]
pub struct Run {
    pub(super) caller: Arc<Caller>,
    pub(super) kind: Arc<Kind>,
    pub(super) notes: Arc<Notes>,
    /// That of the object; `None` if there is no object.
    pub(super) namespace: Option<Box<str>>,
    pub(super) aspects: Aspects,
    /// How many there are, with the first ones.
    pub(super) evidence: EvidenceSet,
    first: Timestamp,
    pub(super) last: Timestamp,
    /// What comes after this is not among the first ones, once there are enough of them.
    third: Timestamp,
    /// How many in which second. The same one may come twice, in a log that is not in order.
    seconds: Vec<(i64, u32)>,
}

impl Runs {
    /// Shows a request to `detectors`, at once or later on.
    pub fn observe(&mut self, detectors: &mut Detectors, request: &Request<'_>) {
        let Some(time) = request.time().filter(|_| is_plain(request)) else {
            detectors.observe(request);
            return;
        };
        detectors.observe_each(request);
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let namespace = request
            .object
            .and_then(|object| object.namespace.as_plain());
        let place = &mut self.places[place_of(request, namespace)];
        if place
            .as_ref()
            .is_none_or(|run| !run.is_like(request, namespace))
        {
            let new = Box::new(Run::new(request, namespace, time));
            if let Some(old) = place.replace(new) {
                detectors.observe_run(&old);
            }
        }
        if let Some(run) = place
            && !run.add(request, time)
        {
            detectors.observe_run(run);
            run.clear(time);
            run.add(request, time);
        }
    }

    /// Shows `detectors` all that has been collected.
    pub fn settle(&mut self, detectors: &mut Detectors) {
        for run in self.places.drain(..).flatten() {
            detectors.observe_run(&run);
        }
    }
}

impl Run {
    fn new(request: &Request<'_>, namespace: Option<&str>, time: Timestamp) -> Self {
        Self {
            caller: Arc::clone(request.caller),
            kind: Arc::clone(request.kind),
            notes: Arc::clone(request.notes),
            namespace: namespace.map(Box::from),
            aspects: request.aspects(),
            evidence: EvidenceSet::default(),
            first: time,
            last: time,
            third: time,
            seconds: Vec::new(),
        }
    }

    fn is_like(&self, request: &Request<'_>, namespace: Option<&str>) -> bool {
        Arc::ptr_eq(&self.caller, request.caller)
            && Arc::ptr_eq(&self.kind, request.kind)
            && Arc::ptr_eq(&self.notes, request.notes)
            && self.namespace.as_deref() == namespace
    }

    /// Counts one more, unless there is no room for its second.
    fn add(&mut self, request: &Request<'_>, time: Timestamp) -> bool {
        let second = time.seconds();
        let full = self.seconds.len() >= SECONDS;
        match self.seconds.last_mut() {
            Some((last, count)) if *last == second && *count < u32::MAX => *count += 1,
            _ if full => return false,
            _ => self.seconds.push((second, 1)),
        }
        self.first = self.first.min(time);
        self.last = self.last.max(time);
        if self.evidence.has_all_firsts() && time > self.third {
            self.evidence.add_one_more(time);
        } else {
            self.evidence.add_first(request);
            self.third = self.third.max(time);
        }
        true
    }

    fn clear(&mut self, time: Timestamp) {
        self.evidence = EvidenceSet::default();
        (self.first, self.last, self.third) = (time, time, time);
        self.seconds.clear();
    }

    /// How many requests there are.
    pub(super) const fn count(&self) -> u64 {
        self.evidence.count()
    }

    /// When the first one arrived.
    pub(super) const fn first(&self) -> Timestamp {
        self.first
    }

    /// How many arrived in which second.
    pub(super) fn seconds(&self) -> &[(i64, u32)] {
        &self.seconds
    }

    /// What each of them did.
    pub(super) fn deed(&self) -> Deed {
        self.kind.deed
    }

    /// The HTTP status.
    pub(super) fn code(&self) -> u16 {
        self.kind.code.unwrap_or_default()
    }
}

/// Whether caller, kind, annotations, namespace and times are all that any detector that takes runs looks at.
fn is_plain(request: &Request<'_>) -> bool {
    const SINGULAR: Aspects = Aspects::REFUSED
        .and(Aspects::FAILED)
        .and(Aspects::TRUNCATED)
        .and(Aspects::IMPERSONATION)
        .and(Aspects::UNAUTHENTICATED);
    const WRITTEN: Aspects = Aspects::PODS.and(Aspects::WORKLOAD).and(Aspects::RBAC);
    let aspects = request.aspects();
    let told_by_its_parts = request.level == Level::Metadata
        && request.stage == Stage::ResponseComplete
        && request.code.is_some_and(|code| (200..400).contains(&code))
        && request.impersonated_user.is_none()
        && request.request_body.is_none()
        && request.response_body.is_none()
        && !aspects.meets(SINGULAR)
        && !(aspects.has(Aspects::WRITE) && aspects.meets(WRITTEN));
    told_by_its_parts
        && !request.caller.is_singular
        && request
            .duration()
            .is_some_and(|lasted| (0..=SLOW).contains(&lasted))
        && request.object.is_none_or(|object| {
            object.namespace.as_plain().is_some() && object.subresource != "token"
        })
        // A dry run says so in its query.
        && (request.kind.deed < Deed::Changed || !request.request_uri.literal().contains(['?', '\\']))
}

fn place_of(request: &Request<'_>, namespace: Option<&str>) -> usize {
    let mut hasher = FxHasher::default();
    hasher.write_usize(Arc::as_ptr(request.caller).addr());
    hasher.write_usize(Arc::as_ptr(request.kind).addr());
    hasher.write_usize(Arc::as_ptr(request.notes).addr());
    hasher.write(namespace.unwrap_or_default().as_bytes());
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a part of the hash will do"
    )]
    let hash = hasher.finish() as usize;
    hash % PLACES
}
