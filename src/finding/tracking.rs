//! What becomes of a finding from run to run.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Where a finding stands, for whoever follows it over several runs (`satrail cron`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not told before: found for the first time, or again after it was over, or worse than was told.
    New,
    /// Told before, and it goes on.
    Ongoing,
    /// Told before, and nothing of it has happened for a while.
    Resolved,
}

impl Status {
    /// As written in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ongoing => "ongoing",
            Self::Resolved => "resolved",
        }
    }
}

/// A finding's status and since when it has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracking {
    /// Where it stands.
    pub status: Status,
    /// The run (wall clock) that gave it this status.
    pub status_since: Timestamp,
    /// The run (wall clock) that found it first.
    pub first_reported: Timestamp,
}
