//! When an account was too fast, by which rule.

use std::{collections::BTreeMap, num::NonZeroU32};

use crate::finding::{Attribute, Attributes, Severity, Timestamp};

use super::{Peak, Series, runaway_controller::Thresholds};

/// The time in which an account was too fast, by the gravest rule that applies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Episode {
    /// How grave that is.
    pub(super) severity: Severity,
    /// The fastest window of the rule.
    pub(super) window: Peak,
    /// When it began and ended, to the resolution of the buckets.
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// Requests in that time.
    pub(super) count: u64,
    rule: &'static str,
    rate: f64,
    seconds: u64,
    times: u64,
    normal: Option<f64>,
}

/// A rate that is too high for a window of some length.
struct Rule {
    name: &'static str,
    severity: Severity,
    seconds: NonZeroU32,
    rate: f64,
}

impl Episode {
    /// Judges the requests of one account.
    pub(super) fn find<const N: usize>(
        requests: &Series<N>,
        thresholds: &Thresholds,
    ) -> Option<Self> {
        let normal = normal_rate(requests, thresholds.normal_minutes);
        // The fastest bucket bounds every average: most accounts end here.
        let fastest = requests.buckets().map(|(_, n)| n).max()?;
        let fastest = f64::from(fastest) / requests.width() as f64;
        let rules = rules(thresholds, normal);
        let mut rules = rules.iter().filter(|rule| fastest >= rule.rate);
        rules.find_map(|rule| {
            let window = requests.peak(u64::from(rule.seconds.get()))?;
            (window.rate() >= rule.rate).then(|| Self::of(requests, rule, window, normal))
        })
    }

    fn of<const N: usize>(
        requests: &Series<N>,
        rule: &Rule,
        window: Peak,
        normal: Option<f64>,
    ) -> Self {
        let buckets: Vec<(i64, u32)> = requests.buckets().collect();
        let limit = rule.rate * requests.width() as f64;
        let mut episode = Self {
            severity: rule.severity,
            window,
            first: window.start,
            last: window.start,
            count: 0,
            rule: rule.name,
            rate: rule.rate,
            seconds: 0,
            times: 0,
            normal,
        };
        for (from, to) in spans(requests, rule) {
            let start = buckets.partition_point(|&(bucket, _)| bucket < from);
            let end = buckets.partition_point(|&(bucket, _)| bucket < to);
            let span = &buckets[start..end];
            // Quiet seconds before and after are no part of it.
            let loud = |&(_, n): &(i64, u32)| f64::from(n) >= limit;
            let (Some(first), Some(last)) =
                (span.iter().position(loud), span.iter().rposition(loud))
            else {
                continue;
            };
            let span = &span[first..=last];
            let (begins, ends) = (span[0].0, span[span.len() - 1].0 + 1);
            if episode.times == 0 {
                episode.first = requests.start_of(begins);
            }
            let end = requests.start_of(ends).micros();
            episode.last = Timestamp::from_micros(end.saturating_sub(1));
            episode.count += span.iter().map(|&(_, n)| u64::from(n)).sum::<u64>();
            episode.seconds += ((ends - begins) * requests.width()).unsigned_abs();
            episode.times += 1;
        }
        episode
    }

    /// `rule`, `threshold`, `peaks`, `bucket_seconds`, `normal_rate`, `episodes`, `episode_seconds`.
    pub(super) fn attributes<const N: usize>(
        &self,
        requests: &Series<N>,
        thresholds: &Thresholds,
    ) -> Attributes {
        let windows = [
            thresholds.sustained_seconds,
            thresholds.spike_seconds,
            thresholds.burst_seconds,
        ];
        let peaks = windows
            .iter()
            .filter_map(|s| requests.peak(u64::from(s.get())));
        let fields: [(&str, Attribute); 7] = [
            ("rule", self.rule.into()),
            ("threshold", Attribute::rate(self.rate)),
            (
                "peaks",
                Attribute::List(peaks.map(peak_attribute).collect()),
            ),
            ("bucket_seconds", requests.width().unsigned_abs().into()),
            (
                "normal_rate",
                self.normal.map_or(Attribute::Null, Attribute::rate),
            ),
            ("episodes", self.times.into()),
            ("episode_seconds", self.seconds.into()),
        ];
        fields.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

/// The rules, the gravest first.
fn rules(thresholds: &Thresholds, normal: Option<f64>) -> Vec<Rule> {
    let rate = f64::from(thresholds.requests_per_second.get());
    let Thresholds {
        sustained_seconds: sustained,
        spike_seconds: spike,
        burst_seconds: burst,
        ..
    } = *thresholds;
    let rule = |name, severity, seconds, rate| Rule {
        name,
        severity,
        seconds,
        rate,
    };
    let mut rules = vec![
        rule("sustained", Severity::High, sustained, rate),
        rule("spike", Severity::Medium, spike, rate),
        rule(
            "burst",
            Severity::Medium,
            burst,
            rate * f64::from(thresholds.burst_factor.get()),
        ),
        rule("burst", Severity::Low, burst, rate),
    ];
    if let Some(normal) = normal {
        let above = normal * f64::from(thresholds.normal_factor.get());
        let floor = rate / f64::from(thresholds.normal_divisor.get());
        rules.push(rule("above-normal", Severity::Low, spike, above.max(floor)));
    }
    rules
}

/// The union of all windows that are too fast, from bucket to before bucket.
fn spans<const N: usize>(requests: &Series<N>, rule: &Rule) -> Vec<(i64, i64)> {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    let windows = requests.windows(u64::from(rule.seconds.get()));
    for window in windows.filter(|window| window.rate() >= rule.rate) {
        let from = window.start.seconds().div_euclid(requests.width());
        let to = from + window.seconds.cast_signed() / requests.width();
        match spans.last_mut() {
            Some(last) if from <= last.1 => last.1 = to,
            _ => spans.push((from, to)),
        }
    }
    spans
}

/// Requests per second in the median minute that has any; `None` if fewer than `enough` minutes have, or
/// if minutes cannot be told apart.
fn normal_rate<const N: usize>(requests: &Series<N>, enough: NonZeroU32) -> Option<f64> {
    if requests.width() > 60 {
        return None;
    }
    let mut minutes = BTreeMap::<i64, u64>::new();
    for (bucket, n) in requests.buckets() {
        *minutes
            .entry((bucket * requests.width()).div_euclid(60))
            .or_default() += u64::from(n);
    }
    let mut counts: Vec<u64> = minutes.into_values().collect();
    counts.sort_unstable();
    let known = counts.len() >= usize::try_from(enough.get()).unwrap_or(usize::MAX);
    known.then(|| counts[(counts.len() - 1) / 2] as f64 / 60.0)
}

fn peak_attribute(peak: Peak) -> Attribute {
    let fields: [(&str, Attribute); 4] = [
        ("seconds", peak.seconds.into()),
        ("start", peak.start.into()),
        ("rate", Attribute::rate(peak.rate())),
        ("count", peak.count.into()),
    ];
    Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
}
