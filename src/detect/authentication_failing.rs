//! Requests that nobody could be recognised in: 401s, by client.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::Finding;

use super::{
    About, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts, Merge, Presence,
    Series, Tally, broken_client, few::Few, keyed, request::Request, smallest::Smallest,
    token_request_failing::Spell,
};

about! {
    /// # What it finds
    ///
    /// Bursts of requests that were answered with 401: a token that has expired, was revoked (with its pod, Secret or
    /// account), was made for another audience or by another cluster, or was made up. Such an event names no user and gives
    /// no reason, so what the same client (address and user agent) did before and after has to tell: which account it worked
    /// as, until when, and whether it works again.
    ///
    /// One finding for each account where all successes of the client were one account's, otherwise one for each address.
    /// Where at least `mass-clients` clients of three accounts stop working within five minutes, that is one
    /// finding about the log: a changed signing key or issuer.
    ///
    /// | client | severity |
    /// |---|---|
    /// | many at one time | high |
    /// | worked before and not since | medium |
    /// | worked before and works again | low |
    /// | never worked | low; medium under a scanner's user agent |
    ///
    /// Fewer than `requests` 401s, and fewer than that in any ten minutes if the client works again, are not reported.
    ///
    /// # Why it matters
    ///
    /// A workload that is refused has stopped doing its work, mostly in silence; after an upgrade or a rotation of keys it is
    /// rarely one alone. And who tries tokens until one fits leaves nothing but 401s.
    ///
    /// # Known benign causes
    ///
    /// - A client that keeps its token in memory until it expires, then reads the file again: one or two 401s.
    /// - A pod that outlives its account by some seconds while its namespace is being deleted.
    /// - Health checks and scanners of one's own, with no token or a made-up one: an exception with a reason.
    /// - Behind a load balancer or a proxy all clients share its address, so that clients of one user agent are one
    ///   here; what they worked as is then several accounts, and the finding is about the address.
    ///
    /// # What to do
    ///
    /// Look at the time at which it began (`clients`), and at what was deleted, rotated or upgraded then. Give the workload a
    /// new token: restart the pod, or replace the one that a client outside the cluster holds. An address that never
    /// worked and is not yours: keep it away from the API server.
    ///
    /// # Attributes
    ///
    /// - `clients`: those with the most 401s: `address`, `user_agent`, `requests`, `first_seen`, `last_seen` (of its 401s),
    ///   `verdict` (`stopped working`, `works again`, `never worked`), `worked_as` (users, at most 4), `successes`,
    ///   `first_success`, `last_success`; `other_clients`: how many are not shown
    /// - `stopped`, `recovered`, `never_worked`: clients by verdict
    /// - `worked_until`: the last success before the 401s, `accounts`: as whom clients had worked
    /// - `addresses`, `user_agents`: each with its `requests`; `distinct_addresses`
    /// - `requests`: by verb and resource
    /// - `peak_10_min`: the most 401s in ten minutes
    /// - `tools`: user agents of scanners
    /// - `other_successes`: requests from the same addresses that went through under user agents that have no 401s
    ///
    /// # Example
    ///
    /// ```text
    /// medium  authentication-failing  ci/deployer  15 requests
    ///   127.0.30.5 GitLab-Runner/17.5 worked until 04:25:29, then 15 x 401
    /// ```
    "authentication-failing",
    "A client's credentials are refused again and again",
    [BRUTE_FORCE],
}

/// How many clients with 401s are followed.
const FAILING: usize = 8_192;

/// How many clients are followed in what they succeed in.
const WORKING: usize = 65_536;

/// When 401s are more than a client's hiccup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// From how many 401s on. A client that reads its token file again (client-go does so every minute) is refused once or
    /// twice for each connection; ten times is one that does not.
    pub requests: u32,
    /// From how many clients that stop working within five minutes on it is the cluster's doing and not theirs.
    pub mass_clients: u32,
    /// User agents of tools that look for holes, with `*`.
    pub scanner_user_agents: Vec<String>,
}

impl Default for Limits {
    fn default() -> Self {
        // The names that the tools give themselves.
        let tools = [
            "nuclei*",
            "*Nuclei*",
            "sqlmap*",
            "*Nmap*",
            "masscan*",
            "*zgrab*",
            "gobuster*",
            "*ffuf*",
            "Fuzz Faster*",
            "*Nikto*",
            "kube-hunter*",
            "peirates*",
            "kubeletctl*",
            "Hydra*",
            "*Hydra*",
            "Wfuzz*",
            "DirBuster*",
            "feroxbuster*",
            "*WPScan*",
            "*Nessus*",
            "*OpenVAS*",
            "httpx - *",
            "katana*",
        ];
        Self {
            requests: 10,
            mass_clients: 10,
            scanner_user_agents: tools.map(str::to_owned).to_vec(),
        }
    }
}

/// 401s and successes, by address and user agent.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct AuthenticationFailing {
    failing: Smallest<Failing, FAILING>,
    working: Smallest<Working, WORKING>,
}

/// The 401s of one client.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failing {
    pub(super) address: String,
    pub(super) agent: String,
    pub(super) evidence: EvidenceSet,
    pub(super) requests: Tally,
    /// In minutes where seconds do not fit: 8 blocks of 60.
    pub(super) series: Series<8>,
}

/// What one client was recognised in. Its name is not kept: the client's 401s have it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Working {
    /// The hash of the address alone.
    pub(super) address: u64,
    pub(super) seen: Spell,
    /// As whom; 4 users, those with the smallest hashes, where there are more.
    pub(super) users: Few<User, 4>,
}

/// A user name.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct User(pub(super) String);

impl Detector for AuthenticationFailing {
    const ABOUT: &'static About = &ABOUT;
    // What a client succeeded in tells what its 401s mean.
    const INTEREST: Interest = Interest::EVERYTHING;
    const TAKES_RUNS: bool = true;

    fn observe(&mut self, event: &Request<'_>) {
        let caller = event.caller;
        // A log that leaves addresses out cannot tell one client from another.
        let Some(address) = caller.address.as_deref() else {
            return;
        };
        let hash = caller.client_hash;
        if event.user.name.is_empty() {
            if event.code != Some(401) {
                return;
            }
            let new = || Failing {
                address: address.to_owned(),
                agent: caller.agent.to_string(),
                ..Failing::default()
            };
            if let Some(failing) = self.failing.slot(hash, new) {
                failing.evidence.add(event);
                failing.requests.add(event.words(), event);
                failing.series.add(event.time());
            }
            return;
        }
        if event.aspects().has(Aspects::ANONYMOUS) {
            return;
        }
        if let Some(working) = self.working.slot(hash, Working::default) {
            working.address = caller.address_hash;
            working.seen.add(event);
            let new = || User(caller.user.to_string());
            working.users.slot(caller.user_hash, new);
        }
    }

    fn observe_presence(&mut self, presence: &Presence) {
        let caller = &presence.caller;
        if caller.address.is_none() || caller.aspects.has(Aspects::ANONYMOUS) {
            return;
        }
        if let Some(working) = self.working.slot(caller.client_hash, Working::default) {
            working.address = caller.address_hash;
            working.seen.add_batch(&presence.batch);
            let new = || User(caller.user.to_string());
            working.users.slot(caller.user_hash, new);
        }
    }

    fn merge(&mut self, other: Self) {
        self.failing.merge(other.failing);
        self.working.merge(other.working);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let others = self.other_successes();
        let failing = self.failing.iter();
        let clients = failing.map(|(hash, failing)| broken_client::Client {
            failing,
            working: self.working.get(hash),
            other_successes: others
                .get(&keyed::hash(0, &[&failing.address]))
                .copied()
                .unwrap_or(0),
        });
        broken_client::findings(clients.collect(), context)
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let none = || (log.requests == 0).then(|| "the log has no request".to_owned());
        let stages = || {
            let started = log.stages.get(crate::event::Stage::ResponseStarted);
            started.is_none().then(|| {
                "401s are logged at the stage ResponseStarted alone, and the log has no such event: its policy or \
                 what filtered it leaves that stage out, or there was nothing to log"
                    .to_owned()
            })
        };
        let partly = || self.failing.left_out("clients with 401s");
        Coverage {
            evaluated: log.requests,
            blind: none()
                .or_else(stages)
                .or_else(|| log.blind_to_addresses())
                .or_else(partly)
                .or_else(|| self.working.left_out("clients")),
        }
    }
}

impl AuthenticationFailing {
    /// Requests that went through under user agents that have no 401s, by the hash of the address.
    fn other_successes(&self) -> BTreeMap<u64, u64> {
        let mut others = BTreeMap::new();
        for (hash, working) in self.working.iter() {
            if self.failing.get(hash).is_none() {
                *others.entry(working.address).or_default() += working.seen.requests;
            }
        }
        others
    }
}

impl Merge for Failing {
    fn merge(&mut self, other: Self) {
        // The same for all that one hash stands for; empty in what was just made.
        self.address = std::mem::take(&mut self.address).max(other.address);
        self.agent = std::mem::take(&mut self.agent).max(other.agent);
        self.evidence.merge(other.evidence);
        self.requests.merge(other.requests);
        self.series.merge(other.series);
    }
}

impl Merge for Working {
    fn merge(&mut self, other: Self) {
        self.address = other.address;
        self.seen.merge(other.seen);
        self.users.merge(other.users);
    }
}

impl Merge for User {
    fn merge(&mut self, other: Self) {
        self.0 = std::mem::take(&mut self.0).max(other.0);
    }
}
