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
//! events, metrics and findings; they know nothing of files, threads or outputs. Those that read metrics
//! have no state of their own: the archive of scrapes is the monoid, and they are functions of it.

#[macro_use]
mod about;
mod accounts;
mod activity;
mod allow;
mod caller;
mod context;
mod counter;
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
mod reconcile;
mod samples;
mod scraped;
mod series;
mod settings;
mod shell;
mod tally;
mod token_uses;

mod default_serviceaccount;
mod legacy_token;
mod runaway_controller;
mod secret_listing;

mod audit_events_lost;
mod authentication_failures_metric;
mod flow_control_rejection;
mod legacy_token_metric;
mod request_terminations;
mod serviceaccount_traffic_metric;
mod stale_token_metric;
mod token_request_rate_metric;

registry! {
    audit {
        default_serviceaccount::DefaultServiceAccount,
        secret_listing::SecretListing,
        legacy_token::LegacyToken,
        runaway_controller::RunawayController,
    }
    metrics {
        legacy_token_metric::LegacyTokenMetric,
        stale_token_metric::StaleTokenMetric,
        authentication_failures_metric::AuthenticationFailuresMetric,
        token_request_rate_metric::TokenRequestRateMetric,
        serviceaccount_traffic_metric::ServiceAccountTrafficMetric,
        flow_control_rejection::FlowControlRejection,
        audit_events_lost::AuditEventsLost,
        request_terminations::RequestTerminations,
    }
}

pub use about::About;
pub use accounts::PerAccount;
pub use allow::{AllowEntry, AllowList};
pub use context::{Context, MetricContext};
pub use counter::{reads_metric, reads_sample};
pub use evidence::EvidenceSet;
pub use keyed::Keyed;
pub use legacy_token::legacy_secret;
pub use listing::Listing;
pub use log_facts::LogFacts;
pub use merge::Merge;
pub use pattern::matches_pattern;
pub use reconcile::{AccountUses, Bounds, Reconciled, Reconciliation, reconcile};
pub use runaway_controller::Thresholds;
pub use series::{Peak, Series};
pub use settings::Settings;
pub use shell::quote;
pub use tally::{Tallied, Tally};
pub use token_uses::TokenUses;

use serde::{Serialize, de::DeserializeOwned};

use crate::{event::Event, finding::Finding, metric::Archive};

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

/// One detector that reads metrics: a function of all scrapes.
pub trait MetricDetector {
    /// Its name and documentation.
    const ABOUT: &'static About;

    /// The names of the series that it looks at.
    const READS: &'static [&'static str];

    /// The one of them without which it is blind; empty where all of them are absent until they rise.
    const NEEDS: &'static str = "";

    /// Whether it judges rates, which one scrape does not show.
    const JUDGES_RATES: bool = false;

    /// What it comes to.
    fn finish(context: &MetricContext<'_>) -> Vec<Finding>;

    /// How much of these scrapes it could judge.
    #[must_use]
    fn coverage(archive: &Archive) -> Coverage {
        counter::coverage(archive, Self::NEEDS, Self::JUDGES_RATES)
    }
}

/// What a detector could see of a log: silence is never mistaken for safety.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The requests that it judged; the scrapes, if it reads metrics.
    pub evaluated: u64,
    /// Why it cannot fire on this log, if it cannot (or not fully).
    pub blind: Option<String>,
}
