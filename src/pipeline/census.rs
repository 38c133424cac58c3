//! One entry per ServiceAccount: what it did, from where, with what. What `satrail accounts` is made of.

use serde::{Deserialize, Serialize};

use crate::{
    detect::{EvidenceSet, Merge, PerAccount, Series, Tally},
    event::{Event, ServiceAccount},
    finding::Timestamp,
};

use super::{AccountRow, Distinct, columns::columns, fold::Study};

/// Over how many seconds a peak is told.
const PEAK_SECONDS: u64 = 60;

/// One entry per ServiceAccount.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Census(PerAccount<Entry>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Entry {
    requests: EvidenceSet,
    traffic: Series<768>,
    denied: u64,
    verbs: Tally,
    secrets: Tally,
    token_kinds: Tally,
    addresses: Tally,
    user_agents: Tally,
    pods: Tally,
}

impl Study for Census {
    fn event(&mut self, _event: &Event<'_>) {}

    fn request(&mut self, event: &Event<'_>) {
        if event.service_account().is_some() {
            self.0
                .note(&event.user.name.read(), |entry| entry.add(event));
        }
    }

    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

impl Entry {
    fn add(&mut self, event: &Event<'_>) {
        self.requests.add(event);
        self.traffic.add(event.time());
        self.denied += u64::from(event.refused());
        self.verbs.add(&event.verb.read(), event);
        if let Some(object) = event.object
            && event.is_core("secrets")
            && !object.name.is_empty()
        {
            let name = format!("{}/{}", object.namespace, object.name);
            self.secrets.add(&name, event);
        }
        if let Some(kind) = event.token_kind() {
            self.token_kinds.add(kind.as_str(), event);
        }
        if let Some(peer) = event.peer() {
            self.addresses.add(&peer.read(), event);
        }
        self.user_agents.add(&event.user_agent.read(), event);
        if let Some(pod) = event.user.extra("authentication.kubernetes.io/pod-name") {
            self.pods.add(&pod.read(), event);
        }
    }

    fn row(
        &self,
        account: ServiceAccount<'_>,
        (first, last): (Option<Timestamp>, Option<Timestamp>),
    ) -> AccountRow {
        let requests = self.requests.count();
        let tenths = |value: f64| (value * 10.0).round() / 10.0;
        AccountRow {
            namespace: account.namespace.to_owned(),
            name: account.name.to_owned(),
            requests,
            peak_rate: self
                .traffic
                .peak(PEAK_SECONDS)
                .map_or(0.0, |peak| tenths(peak.rate())),
            verbs: counts(&self.verbs),
            denied: self.denied,
            denied_percent: tenths(100.0 * self.denied as f64 / requests as f64),
            secrets: distinct(&self.secrets),
            token_kinds: counts(&self.token_kinds),
            addresses: distinct(&self.addresses),
            user_agents: distinct(&self.user_agents),
            pods: distinct(&self.pods),
            first_seen: self.requests.first_seen(),
            last_seen: self.requests.last_seen(),
            timeline: columns(&self.traffic, first, last),
        }
    }
}

impl Merge for Entry {
    fn merge(&mut self, other: Self) {
        self.requests.merge(other.requests);
        self.traffic.merge(other.traffic);
        self.denied += other.denied;
        self.verbs.merge(other.verbs);
        self.secrets.merge(other.secrets);
        self.token_kinds.merge(other.token_kinds);
        self.addresses.merge(other.addresses);
        self.user_agents.merge(other.user_agents);
        self.pods.merge(other.pods);
    }
}

impl Census {
    /// The rows, by user name.
    pub(super) fn rows(&self) -> Vec<AccountRow> {
        let entries = self.0.sorted();
        let times = || entries.iter().map(|(_, entry)| &entry.requests);
        let first = times().filter_map(EvidenceSet::first_seen).min();
        let span = (first, times().filter_map(EvidenceSet::last_seen).max());
        let row = |name: &str, entry: &Entry| {
            Some(entry.row(ServiceAccount::from_user_name(name)?, span))
        };
        let rows = entries.iter().filter_map(|(name, entry)| row(name, entry));
        rows.collect()
    }
}

fn counts(tally: &Tally) -> Vec<(String, u64)> {
    tally
        .ranked()
        .into_iter()
        .map(|value| (value.value.clone(), value.count))
        .collect()
}

fn distinct(tally: &Tally) -> Distinct {
    Distinct {
        distinct: tally.distinct(),
        names: counts(tally),
    }
}
