//! What accounts, pods and legacy tokens did, for a join with an inventory.
//!
//! ```text
//!   events --> Used --> inventory::Usage
//!              permissions per account: 512 by smallest hash; names per permission: 64
//! ```
//!
//! Grows with accounts and, by 16 bytes each, with the pods that called the API: kube-apiserver vouches for
//! both, so that no client can make them up.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    detect::{Merge, PerAccount, Tally, legacy_secret},
    event::{Event, ServiceAccount, User, Value},
    finding::Timestamp,
    inventory::{AccountUsage, Action, SecretUsage, Usage, UsedPermission, pod_key},
};

use super::fold::Study;

/// So many different permissions of an account are kept.
const KEPT: usize = 512;

/// What the log says of accounts and pods.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// By user name and uid.
    accounts: PerAccount<Entry>,
    pods: BTreeMap<u64, u64>,
    requests: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Entry {
    requests: u64,
    refused: u64,
    impersonated: u64,
    without_pod: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// By hash, the smallest ones: which they are does not depend on the order.
    permissions: BTreeMap<u64, (Action, Tally)>,
    dropped: bool,
    secrets: Tally,
}

impl Study for Used {
    fn event(&mut self, event: &Event<'_>) {
        self.first = earlier(self.first, event.time());
        self.last = self.last.max(event.time());
    }

    fn request(&mut self, event: &Event<'_>) {
        self.requests += 1;
        let acting = event.impersonated_user;
        if event.service_account().is_some() {
            let pod = event.user.extra("authentication.kubernetes.io/pod-uid");
            if let Some(uid) = pod {
                *self.pods.entry(pod_key(&uid.read())).or_default() += 1;
            }
            self.accounts.note(&key(&event.user), |entry| {
                entry.called(event, pod.is_some());
                match acting {
                    // The rights are those of the other one, but for this.
                    Some(other) => entry.impersonate(&other, event),
                    None => entry.use_permission(event),
                }
            });
        }
        if let Some(other) = acting.filter(|user| user.service_account().is_some()) {
            self.accounts.note(&key(&other), |entry| {
                entry.impersonated += 1;
                entry.use_permission(event);
            });
        }
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
        for (pod, requests) in other.pods {
            *self.pods.entry(pod).or_default() += requests;
        }
        self.requests += other.requests;
        self.first = earlier(self.first, other.first);
        self.last = self.last.max(other.last);
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn key(user: &User<'_>) -> String {
    let uid = user.object.get("uid").and_then(Value::text);
    let uid = uid.map(|uid| uid.read().into_owned()).unwrap_or_default();
    format!("{}\n{uid}", user.name.read())
}

impl Entry {
    fn called(&mut self, event: &Event<'_>, has_pod: bool) {
        self.requests += 1;
        self.refused += u64::from(event.refused());
        self.without_pod += u64::from(!has_pod);
        self.first = earlier(self.first, event.time());
        self.last = self.last.max(event.time());
        if let Some(secret) = legacy_secret(event) {
            self.secrets.add_at(&secret, event.time());
        }
    }

    fn use_permission(&mut self, event: &Event<'_>) {
        if was_allowed(event) {
            let (action, name) = asked_for(event);
            self.note(action, &name, event.time());
        }
    }

    /// Acting as others is a permission of its own, on the ServiceAccount or the user that one acts as
    /// (apiserver `pkg/endpoints/filters/impersonation`).
    fn impersonate(&mut self, other: &User<'_>, event: &Event<'_>) {
        let user = other.name.read();
        let account = ServiceAccount::from_user_name(&user);
        let (resource, namespace, name) = match account {
            Some(account) => ("serviceaccounts", account.namespace, account.name),
            None => ("users", "", &*user),
        };
        let action = Action {
            verb: "impersonate".to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            ..Action::default()
        };
        self.note(action, name, event.time());
        for group in other.groups() {
            let group = group.read();
            let added = account.is_some() && group.starts_with("system:serviceaccounts");
            if added || group == "system:authenticated" {
                continue;
            }
            let action = Action {
                verb: "impersonate".to_owned(),
                resource: "groups".to_owned(),
                ..Action::default()
            };
            self.note(action, &group, event.time());
        }
    }

    fn note(&mut self, action: Action, name: &str, time: Option<Timestamp>) {
        let hash = hash(&action);
        if self.permissions.len() >= KEPT && !self.permissions.contains_key(&hash) {
            self.dropped = true;
            let last = self.permissions.last_key_value();
            if last.is_some_and(|(&last, _)| hash > last) {
                return;
            }
            self.permissions.pop_last();
        }
        let new = || (action, Tally::default());
        let (_, names) = self.permissions.entry(hash).or_insert_with(new);
        names.add_at(name, time);
    }

    fn usage(&self) -> AccountUsage {
        AccountUsage {
            requests: self.requests,
            refused: self.refused,
            impersonated: self.impersonated,
            without_pod: self.without_pod,
            first_seen: self.first,
            last_seen: self.last,
            permissions: self.permissions.values().map(permission).collect(),
            complete: !self.dropped,
            legacy: (self.secrets.ranked().into_iter())
                .map(|secret| {
                    let uses = SecretUsage {
                        requests: secret.count,
                        last_seen: secret.last_seen,
                    };
                    (secret.value.clone(), uses)
                })
                .collect(),
        }
    }
}

impl Merge for Entry {
    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.refused += other.refused;
        self.impersonated += other.impersonated;
        self.without_pod += other.without_pod;
        self.first = earlier(self.first, other.first);
        self.last = self.last.max(other.last);
        self.dropped |= other.dropped;
        for (hash, (action, names)) in other.permissions {
            let new = || (action, Tally::default());
            let ours = self.permissions.entry(hash).or_insert_with(new);
            ours.1.merge(names);
        }
        while self.permissions.len() > KEPT {
            self.permissions.pop_last();
            self.dropped = true;
        }
        self.secrets.merge(other.secrets);
    }
}

impl Used {
    /// The same in the words of an inventory.
    pub(super) fn usage(&self) -> Usage {
        let accounts = self
            .accounts
            .sorted()
            .into_iter()
            .filter_map(|(key, entry)| {
                let (user, uid) = key.split_once('\n')?;
                let account = ServiceAccount::from_user_name(user)?;
                let key = (
                    account.namespace.to_owned(),
                    account.name.to_owned(),
                    uid.to_owned(),
                );
                Some((key, entry.usage()))
            });
        Usage {
            period: self.first.zip(self.last),
            requests: self.requests,
            accounts: accounts.collect(),
            pods: self.pods.clone(),
            findings: Vec::new(),
        }
    }
}

fn permission((action, names): &(Action, Tally)) -> UsedPermission {
    UsedPermission {
        action: action.clone(),
        requests: names.total(),
        names: names
            .ranked()
            .into_iter()
            .map(|name| name.value.clone())
            .collect(),
        all_names: names.is_exact(),
    }
}

/// Whether RBAC let it pass. The decision says so; where the log has none, the code does. A 429 comes
/// before authorization.
fn was_allowed(event: &Event<'_>) -> bool {
    match event.annotation("authorization.k8s.io/decision") {
        Some(decision) => decision == "allow",
        None => event
            .code
            .is_some_and(|code| !matches!(code, 401 | 403 | 429)),
    }
}

/// What the request needed: an action, and the name of the object.
fn asked_for(event: &Event<'_>) -> (Action, String) {
    let verb = event.verb.read().into_owned();
    let Some(object) = event.object else {
        let uri = event.request_uri.read();
        let path = uri.split('?').next().unwrap_or_default();
        let action = Action {
            verb,
            url: path.to_owned(),
            ..Action::default()
        };
        return (action, String::new());
    };
    let mut resource = object.resource.read().into_owned();
    if !object.subresource.is_empty() {
        resource.push('/');
        resource.push_str(&object.subresource.read());
    }
    // An audit event may name the object of a create, which authorization did not know of.
    let named =
        !matches!(verb.as_str(), "create" | "deletecollection") || !object.subresource.is_empty();
    let name = if named {
        object.name.read().into_owned()
    } else {
        String::new()
    };
    let action = Action {
        verb,
        group: object.group.read().into_owned(),
        resource,
        namespace: object.namespace.read().into_owned(),
        url: String::new(),
    };
    (action, name)
}

fn hash(action: &Action) -> u64 {
    let parts = [
        &action.verb,
        &action.group,
        &action.resource,
        &action.namespace,
        &action.url,
    ];
    let mut text = String::new();
    for part in parts {
        text.push_str(part);
        text.push('\0');
    }
    xxh3_64(text.as_bytes())
}
