//! Which part of time a run looks at.

use std::time::Duration;

use crate::finding::Timestamp;

/// One end of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A point in time.
    At(Timestamp),
    /// A point in time before which everything is forgotten. What has no time cannot be, and is looked at.
    Horizon(Timestamp),
    /// So long before the newest event of the input.
    BeforeNewest(Duration),
}

/// From `since` (inclusive) to `until` (exclusive), by the time at which requests arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// Nothing before it.
    pub since: Option<Bound>,
    /// Nothing from it on.
    pub until: Option<Bound>,
}

/// A window with both ends known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Whether what has no time is outside.
    timed: bool,
}

impl Window {
    /// Whether the newest event must be known before anything can be judged.
    pub(super) fn needs_newest(&self) -> bool {
        let relative = |bound| matches!(bound, Some(Bound::BeforeNewest(_)));
        relative(self.since) || relative(self.until)
    }

    /// The window, once the newest event is known.
    pub(super) fn span(&self, newest: Option<Timestamp>) -> Span {
        let at = |bound: Bound| match bound {
            Bound::At(time) | Bound::Horizon(time) => Some(time),
            Bound::BeforeNewest(span) => newest.map(|newest| newest.before(span)),
        };
        Span {
            since: self.since.and_then(at),
            until: self.until.and_then(at),
            timed: !matches!(self.since, None | Some(Bound::Horizon(_))) || self.until.is_some(),
        }
    }
}

impl Span {
    /// Whether an event of `time` is looked at. One without a time is, in a window that nobody has asked for.
    pub(super) fn contains(&self, time: Option<Timestamp>) -> bool {
        time.map_or(!self.timed, |time| {
            self.since.is_none_or(|since| time >= since)
                && self.until.is_none_or(|until| time < until)
        })
    }
}
