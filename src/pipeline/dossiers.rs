//! What some chosen ServiceAccounts did, from where, with which tokens: what `satrail account` is made of.
//!
//! One state per account that was asked for, so that it may be a large one; every account's is bounded.

mod credentials;
mod file;

pub use credentials::{Credential, Minting};
pub use file::{Dossier, Permission, Scope, Timeline, Values};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    detect::{Merge, PerAccount, Series, Tally, legacy_secret},
    event::{Event, ServiceAccount},
    permission::{Answer, Used, UsedByAccount, Uses},
};

use super::{AccountPattern, fold::Study};
use credentials::Credentials;

/// The dossiers of the accounts that were asked for.
#[derive(Debug, Default)]
pub struct Dossiers {
    wanted: Arc<[AccountPattern]>,
    by_account: PerAccount<Entry>,
    used: UsedByAccount,
}

/// What is known of one account. Everything is about requests that authenticated as it, unless it says
/// otherwise.
#[derive(Debug, Default)]
struct Entry {
    requests: Uses,
    refused: Uses,
    failed: Uses,
    traffic: Series<16>,
    codes: Tally,
    token_kinds: Tally,
    addresses: Tally,
    nodes: Tally,
    pods: Tally,
    user_agents: Tally,
    /// Whom it acted as.
    acted_as: Tally,
    /// Who acted as it.
    actors: Tally,
    credentials: Credentials,
    /// Requests for a token of this account that failed, by who asked and what came back.
    mintings_failed: Tally,
    legacy_secrets: Tally,
    /// The bindings that allowed its requests, in kube-apiserver's words.
    grants: Tally,
    /// Secrets that it read, `namespace/name`; `namespace/*` for lists and watches, `*/*` for those over
    /// all namespaces.
    secrets_read: Tally,
    /// Roles and bindings that it changed.
    rbac_written: Tally,
    /// Accounts that it made tokens of.
    minted_for: Tally,
}

impl Dossiers {
    pub(super) fn new(wanted: Arc<[AccountPattern]>) -> Self {
        Self {
            wanted,
            ..Self::default()
        }
    }

    fn wants(&self, account: ServiceAccount<'_>) -> bool {
        let wanted = &mut self.wanted.iter();
        wanted.any(|pattern| pattern.matches_account(account.namespace, account.name))
    }

    /// When each account made its requests, by namespace and name.
    pub(super) fn traffic(&self) -> BTreeMap<(&str, &str), &Series<16>> {
        let entries = self.by_account.accounts();
        entries
            .map(|(account, entry)| ((account.namespace, account.name), &entry.traffic))
            .collect()
    }

    /// The dossiers, by user name.
    #[must_use]
    pub fn files(&self) -> Vec<(Dossier, Used)> {
        let used: BTreeMap<ServiceAccount<'_>, &Used> = self.used.sorted().into_iter().collect();
        let entries = self.by_account.sorted().into_iter();
        let entries: BTreeMap<ServiceAccount<'_>, &Entry> = entries
            .filter_map(|(name, entry)| Some((ServiceAccount::from_user_name(name)?, entry)))
            .collect();
        let accounts: BTreeSet<_> = entries.keys().chain(used.keys()).copied().collect();
        let (no_entry, not_used) = (Entry::default(), Used::default());
        let file = |account: ServiceAccount<'_>| {
            let entry = entries.get(&account).copied().unwrap_or(&no_entry);
            let used = used.get(&account).copied().unwrap_or(&not_used);
            (entry.file(account, used), used.clone())
        };
        accounts.into_iter().map(file).collect()
    }
}

impl Dossier {
    /// The dossier of an account that the log does not know.
    #[must_use]
    pub fn empty(account: ServiceAccount<'_>) -> Self {
        Entry::default().file(account, &Used::default())
    }
}

impl Study for Dossiers {
    fn event(&mut self, _event: &Event<'_>) {}

    fn request(&mut self, event: &Event<'_>) {
        if let Some(account) = event.service_account()
            && self.wants(account)
        {
            let note = |entry: &mut Entry| entry.add(event);
            self.by_account.note(&event.user.name.read(), note);
        }
        if let Some(user) = event.impersonated_user
            && user.service_account().is_some_and(|a| self.wants(a))
        {
            let actor = event.user.name.read();
            let note = |entry: &mut Entry| entry.actors.add(&actor, event);
            self.by_account.note(&user.name.read(), note);
        }
        if let Some(target) = minting(event)
            && let Some(account) = ServiceAccount::from_user_name(&target)
            && self.wants(account)
        {
            self.by_account
                .note(&target, |entry| entry.add_minting(event));
        }
        let wanted = Arc::clone(&self.wanted);
        self.used.observe_some(event, |name| {
            ServiceAccount::from_user_name(name).is_some_and(|account| {
                let wanted = &mut wanted.iter();
                wanted.any(|pattern| pattern.matches_account(account.namespace, account.name))
            })
        });
    }

    fn merge(&mut self, other: Self) {
        if self.wanted.is_empty() {
            self.wanted = other.wanted;
        }
        self.by_account.merge(other.by_account);
        Merge::merge(&mut self.used, other.used);
    }
}

/// The user name of the account that `event` asks a token of.
fn minting(event: &Event<'_>) -> Option<String> {
    let object = event.object?;
    let mints = object.resource == "serviceaccounts"
        && object.subresource == "token"
        && object.group.is_empty()
        && event.verb == "create";
    mints.then(|| format!("system:serviceaccount:{}:{}", object.namespace, object.name))
}

impl Entry {
    fn add(&mut self, event: &Event<'_>) {
        let time = event.time();
        self.requests.add(time);
        self.traffic.add(time);
        let answer = Answer::of(event);
        match answer {
            Answer::Refused => self.refused.add(time),
            _ if !event.succeeded() => self.failed.add(time),
            _ => {}
        }
        if let Some(code) = event.code {
            self.codes.add(&code.to_string(), event);
        }
        self.add_caller(event);
        if answer == Answer::Allowed {
            self.add_deed(event);
        }
    }

    /// From where, and with what.
    fn add_caller(&mut self, event: &Event<'_>) {
        let kind = event.token_kind();
        if let Some(kind) = kind {
            self.token_kinds.add(kind.as_str(), event);
        }
        if let Some(peer) = event.peer() {
            self.addresses.add(&peer.read(), event);
        }
        self.user_agents.add(&event.user_agent.read(), event);
        let extra = |key: &str| event.user.extra(key);
        if let Some(pod) = extra("authentication.kubernetes.io/pod-name") {
            self.pods.add(&pod.read(), event);
        }
        if let Some(node) = extra("authentication.kubernetes.io/node-name") {
            self.nodes.add(&node.read(), event);
        }
        if let Some(user) = event.impersonated_user {
            self.acted_as.add(&user.name.read(), event);
        }
        if let Some(secret) = legacy_secret(event) {
            self.legacy_secrets.add(&secret, event);
        }
        if let (Some(id), Some(kind)) = (extra("authentication.kubernetes.io/credential-id"), kind)
        {
            self.credentials.used(&id.read(), kind, event);
        }
    }

    /// What matters when the account is suspected.
    fn add_deed(&mut self, event: &Event<'_>) {
        // The annotation speaks of whom it acted as.
        if event.impersonated_user.is_none()
            && let Some(reason) = event.annotation("authorization.k8s.io/reason")
            && let Some(grant) = reason.read().strip_prefix("RBAC: allowed by ")
        {
            self.grants.add(grant, event);
        }
        let Some(object) = event.object.filter(|_| event.succeeded()) else {
            return;
        };
        let verb = event.verb.read();
        if event.is_core("secrets") && ["get", "list", "watch"].contains(&&*verb) {
            let (namespace, name) = (object.namespace.read(), object.name.read());
            let secret = match (namespace.is_empty(), name.is_empty()) {
                (true, _) => "*/*".to_owned(),
                (false, true) => format!("{namespace}/*"),
                (false, false) => format!("{namespace}/{name}"),
            };
            self.secrets_read.add(&secret, event);
        }
        let writes = ["create", "update", "patch", "delete", "deletecollection"];
        if object.group == "rbac.authorization.k8s.io" && writes.contains(&&*verb) {
            let place = if object.namespace.is_empty() {
                String::new()
            } else {
                format!("{}/", object.namespace)
            };
            let text = format!("{verb} {} {place}{}", object.resource, object.name);
            self.rbac_written.add(&text, event);
        }
        if minting(event).is_some() {
            let account = format!("{}/{}", object.namespace, object.name);
            self.minted_for.add(&account, event);
        }
    }

    /// A token of this account was asked for.
    fn add_minting(&mut self, event: &Event<'_>) {
        let user = event.impersonated_user.unwrap_or(event.user).name.read();
        if event.succeeded() {
            self.credentials.minted(&user, event);
        } else {
            let code = event.code.map(|code| code.to_string());
            let code = code.as_deref().unwrap_or("none"); // never answered
            self.mintings_failed
                .add(&format!("{code} for {user}"), event);
        }
    }
}

impl Merge for Entry {
    fn merge(&mut self, other: Self) {
        self.requests.merge(other.requests);
        self.refused.merge(other.refused);
        self.failed.merge(other.failed);
        self.traffic.merge(other.traffic);
        self.codes.merge(other.codes);
        self.token_kinds.merge(other.token_kinds);
        self.addresses.merge(other.addresses);
        self.nodes.merge(other.nodes);
        self.pods.merge(other.pods);
        self.user_agents.merge(other.user_agents);
        self.acted_as.merge(other.acted_as);
        self.actors.merge(other.actors);
        self.credentials.merge(other.credentials);
        self.mintings_failed.merge(other.mintings_failed);
        self.legacy_secrets.merge(other.legacy_secrets);
        self.grants.merge(other.grants);
        self.secrets_read.merge(other.secrets_read);
        self.rbac_written.merge(other.rbac_written);
        self.minted_for.merge(other.minted_for);
    }
}
