//! The detectors: each one a commutative monoid with a name.
//!
//! ```text
//!   chunk   chunk   chunk      any split, any order, any thread, file, run or machine
//!     |       |       |        observe: counts, allocates only on a match
//!   state   state   state
//!      \      |      /         merge: associative and commutative
//!           state
//!             |                finish: thresholds, allow-lists, words
//!         findings
//! ```
//!
//! A detector is `src/detect/<id>.rs`, one `mod` line beside one registry line here, and
//! `tests/detectors/<id>.jsonl`. Its doc comment is its documentation everywhere. Detectors know
//! events and findings; they know nothing of files, threads or outputs.

#[macro_use]
mod about;
mod accounts;
mod activity;
mod allow;
mod caller;
mod context;
mod deed;
mod episode;
mod evidence;
mod grant;
mod judge;
mod keyed;
mod listing;
mod load;
mod log_facts;
mod merge;
mod pattern;
mod samples;
mod series;
mod settings;
mod shell;
mod tally;

mod default_serviceaccount;
mod legacy_token;
mod runaway_controller;
mod secret_listing;

registry! {
    default_serviceaccount::DefaultServiceAccount,
    secret_listing::SecretListing,
    legacy_token::LegacyToken,
    runaway_controller::RunawayController,
}

pub use about::About;
pub use accounts::PerAccount;
pub use allow::{AllowEntry, AllowList};
pub use context::Context;
pub use evidence::EvidenceSet;
pub use keyed::Keyed;
pub use legacy_token::legacy_secret;
pub use listing::Listing;
pub use log_facts::LogFacts;
pub use merge::Merge;
pub use pattern::matches_pattern;
pub use runaway_controller::Thresholds;
pub use series::{Peak, Series};
pub use settings::Settings;
pub use tally::{Tallied, Tally};

use serde::{Serialize, de::DeserializeOwned};

use crate::{event::Event, finding::Finding};

/// One detector.
///
/// The law, tested for every registry entry: any split of the input into chunks, in any order, over
/// any number of threads, files or runs, gives the same findings, byte for byte.
pub trait Detector: Default + Send + Serialize + DeserializeOwned + 'static {
    /// Its name and documentation.
    const ABOUT: &'static About;

    /// Takes note of one request. The hot path: allocates only on a match.
    fn observe(&mut self, event: &Event<'_>);

    /// Adds what another instance has noted. Associative and commutative.
    fn merge(&mut self, other: Self);

    /// What it comes to. Only here do thresholds and allow-lists apply.
    fn finish(&self, context: &Context<'_>) -> Vec<Finding>;

    /// How much of this log it could judge.
    fn coverage(&self, log: &LogFacts) -> Coverage;
}

/// What a detector could see of a log: silence is never mistaken for safety.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The requests that it judged.
    pub evaluated: u64,
    /// Why it cannot fire on this log, if it cannot (or not fully).
    pub blind: Option<String>,
}
