//! From where and as what an account's requests came.

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Attribute, Attributes, Involved, Subject},
};

use super::{Merge, Tally, request::Request};

/// How many values of each kind a finding shows.
pub(super) const SHOWN: usize = 10;

/// From where and as what an account's requests came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Callers {
    addresses: Tally,
    user_agents: Tally,
    pods: Tally,
    nodes: Tally,
    impersonated: Tally,
    credentials: Tally,
}

/// The account or user of that name.
pub(super) fn subject(user_name: &str) -> Subject {
    match ServiceAccount::from_user_name(user_name) {
        Some(account) => Subject::service_account(account.namespace, account.name),
        None => Subject::user(user_name),
    }
}

impl Callers {
    /// Takes note of one request.
    pub(super) fn add(&mut self, event: &Request<'_>) {
        let (caller, time) = (event.caller, event.time());
        if let Some(address) = caller.address.as_deref() {
            self.addresses.add_known(caller.address_hash, address, time);
        }
        self.user_agents
            .add_known(caller.agent_hash, &caller.agent, time);
        if let Some(pod) = caller.pod.as_deref() {
            self.pods.add_known(caller.pod_hash, pod, time);
        }
        if let Some(node) = caller.node.as_deref() {
            self.nodes.add_known(caller.node_hash, node, time);
        }
        if let Some((id, hash)) = caller.id.as_deref().zip(caller.id_hash) {
            self.credentials.add_known(hash, id, time);
        }
        if let Some(user) = event.impersonated_user {
            self.impersonated.add(&user.name.read(), event);
        }
    }

    /// The peers' addresses.
    pub(super) const fn addresses(&self) -> &Tally {
        &self.addresses
    }

    /// The pods that the account's tokens are bound to.
    pub(super) const fn pods(&self) -> &Tally {
        &self.pods
    }

    /// What the callers called themselves.
    pub(super) const fn user_agents(&self) -> &Tally {
        &self.user_agents
    }

    /// The credentials that were used, and as whom they acted: what other findings may be about too.
    pub(super) fn involved(&self) -> Involved {
        let credentials = self.credentials.ranked().into_iter();
        let impersonated = self.impersonated.ranked().into_iter();
        Involved {
            subjects: impersonated.map(|user| subject(&user.value)).collect(),
            credentials: credentials.map(|id| id.value.clone()).collect(),
        }
    }

    /// `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`, `impersonated`: each value with its
    /// `requests`, `first_seen` and `last_seen`.
    pub(super) fn write(&self, attributes: &mut Attributes) {
        let all = [
            ("addresses", &self.addresses),
            ("user_agents", &self.user_agents),
            ("pods", &self.pods),
            ("nodes", &self.nodes),
            ("credential_ids", &self.credentials),
            ("impersonated", &self.impersonated),
        ];
        for (name, tally) in all {
            attributes.insert(name.to_owned(), tally.occurrences(SHOWN));
        }
        let agents: Attribute = self.user_agents.distinct().into();
        attributes.insert("distinct_user_agents".to_owned(), agents);
        let addresses: Attribute = self.addresses.distinct().into();
        attributes.insert("distinct_addresses".to_owned(), addresses);
    }
}

impl Merge for Callers {
    fn merge(&mut self, other: Self) {
        self.addresses.merge(other.addresses);
        self.user_agents.merge(other.user_agents);
        self.pods.merge(other.pods);
        self.nodes.merge(other.nodes);
        self.impersonated.merge(other.impersonated);
        self.credentials.merge(other.credentials);
    }
}
