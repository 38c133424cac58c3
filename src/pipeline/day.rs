//! Days of the log (UTC): what a state over time is cut into, so that it can forget.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::finding::Timestamp;

const SECONDS: i64 = 86_400;

/// A day by the time at which requests arrived, which is the same on all stages of a request.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub(super) struct Day(i32);

impl Day {
    /// What has no time, or none that can be true: never forgotten, and never much.
    pub(super) const NONE: Self = Self(i32::MIN);

    pub(super) fn of(time: Option<Timestamp>) -> Self {
        let day = time.and_then(|time| i32::try_from(time.seconds().div_euclid(SECONDS)).ok());
        day.map_or(Self::NONE, Self)
    }

    /// When it starts.
    pub(super) fn start(self) -> Timestamp {
        Timestamp::from_micros(i64::from(self.0) * SECONDS * 1_000_000)
    }

    /// So many days earlier.
    pub(super) const fn before(self, days: u32) -> Self {
        Self(self.0.saturating_sub_unsigned(days))
    }

    /// So many days later.
    pub(super) const fn after(self, days: u32) -> Self {
        Self(self.0.saturating_add_unsigned(days))
    }

    /// The day that [`fmt::Display`] writes so.
    pub(super) fn named(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }
}

/// The number of days since 1970-01-01.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
