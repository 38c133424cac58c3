//! Distinct things that an account did something with: how often, when first and last, and what came of it.
//!
//! What is new and what is habit, and how many new things came at once, follows from the first and the last
//! time of each thing: no window of time has to be remembered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::{Attribute, Attributes, Timestamp};

use super::{
    LogFacts, Merge,
    keyed::{self, Keyed},
    request::Request,
    tally::earliest,
};

/// Distinct things by name; `G` is what came of a request.
///
/// Exact for up to 63 things. Beyond, 64 of them are kept, chosen by hash, and counts of things are scaled up
/// from that sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Distinct<G: Ord> {
    things: Keyed<Seen<G>>,
}

/// What was seen of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen<G: Ord> {
    requests: BTreeMap<G, u64>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// The most things that were first seen within one span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Burst {
    /// When the first of them was seen.
    pub(super) start: Timestamp,
    /// How long the span may be.
    pub(super) seconds: u32,
    /// How many things there were.
    pub(super) things: u64,
}

/// Whether an account has always done this, as far as the log can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// Most things were seen in both halves of the log.
    Routine,
    /// The log is too short, or things come and go.
    Unknown,
    /// Most things were first seen in the second half.
    New,
}

impl<G: Copy + Ord> Distinct<G> {
    /// Takes note of one request about the thing that is called by all `parts`.
    pub(super) fn add(&mut self, parts: &[&str], grade: G, event: &Request<'_>) {
        let hash = keyed::hash(0, parts);
        if let Some(seen) = self.things.slot(hash, || parts.concat()) {
            *seen.requests.entry(grade).or_default() += 1;
            seen.first = earliest(seen.first, event.time());
            seen.last = seen.last.max(event.time());
        }
    }

    /// The things that are kept and that `wanted` says yes to, by name.
    pub(super) fn kept(&self, wanted: impl Fn(&str, &Seen<G>) -> bool) -> Vec<(&str, &Seen<G>)> {
        let mut kept = self.things.sorted();
        kept.retain(|(name, seen)| wanted(name, seen));
        kept
    }

    /// How many things `wanted` says yes to.
    pub(super) fn count(&self, wanted: impl Fn(&str, &Seen<G>) -> bool) -> u64 {
        self.scaled(self.kept(wanted).len())
    }

    /// `part` of the things kept, as a part of all things.
    fn scaled(&self, part: usize) -> u64 {
        let (part, all) = (part as u64, self.things.distinct());
        let kept = self.things.sorted().len() as u64;
        (part * all).checked_div(kept).unwrap_or(0)
    }

    /// The `seconds` in which the most of the things that `wanted` says yes to were first seen; the earliest
    /// of equals.
    pub(super) fn burst(
        &self,
        seconds: u32,
        wanted: impl Fn(&str, &Seen<G>) -> bool,
    ) -> Option<Burst> {
        let kept = self.kept(wanted);
        let mut firsts: Vec<Timestamp> = kept.iter().filter_map(|(_, seen)| seen.first).collect();
        firsts.sort_unstable();
        let span = i64::from(seconds) * 1_000_000;
        let mut best: Option<(Timestamp, usize)> = None;
        for (at, start) in firsts.iter().enumerate() {
            let end = start.micros().saturating_add(span);
            let inside = firsts[at..].partition_point(|time| time.micros() < end);
            if best.is_none_or(|(_, most)| inside > most) {
                best = Some((*start, inside));
            }
        }
        best.map(|(start, inside)| Burst {
            start,
            seconds,
            things: self.scaled(inside),
        })
    }

    /// Whether the things that `wanted` says yes to are a habit. Only a log of at least `seconds` can tell:
    /// it is cut in two halves.
    pub(super) fn habit(
        &self,
        log: &LogFacts,
        seconds: u32,
        wanted: impl Fn(&str, &Seen<G>) -> bool,
    ) -> Habit {
        let (Some(start), Some(end)) = (log.first_event, log.last_event) else {
            return Habit::Unknown;
        };
        let length = end.micros().saturating_sub(start.micros());
        if length < i64::from(seconds) * 1_000_000 {
            return Habit::Unknown;
        }
        let middle = Timestamp::from_micros(start.micros() + length / 2);
        let kept = self.kept(wanted);
        let early = |seen: &Seen<G>| seen.first.is_some_and(|first| first < middle);
        let again = |seen: &Seen<G>| early(seen) && seen.last.is_some_and(|last| last >= middle);
        let old = kept.iter().filter(|(_, seen)| early(seen)).count();
        let both = kept.iter().filter(|(_, seen)| again(seen)).count();
        match kept.len() - old {
            new if new > 2 * old => Habit::New,
            _ if both > 0 && 2 * both >= kept.len() => Habit::Routine,
            _ => Habit::Unknown,
        }
    }

    /// The `most` things that `wanted` says yes to with the most requests, each with its `requests`,
    /// `first_seen` and `last_seen`.
    pub(super) fn attribute(
        &self,
        most: usize,
        wanted: impl Fn(&str, &Seen<G>) -> bool,
    ) -> Attribute {
        let mut kept = self.kept(wanted);
        kept.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.requests()));
        let shown = kept.into_iter().take(most);
        let shown: Attributes = shown
            .map(|(name, seen)| (name.to_owned(), seen.attribute()))
            .collect();
        Attribute::Map(shown)
    }
}

impl<G: Copy + Ord> Seen<G> {
    /// How many requests there were.
    pub(super) fn requests(&self) -> u64 {
        self.requests.values().sum()
    }

    /// How many of them `grade` stands for.
    pub(super) fn of(&self, grade: G) -> u64 {
        self.requests.get(&grade).copied().unwrap_or_default()
    }

    /// The gravest of them.
    pub(super) fn worst(&self) -> Option<G> {
        self.requests.last_key_value().map(|(&grade, _)| grade)
    }

    fn attribute(&self) -> Attribute {
        let fields: [(&str, Attribute); 3] = [
            ("requests", self.requests().into()),
            ("first_seen", self.first.into()),
            ("last_seen", self.last.into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

impl Burst {
    /// `from`, `seconds` and `distinct`.
    pub(super) fn attribute(self) -> Attribute {
        let fields: [(&str, Attribute); 3] = [
            ("from", self.start.into()),
            ("seconds", u64::from(self.seconds).into()),
            ("distinct", self.things.into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

impl Habit {
    /// The value of the attribute `habit`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Routine => "routine",
            Self::Unknown => "unknown",
            Self::New => "new",
        }
    }
}

impl<G: Ord> Default for Distinct<G> {
    fn default() -> Self {
        Self {
            things: Keyed::default(),
        }
    }
}

impl<G: Ord> Default for Seen<G> {
    fn default() -> Self {
        Self {
            requests: BTreeMap::new(),
            first: None,
            last: None,
        }
    }
}

impl<G: Ord> Merge for Distinct<G> {
    fn merge(&mut self, other: Self) {
        self.things.merge(other.things);
    }
}

impl<G: Ord> Merge for Seen<G> {
    fn merge(&mut self, other: Self) {
        for (grade, count) in other.requests {
            *self.requests.entry(grade).or_default() += count;
        }
        self.first = earliest(self.first, other.first);
        self.last = self.last.max(other.last);
    }
}
