//! What a detector may look at when it finishes.

use crate::{
    metric::Archive,
    source::{Lookup, Origin, Place},
};

use super::{LogFacts, Settings};

/// What a detector may look at when it finishes.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Thresholds and allow-lists.
    pub settings: &'a Settings,
    /// What the log as a whole has and lacks.
    pub log: &'a LogFacts,
    /// Where lines stand.
    pub places: &'a Lookup<'a>,
}

impl Context<'_> {
    /// The file and line of the event `identity`, which was read at `origin`.
    #[must_use]
    pub fn place(&self, identity: u64, origin: Origin) -> Place {
        self.places.resolve_event(identity, origin)
    }
}

/// What a metric detector may look at.
#[derive(Debug, Clone, Copy)]
pub struct MetricContext<'a> {
    /// Thresholds.
    pub settings: &'a Settings,
    /// The scrapes.
    pub archive: &'a Archive,
}
