//! Tokens that are used from where they do not belong.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Severity, Subject};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Presence,
    by_seat::BySeat,
    deletions::Deletions,
    holder::Holder,
    memo::Caller,
    request::Request,
    smallest::Smallest,
    token_use::{self, TokenUse},
    whereabouts::{Nodes, Whereabouts},
};

about! {
    /// # What it finds
    ///
    /// A ServiceAccount's token that is used from where it does not belong: from addresses other than its pod's, off
    /// its node, under other user agents there, or after its pod was deleted in this log.
    ///
    /// A pod is followed by its UID (all tokens that it gets), a token that names no pod by its credential ID
    /// (Kubernetes 1.30 and later). Only the address of the real peer counts, the last one of `sourceIPs`: clients can
    /// forge the others. What a pod's own address is, the log itself tells: the one that it is used from for the longest.
    ///
    /// | address | user agents that it uses elsewhere too | others |
    /// |---|---|---|
    /// | another node's, another pod's | medium | high |
    /// | unknown | low; medium where secrets are read, pods entered, tokens made or RBAC written that are not at home | high |
    /// | its node's | info | low; medium as above |
    /// | shared by many pods, an earlier or later one, the other IP family | info | info |
    ///
    /// High becomes critical where secrets were read, a pod entered, a token made or RBAC written from there. Tokens that
    /// no pod and no node is named in have no place where they belong: `info`, `low` from three addresses on or under
    /// several user agents, `medium` if what was done under another user agent from another address is as grave as that.
    /// Use more than `after-deletion-seconds` after the pod's deletion is medium at least.
    ///
    /// What is high or critical is a finding for each pod or token; the rest is one for each account.
    ///
    /// # Why it matters
    ///
    /// A token is a password in a file. Whoever reads it (through a hole in the application, a backup, a shell in the
    /// pod) is the account until the pod is deleted: by default a mounted token is good for a year, not for an hour. Its
    /// use from elsewhere is the one trace that a thief cannot avoid.
    ///
    /// # Known benign causes
    ///
    /// - The pod's requests leave through its node, a gateway, a load balancer or konnectivity: the node's addresses are
    ///   learnt from its kubelet's requests, and an address from which the tokens of `shared-address-pods` pods of at
    ///   least two accounts come, under the user agents that these pods use everywhere, is taken as shared. From there
    ///   on the address says nothing, and a thief behind it is not seen here; `interactive-client` may see them.
    /// - CNI plugins that use their pod's token on the host: the node's address, another user agent: low.
    /// - A pod that got a new address, dual stack: info.
    /// - Developers who run a workload on their own machine with its pod's token (Telepresence, mirrord): the very thing,
    ///   on purpose. An exception with a reason.
    /// - CI that uses one token made by `kubectl create token` on many runners: low.
    ///
    /// # What to do
    ///
    /// Find out who is at the foreign addresses. If nobody can say, take the token for stolen: delete the pod, which
    /// revokes every token bound to it, see what was done from there (`uses`), and look for how it got out.
    ///
    /// # Attributes
    ///
    /// - `uses`: the addresses, the gravest first: `address`, `whose` (`its own`, `its node's`, `shared by many pods`, ...,
    ///   `unknown`), `severity`, `pod`, `pod_uid`, `node`, `requests`, `first_seen`, `last_seen`, `user_agents`, `did` (as
    ///   for `default-serviceaccount`); `other_uses`: how many are not shown
    /// - `own_addresses`, `foreign_addresses`: those addresses in short
    /// - `did`: what was done from foreign addresses
    /// - `pods`: the pods whose tokens they are, `credential_ids`: the tokens' IDs, each with all of its `requests`,
    ///   `first_seen` and `last_seen`
    /// - `deleted`: pods whose token was used after their deletion: `pod`, `pod_uid`, `deleted_at`, `last_seen`
    /// - `tokens`: how many pods and tokens the finding is about
    /// - `more_addresses`: whether a token was used from more than the 16 addresses that are kept for each
    /// - `allowed_as`: why the allow-list takes requests lightly, or null
    ///
    /// # Example
    ///
    /// ```text
    /// high  token-shared  shop/web  24 requests
    ///   pod: web-668b46c7cf-kgvjs    its own: 127.0.10.15    foreign: 127.0.0.2, 127.0.66.6 (curl/7.88.1)
    /// ```
    "token-shared",
    "A token is used from where it does not belong",
    [ACCESS_TOKEN_USED, ACCESS_TOKEN_STOLEN],
}

/// How many pods and tokens are followed. About 600 bytes each where all is well, so 40 MB.
const HOLDERS: usize = 65_536;

/// When an address says nothing, and when a deleted pod's token should be dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// From the tokens of how many pods on an address is a proxy's or a gateway's. Two or three pods may have been robbed
    /// by one thief who also copied their user agents; five is a network's doing.
    pub shared_address_pods: u64,
    /// How long after its pod's deletion a token may still be used: kube-apiserver grants a minute (kubernetes
    /// `pkg/serviceaccount/claims.go`), and its token cache ten seconds more.
    pub after_deletion_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            shared_address_pods: 5,
            after_deletion_seconds: 90,
        }
    }
}

/// From where tokens were used, by pod or token; where nodes are; which pods are gone.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct TokenShared {
    holders: Smallest<Holder, HOLDERS>,
    nodes: Nodes,
    deletions: Deletions,
    /// The hash of the credential that was described last, by the seat of whoever called: no state, since it changes
    /// nothing but the time that it takes.
    #[serde(skip)]
    described: BySeat<u64>,
}

impl Detector for TokenShared {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest =
        Interest::any(Aspects::ACCOUNT.and(Aspects::NODE).and(Aspects::PODS));
    const TAKES_RUNS: bool = true;

    fn observe(&mut self, event: &Request<'_>) {
        if event.service_account().is_some() {
            let caller = event.caller;
            if let Some(holder) = self.holder(caller) {
                holder.count(caller.id_hash, event);
            }
        } else if let Some(node) = event.user_name().strip_prefix("system:node:") {
            let caller = event.caller;
            let address = caller.address.as_deref();
            self.nodes
                .add(node, address.map(|a| (a, caller.address_hash)), 1);
        }
        self.deletions.observe(event);
    }

    fn observe_presence(&mut self, presence: &Presence) {
        let (caller, count) = (&presence.caller, presence.batch.count());
        if caller.account().is_some() {
            if let Some(holder) = self.holder(caller) {
                holder.add_presence(presence);
            }
        } else if let Some(node) = caller.user.strip_prefix("system:node:") {
            let address = caller.address.as_deref();
            self.nodes
                .add(node, address.map(|a| (a, caller.address_hash)), count);
        }
    }

    fn observe_each(&mut self, event: &Request<'_>) {
        self.deletions.observe(event);
    }

    fn merge(&mut self, other: Self) {
        self.holders.merge(other.holders);
        self.nodes.merge(other.nodes);
        self.deletions.merge(other.deletions);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let limits = &context.settings.token_shared;
        let holders = || self.holders.iter().map(|(_, holder)| holder);
        let whereabouts = Whereabouts::new(&self.nodes, holders(), limits.shared_address_pods);
        let names = self.names();
        let mut grave = Vec::new();
        let mut mild: BTreeMap<Subject, Vec<TokenUse<'_>>> = BTreeMap::new();
        for holder in holders() {
            let Some(subject) = holder.subject() else {
                continue;
            };
            let deleted = self.used_after_deletion(holder, &names, limits);
            let Some(found) = TokenUse::judge(holder, &subject, &whereabouts, deleted, context)
            else {
                continue;
            };
            if found.severity >= Severity::High {
                grave.push((subject, found));
            } else {
                mild.entry(subject).or_default().push(found);
            }
        }
        let grave = grave.into_iter().map(|(subject, found)| {
            let key = found.holder.name();
            token_use::finding(subject, &[key], std::slice::from_ref(&found), context)
        });
        let mut findings: Vec<Finding> = grave.collect();
        findings.extend(mild.into_iter().map(|(subject, mut found)| {
            found.sort_by(|a, b| (b.severity, a.holder.name()).cmp(&(a.severity, b.holder.name())));
            token_use::finding(subject, &[], &found, context)
        }));
        findings
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let nothing = || {
            let none = self.holders.distinct() == 0;
            none.then(|| {
                "no ServiceAccount's request says which pod or token it came with: user.extra is missing, or all \
                 tokens are older than Kubernetes 1.21 pods' (legacy tokens never say so)"
                    .to_owned()
            })
        };
        let partly = || {
            let holders = self.holders.left_out("pods and tokens");
            holders.or_else(|| self.deletions.left_out())
        };
        Coverage {
            evaluated: log.service_account_requests,
            blind: log
                .blind_to_accounts()
                .or_else(|| log.blind_to_addresses())
                .or_else(nothing)
                .or_else(partly),
        }
    }
}

impl TokenShared {
    /// Whoever holds the credential that `caller` came with.
    fn holder(&mut self, caller: &Caller) -> Option<&mut Holder> {
        let holder = self.holders.slot(caller.holder_hash?, Holder::default)?;
        // A pod's requests all have the same `user` until its token is renewed.
        if self.described.get(caller) != Some(caller.credential_hash) {
            self.described.set(caller, caller.credential_hash);
            holder.describe(&caller.credential(), &caller.user);
        }
        Some(holder)
    }

    /// The pods of each name, each with the hash of its state: a StatefulSet's pods have their predecessors' names.
    fn names(&self) -> BTreeMap<(&str, &str), Vec<&Holder>> {
        let mut names: BTreeMap<_, Vec<&Holder>> = BTreeMap::new();
        for (_, holder) in self.holders.iter().filter(|(_, h)| !h.pod.is_empty()) {
            if let Some(account) = holder.account() {
                let pods = names.entry((account.namespace, holder.pod.as_str()));
                pods.or_default().push(holder);
            }
        }
        names
    }

    /// When the pod was deleted, if its token was used long after that.
    fn used_after_deletion(
        &self,
        holder: &Holder,
        names: &BTreeMap<(&str, &str), Vec<&Holder>>,
        limits: &Limits,
    ) -> Option<crate::finding::Timestamp> {
        let namespace = holder.account()?.namespace;
        let last = holder.sightings.last_seen()?;
        let pods = names.get(&(namespace, holder.pod.as_str()))?;
        let grace = i64::from(limits.after_deletion_seconds) * 1_000_000;
        let deletions = self.deletions.of(namespace, &holder.pod).iter();
        let mut its_own = deletions.filter(|(time, uid)| {
            if !uid.is_empty() {
                return *uid == holder.pod_uid;
            }
            // Without a UID it is the youngest pod of that name that was there before.
            let before = pods
                .iter()
                .filter(|pod| pod.sightings.first_seen() < Some(*time));
            let youngest = before.max_by_key(|pod| (pod.sightings.first_seen(), &pod.pod_uid));
            youngest.is_some_and(|pod| pod.pod_uid == holder.pod_uid)
        });
        let (time, _) = its_own.next()?;
        (last.micros() > time.micros().saturating_add(grace)).then_some(*time)
    }
}
