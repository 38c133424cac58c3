//! What a log as a whole has and lacks, so that detectors can say what they could not see.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    event::{Dialect, Event, Level, Stage},
    finding::Timestamp,
};

use super::tally::earliest;

/// What a log as a whole has and lacks. Counted over all events, whatever their stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFacts {
    /// Events by stage.
    pub stages: BTreeMap<Stage, u64>,
    /// Events by level.
    pub levels: BTreeMap<Level, u64>,
    /// Events that came in another form than kube-apiserver's own, by form.
    pub wrapped: BTreeMap<Dialect, u64>,
    /// Requests (after counting by best stage).
    pub requests: u64,
    /// Requests without a user: 401s, and those with a malformed timeout.
    pub unauthenticated: u64,
    /// Requests by ServiceAccounts.
    pub service_account_requests: u64,
    /// Events that carry at least one annotation.
    pub annotated: u64,
    /// Requests that get, list or watch anything.
    pub reads: u64,
    /// Requests on secrets, by anybody.
    pub secret_requests: u64,
    /// Arrival of the first request.
    pub first_event: Option<Timestamp>,
    /// Arrival of the last request.
    pub last_event: Option<Timestamp>,
}

impl LogFacts {
    /// Takes note of one event of any stage.
    pub fn observe(&mut self, event: &Event<'_>) {
        *self.stages.entry(event.stage).or_default() += 1;
        *self.levels.entry(event.level).or_default() += 1;
        if event.dialect != Dialect::Plain {
            *self.wrapped.entry(event.dialect).or_default() += 1;
        }
        self.annotated += u64::from(!event.annotations.is_empty());
        let time = event.time();
        self.first_event = earliest(self.first_event, time);
        self.last_event = self.last_event.max(time);
    }

    /// Takes note of one request, beside [`LogFacts::observe`] for its event.
    pub fn observe_request(&mut self, event: &Event<'_>) {
        self.requests += 1;
        self.unauthenticated += u64::from(event.user.name.is_empty());
        self.reads += u64::from(
            ["get", "list", "watch"]
                .iter()
                .any(|verb| event.verb == *verb),
        );
        self.secret_requests += u64::from(event.is_core("secrets"));
        self.service_account_requests += u64::from(event.service_account().is_some());
    }

    /// Why nothing can be said about ServiceAccounts, if so.
    #[must_use]
    pub fn blind_to_accounts(&self) -> Option<String> {
        (self.service_account_requests == 0)
            .then(|| "the log has no request by any ServiceAccount".to_owned())
    }

    /// Whether every event came in this form: what the form cannot carry, no detector can have seen.
    #[must_use]
    pub fn is_all(&self, dialect: Dialect) -> bool {
        let events = self.wrapped.get(&dialect).copied().unwrap_or(0);
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
        for (stage, count) in other.stages {
            *self.stages.entry(stage).or_default() += count;
        }
        for (level, count) in other.levels {
            *self.levels.entry(level).or_default() += count;
        }
        for (dialect, count) in other.wrapped {
            *self.wrapped.entry(dialect).or_default() += count;
        }
        self.requests += other.requests;
        self.unauthenticated += other.unauthenticated;
        self.service_account_requests += other.service_account_requests;
        self.annotated += other.annotated;
        self.reads += other.reads;
        self.secret_requests += other.secret_requests;
        self.first_event = earliest(self.first_event, other.first_event);
        self.last_event = self.last_event.max(other.last_event);
    }

    /// Events of any stage.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.stages.values().sum()
    }
}
