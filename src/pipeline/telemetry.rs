//! What the `satrail_*` metrics count: requests per ServiceAccount and second, in one pass with the scan.
//!
//! ```text
//!   events --> Telemetry --> counters(top) --> Counter { metric, labels, counts per bucket }
//!              per account     top K by name,       |--> total       textfile collector
//!              and bucket      the rest summed      `--> points()    backfilling, rules' history
//! ```
//!
//! What is counted is what the detectors count (`default-serviceaccount`, `secret-listing`,
//! `legacy-token`), so that an alert and the report behind it never disagree. A counter's value is the
//! number of requests that arrived before the sample's time.

mod counter;
mod published;

pub use counter::{Counter, Sampling, Total};
pub use published::{PUBLISHED, Published};

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    detect::{Keyed, Listing, Merge, PerAccount, Series, legacy_secret},
    event::{Event, ServiceAccount},
    finding::Timestamp,
    metric::{Exposition, Family, History, Kind, Labels, Sample, Text},
};

use super::fold::Study;

/// Counts per time bucket.
pub type Counts = Series<768>;

/// How many ServiceAccounts have metrics of their own unless `--top` says otherwise.
pub const TOP: usize = 200;

/// What the sums of everything else are called: no namespace, ServiceAccount or Secret can have an
/// underscore in its name (RFC 1123 labels and subdomains).
pub const OTHER: &str = "_other";

/// What a Secret is called whose name the server did not log.
const UNKNOWN: &str = "_unknown";

/// What the `satrail_*` counters count, per ServiceAccount and time bucket.
///
/// Totals only ever rise as more is added, also where buckets are forgotten or become wider, so a
/// caller that keeps this state from run to run publishes counters that never fall, as long as the
/// same accounts are named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telemetry {
    /// By user name.
    accounts: PerAccount<Account>,
    events: Counts,
    requests: Counts,
    unauthenticated: Counts,
    bad_lines: Counts,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Account {
    requests: Counts,
    denied: Counts,
    stale: Counts,
    listings: BTreeMap<Listing, Counts>,
    legacy: Counts,
    /// The same by Secret, as far as memory allows.
    secrets: Keyed<Counts>,
}

impl Study for Telemetry {
    fn event(&mut self, event: &Event<'_>) {
        self.events.add(event.time());
    }

    fn request(&mut self, event: &Event<'_>) {
        self.requests.add(event.time());
        if event.user.name.is_empty() {
            self.unauthenticated.add(event.time());
        }
        if event.service_account().is_some() {
            let key = event.user.name.read();
            self.accounts.note(&key, |account| account.add(event));
        }
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
        self.events.merge(other.events);
        self.requests.merge(other.requests);
        self.unauthenticated.merge(other.unauthenticated);
        self.bad_lines.merge(other.bad_lines);
    }
}

impl Account {
    fn add(&mut self, event: &Event<'_>) {
        let time = event.time();
        self.requests.add(time);
        if event.refused() {
            self.denied.add(time);
        }
        if event
            .annotation("authentication.k8s.io/stale-token")
            .is_some()
        {
            self.stale.add(time);
        }
        if let Some(listing) = Listing::of(event) {
            self.listings.entry(listing).or_default().add(time);
        }
        if let Some(secret) = legacy_secret(event) {
            self.legacy.add(time);
            let hash = xxh3_64(secret.as_bytes());
            if let Some(counts) = self.secrets.slot(hash, || secret) {
                counts.add(time);
            }
        }
    }

    /// The uses by Secret, if all of them are known by name.
    fn secrets(&self) -> Option<Vec<(&str, &Counts)>> {
        let secrets = self.secrets.sorted();
        let known: u64 = secrets.iter().map(|(_, counts)| counts.total()).sum();
        (known == self.legacy.total()).then_some(secrets)
    }
}

impl Merge for Account {
    fn merge(&mut self, other: Self) {
        self.requests.merge(other.requests);
        self.denied.merge(other.denied);
        self.stale.merge(other.stale);
        for (listing, counts) in other.listings {
            self.listings.entry(listing).or_default().merge(counts);
        }
        self.legacy.merge(other.legacy);
        self.secrets.merge(other.secrets);
    }
}

impl Telemetry {
    pub(super) const fn add_bad_lines(&mut self, count: u64) {
        self.bad_lines.add_untimed(count);
    }

    /// Every counter by metric and labels: the `top` ServiceAccounts with the most requests by name, of
    /// equals the first by name, and the others' sum as [`OTHER`].
    ///
    /// An account has its counters also where they are zero, except for `secret`, which cannot be known
    /// before: `increase()` sees the first use only if there was a zero before it.
    #[must_use]
    pub fn counters(&self, top: usize) -> Vec<Counter<'_>> {
        let ranked = self.ranked();
        let (named, others) = ranked.split_at(top.min(ranked.len()));
        self.rows(named, others, top)
    }

    /// Every counter, with those ServiceAccounts by name that `is_named` knows by user name.
    pub(super) fn counters_naming(&self, is_named: impl Fn(&str) -> bool) -> Vec<Counter<'_>> {
        let (named, others): (Vec<_>, Vec<_>) =
            (self.ranked().into_iter()).partition(|(user, _)| is_named(user));
        self.rows(&named, &others, usize::MAX)
    }

    /// User names, those with the most requests first, of equals the first by name.
    pub(super) fn users(&self) -> impl Iterator<Item = &str> {
        self.ranked().into_iter().map(|(user, _)| user)
    }

    fn ranked(&self) -> Vec<(&str, &Account)> {
        let mut ranked = self.accounts.sorted();
        ranked.sort_by_key(|(_, account)| std::cmp::Reverse(account.requests.total()));
        ranked
    }

    fn rows<'a>(
        &'a self,
        named: &[(&str, &'a Account)],
        others: &[(&str, &'a Account)],
        secrets: usize,
    ) -> Vec<Counter<'a>> {
        let mut rows = Rows::new(secrets);
        for &(user, account) in named {
            if let Some(name) = ServiceAccount::from_user_name(user) {
                rows.account(name, account);
            }
        }
        rows.others(others);
        for (metric, counts) in [
            (&published::UNAUTHENTICATED, &self.unauthenticated),
            (&published::EVENTS, &self.events),
            (&published::AUDIT_REQUESTS, &self.requests),
            (&published::BAD_LINES, &self.bad_lines),
        ] {
            rows.push(metric, &[], Cow::Borrowed(counts));
        }
        rows.sorted()
    }

    /// When the first bucket starts and the last one ends; `None` where no event has a time.
    #[must_use]
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let events = &self.events;
        let (first, last) = (events.buckets().next()?.0, events.buckets().last()?.0);
        Some((events.start_of(first), events.start_of(last + 1)))
    }

    /// The counters as Prometheus would have them had it scraped satrail every `step_seconds`, with the
    /// accounts that are named by default. Those that stayed at zero are left out.
    #[must_use]
    pub fn to_history(&self, step_seconds: u32) -> History {
        let mut history = History::default();
        let Some(span) = self.span() else {
            return history;
        };
        for counter in self.counters(TOP) {
            if counter.counts.total() > 0 {
                history.add_timestamped(&exposition(
                    &counter,
                    span,
                    Sampling::Regular(step_seconds),
                ));
            }
        }
        history
    }
}

fn exposition(
    counter: &Counter<'_>,
    span: (Timestamp, Timestamp),
    sampling: Sampling,
) -> Exposition {
    let name = Text::from(counter.metric.name);
    let sample = |(time, value): (Timestamp, u64)| Sample {
        name: Text::clone(&name),
        labels: counter.labels.clone(),
        value: value as f64,
        timestamp: Some(time),
    };
    let samples: Vec<_> = counter.points(span, sampling).map(sample).collect();
    let family = Family {
        name: Text::clone(&name),
        kind: Kind::Counter,
        help: counter.metric.help.to_owned(),
        unit: String::new(),
        label_names: counter.metric.labels.iter().map(|&l| l.into()).collect(),
        samples,
    };
    Exposition {
        samples: family.samples.len() as u64,
        families: vec![family],
        ..Exposition::default()
    }
}

/// The counters, as they are put together.
struct Rows<'a> {
    counters: Vec<Counter<'a>>,
    /// How many Secrets may still be named.
    secrets: usize,
}

impl<'a> Rows<'a> {
    const fn new(top: usize) -> Self {
        Self {
            counters: Vec::new(),
            secrets: top,
        }
    }

    fn push(
        &mut self,
        metric: &'static Published,
        labels: &[(&str, &str)],
        counts: Cow<'a, Counts>,
    ) {
        let labels = Labels::of(labels);
        self.counters.push(Counter {
            metric,
            labels,
            counts,
        });
    }

    fn account(&mut self, name: ServiceAccount<'_>, account: &'a Account) {
        let labels = [("namespace", name.namespace), ("serviceaccount", name.name)];
        let [namespace, serviceaccount] = labels;
        for (metric, counts) in [
            (&published::REQUESTS, &account.requests),
            (&published::DENIED, &account.denied),
            (&published::STALE, &account.stale),
        ] {
            self.push(metric, &labels, Cow::Borrowed(counts));
        }
        if name.name == "default" {
            self.push(
                &published::DEFAULT,
                &labels,
                Cow::Borrowed(&account.requests),
            );
        }
        for ((scope, outcome), counts) in listings([account]) {
            let more = [("scope", scope), ("outcome", outcome)];
            let labels = [namespace, serviceaccount, more[0], more[1]];
            self.push(&published::SECRET_LISTS, &labels, Cow::Owned(counts));
        }
        match account.secrets() {
            Some(secrets) if secrets.len() <= self.secrets => {
                self.secrets -= secrets.len();
                for (secret, counts) in secrets {
                    let secret = if secret.is_empty() { UNKNOWN } else { secret };
                    let labels = [namespace, serviceaccount, ("secret", secret)];
                    self.push(&published::LEGACY, &labels, Cow::Borrowed(counts));
                }
            }
            _ => {
                let labels = [namespace, serviceaccount, ("secret", OTHER)];
                self.push(&published::LEGACY, &labels, Cow::Borrowed(&account.legacy));
            }
        }
    }

    fn others(&mut self, others: &[(&str, &'a Account)]) {
        if others.is_empty() {
            return;
        }
        let labels = [("namespace", OTHER), ("serviceaccount", OTHER)];
        let [namespace, serviceaccount] = labels;
        let all = || others.iter().map(|(_, account)| *account);
        let is_default = |user: &str| user.ends_with(":default");
        let default = others
            .iter()
            .filter(|(user, _)| is_default(user))
            .map(|(_, account)| &account.requests);
        for (metric, counts) in [
            (&published::REQUESTS, sum(all().map(|a| &a.requests))),
            (&published::DENIED, sum(all().map(|a| &a.denied))),
            (&published::STALE, sum(all().map(|a| &a.stale))),
            (&published::DEFAULT, sum(default)),
        ] {
            self.push(metric, &labels, Cow::Owned(counts));
        }
        for ((scope, outcome), counts) in listings(all()) {
            let more = [("scope", scope), ("outcome", outcome)];
            let labels = [namespace, serviceaccount, more[0], more[1]];
            self.push(&published::SECRET_LISTS, &labels, Cow::Owned(counts));
        }
        let legacy = sum(all().map(|a| &a.legacy));
        if legacy.total() > 0 {
            let labels = [namespace, serviceaccount, ("secret", OTHER)];
            self.push(&published::LEGACY, &labels, Cow::Owned(legacy));
        }
    }

    /// In the order of [`PUBLISHED`], then by labels.
    fn sorted(mut self) -> Vec<Counter<'a>> {
        let place = |metric: &Published| PUBLISHED.iter().position(|each| each == metric);
        self.counters
            .sort_by(|a, b| (place(a.metric), &a.labels).cmp(&(place(b.metric), &b.labels)));
        self.counters
    }
}

fn sum<'a>(all: impl Iterator<Item = &'a Counts>) -> Counts {
    all.fold(Counts::default(), |mut sum, counts| {
        sum.merge(counts.clone());
        sum
    })
}

/// By scope and outcome; those that alerts ask for also where there are none.
fn listings<'a>(
    accounts: impl IntoIterator<Item = &'a Account>,
) -> BTreeMap<(&'static str, &'static str), Counts> {
    let scopes = ["cluster", "namespace"];
    let usual = scopes.map(|scope| ["allowed", "denied"].map(|outcome| (scope, outcome)));
    let mut all: BTreeMap<_, Counts> = usual
        .into_iter()
        .flatten()
        .map(|key| (key, Counts::default()))
        .collect();
    for (listing, counts) in accounts.into_iter().flat_map(|account| &account.listings) {
        let key = (listing.scope(), listing.outcome());
        all.entry(key).or_default().merge(counts.clone());
    }
    all
}

#[cfg(test)]
mod tests;
