//! From where one credential was used, as what, when, and for what: small, since there are very many.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::finding::{Attribute, Attributes, Timestamp};

use super::{
    Merge, Presence, deed::Deed, evidence::Glimpse, few::Few, memo::Caller, request::Request,
};

/// The addresses that a credential was used from: 16 of them, those with the smallest hashes, where there are more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sightings {
    places: Few<Place, 16>,
}

/// One address that a credential was used from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The peer's address; empty where the log has none.
    pub(super) address: String,
    /// The requests from there.
    pub(super) seen: Glimpse,
    /// Requests by what they did, sorted.
    did: Vec<(Deed, u64)>,
    /// The user agents used there: 8 of them, those with the smallest hashes, where there are more.
    agents: Few<Agent, 8>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Agent {
    name: String,
    requests: u64,
}

impl Sightings {
    /// Takes note of one request. Allocates only for an address or a user agent that is new.
    pub(super) fn add(&mut self, event: &Request<'_>) {
        if let Some(place) = self.place(event.caller) {
            place.seen.add(event);
            count(&mut place.did, event.deed(), 1);
            place.count_agent(event.caller, 1);
        }
    }

    /// Takes note of the requests of `presence`.
    pub(super) fn add_presence(&mut self, presence: &Presence) {
        let (caller, batch) = (&presence.caller, &presence.batch);
        if let Some(place) = self.place(caller) {
            place.seen.add_batch(batch);
            for (deed, requests) in presence.deeds() {
                count(&mut place.did, deed, requests);
            }
            place.count_agent(caller, batch.count());
        }
    }

    /// Where `caller` called from.
    fn place(&mut self, caller: &Caller) -> Option<&mut Place> {
        self.places.slot(caller.address_hash, || Place {
            address: caller.address.as_deref().unwrap_or_default().to_owned(),
            ..Place::default()
        })
    }

    /// The addresses, the one used for the longest time first, then the one with the most requests: which is first
    /// does not hang on how hard a thief works, nor on which line of the log comes first.
    pub(super) fn ranked(&self) -> Vec<&Place> {
        let mut places: Vec<&Place> = self.places.iter().collect();
        places.sort_by(|a, b| {
            (b.span().cmp(&a.span()))
                .then_with(|| b.requests().cmp(&a.requests()))
                .then_with(|| a.address.cmp(&b.address))
        });
        places
    }

    /// Whether all addresses are kept.
    pub(super) const fn is_exact(&self) -> bool {
        self.places.is_exact()
    }

    /// The first request with the credential.
    pub(super) fn first_seen(&self) -> Option<Timestamp> {
        self.places.iter().filter_map(|p| p.seen.first_seen()).min()
    }

    /// The last request with the credential.
    pub(super) fn last_seen(&self) -> Option<Timestamp> {
        self.places.iter().filter_map(|p| p.seen.last_seen()).max()
    }

    /// The user agent with the most requests, over all addresses.
    pub(super) fn main_agent(&self) -> Option<&str> {
        let agents = self.places.iter().flat_map(|place| place.agents.iter());
        let mut sums = std::collections::BTreeMap::<&str, u64>::new();
        for agent in agents {
            *sums.entry(&agent.name).or_default() += agent.requests;
        }
        // The first by name of several: `max_by_key` takes the last one.
        let main = sums.into_iter().rev().max_by_key(|&(_, requests)| requests);
        main.map(|(name, _)| name)
    }
}

impl Merge for Sightings {
    fn merge(&mut self, other: Self) {
        self.places.merge(other.places);
    }
}

impl Place {
    fn count_agent(&mut self, caller: &Caller, requests: u64) {
        let slot = self.agents.slot(caller.agent_hash, || Agent {
            name: caller.agent.to_string(),
            requests: 0,
        });
        if let Some(agent) = slot {
            agent.requests += requests;
        }
    }

    /// How many requests came from there.
    pub(super) const fn requests(&self) -> u64 {
        self.seen.count()
    }

    /// How many of them `wanted` says yes to.
    pub(super) fn did(&self, wanted: impl Fn(Deed) -> bool) -> u64 {
        let matching = self.did.iter().filter(|(deed, _)| wanted(*deed));
        matching.map(|(_, n)| n).sum()
    }

    /// What was done from there, with the number of requests.
    pub(super) fn deeds(&self) -> impl Iterator<Item = (Deed, u64)> {
        self.did.iter().copied()
    }

    /// The gravest thing done from there.
    pub(super) fn gravest(&self) -> Option<Deed> {
        self.did.last().map(|(deed, _)| *deed)
    }

    /// The user agents used there, the most frequent first.
    pub(super) fn agents(&self) -> Vec<&str> {
        let mut agents: Vec<&Agent> = self.agents.iter().collect();
        agents.sort_by(|a, b| b.requests.cmp(&a.requests).then(a.name.cmp(&b.name)));
        agents
            .into_iter()
            .map(|agent| agent.name.as_str())
            .collect()
    }

    /// Whether `agent` is one of the user agents used there, or may be: more than 8 are not all kept.
    pub(super) fn may_have(&self, agent: &str) -> bool {
        !self.agents.is_exact() || self.agents.iter().any(|known| known.name == agent)
    }

    /// Whether it is an IPv6 address; `None` if it is no address at all.
    pub(super) fn is_v6(&self) -> Option<bool> {
        self.address.parse::<IpAddr>().ok().map(|ip| ip.is_ipv6())
    }

    fn span(&self) -> i64 {
        match (self.seen.first_seen(), self.seen.last_seen()) {
            (Some(first), Some(last)) => last.micros().saturating_sub(first.micros()),
            _ => -1,
        }
    }

    /// `requests`, `first_seen`, `last_seen`, `user_agents`, `did`.
    pub(super) fn attributes(&self) -> Attributes {
        let agents = self.agents.iter();
        let agents: Attributes = agents
            .map(|a| (a.name.clone(), a.requests.into()))
            .collect();
        let fields: [(&str, Attribute); 5] = [
            ("requests", self.requests().into()),
            ("first_seen", self.seen.first_seen().into()),
            ("last_seen", self.seen.last_seen().into()),
            ("user_agents", agents.into()),
            ("did", did_attribute(self.deeds())),
        ];
        fields.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

impl Merge for Place {
    fn merge(&mut self, other: Self) {
        // The same for all that one hash stands for; empty in what was just made.
        self.address = std::mem::take(&mut self.address).max(other.address);
        self.seen.merge(other.seen);
        for (deed, n) in other.did {
            count(&mut self.did, deed, n);
        }
        self.agents.merge(other.agents);
    }
}

impl Merge for Agent {
    fn merge(&mut self, other: Self) {
        self.name = std::mem::take(&mut self.name).max(other.name);
        self.requests += other.requests;
    }
}

fn count(did: &mut Vec<(Deed, u64)>, deed: Deed, n: u64) {
    match did.binary_search_by_key(&deed, |(known, _)| *known) {
        Ok(at) => did[at].1 += n,
        Err(at) => did.insert(at, (deed, n)),
    }
}

/// Requests by what they did, summed up, as an attribute.
pub(super) fn did_attribute(deeds: impl Iterator<Item = (Deed, u64)>) -> Attribute {
    let mut sums = std::collections::BTreeMap::<Deed, u64>::new();
    for (deed, n) in deeds {
        *sums.entry(deed).or_default() += n;
    }
    let named = sums
        .into_iter()
        .map(|(deed, n)| (deed.as_str().to_owned(), n.into()));
    Attribute::Map(named.collect())
}

/// What gives somebody the cluster, or the next credential, once it has gone through.
pub(super) const fn is_grave(deed: Deed) -> bool {
    matches!(
        deed,
        Deed::ReadSecrets | Deed::Entered | Deed::Minted | Deed::WroteRbac
    )
}
