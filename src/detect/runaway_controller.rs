//! Stub.

use serde::{Deserialize, Serialize};

use crate::{event::Event, finding::Finding};

use super::{About, Context, Coverage, Detector, LogFacts};

about! {
    /// # What it finds
    "runaway-controller",
    "Stub"
}

/// State.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct RunawayController {
    requests: u64,
}

impl Detector for RunawayController {
    const ABOUT: &'static About = &ABOUT;

    fn observe(&mut self, _event: &Event<'_>) {
        self.requests += 1;
    }

    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
    }

    fn finish(&self, _context: &Context<'_>) -> Vec<Finding> {
        Vec::new()
    }

    fn coverage(&self, _log: &LogFacts) -> Coverage {
        Coverage {
            evaluated: self.requests,
            blind: None,
        }
    }
}

/// When a controller counts as running away.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Thresholds {}
