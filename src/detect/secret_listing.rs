//! Stub.

use serde::{Deserialize, Serialize};

use crate::{event::Event, finding::Finding};

use super::{About, Context, Coverage, Detector, LogFacts};

about! {
    /// # What it finds
    "secret-listing",
    "Stub"
}

/// State.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SecretListing {
    requests: u64,
}

impl Detector for SecretListing {
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
