//! What an audit log says of accounts, pods and permissions, in the words of an inventory.
//!
//! Plain data, filled in by whoever reads the log: nothing here knows an audit event.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Finding, Timestamp};

/// What a log says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// Arrival of the first and of the last event; `None` for an empty log.
    pub period: Option<(Timestamp, Timestamp)>,
    /// Requests by anybody.
    pub requests: u64,
    /// What was done as a ServiceAccount, by namespace, name and uid: an account that was deleted and
    /// made again has an entry for each. The uid is empty where the log does not say it.
    pub accounts: BTreeMap<(String, String, String), AccountUsage>,
    /// Requests by the uid of the pod that the token is bound to.
    pub pods: BTreeMap<u64, u64>,
    /// What the detectors found in the same log.
    pub findings: Vec<Finding>,
}

/// What one account did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AccountUsage {
    /// Requests with a token (or a certificate) of the account.
    pub requests: u64,
    /// Of these, the refused ones.
    pub refused: u64,
    /// Requests that others made in its name, by impersonation.
    pub impersonated: u64,
    /// Of the requests, those whose token is bound to no pod.
    pub without_pod: u64,
    /// Arrival of the first one.
    pub first_seen: Option<Timestamp>,
    /// Arrival of the last one.
    pub last_seen: Option<Timestamp>,
    /// What it was allowed to do and did, impersonated or not.
    pub permissions: Vec<UsedPermission>,
    /// Whether `permissions` are all of them: there is a limit to what is kept of an account.
    pub complete: bool,
    /// Uses of legacy tokens by Secret; the name is empty where the server did not say it.
    pub legacy: BTreeMap<String, SecretUsage>,
}

/// One permission that was used.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UsedPermission {
    /// What for.
    pub action: Action,
    /// How often.
    pub requests: u64,
    /// The names of the objects; empty string: none was named.
    pub names: BTreeSet<String>,
    /// Whether `names` are all of them.
    pub all_names: bool,
}

/// What a permission is for: a verb on a resource, or on a URL that is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action {
    /// The verb.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource, with its subresource: `pods/exec`. Empty for a URL.
    pub resource: String,
    /// The namespace; empty for cluster-scoped resources and requests over all namespaces.
    pub namespace: String,
    /// The path of a URL that is no resource, without its query.
    pub url: String,
}

/// Uses of one legacy token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretUsage {
    /// Requests.
    pub requests: u64,
    /// Arrival of the last one.
    pub last_seen: Option<Timestamp>,
}

impl Usage {
    /// Everything that was done as accounts of that name, by uid.
    pub fn of<'a>(
        &'a self,
        namespace: &str,
        name: &str,
    ) -> impl Iterator<Item = (&'a str, &'a AccountUsage)> + 'a {
        let from = (namespace.to_owned(), name.to_owned(), String::new());
        let names = (namespace.to_owned(), name.to_owned());
        self.accounts
            .range(from..)
            .take_while(move |((namespace, name, _), _)| (namespace, name) == (&names.0, &names.1))
            .map(|((_, _, uid), usage)| (uid.as_str(), usage))
    }

    /// How often the pod of that uid called the API, as far as tokens name their pod.
    #[must_use]
    pub fn pod(&self, uid: &str) -> u64 {
        self.pods.get(&pod_key(uid)).copied().unwrap_or(0)
    }

    /// How long the log is, in seconds.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.period
            .map_or(0, |(first, last)| last.seconds() - first.seconds())
    }
}

/// What stands for a pod's uid, since there may be very many.
#[must_use]
pub fn pod_key(uid: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(uid.as_bytes())
}

impl AccountUsage {
    /// Both together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.requests += other.requests;
        self.refused += other.refused;
        self.impersonated += other.impersonated;
        self.without_pod += other.without_pod;
        self.first_seen = match (self.first_seen, other.first_seen) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.last_seen = self.last_seen.max(other.last_seen);
        self.permissions.extend(other.permissions.iter().cloned());
        self.complete &= other.complete;
        for (secret, uses) in &other.legacy {
            let ours = self.legacy.entry(secret.clone()).or_default();
            ours.requests += uses.requests;
            ours.last_seen = ours.last_seen.max(uses.last_seen);
        }
        self
    }
}
