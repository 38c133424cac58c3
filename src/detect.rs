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
mod advice;
mod allow;
mod aspects;
mod attack;
mod audit_id;
mod audit_ids;
mod batch;
mod by_hash;
mod by_seat;
mod caller;
mod clients;
mod context;
mod counter;
mod counts;
mod deed;
mod distinct;
mod draft;
mod episode;
mod evidence;
mod grant;
mod grants;
mod impersonated;
mod judge;
mod keyed;
mod listing;
mod load;
mod log_facts;
mod mark;
mod memo;
mod merge;
mod network;
mod one_secret;
mod pattern;
mod prefetch;
mod reconcile;
mod refusal;
mod request;
mod runs;
mod samples;
mod scraped;
mod series;
mod settings;
mod shell;
mod tally;
mod token_secret;
mod token_uses;
mod traffic;

// token theft: what its detectors share, then each with its second half
mod credential;
mod few;
mod holder;
mod sightings;
mod smallest;
mod token_shared;
mod deletions;
mod token_use;
mod whereabouts;
mod token_minted;
mod asked;
mod minted;
mod token_request_failing;
mod failed_request;
mod authentication_failing;
mod broken_client;
// privilege
mod admission;
mod body;
mod certificate;
mod controllers;
mod entry;
mod outcome;
mod pod_spec;
mod rbac;
mod rights;
mod writes;

mod admission_changed;
mod csr_approved;
mod default_account_granted;
mod escalation_used;
mod pod_with_controller_account;
mod privileged_workload;
mod rbac_written;
mod workload_exec;

// habits
mod uses;
mod habits;
mod novelty;
mod first_use;

mod default_serviceaccount;
mod legacy_token;
mod runaway_controller;
mod secret_listing;

// token life
mod audit_id_reused;
mod interactive_client;
mod invalidated_legacy_token;
mod legacy_token_secret_created;
mod not_a_token;
mod stale_token;
// secrets and data
mod secret_cross_namespace;
mod secret_denied;
mod secret_enumeration;

// reconnaissance and impersonation
mod anonymous_access;
mod denied_probing;
mod impersonation;
mod permission_enumeration;
// Load and the log itself.
mod churning;
mod clock_skew;
mod hot_loop;
mod policy_blind_spot;
mod policy_rules;
mod policy_spots;
mod policy_view;
mod repeated;
mod sustained;
mod time_gap;
mod token_request_rate;
mod truncated_events;
mod watch_churn;
mod watching;

mod burst;
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
        // token life
        stale_token::StaleToken,
        invalidated_legacy_token::InvalidatedLegacyToken,
        legacy_token_secret_created::LegacyTokenSecretCreated,
        not_a_token::NotAToken,
        interactive_client::InteractiveClient,
        audit_id_reused::AuditIdReused,
        // token theft
        token_shared::TokenShared,
        token_minted::TokenMinted,
        token_request_failing::TokenRequestFailing,
        authentication_failing::AuthenticationFailing,
        // secrets and data
        secret_enumeration::SecretEnumeration,
        secret_cross_namespace::SecretCrossNamespace,
        secret_denied::SecretDenied,
        // reconnaissance and impersonation
        permission_enumeration::PermissionEnumeration,
        denied_probing::DeniedProbing,
        anonymous_access::AnonymousAccess,
        impersonation::Impersonation,
        // privilege
        rbac_written::RbacWritten,
        escalation_used::EscalationUsed,
        default_account_granted::DefaultAccountGranted,
        workload_exec::WorkloadExec,
        privileged_workload::PrivilegedWorkload,
        admission_changed::AdmissionChanged,
        csr_approved::CsrApproved,
        pod_with_controller_account::PodWithControllerAccount,
        // Load and the log itself.
        hot_loop::HotLoop,
        watch_churn::WatchChurn,
        token_request_rate::TokenRequestRate,
        time_gap::TimeGap,
        truncated_events::TruncatedEvents,
        clock_skew::ClockSkew,
        policy_blind_spot::PolicyBlindSpot,
        // habits
        first_use::FirstUse,
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
pub use aspects::{Aspects, Interest};
pub use attack::Technique;
pub use context::{Context, MetricContext};
pub use counter::{reads_metric, reads_sample};
pub use counts::Counts;
pub use evidence::EvidenceSet;
pub use first_use::first_use_id;
pub use habits::{client_name, habitual_action};
pub use keyed::Keyed;
pub(crate) use keyed::hash;
pub use legacy_token::legacy_secret;
pub use listing::Listing;
pub use log_facts::LogFacts;
pub use memo::Memo;
pub use merge::Merge;
pub use network::address_range;
pub use pattern::matches_pattern;
pub use reconcile::{AccountUses, Bounds, Reconciled, Reconciliation, reconcile};
pub use request::Request;
pub use runaway_controller::Thresholds;
pub use runs::{Presence, Run, Runs};
pub use series::{Peak, Series};
pub use settings::Settings;
pub(crate) use smallest::Smallest;
pub use tally::{Tallied, Tally};
pub use token_uses::TokenUses;
pub use traffic::{Gap, Traffic};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    finding::{Finding, Timestamp},
    metric::Archive,
};

/// One detector.
///
/// The law, tested for every registry entry: any split of the input into chunks, in any order, over
/// any number of threads, files or runs, gives the same findings, byte for byte.
pub trait Detector: Default + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// Its name and documentation.
    const ABOUT: &'static About;

    /// Which requests it wants to see. Showing it others as well changes nothing.
    const INTEREST: Interest;

    /// Takes note of one request. The hot path: allocates only on a match.
    fn observe(&mut self, request: &Request<'_>);

    /// Whether it takes plain requests as a [`Presence`], a [`Run`], or both: what these two and
    /// [`Detector::observe_each`] make of a request comes to what [`Detector::observe`] makes of it.
    const TAKES_RUNS: bool = false;

    /// Takes note of what does not hang on what was asked for, for all plain requests of a caller.
    fn observe_presence(&mut self, _presence: &Presence) {}

    /// Takes note of what hangs on what was asked for, for all requests of a run.
    fn observe_run(&mut self, _run: &Run) {}

    /// Takes note of what neither has of one of their requests.
    fn observe_each(&mut self, _request: &Request<'_>) {}

    /// Adds what another instance has noted. Associative and commutative.
    fn merge(&mut self, other: Self);

    /// What it comes to. Only here do thresholds and allow-lists apply.
    fn finish(&self, context: &Context<'_>) -> Vec<Finding>;

    /// How much of this log it could judge.
    fn coverage(&self, log: &LogFacts) -> Coverage;

    /// The same, where that hangs on the settings.
    fn coverage_under(&self, log: &LogFacts, _settings: &Settings) -> Coverage {
        self.coverage(log)
    }

    /// What of it is still worth knowing once the days before `cutoff` are forgotten, this state's among them:
    /// nothing, for most.
    #[must_use]
    fn outlive(self, _cutoff: Timestamp) -> Self {
        Self::default()
    }
}

impl Detectors {
    /// The request since which ServiceAccounts have been watched, in days that are forgotten too.
    #[must_use]
    pub const fn watching_since(&self) -> Option<Timestamp> {
        self.first_use.watching_since()
    }
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
