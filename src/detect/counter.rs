//! What the counters of one kube-apiserver did, from scrape to scrape.
//!
//! Counts are not stretched to a window, as `increase()` does it: a finding says how many uses the
//! scrapes show. A series that an earlier scrape of the same instance did not have began at zero, which
//! `increase()` cannot know: `apiserver_audit_error_total` is absent until the first error.

use std::collections::BTreeMap;

use crate::{
    finding::{Attribute, Attributes, Evidence, Timestamp},
    metric::{Archive, Labels, Sample, Series, Step, steps},
};

use super::{Coverage, METRICS_READ};

/// Families of which only a kube-apiserver serves any: other control plane components have
/// `authentication_attempts` and `apiserver_audit_*` of their own (seen in kube-controller-manager).
const MARKS: [&str; 4] = [
    "serviceaccount_legacy_tokens_total",
    "serviceaccount_stale_tokens_total",
    "serviceaccount_valid_tokens_total",
    "apiserver_flowcontrol_dispatched_requests_total",
];

/// When the process began, for a single scrape.
const STARTED: &str = "process_start_time_seconds";

/// What the reconciliation reads beside the detectors.
const RECONCILED: [&str; 1] = ["apiserver_audit_level_total"];

/// How many scrapes are shown from either end.
const SHOWN: usize = 3;

/// What counters of one instance did, added up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counter<'a> {
    pub(super) instance: &'a str,
    /// The instance's scrapes.
    scrapes: Vec<Timestamp>,
    /// By how much the counters rose, by the scrapes before and after.
    rises: BTreeMap<(Timestamp, Timestamp), f64>,
    /// The sum of the last values.
    last: f64,
    started: Option<Timestamp>,
}

/// The time between two scrapes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interval {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) rise: f64,
}

/// Whether anything here reads the series `name`.
#[must_use]
pub fn reads_metric(name: &str) -> bool {
    name == STARTED
        || MARKS.contains(&name)
        || RECONCILED.contains(&name)
        || METRICS_READ.iter().any(|names| names.contains(&name))
}

/// Whether anything here reads this sample: of the thousands of `apiserver_request_total` only the
/// requests for tokens are read.
#[must_use]
pub fn reads_sample(sample: &Sample) -> bool {
    reads_metric(&sample.name)
        && (&*sample.name != "apiserver_request_total" || is_token_request(&sample.labels))
}

/// Whether these are the labels of TokenRequests.
pub(super) fn is_token_request(labels: &Labels) -> bool {
    labels.get("resource") == "serviceaccounts"
        && labels.get("subresource") == "token"
        && labels.get("group").is_empty()
}

/// The kube-apiservers among the instances, each with its scrapes.
fn api_servers(archive: &Archive) -> impl Iterator<Item = (&str, Vec<Timestamp>)> {
    let marked = |instance: &str| {
        let metrics = MARKS
            .iter()
            .filter_map(|mark| archive.history().metric(mark));
        let mut labels = metrics.flat_map(|metric| metric.series.keys());
        labels.any(|labels| labels.get("instance") == instance)
    };
    let instances = archive.instances();
    instances
        .filter(move |(instance, _)| marked(instance))
        .map(|(instance, times)| (instance, times.collect()))
}

/// For each kube-apiserver the sum of its series of these names that `wanted` accepts.
pub(super) fn counters<'a>(
    archive: &'a Archive,
    names: &[&str],
    wanted: impl Fn(&Labels) -> bool,
) -> Vec<Counter<'a>> {
    let counter = |(instance, scrapes): (&'a str, Vec<Timestamp>)| {
        let mut counter = Counter {
            instance,
            scrapes,
            rises: BTreeMap::new(),
            last: 0.0,
            started: started(archive, instance),
        };
        if let Some(times) = archive.history().scraped(instance) {
            let pairs = times.iter().zip(times.iter().skip(1));
            counter.rises = pairs.map(|(&from, &to)| ((from, to), 0.0)).collect();
        }
        for (labels, series) in series_of(archive, instance, names) {
            if wanted(labels) {
                counter.add(archive, series);
            }
        }
        counter
    };
    api_servers(archive).map(counter).collect()
}

fn series_of<'a>(
    archive: &'a Archive,
    instance: &str,
    names: &[&str],
) -> impl Iterator<Item = (&'a Labels, &'a Series)> {
    let metrics = names
        .iter()
        .filter_map(|name| archive.history().metric(name));
    metrics
        .flat_map(|metric| &metric.series)
        .filter(move |(labels, _)| labels.get("instance") == instance)
}

fn started(archive: &Archive, instance: &str) -> Option<Timestamp> {
    let (_, series) = series_of(archive, instance, &[STARTED]).next()?;
    let seconds = series.points().last()?.value;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be within 9e9")]
    (seconds.abs() < 9e9).then(|| Timestamp::from_micros((seconds * 1e6) as i64))
}

/// The rises of one series, from the scrape before its first one on.
fn rises<'a>(
    archive: &'a Archive,
    series: &'a Series,
    instance: &str,
) -> impl Iterator<Item = Step> {
    let birth = series.points().first().and_then(|first| {
        let scraped = archive.history().scraped(instance)?;
        Some(Step {
            from: *scraped.range(..first.time).next_back()?,
            to: first.time,
            rise: first.value,
        })
    });
    birth.into_iter().chain(steps(series.points()))
}

/// What is counted, by a label: the rises, or the values where there is one scrape only.
pub(super) fn counts_by(
    archive: &Archive,
    counter: &Counter<'_>,
    name: &str,
    key: impl Fn(&Labels) -> Option<String>,
) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for (labels, series) in series_of(archive, counter.instance, &[name]) {
        let Some(key) = key(labels) else { continue };
        let sum = sums.entry(key).or_default();
        if counter.is_since_start() {
            *sum += series.points().last().map_or(0.0, |point| point.value);
        } else {
            *sum += rises(archive, series, counter.instance)
                .map(|step| step.rise)
                .sum::<f64>();
        }
    }
    let counts = sums.into_iter().map(|(key, sum)| (key, whole(sum)));
    counts.filter(|&(_, count)| count > 0).collect()
}

/// How much of these scrapes a detector could judge.
pub(super) fn coverage(archive: &Archive, needs: &str, judges_rates: bool) -> Coverage {
    let servers: Vec<_> = api_servers(archive).collect();
    let has = |(instance, _): &&(&str, Vec<Timestamp>)| {
        needs.is_empty() || series_of(archive, instance, &[needs]).next().is_some()
    };
    let able: Vec<_> = servers.iter().filter(has).collect();
    let enough = !judges_rates || able.iter().any(|(_, scrapes)| scrapes.len() > 1);
    let blind = match () {
        () if archive.scrapes() == 0 => Some("no metrics were given (--metrics)".to_owned()),
        () if servers.is_empty() => Some(format!(
            "no kube-apiserver is among the instances: none serves {}",
            MARKS[0]
        )),
        () if able.is_empty() => Some(format!("no kube-apiserver here serves {needs}")),
        () if !enough => Some("a rate takes two scrapes of one kube-apiserver".to_owned()),
        () => None,
    };
    let scrapes = able.iter().map(|(_, scrapes)| scrapes.len() as u64);
    Coverage {
        evaluated: if blind.is_some() { 0 } else { scrapes.sum() },
        blind,
    }
}

impl Counter<'_> {
    fn add(&mut self, archive: &Archive, series: &Series) {
        for step in rises(archive, series, self.instance) {
            *self.rises.entry((step.from, step.to)).or_default() += step.rise;
        }
        let last = series.points().last().map_or(0.0, |point| point.value);
        self.last += if last.is_finite() { last } else { 0.0 };
    }

    /// Whether there is one scrape only, so that nothing is known but the count since the process began.
    pub(super) fn is_since_start(&self) -> bool {
        self.scrapes.len() < 2
    }

    /// How much was counted: between the scrapes, else since the process began.
    pub(super) fn count(&self) -> u64 {
        if self.is_since_start() {
            whole(self.last)
        } else {
            whole(self.rises.values().sum())
        }
    }

    /// The intervals between scrapes.
    pub(super) fn intervals(&self) -> impl DoubleEndedIterator<Item = Interval> {
        let rises = self.rises.iter();
        rises.map(|(&(from, to), &rise)| Interval { from, to, rise })
    }

    fn rising(&self) -> impl DoubleEndedIterator<Item = Interval> {
        self.intervals().filter(|interval| interval.rise > 0.0)
    }

    /// The interval with the highest rate, the first of equals.
    pub(super) fn peak(&self) -> Option<Interval> {
        self.intervals().reduce(|best, next| {
            if next.rate() > best.rate() {
                next
            } else {
                best
            }
        })
    }

    /// The median of the intervals' rates, per second: what is normal here.
    pub(super) fn usual_rate(&self) -> f64 {
        let mut rates: Vec<f64> = self.intervals().map(Interval::rate).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or(0.0)
    }

    /// Not before then: the scrape before the first rise, or the start of the process.
    pub(super) fn first_seen(&self) -> Option<Timestamp> {
        if self.is_since_start() {
            return self.started.or(self.scrapes.first().copied());
        }
        self.rising().next().map(|interval| interval.from)
    }

    /// Not after then: the scrape after the last rise.
    pub(super) fn last_seen(&self) -> Option<Timestamp> {
        if self.is_since_start() {
            return self.scrapes.last().copied();
        }
        self.rising().next_back().map(|interval| interval.to)
    }

    /// "between the first scrape and the last" or "since it started".
    pub(super) fn period(&self) -> &'static str {
        if self.is_since_start() {
            "since the apiserver started (one scrape does not say when)"
        } else {
            "between the first scrape and the last"
        }
    }

    /// The scrapes around the first rises and the last ones.
    pub(super) fn evidence(&self, archive: &Archive) -> Vec<Evidence> {
        let mut times: Vec<Timestamp> = if self.is_since_start() {
            self.scrapes.clone()
        } else {
            self.rising()
                .flat_map(|interval| [interval.from, interval.to])
                .collect()
        };
        times.sort_unstable();
        times.dedup();
        if times.len() > 2 * SHOWN {
            times.drain(SHOWN..times.len() - SHOWN);
        }
        let evidence = |time| Evidence {
            time: Some(time),
            audit_id: None,
            file: archive.file(self.instance, time).to_owned(),
            line: None,
        };
        times.into_iter().map(evidence).collect()
    }

    /// `counted`, `from`, `to`: what the counts of a finding speak of.
    pub(super) fn attributes(&self) -> Attributes {
        let (counted, from) = if self.is_since_start() {
            ("since-start", self.started)
        } else {
            ("between-scrapes", self.scrapes.first().copied())
        };
        named([
            ("counted", counted.into()),
            ("from", from.into()),
            ("to", self.scrapes.last().copied().into()),
        ])
    }
}

impl Interval {
    /// Per second.
    pub(super) fn rate(self) -> f64 {
        let micros = self.to.micros().saturating_sub(self.from.micros());
        self.rise / (micros.max(1) as f64 / 1e6)
    }

    /// `from`, `to`, `count`, `per_second`.
    pub(super) fn attribute(self) -> Attribute {
        Attribute::Map(named([
            ("from", self.from.into()),
            ("to", self.to.into()),
            ("count", whole(self.rise).into()),
            ("per_second", Attribute::rate(self.rate())),
        ]))
    }
}

/// Attributes by name.
pub(super) fn named<const N: usize>(pairs: [(&str, Attribute); N]) -> Attributes {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Counts as an attribute.
pub(super) fn as_map(counts: BTreeMap<String, u64>) -> Attribute {
    Attribute::Map(counts.into_iter().map(|(k, n)| (k, n.into())).collect())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counters hold whole numbers; the cast saturates"
)]
pub(super) fn whole(value: f64) -> u64 {
    value.round() as u64
}
