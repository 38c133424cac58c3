//! Whose address an address is: a pod's own, a node's, one that many share, or a stranger's.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::finding::{Attribute, Subject};

use super::{
    Merge,
    few::Few,
    holder::Holder,
    keyed,
    sightings::{Place, Sightings},
    smallest::Smallest,
};

/// How many nodes are followed: three times what Kubernetes supports in one cluster (5,000; kubernetes.io,
/// "Considerations for large clusters").
const NODES: usize = 16_384;

/// One n-th of a node's requests make an address the node's own: less may be a copied certificate.
const SHARE: u64 = 10;

/// The user agents of people and of tools: what they are used from is nobody's home if there is another address.
const BY_HAND: [&str; 5] = ["curl/", "kubectl/", "Wget/", "k9s/", "HTTPie/"];

/// The addresses that kubelets call from. Only the kubelet's own requests tell.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Nodes {
    nodes: Smallest<Node, NODES>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Node {
    name: String,
    addresses: Few<Address, 8>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Address {
    address: String,
    requests: u64,
}

/// What is known of addresses once the whole log has been read.
#[derive(Debug)]
pub(super) struct Whereabouts<'a> {
    /// The nodes whose kubelets call from there.
    nodes: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// The nodes of which an address is known.
    known: BTreeSet<&'a str>,
    /// The pods and accounts whose tokens come from there, under the user agents that those pods use everywhere.
    sharers: BTreeMap<&'a str, Sharers>,
    /// The pods that are at home there.
    homes: BTreeMap<&'a str, Vec<&'a Holder>>,
    /// From how many pods on an address is shared.
    many: u64,
}

#[derive(Debug, Default)]
struct Sharers {
    pods: u64,
    accounts: BTreeSet<Option<Subject>>,
}

/// Whose address it is that a credential was used from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// Where it is used most of the time.
    Own,
    /// The node's that its pod runs on: hostNetwork, or a network that hides pods behind their node.
    OwnNode,
    /// A load balancer's, a proxy's or a gateway's: many pods' requests come from there.
    Shared,
    /// Its own one of the other family: dual stack.
    OtherFamily,
    /// Its own one before or after the pod got another address.
    Moved,
    /// The kubelet's of a node that its pod does not run on.
    OtherNode(String),
    /// Another pod's.
    OtherPod(Subject, String),
    /// Nobody's that the log knows.
    Stranger,
}

impl Nodes {
    /// Takes note of `requests` by the kubelet of the node `name` from one address, given with its hash.
    pub(super) fn add(&mut self, name: &str, address: Option<(&str, u64)>, requests: u64) {
        let new = || Node {
            name: name.to_owned(),
            ..Node::default()
        };
        let Some(node) = self.nodes.slot(keyed::hash(0, &[name]), new) else {
            return;
        };
        let Some((address, hash)) = address else {
            return;
        };
        let new = || Address {
            address: address.to_owned(),
            requests: 0,
        };
        if let Some(slot) = node.addresses.slot(hash, new) {
            slot.requests += requests;
        }
    }

    /// Adds what another part has counted.
    pub(super) fn merge(&mut self, other: Self) {
        self.nodes.merge(other.nodes);
    }

    /// Each node with the addresses that are its own.
    fn addresses(&self) -> impl Iterator<Item = (&str, &str)> {
        self.nodes.iter().flat_map(|(_, node)| {
            let all: u64 = node.addresses.iter().map(|a| a.requests).sum();
            let own = move |a: &&Address| a.requests.saturating_mul(SHARE) >= all;
            let own = node.addresses.iter().filter(own);
            own.map(|a| (node.name.as_str(), a.address.as_str()))
        })
    }
}

impl<'a> Whereabouts<'a> {
    /// What `nodes` and `holders` tell about addresses; one is shared from `many` pods on.
    pub(super) fn new(
        nodes: &'a Nodes,
        holders: impl Iterator<Item = &'a Holder>,
        many: u64,
    ) -> Self {
        let mut all = Self {
            nodes: BTreeMap::new(),
            known: BTreeSet::new(),
            sharers: BTreeMap::new(),
            homes: BTreeMap::new(),
            many,
        };
        for (node, address) in nodes.addresses() {
            all.nodes.entry(address).or_default().insert(node);
            all.known.insert(node);
        }
        for holder in holders.filter(|holder| !holder.pod_uid.is_empty()) {
            let main = holder.sightings.main_agent();
            for place in holder.sightings.ranked() {
                if main.is_some_and(|main| place.may_have(main)) {
                    let sharers = all.sharers.entry(&place.address).or_default();
                    sharers.pods += 1;
                    sharers.accounts.insert(holder.subject());
                }
            }
            if let Some(home) = home(&holder.sightings) {
                all.homes.entry(&home.address).or_default().push(holder);
            }
        }
        all
    }

    /// Whether tokens of several pods come from there as a matter of course, if not of so many as to be shared.
    pub(super) fn is_common(&self, address: &str) -> bool {
        self.sharers.get(address).is_some_and(|s| s.pods > 1)
    }

    fn is_shared(&self, address: &str) -> bool {
        let kubelets = self.nodes.get(address).is_some_and(|nodes| nodes.len() > 1);
        let many = |s: &Sharers| s.pods >= self.many && s.accounts.len() > 1;
        kubelets || !self.nodes.contains_key(address) && self.sharers.get(address).is_some_and(many)
    }

    /// Whose address `place` is to `holder`, who is at home at `home`. `familiar` says whether the user agents there
    /// are those that it uses elsewhere.
    pub(super) fn whose(
        &self,
        place: &Place,
        holder: &Holder,
        home: &Place,
        familiar: bool,
    ) -> Whose {
        let address = place.address.as_str();
        let at_home = address == home.address;
        if address.is_empty() {
            return Whose::Own; // the log does not say that it is another's
        }
        if self.is_shared(address) {
            return if at_home { Whose::Own } else { Whose::Shared };
        }
        let node = self.nodes.get(address).and_then(BTreeSet::first);
        match node {
            Some(&node) if node == holder.node => {
                return if at_home { Whose::Own } else { Whose::OwnNode };
            }
            Some(&node) if self.known.contains(holder.node.as_str()) => {
                return Whose::OtherNode(node.to_owned());
            }
            _ if at_home => return Whose::Own,
            _ => {}
        }
        if let Some(other) = self.other_pod(place, holder) {
            return other;
        }
        let families = (place.is_v6(), home.is_v6());
        match families {
            (Some(one), Some(other)) if one != other && familiar => Whose::OtherFamily,
            _ if familiar && !overlap(place, home) => Whose::Moved,
            _ => Whose::Stranger,
        }
    }

    /// The other pod that was at home there at the same time: addresses are given out again later.
    fn other_pod(&self, place: &Place, holder: &Holder) -> Option<Whose> {
        let others = self.homes.get(place.address.as_str())?.iter();
        let mut others = others.filter(|other| other.pod_uid != holder.pod_uid);
        let other = others.find(|other| {
            home(&other.sightings).is_some_and(|theirs| {
                overlap(place, theirs) && theirs.requests() > place.requests()
            })
        })?;
        Some(Whose::OtherPod(other.subject()?, other.pod.clone()))
    }
}

/// Where a credential is used most of the time: the address that it was used from for the longest, where possible one
/// that is not only used by hand.
pub(super) fn home(sightings: &Sightings) -> Option<&Place> {
    let mut ranked = sightings.ranked();
    ranked.sort_by_key(|place| place.address.is_empty()); // what the log does not name is no home beside what it does
    let by_hand = |place: &&Place| {
        let hands = |agent: &&str| BY_HAND.iter().any(|hand| agent.starts_with(hand));
        place.agents().iter().all(hands)
    };
    let machine = ranked
        .iter()
        .copied()
        .find(|place| !place.address.is_empty() && !by_hand(place));
    machine.or_else(|| ranked.first().copied())
}

/// Whether both were in use at one time.
fn overlap(one: &Place, other: &Place) -> bool {
    one.seen.first_seen() <= other.seen.last_seen()
        && other.seen.first_seen() <= one.seen.last_seen()
}

impl Whose {
    /// Whether it is an address that the credential has no business to come from.
    pub(super) const fn is_foreign(&self) -> bool {
        matches!(
            self,
            Self::OtherNode(_) | Self::OtherPod(..) | Self::Stranger
        )
    }

    /// The words of the attribute `whose`.
    pub(super) fn attribute(&self) -> Attribute {
        let words = match self {
            Self::Own => "its own",
            Self::OwnNode => "its node's",
            Self::Shared => "shared by many pods",
            Self::OtherFamily => "its own of the other family",
            Self::Moved => "its own, earlier or later",
            Self::OtherNode(node) => return format!("node {node}'s").into(),
            Self::OtherPod(account, pod) => {
                return format!("pod {pod}'s, of account {account}").into();
            }
            Self::Stranger => "unknown",
        };
        words.into()
    }
}

impl Merge for Node {
    fn merge(&mut self, other: Self) {
        self.name = std::mem::take(&mut self.name).max(other.name);
        self.addresses.merge(other.addresses);
    }
}

impl Merge for Address {
    fn merge(&mut self, other: Self) {
        self.address = std::mem::take(&mut self.address).max(other.address);
        self.requests += other.requests;
    }
}
