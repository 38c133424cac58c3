//! Which part of time a run looks at.

use std::time::Duration;

use crate::finding::Timestamp;

/// One end of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A point in time.
    At(Timestamp),
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
            Bound::At(time) => Some(time),
            Bound::BeforeNewest(span) => newest.map(|newest| newest.before(span)),
        };
        Span {
            since: self.since.and_then(at),
            until: self.until.and_then(at),
        }
    }
}

impl Span {
    /// Whether an event of `time` is looked at. One without a time is, in a window without ends only.
    pub(super) fn contains(&self, time: Option<Timestamp>) -> bool {
        match (self.since, self.until, time) {
            (None, None, _) => true,
            (_, _, None) => false,
            (since, until, Some(time)) => {
                since.is_none_or(|since| time >= since) && until.is_none_or(|until| time < until)
            }
        }
    }
}
