//! From where and as what an account's requests came.

use serde::{Deserialize, Serialize};

use crate::{
    event::Event,
    finding::{Attribute, Attributes},
};

use super::{Merge, Tally};

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
}

impl Callers {
    /// Takes note of one request.
    pub(super) fn add(&mut self, event: &Event<'_>) {
        if let Some(peer) = event.peer() {
            self.addresses.add(&peer.read(), event);
        }
        self.user_agents.add(&event.user_agent.read(), event);
        if let Some(pod) = event.user.extra("authentication.kubernetes.io/pod-name") {
            self.pods.add(&pod.read(), event);
        }
        if let Some(node) = event.user.extra("authentication.kubernetes.io/node-name") {
            self.nodes.add(&node.read(), event);
        }
        if let Some(user) = event.impersonated_user {
            self.impersonated.add(&user.name.read(), event);
        }
    }

    /// The pods that the account's tokens are bound to.
    pub(super) const fn pods(&self) -> &Tally {
        &self.pods
    }

    /// `addresses`, `user_agents`, `pods`, `nodes`, `impersonated`: each value with its count.
    pub(super) fn write(&self, attributes: &mut Attributes) {
        let all = [
            ("addresses", &self.addresses),
            ("user_agents", &self.user_agents),
            ("pods", &self.pods),
            ("nodes", &self.nodes),
            ("impersonated", &self.impersonated),
        ];
        for (name, tally) in all {
            attributes.insert(name.to_owned(), tally.attribute(SHOWN));
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
    }
}
