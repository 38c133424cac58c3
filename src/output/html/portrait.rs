//! All about one ServiceAccount, as small as the page's script can take it: thousands of them stand in one file.

use std::cmp::Reverse;

use serde::Serialize;

use crate::{
    detect::Tallied,
    finding::Timestamp,
    pipeline::{Chronicle, Credential, Life, Minting, Permission, Scope, Values},
};

/// How many rows of permissions an account shows, the most used ones; `satrail account` shows all.
const PERMISSIONS: usize = 300;

/// How many values a list shows, the most frequent ones.
const VALUES: usize = 25;

/// All about one account. What is empty is left out.
#[derive(Serialize)]
pub(super) struct Portrait<'a> {
    failed: u64,
    discovery: u64,
    /// The start, the seconds and the requests of its best minute.
    peak: Option<(i64, u64, u64)>,
    /// Its requests over time: the start, the width of a column in seconds, the counts.
    timeline: Option<(i64, u64, &'a [u64])>,
    used: Vec<PermissionRow<'a>>,
    used_rows: usize,
    denied: Vec<PermissionRow<'a>>,
    denied_rows: usize,
    credentials: Vec<CredentialRow<'a>>,
    more_credentials: bool,
    /// Lists of values under their titles, in the order of the page.
    lists: Vec<(&'static str, ValuesRow<'a>)>,
}

/// Verb, resource with its group, namespace, requests, and the names if they are few.
#[derive(Serialize)]
struct PermissionRow<'a>(&'a str, String, &'a str, u64, &'a [String]);

/// How many there are, whether these are exactly all of them, and the values.
#[derive(Serialize)]
struct ValuesRow<'a>(u64, bool, Vec<ValueRow<'a>>);

/// A value, its requests, the first and the last second.
#[derive(Serialize)]
struct ValueRow<'a>(&'a str, u64, Option<i64>, Option<i64>);

#[derive(Serialize)]
struct CredentialRow<'a> {
    id: &'a str,
    kinds: &'a [&'static str],
    requests: u64,
    first: Option<i64>,
    last: Option<i64>,
    addresses: Vec<&'a str>,
    pods: Vec<&'a str>,
    minted: Option<(Option<i64>, &'a str, &'a str)>,
}

/// All accounts, in the order of the list.
pub(super) fn portraits(chronicle: Option<&Chronicle>) -> Vec<Portrait<'_>> {
    let accounts = chronicle.map_or(&[][..], |chronicle| &chronicle.accounts);
    accounts.iter().map(Portrait::new).collect()
}

impl<'a> Portrait<'a> {
    fn new(life: &'a Life) -> Self {
        let dossier = &life.dossier;
        let lists = [
            ("Addresses", &dossier.addresses),
            ("User agents", &dossier.user_agents),
            ("Kinds of token", &dossier.token_kinds),
            ("Secrets of its legacy tokens", &dossier.legacy_secrets),
            ("Status codes", &dossier.codes),
            ("Pods", &dossier.pods),
            ("Nodes", &dossier.nodes),
            ("Allowed by", &dossier.grants),
            ("Secrets read", &dossier.secrets_read),
            ("Roles and bindings changed", &dossier.rbac_written),
            ("Acted as", &dossier.acted_as),
            ("Acted by", &dossier.actors),
            ("Made tokens of", &dossier.minted_for),
            ("Its tokens were made by", &dossier.minters),
            ("Asked in vain for a token of it", &dossier.mintings_failed),
        ];
        let lists = lists.into_iter().filter(|(_, values)| !values.is_empty());
        Self {
            failed: dossier.failed.count,
            discovery: dossier.discovery.count,
            peak: (life.peak).map(|peak| (peak.start.seconds(), peak.seconds, peak.count)),
            timeline: (dossier.timeline.as_ref())
                .map(|line| (line.from.seconds(), line.seconds, line.counts.as_slice())),
            used: permissions(&dossier.used),
            used_rows: dossier.used.len(),
            denied: permissions(&dossier.denied),
            denied_rows: dossier.denied.len(),
            credentials: dossier.credentials.iter().map(CredentialRow::new).collect(),
            more_credentials: dossier.more_credentials,
            lists: lists
                .map(|(title, values)| (title, ValuesRow::new(values)))
                .collect(),
        }
    }
}

/// The most used first.
fn permissions(all: &[Permission]) -> Vec<PermissionRow<'_>> {
    let mut rows: Vec<_> = all.iter().collect();
    rows.sort_by_key(|permission| Reverse(permission.uses.count));
    rows.truncate(PERMISSIONS);
    rows.into_iter().map(PermissionRow::new).collect()
}

impl<'a> PermissionRow<'a> {
    fn new(permission: &'a Permission) -> Self {
        let (resource, sub) = match permission.resource.split_once('/') {
            Some((resource, sub)) if !permission.group.is_empty() => (resource, Some(sub)),
            _ => (permission.resource.as_str(), None),
        };
        let mut target = resource.to_owned();
        for (before, more) in [('.', Some(permission.group.as_str())), ('/', sub)] {
            if let Some(more) = more.filter(|more| !more.is_empty()) {
                target.push(before);
                target.push_str(more);
            }
        }
        let place = match permission.scope {
            Scope::Namespace => permission.namespace.as_deref().unwrap_or_default(),
            Scope::ManyNamespaces => "(many)",
            Scope::Cluster => "*",
            Scope::Path => "",
        };
        let names = if permission.names_complete {
            permission.names.as_slice()
        } else {
            &[]
        };
        Self(
            &permission.verb,
            target,
            place,
            permission.uses.count,
            names,
        )
    }
}

impl<'a> ValuesRow<'a> {
    fn new(values: &'a Values) -> Self {
        let row = |tallied: &'a Tallied| {
            let (first, last) = (tallied.first_seen, tallied.last_seen);
            ValueRow(
                &tallied.value,
                tallied.count,
                first.map(Timestamp::seconds),
                last.map(Timestamp::seconds),
            )
        };
        let rows = values.values.iter().take(VALUES).map(row);
        Self(values.distinct, values.complete, rows.collect())
    }
}

impl<'a> CredentialRow<'a> {
    fn new(credential: &'a Credential) -> Self {
        let names = |values: &'a Values| {
            let values = values.values.iter().take(VALUES);
            values.map(|tallied| tallied.value.as_str()).collect()
        };
        let minted = credential.minted.as_ref();
        Self {
            id: &credential.id,
            kinds: &credential.kinds,
            requests: credential.uses.count,
            first: credential.uses.first_seen.map(Timestamp::seconds),
            last: credential.uses.last_seen.map(Timestamp::seconds),
            addresses: names(&credential.addresses),
            pods: names(&credential.pods),
            minted: minted.map(|Minting { time, by, from }| {
                (time.map(Timestamp::seconds), by.as_str(), from.as_str())
            }),
        }
    }
}
