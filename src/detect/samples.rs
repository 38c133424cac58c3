//! A few requests out of every stretch of time, chosen by lot, the same ones whatever the order.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    event::Text,
    finding::{Evidence, Timestamp},
    source::Origin,
};

use super::{Context, Merge, activity, audit_id::AuditId, request::Request, watching::lists_all};

/// The lengths of a stretch, in seconds, the finest first.
const WIDTHS: [i64; 5] = [10, 60, 300, 3600, 86_400];

/// How many stretches there may be before they become longer.
const STRETCHES: usize = 32;

/// How many requests are kept of one stretch.
const KEPT: usize = 6;

/// Of so many requests one can be drawn at all: what calls often enough to be told has more than enough, and what does
/// not costs nothing.
const ONE_OF: u64 = 8;

/// A few requests out of every stretch of time: those whose audit ID and time have the smallest hashes, if they are
/// among the smallest eighth of all hashes.
///
/// Says what most requests of a loop look like, however many different ones there are, and gives
/// evidence from the middle of it. Requests without a time are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Samples {
    width: u8,
    /// Sorted by number: time / width.
    stretches: Vec<(i64, Vec<Sample>)>,
}

/// Which requests of a stretch are certain not to be drawn: those with a hash above `rank`.
///
/// Good for ever, since what is drawn only ever goes down, and longer stretches draw less.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gate {
    /// The seconds of the stretch.
    from: i64,
    to: i64,
    rank: u64,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Sample {
    rank: u64,
    pub(super) time: Timestamp,
    identity: u64,
    origin: Origin,
    audit_id: AuditId,
    /// What was read or written, `resource namespace/name`; empty where no one object was named.
    pub(super) object: String,
    pub(super) kind: SampleKind,
}

/// What makes a loop what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum SampleKind {
    /// A read of one object.
    ReadsOne,
    /// A list without limit and resourceVersion: all of it, from etcd's latest state.
    ListsAll,
    /// Anything else.
    Other,
}

/// The largest hash that can be drawn.
const LARGEST: u64 = u64::MAX / ONE_OF;

impl Samples {
    /// Takes `event` if it is drawn; says which others are not if it is not.
    pub(super) fn add(&mut self, event: &Request<'_>) -> Option<Gate> {
        let time = event.time()?;
        let rank = rank(event, time);
        if rank > LARGEST {
            return None;
        }
        let width = self.width();
        let number = time.seconds().div_euclid(width);
        let stretch = self.stretch(number);
        // Only what is surely too late is turned away here; `insert` breaks ties.
        let late = stretch
            .last()
            .is_some_and(|last| (rank, time) > (last.rank, last.time));
        if stretch.len() == KEPT && late {
            let from = number.saturating_mul(width);
            return stretch.last().map(|last| Gate {
                from,
                to: from.saturating_add(width),
                rank: last.rank,
            });
        }
        let (kind, object) = SampleKind::of(event);
        let sample = Sample {
            rank,
            time,
            identity: event.identity(),
            origin: event.origin,
            audit_id: AuditId::of(&event.audit_id.read()),
            object,
            kind,
        };
        insert(stretch, sample);
        self.shrink();
        None
    }

    fn width(&self) -> i64 {
        WIDTHS[usize::from(self.width).min(WIDTHS.len() - 1)]
    }

    fn shrink(&mut self) {
        while self.stretches.len() > STRETCHES && usize::from(self.width) + 1 < WIDTHS.len() {
            self.widen();
        }
    }

    fn widen(&mut self) {
        self.width += 1;
        let width = self.width();
        for (_, samples) in std::mem::take(&mut self.stretches) {
            for sample in samples {
                let number = sample.time.seconds().div_euclid(width);
                insert(self.stretch(number), sample);
            }
        }
    }

    /// The samples of a stretch. Most logs are in order.
    fn stretch(&mut self, number: i64) -> &mut Vec<Sample> {
        let stretches = &mut self.stretches;
        let at = match stretches.last() {
            Some((last, _)) if *last == number => stretches.len() - 1,
            Some((last, _)) if *last > number => stretches.partition_point(|(n, _)| *n < number),
            _ => stretches.len(),
        };
        if stretches.get(at).is_none_or(|(known, _)| *known != number) {
            stretches.insert(at, (number, Vec::new()));
        }
        &mut stretches[at].1
    }

    /// The requests drawn from `from` to `to`, by time.
    pub(super) fn between(&self, from: Timestamp, to: Timestamp) -> Vec<&Sample> {
        let all = self.stretches.iter().flat_map(|(_, samples)| samples);
        let mut inside: Vec<_> = all.filter(|s| (from..=to).contains(&s.time)).collect();
        inside.sort_by_key(|&sample| (sample.time, sample));
        inside
    }
}

impl Gate {
    /// Whether what has `rank` at `time` is certain not to be drawn.
    const fn turns_away(self, rank: u64, time: Timestamp) -> bool {
        let second = time.seconds();
        self.from <= second && second < self.to && rank > self.rank
    }
}

/// Whether `event` is certain not to be drawn, `gate` being what is known of its account.
pub(super) fn is_turned_away(event: &Request<'_>, gate: Option<Gate>) -> bool {
    event.time().is_none_or(|time| {
        let rank = rank(event, time);
        rank > LARGEST || gate.is_some_and(|gate| gate.turns_away(rank, time))
    })
}

/// With the time, so that a client cannot choose audit IDs that are never drawn.
fn rank(event: &Request<'_>, time: Timestamp) -> u64 {
    xxh3_64_with_seed(
        event.audit_id.read().as_bytes(),
        time.micros().cast_unsigned(),
    )
}

impl Merge for Samples {
    fn merge(&mut self, mut other: Self) {
        while self.width < other.width {
            self.widen();
        }
        while other.width < self.width {
            other.widen();
        }
        for (number, samples) in other.stretches {
            let ours = self.stretch(number);
            for sample in samples {
                insert(ours, sample);
            }
        }
        self.shrink();
    }
}

impl Sample {
    /// The request as evidence.
    pub(super) fn show(&self, context: &Context<'_>) -> Evidence {
        let place = context.place(self.identity, self.origin);
        Evidence {
            time: Some(self.time),
            audit_id: Some(self.audit_id.to_string()),
            file: place.file,
            line: Some(place.line),
        }
    }
}

impl SampleKind {
    fn of(event: &Request<'_>) -> (Self, String) {
        let Some(object) = event.object else {
            return (Self::Other, String::new());
        };
        if object.name.is_empty() {
            let all = lists_all(event);
            return (
                if all { Self::ListsAll } else { Self::Other },
                String::new(),
            );
        }
        let [resource, namespace, name] =
            [object.resource, object.namespace, object.name].map(Text::read);
        let words = [&*resource, " ", activity::namespace(&namespace), "/", &name].concat();
        let reads = event.verb == "get";
        (if reads { Self::ReadsOne } else { Self::Other }, words)
    }
}

fn insert(stretch: &mut Vec<Sample>, sample: Sample) {
    let at = stretch.partition_point(|other| *other < sample);
    stretch.insert(at, sample);
    stretch.truncate(KEPT);
}
