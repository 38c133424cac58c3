//! What a log as a whole has and lacks, so that detectors can say what they could not see.

use serde::{Deserialize, Serialize};

use crate::{
    event::{Dialect, Event, Level, Stage},
    finding::Timestamp,
};

use super::{Aspects, Counts, Gap, Traffic, tally::earliest, traffic::Strays};

/// What a log as a whole has and lacks. Counted over all events, whatever their stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFacts {
    /// Events by stage.
    pub stages: Counts<Stage>,
    /// Events by level.
    pub levels: Counts<Level>,
    /// Events that came in another form than kube-apiserver's own, by form.
    pub wrapped: Counts<Dialect>,
    /// Requests (after counting by best stage).
    pub requests: u64,
    /// Requests without a user: 401s, and those with a malformed timeout.
    pub unauthenticated: u64,
    /// Requests by ServiceAccounts.
    pub service_account_requests: u64,
    /// Events that carry at least one annotation.
    pub annotated: u64,
    /// Whether any event says which address it came from.
    pub addressed: bool,
    /// Requests that get, list or watch anything.
    pub reads: u64,
    /// Requests that change anything.
    pub writes: u64,
    /// Requests on secrets, by anybody.
    pub secret_requests: u64,
    /// TokenRequests, by anybody.
    pub token_requests: u64,
    /// Arrival of the first request.
    pub first_event: Option<Timestamp>,
    /// Arrival of the last request.
    pub last_event: Option<Timestamp>,
    /// Events over time.
    pub traffic: Traffic,
}

impl LogFacts {
    /// Takes note of one event of any stage.
    pub fn observe(&mut self, event: &Event<'_>) {
        self.stages.add(event.stage, 1);
        self.levels.add(event.level, 1);
        if event.dialect != Dialect::Plain {
            self.wrapped.add(event.dialect, 1);
        }
        self.annotated += u64::from(!event.annotations.is_empty());
        self.addressed = self.addressed || event.peer().is_some();
        let time = event.time();
        self.first_event = earliest(self.first_event, time);
        self.last_event = self.last_event.max(time);
        self.traffic.add(event);
    }

    /// Takes note of one request, beside [`LogFacts::observe`] for its event.
    pub fn observe_request(&mut self, aspects: Aspects) {
        self.requests += 1;
        let count = |aspect, counter: &mut u64| *counter += u64::from(aspects.has(aspect));
        count(Aspects::UNAUTHENTICATED, &mut self.unauthenticated);
        count(Aspects::READ, &mut self.reads);
        count(Aspects::WRITE, &mut self.writes);
        count(Aspects::SECRETS, &mut self.secret_requests);
        count(Aspects::TOKEN_REQUEST, &mut self.token_requests);
        count(Aspects::ACCOUNT, &mut self.service_account_requests);
    }

    /// Why nothing can be said about ServiceAccounts, if so.
    #[must_use]
    pub fn blind_to_accounts(&self) -> Option<String> {
        (self.service_account_requests == 0)
            .then(|| "the log has no request by any ServiceAccount".to_owned())
    }

    /// Why nothing can be told by annotations, if so.
    #[must_use]
    pub fn blind_to_annotations(&self) -> Option<String> {
        (self.annotated == 0).then(|| {
            "no event of the log has annotations: they were stripped on the way here".to_owned()
        })
    }

    /// Why one client cannot be told from another, if so.
    #[must_use]
    pub fn blind_to_addresses(&self) -> Option<String> {
        (!self.addressed).then(|| {
            "no event of the log says which address it came from: sourceIPs were stripped on the way here".to_owned()
        })
    }

    /// Why nothing can be said about changes, if so.
    #[must_use]
    pub fn blind_to_writes(&self) -> Option<String> {
        (self.writes == 0)
            .then(|| "the log has no create, update, patch or delete at all: its policy leaves writes out".to_owned())
    }

    /// The silences out of proportion to the traffic around them, by time. One after which no request
    /// arrives is none: the end of a time window cuts off all but the closings of watches.
    #[must_use]
    pub fn gaps(&self) -> Vec<Gap> {
        let mut gaps = self.traffic.gaps();
        gaps.retain(|gap| Some(gap.to) <= self.last_event);
        gaps
    }

    /// The few events at either end of the log that stand hours apart from all others.
    pub(super) fn strays(&self) -> Vec<Strays> {
        let mut strays = self.traffic.strays();
        strays.retain(|strays| Some(strays.gap.to) <= self.last_event);
        strays
    }

    /// Whether every event came in this form: what the form cannot carry, no detector can have seen.
    #[must_use]
    pub fn is_all(&self, dialect: Dialect) -> bool {
        let events = self.wrapped.get(dialect).unwrap_or(0);
        events > 0 && events == self.events()
    }

    /// Why a log that has no get, list or watch at all has none.
    #[must_use]
    pub fn reads_left_out(&self) -> String {
        if self.is_all(Dialect::AzureAdmin) {
            "AKS' category kube-audit-admin has no get and list: category kube-audit has".to_owned()
        } else if self.is_all(Dialect::Gke) {
            "GKE logs get, list and watch only where Data Access logs are enabled, and this log has none"
                .to_owned()
        } else {
            "the log has no get, list or watch at all: its policy (or category, as AKS \
             kube-audit-admin) leaves reads out"
                .to_owned()
        }
    }

    /// Adds what another part of the log has and lacks.
    pub fn merge(&mut self, other: Self) {
        self.stages.merge(&other.stages);
        self.levels.merge(&other.levels);
        self.wrapped.merge(&other.wrapped);
        self.requests += other.requests;
        self.unauthenticated += other.unauthenticated;
        self.service_account_requests += other.service_account_requests;
        self.annotated += other.annotated;
        self.addressed |= other.addressed;
        self.reads += other.reads;
        self.writes += other.writes;
        self.secret_requests += other.secret_requests;
        self.token_requests += other.token_requests;
        self.first_event = earliest(self.first_event, other.first_event);
        self.last_event = self.last_event.max(other.last_event);
        self.traffic.merge(other.traffic);
    }

    /// Events of any stage.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.stages.total()
    }
}
