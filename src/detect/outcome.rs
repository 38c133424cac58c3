//! What came of a request that wanted to change something.

use serde::{Deserialize, Serialize};

use crate::{event::Event, finding::Severity};

use super::judge::Graded;

/// What came of a request that wanted to change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// 401 or 403.
    Refused,
    /// Authorized, and nothing came of it: 404, 409, 422, 5xx, a dry run.
    Attempted,
    /// It happened.
    Done,
}

/// What a request wanted to change, and what came of it.
pub(super) trait Attempt: Copy + Ord {
    /// What came of it.
    fn outcome(self) -> Outcome;

    /// How bad that is.
    fn severity(self) -> Severity;

    /// Whether it happened.
    fn is_done(self) -> bool {
        self.outcome() == Outcome::Done
    }
}

impl<A: Attempt> Graded for A {
    fn is_denial(self) -> bool {
        self.outcome() == Outcome::Refused
    }
}

impl Outcome {
    /// What came of `event`; `None` if it was throttled before anybody looked at what it wanted (429, FACTS
    /// 1.3).
    pub(super) fn from_facts(
        event: &Event<'_>,
        refused: bool,
        is_dry_run: impl FnOnce() -> bool,
    ) -> Option<Self> {
        match () {
            () if refused => Some(Self::Refused),
            () if event.code == Some(429) => None,
            () if event.succeeded() && !is_dry_run() => Some(Self::Done),
            () => Some(Self::Attempted),
        }
    }

    /// The severity of what would be `done` if it had happened: one step milder if it was only tried, and no
    /// more than medium if it was refused.
    pub(super) fn of_severity(self, done: Severity) -> Severity {
        let milder = match done {
            Severity::Critical => Severity::High,
            Severity::High => Severity::Medium,
            Severity::Medium => Severity::Low,
            Severity::Low | Severity::Info => Severity::Info,
        };
        match self {
            Self::Done => done,
            Self::Attempted => milder,
            Self::Refused => milder.clamp(Severity::Low, Severity::Medium),
        }
    }
}
