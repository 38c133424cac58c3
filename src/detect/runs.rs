//! Requests that are alike but for their time and their object's name: collected, and shown once to the detectors that
//! only count them.
//!
//! ```text
//!   request --plain?--no--> every detector that is interested
//!              |yes
//!              |----------> those that look at each request by itself
//!              `--> its run: caller, kind, annotations, namespace
//!                     |      how many, in which seconds, the first three
//!                     |--when there are too many, or at the end--> the detectors that take runs
//!                     `--> a presence: all runs of one caller, whatever it asked for
//! ```
//!
//! A pod asks for the same few things all day. What it comes to in a detector's state lies scattered over memory, and
//! fetching it costs far more than counting: it is fetched once for all requests of a run, and what does not hang on
//! what was asked for, once for all runs of a caller. For the same reason a request touches little here, one line of the
//! cache for its run; its second goes to the end of a list for all of them, which is sorted by run in the end.
//!
//! None of this is state. It has to be settled before a state is merged, saved or finished.

#[cfg(test)]
mod tests;

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
    evidence::{Entry, FIRSTS, insert},
    memo::{Caller, Kind, Namespace, Notes},
    prefetch::prefetch,
    request::Request,
};

/// How much is collected before it is shown.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Runs. Some 300 bytes each.
    runs: usize,
    /// Requests. Twelve bytes each.
    requests: usize,
    /// Bytes of text that runs keep from being forgotten by [`Memo`](super::Memo).
    text: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            runs: 32_768,
            requests: 1 << 19,
            text: 16 << 20,
        }
    }
}

/// Requests that are alike, collected for the detectors that take them as runs.
#[derive(Debug, Default)]
pub struct Runs {
    bounds: Bounds,
    begun: HashTable<Begun>,
    /// Of each run, by number, what few of its requests touch.
    details: Vec<Details>,
    /// Bytes of text that are in use by runs.
    text: usize,
    /// Of every request its run, and its second, counted from `base`.
    arrivals: Vec<(u32, i32)>,
    base: i64,
}

/// A run in the making: one line of the cache.
#[derive(Debug)]
#[repr(align(64))]
struct Begun {
    number: u32,
    caller: Arc<Caller>,
    kind: Arc<Kind>,
    notes: Arc<Notes>,
    namespace: Option<Arc<Namespace>>,
    form: Form,
    aspects: Aspects,
    count: u32,
    last: Timestamp,
    /// What arrived later is not among the first ones.
    first_until: Timestamp,
}

#[derive(Debug)]
struct Details {
    hash: u64,
    /// The first ones, sorted.
    firsts: Vec<Entry>,
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
        let form = Form::of(request);
        let hash = hash_of(request, form);
        // It is needed when the other detectors have had their look.
        self.begun
            .iter_hash(hash)
            .next()
            .inspect(|run| prefetch(*run));
        detectors.observe_each(request);
        self.join(detectors, request, (time, form, hash));
    }

    /// Shows `detectors` all that has been collected.
    pub fn settle(&mut self, detectors: &mut Detectors) {
        let collected = std::mem::take(self);
        (self.base, self.bounds) = (collected.base, collected.bounds);
        collected.show(detectors);
    }

    fn show(mut self, detectors: &mut Detectors) {
        let mut begun: Vec<Begun> = std::mem::take(&mut self.begun).into_iter().collect();
        begun.sort_unstable_by_key(|run| Arc::as_ptr(&run.caller));
        let seconds = self.seconds_in(&begun);
        let mut seconds = seconds.as_slice();
        for runs in begun.chunk_by(|a, b| Arc::ptr_eq(&a.caller, &b.caller)) {
            let requests = runs.iter().map(|run| run.count as usize);
            let (mut own, after) = seconds.split_at(requests.sum());
            seconds = after;
            if let Some(presence) = self.presence(runs, own) {
                detectors.observe_presence(&presence);
            }
            for run in runs {
                let (its, after) = own.split_at(run.count as usize);
                own = after;
                let firsts = std::mem::take(&mut self.details[run.number as usize].firsts);
                let its = its.iter().map(|&second| self.base + i64::from(second));
                detectors.observe_run(&run.finish(firsts, its));
            }
        }
    }

    /// The seconds of all requests, run by run in this order, and in each run as they arrived.
    fn seconds_in(&self, begun: &[Begun]) -> Vec<i32> {
        let mut places = vec![0; begun.len()];
        let mut next = 0;
        for run in begun {
            places[run.number as usize] = next;
            next += run.count as usize;
        }
        let mut seconds = vec![0; self.arrivals.len()];
        for &(run, second) in &self.arrivals {
            let place = &mut places[run as usize];
            seconds[*place] = second;
            *place += 1;
        }
        seconds
    }

    /// What `runs` of one caller come to, whose requests arrived in `seconds`.
    fn presence(&self, runs: &[Begun], seconds: &[i32]) -> Option<Presence> {
        let mut did = [0; Deed::ALL.len()];
        let mut firsts: Vec<Entry> = Vec::new();
        for run in runs {
            did[run.form.deed as usize] += u64::from(run.count);
            for entry in &self.details[run.number as usize].firsts {
                if firsts.len() < FIRSTS || firsts.last().is_some_and(|last| entry < last) {
                    insert(&mut firsts, entry.clone());
                    firsts.truncate(FIRSTS);
                }
            }
        }
        let mut sorted = seconds.to_vec();
        sorted.sort_unstable();
        let seconds = sorted.iter().map(|&second| self.base + i64::from(second));
        let last = runs.iter().map(|run| run.last).max()?;
        Some(Presence {
            caller: Arc::clone(&runs.first()?.caller),
            batch: Batch::new(last, firsts, seconds),
            did,
        })
    }

    /// Counts `request` in the run of those that are like it.
    fn join(
        &mut self,
        detectors: &mut Detectors,
        request: &Request<'_>,
        (time, form, hash): (Timestamp, Form, u64),
    ) {
        let second = i32::try_from(time.seconds().saturating_sub(self.base));
        let second = match second {
            Ok(second) if self.arrivals.len() < self.bounds.requests => second,
            _ => {
                self.settle(detectors);
                self.base = time.seconds();
                0
            }
        };
        let known = self.begun.find_mut(hash, |run| run.is_like(request, form));
        let run = if let Some(run) = known {
            run
        } else {
            if self.details.len() >= self.bounds.runs || self.text >= self.bounds.text {
                self.settle(detectors);
            }
            self.text += request.new_text();
            begin((&mut self.begun, &mut self.details), request, form, hash)
        };
        run.count += 1;
        run.last = run.last.max(time);
        self.arrivals.push((run.number, second));
        if time <= run.first_until {
            let firsts = &mut self.details[run.number as usize].firsts;
            insert(firsts, Entry::at(Some(time), request));
            firsts.truncate(FIRSTS);
            if let Some(third) = firsts.get(FIRSTS - 1) {
                run.first_until = third.time.unwrap_or(time);
            }
        }
    }
}

/// Begins the run of `request`.
fn begin<'a>(
    (begun, details): (&'a mut HashTable<Begun>, &mut Vec<Details>),
    request: &Request<'_>,
    form: Form,
    hash: u64,
) -> &'a mut Begun {
    #[expect(clippy::cast_possible_truncation, reason = "far fewer than 2^32")]
    let number = details.len() as u32;
    details.push(Details {
        hash,
        // Many stay alone; a vector would begin with room for four.
        firsts: Vec::with_capacity(1),
    });
    let run = Begun {
        number,
        caller: Arc::clone(request.caller),
        kind: Arc::clone(request.kind),
        notes: Arc::clone(request.notes),
        namespace: request.namespace.cloned(),
        form,
        aspects: request.aspects(),
        count: 0,
        last: Timestamp::from_micros(i64::MIN),
        first_until: Timestamp::from_micros(i64::MAX),
    };
    let hash_of = |run: &Begun| details[run.number as usize].hash;
    begun.insert_unique(hash, run, hash_of).into_mut()
}

impl Begun {
    fn is_like(&self, request: &Request<'_>, form: Form) -> bool {
        let namespace = |known: Option<&Arc<Namespace>>| known.map(Arc::as_ptr);
        Arc::ptr_eq(&self.caller, request.caller)
            && Arc::ptr_eq(&self.kind, request.kind)
            && Arc::ptr_eq(&self.notes, request.notes)
            && namespace(self.namespace.as_ref()) == namespace(request.namespace)
            && self.form == form
    }

    /// The run, whose first requests and whose seconds these are.
    fn finish(&self, firsts: Vec<Entry>, seconds: impl Iterator<Item = i64>) -> Run {
        Run {
            caller: Arc::clone(&self.caller),
            kind: Arc::clone(&self.kind),
            notes: Arc::clone(&self.notes),
            namespace: self.namespace.clone(),
            form: self.form,
            aspects: self.aspects,
            batch: Batch::new(self.last, firsts, seconds),
        }
    }
}

impl Run {
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
