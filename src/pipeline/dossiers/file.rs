//! A dossier, finished: sorted, and in shapes that can be written.

use serde::Serialize;

use crate::{
    detect::{Series, Tallied, Tally},
    event::ServiceAccount,
    finding::Timestamp,
    permission::{Action, Permissions, Place, Used, Uses},
};

use super::{Credential, Entry};

/// The life of one ServiceAccount, as far as the log shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Dossier {
    /// The namespace.
    pub namespace: String,
    /// The name in it.
    pub name: String,
    /// Requests that authenticated as it.
    pub requests: Uses,
    /// Those of them that were refused.
    pub refused: Uses,
    /// Those of them that failed otherwise.
    pub failed: Uses,
    /// Requests over time; `None` without requests.
    pub timeline: Option<Timeline>,
    /// HTTP status codes.
    pub codes: Values,
    /// What it was allowed, by who it was in the end: requests of others who acted as it are here, its
    /// own as somebody else are not.
    pub used: Vec<Permission>,
    /// What it was refused.
    pub denied: Vec<Permission>,
    /// What every account may do, and it did: discovery, version, health, its own rights.
    pub discovery: Uses,
    /// The bindings that allowed its requests: the first that fits is all that the log names.
    pub grants: Values,
    /// Kinds of token.
    pub token_kinds: Values,
    /// Secrets of its legacy tokens.
    pub legacy_secrets: Values,
    /// Its tokens, by when they were first heard of.
    pub credentials: Vec<Credential>,
    /// Whether there were more than are shown.
    pub more_credentials: bool,
    /// Who made tokens of it.
    pub minters: Values,
    /// Who asked for a token of it in vain, and the status code.
    pub mintings_failed: Values,
    /// Whose tokens it made.
    pub minted_for: Values,
    /// Source addresses: the real peers.
    pub addresses: Values,
    /// Nodes, as the tokens name them.
    pub nodes: Values,
    /// Pods, as the tokens name them.
    pub pods: Values,
    /// User agents. Hostile.
    pub user_agents: Values,
    /// Whom it acted as (impersonation).
    pub acted_as: Values,
    /// Who acted as it.
    pub actors: Values,
    /// Secrets that it read, `namespace/name`; lists and watches as `namespace/*`, over all namespaces as
    /// `*/*`.
    pub secrets_read: Values,
    /// Roles and bindings that it changed.
    pub rbac_written: Values,
}

/// Requests over time, in columns of equal width.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// When the first column begins.
    pub from: Timestamp,
    /// The width of a column in seconds.
    pub seconds: u64,
    /// The requests in each.
    pub counts: Vec<u64>,
}

/// Some of many values, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Values {
    /// How many different values there are; an estimate if some are left out.
    pub distinct: u64,
    /// Whether all of them are here.
    pub complete: bool,
    /// The values with their requests, the most frequent first. Hostile.
    pub values: Vec<Tallied>,
}

/// One verb on one resource in one place, or on one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// The verb.
    pub verb: String,
    /// The API group; empty for the core group and for paths.
    pub group: String,
    /// The resource with its subresource; the path for what is no resource.
    pub resource: String,
    /// Where.
    pub scope: Scope,
    /// The namespace, where there is one.
    pub namespace: Option<String>,
    /// The requests.
    pub uses: Uses,
    /// The names, if they are few. Hostile.
    pub names: Vec<String>,
    /// Whether these are all, and every request had one.
    pub names_complete: bool,
}

/// Where a permission was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// In one namespace.
    Namespace,
    /// In so many namespaces that they are not told apart.
    ManyNamespaces,
    /// Over all namespaces at once, or on what has none.
    Cluster,
    /// On a path.
    Path,
}

/// How many columns a timeline has at most.
const COLUMNS: i64 = 60;

impl Values {
    pub(super) fn of(tally: &Tally) -> Self {
        Self {
            distinct: tally.distinct(),
            complete: tally.is_exact(),
            values: tally.ranked().into_iter().cloned().collect(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl Entry {
    pub(super) fn file(&self, account: ServiceAccount<'_>, used: &Used) -> Dossier {
        Dossier {
            namespace: account.namespace.to_owned(),
            name: account.name.to_owned(),
            requests: self.requests,
            refused: self.refused,
            failed: self.failed,
            timeline: timeline(&self.traffic),
            codes: Values::of(&self.codes),
            used: permissions(&used.allowed),
            denied: permissions(&used.refused),
            discovery: used.everybodys,
            grants: Values::of(&self.grants),
            token_kinds: Values::of(&self.token_kinds),
            legacy_secrets: Values::of(&self.legacy_secrets),
            credentials: self.credentials.list(),
            more_credentials: self.credentials.overflowed(),
            minters: Values::of(self.credentials.minters()),
            mintings_failed: Values::of(&self.mintings_failed),
            minted_for: Values::of(&self.minted_for),
            addresses: Values::of(&self.addresses),
            nodes: Values::of(&self.nodes),
            pods: Values::of(&self.pods),
            user_agents: Values::of(&self.user_agents),
            acted_as: Values::of(&self.acted_as),
            actors: Values::of(&self.actors),
            secrets_read: Values::of(&self.secrets_read),
            rbac_written: Values::of(&self.rbac_written),
        }
    }
}

/// From the first request to the last, in as many columns as there are buckets, up to 60.
fn timeline(traffic: &Series<16>) -> Option<Timeline> {
    let buckets: Vec<(i64, u32)> = traffic.buckets().collect();
    let (first, last) = (buckets.first()?.0, buckets.last()?.0);
    let span = last.saturating_sub(first).saturating_add(1);
    let per_column = span.div_euclid(COLUMNS) + i64::from(span.rem_euclid(COLUMNS) > 0);
    let columns = span.div_euclid(per_column) + i64::from(span.rem_euclid(per_column) > 0);
    let mut counts = vec![0_u64; usize::try_from(columns).ok()?];
    for (bucket, count) in buckets {
        let column = usize::try_from((bucket - first) / per_column).ok()?;
        if let Some(place) = counts.get_mut(column) {
            *place += u64::from(count);
        }
    }
    Some(Timeline {
        from: traffic.start_of(first),
        seconds: per_column.saturating_mul(traffic.width()).unsigned_abs(),
        counts,
    })
}

/// A row for each place, sorted.
fn permissions(permissions: &Permissions) -> Vec<Permission> {
    let mut rows = Vec::new();
    for (action, spread) in permissions.sorted() {
        if matches!(action, Action::Path { .. }) {
            rows.push(row(action, Scope::Path, None, spread.anywhere()));
            continue;
        }
        if let Some(place) = spread.cluster_wide() {
            rows.push(row(action, Scope::Cluster, None, place));
        }
        match spread.namespaces() {
            None => rows.push(row(action, Scope::ManyNamespaces, None, spread.anywhere())),
            Some(namespaces) => {
                let one =
                    |(namespace, place)| row(action, Scope::Namespace, Some(namespace), place);
                rows.extend(namespaces.iter().map(one));
            }
        }
    }
    rows
}

fn row(action: &Action, scope: Scope, namespace: Option<&String>, place: &Place) -> Permission {
    let few = place.names.few();
    Permission {
        verb: action.verb().to_owned(),
        group: action.group().to_owned(),
        resource: action.target().into_owned(),
        scope,
        namespace: namespace.cloned(),
        uses: place.uses,
        names: few.map_or_else(Vec::new, |few| few.keys().cloned().collect()),
        names_complete: few.is_some() && place.names.unnamed() == 0,
    }
}
