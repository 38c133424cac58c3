//! Series over many scrapes and instances.
//!
//! ```text
//!   apiserver-a 04:23:53 --.                      apiserver_request_total
//!   apiserver-a 04:24:08 ---+--> History::add -->   {code="200",instance="a"}  04:23:53 12, 04:24:08 40
//!   apiserver-b 04:24:01 --'                        {code="200",instance="b"}  04:24:01 7
//! ```
//!
//! Scrapes may come in any order: samples are kept in the order of time, and of two values for one
//! series at one time the larger stays. Histories add up in any order too, and can be written to a file
//! and read back. What exceeds [`Limits`] is dropped and counted, and then the order decides what is
//! dropped: feed sorted files.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use serde::{Deserialize, Serialize};

use super::{
    Exposition, Family, Kind, Labels, Names, Scrape, Text, Window, is_stale_marker, stored::Stored,
};
use crate::finding::Timestamp;

/// One value at one time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// When.
    pub time: Timestamp,
    /// What; NaN and the infinities are values.
    pub value: f64,
}

/// The points of one label set, in the order of time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Series(Vec<Point>);

/// All series of one sample name, such as `x_bucket`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metric {
    /// The kind of its family.
    pub kind: Kind,
    /// Whether only its increase says anything.
    pub cumulative: bool,
    /// The `# HELP` text of its family.
    pub help: String,
    /// Its series, by labels; `instance` is one of them.
    pub series: BTreeMap<Labels, Series>,
}

/// How much a [`History`] holds at most. The defaults stand for about 1 GB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Series.
    pub series: usize,
    /// Points over all series, of 16 bytes each.
    pub points: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series: 500_000,
            points: 50_000_000,
        }
    }
}

/// Series over many scrapes and instances.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(into = "Stored", from = "Stored")]
pub struct History {
    pub(super) metrics: BTreeMap<Text, Metric>,
    /// When each instance was scraped: a series that is missing from a scrape has ended.
    pub(super) scrapes: BTreeMap<Text, BTreeSet<Timestamp>>,
    pub(super) limits: Limits,
    pub(super) series: usize,
    pub(super) points: usize,
    /// Samples that the limits kept out.
    pub(super) dropped: u64,
}

impl History {
    /// An empty history with other limits than the default ones.
    #[must_use]
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Adds the samples of one scrape whose name `wanted` accepts. A sample's own time goes before the
    /// scrape's, and a sample's own `instance` label before the scrape's.
    pub fn add(&mut self, scrape: &Scrape, wanted: &dyn Fn(&str) -> bool, names: &mut Names) {
        let (label, instance) = (names.get("instance"), names.get(&scrape.instance));
        let exposition = &scrape.exposition;
        if !exposition.is_timestamped() {
            self.scrapes
                .entry(Text::clone(&instance))
                .or_default()
                .insert(scrape.time);
        }
        for family in &exposition.families {
            for sample in family.samples.iter().filter(|sample| wanted(&sample.name)) {
                let point = Point {
                    time: sample.timestamp.unwrap_or(scrape.time),
                    value: sample.value,
                };
                let labels = sample.labels.with_default(&label, &instance);
                self.push(&sample.name, family, labels, point);
            }
        }
    }

    /// Adds samples that carry their labels and times already, as the Prometheus API hands them out.
    pub fn add_timestamped(&mut self, exposition: &Exposition) {
        for family in &exposition.families {
            for sample in &family.samples {
                if let Some(time) = sample.timestamp {
                    let point = Point {
                        time,
                        value: sample.value,
                    };
                    self.push(&sample.name, family, sample.labels.clone(), point);
                }
            }
        }
    }

    fn push(&mut self, name: &Text, family: &Family, labels: Labels, point: Point) {
        self.describe(name, family.kind, &family.help);
        self.insert(name, labels, point);
    }

    /// Notes what is said of a metric. Where versions differ in that, one of them stays, whichever came
    /// first.
    fn describe(&mut self, name: &Text, kind: Kind, help: &str) {
        let metric = match self.metrics.get_mut(name) {
            Some(metric) => metric,
            None => self.metrics.entry(Text::clone(name)).or_default(),
        };
        if metric.kind >= kind {
            metric.kind = kind;
            metric.cumulative = kind.is_cumulative(name);
        }
        if metric.help.is_empty() || !help.is_empty() && help < metric.help.as_str() {
            help.clone_into(&mut metric.help);
        }
    }

    fn insert(&mut self, name: &Text, labels: Labels, point: Point) {
        let metric = self.metrics.entry(Text::clone(name)).or_default();
        if self.points >= self.limits.points {
            self.dropped += 1;
            return;
        }
        if !metric.series.contains_key(&labels) {
            if self.series >= self.limits.series {
                self.dropped += 1;
                return;
            }
            self.series += 1;
        }
        self.points += usize::from(metric.series.entry(labels).or_default().insert(point));
    }

    /// Adds what another history knows; the order does not matter.
    pub fn merge(&mut self, other: Self) {
        for (name, metric) in other.metrics {
            self.describe(&name, metric.kind, &metric.help);
            for (labels, series) in metric.series {
                for point in series.0 {
                    self.insert(&name, labels.clone(), point);
                }
            }
        }
        for (instance, times) in other.scrapes {
            self.scrapes.entry(instance).or_default().extend(times);
        }
        self.dropped += other.dropped;
    }

    /// Forgets what was scraped at times that `keep` refuses.
    pub fn retain(&mut self, keep: impl Fn(Timestamp) -> bool) {
        for metric in self.metrics.values_mut() {
            for series in metric.series.values_mut() {
                series.0.retain(|point| keep(point.time));
            }
            metric.series.retain(|_, series| !series.0.is_empty());
        }
        self.metrics.retain(|_, metric| !metric.series.is_empty());
        for times in self.scrapes.values_mut() {
            times.retain(|&time| keep(time));
        }
        self.scrapes.retain(|_, times| !times.is_empty());
        self.count();
    }

    /// Counts series and points anew.
    pub(super) fn count(&mut self) {
        let series = || self.metrics.values().flat_map(|m| m.series.values());
        (self.series, self.points) = (series().count(), series().map(|s| s.0.len()).sum());
    }

    /// The metric of that name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.get(name)
    }

    /// All metrics, by name.
    pub fn metrics(&self) -> impl Iterator<Item = (&Text, &Metric)> {
        self.metrics.iter()
    }

    /// The instances scraped, by name, and when.
    pub fn scrapes(&self) -> impl Iterator<Item = (&Text, &BTreeSet<Timestamp>)> {
        self.scrapes.iter()
    }

    /// When `instance` was scraped as a whole; `None` where samples came with times of their own.
    #[must_use]
    pub fn scraped(&self, instance: &str) -> Option<&BTreeSet<Timestamp>> {
        self.scrapes.get(instance)
    }

    /// Every time at which anything is known, in order; scrapes' times, else the samples' own.
    #[must_use]
    pub fn times(&self) -> BTreeSet<Timestamp> {
        if !self.scrapes.is_empty() {
            return self.scrapes.values().flatten().copied().collect();
        }
        let series = self.metrics.values().flat_map(|m| m.series.values());
        let points = series.flat_map(Series::points);
        points.map(|point| point.time).collect()
    }

    /// Series, points, and samples dropped because of the limits.
    #[must_use]
    pub const fn size(&self) -> (usize, usize, u64) {
        (self.series, self.points, self.dropped)
    }

    /// The value of a series as an instant query sees it: the last one within the lookback window
    /// (Prometheus: 5 minutes), unless it is marked stale, or a later scrape of the same instance no
    /// longer had the series, which is when Prometheus marks it so.
    #[must_use]
    pub fn instant(&self, labels: &Labels, series: &Series, lookback: Window) -> Option<f64> {
        let last = *lookback.slice(&series.0).last()?;
        let scrapes = self.scrapes.get(labels.get("instance"));
        let missed = scrapes.is_some_and(|times| {
            let after = (Bound::Excluded(last.time), Bound::Included(lookback.end));
            last.time < lookback.end && times.range(after).next().is_some()
        });
        (!missed && !is_stale_marker(last.value)).then_some(last.value)
    }
}

impl Series {
    /// Puts a point in its place; false where one stood there already.
    fn insert(&mut self, point: Point) -> bool {
        if self.0.last().is_none_or(|last| last.time < point.time) {
            self.0.push(point);
            return true;
        }
        match self.0.binary_search_by_key(&point.time, |p| p.time) {
            Ok(at) => {
                if self.0[at].value.total_cmp(&point.value).is_lt() {
                    self.0[at] = point;
                }
                false
            }
            Err(at) => {
                self.0.insert(at, point);
                true
            }
        }
    }

    /// All points, in the order of time.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.0
    }
}

impl FromIterator<Point> for Series {
    fn from_iter<I: IntoIterator<Item = Point>>(points: I) -> Self {
        let mut series = Self::default();
        for point in points {
            series.insert(point);
        }
        series
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metric::{Format, Semantics, read_exposition};

    fn scrape(instance: &str, second: i64, text: &str) -> Scrape {
        let exposition = read_exposition(
            text.as_bytes(),
            Format::Text,
            &|_| true,
            &mut Names::default(),
        );
        let time = Timestamp::from_micros(second * 1_000_000);
        Scrape {
            instance: instance.to_owned(),
            time,
            exposition,
        }
    }

    fn add_all(scrapes: &[Scrape]) -> History {
        let mut history = History::default();
        let mut names = Names::default();
        for scrape in scrapes {
            history.add(scrape, &|_| true, &mut names);
        }
        history
    }

    #[test]
    fn a_series_that_a_scrape_lacks_has_ended() {
        let history = add_all(&[
            scrape("a", 10, "m{x=\"1\"} 1\nm{x=\"2\"} 2\n"),
            scrape("a", 20, "m{x=\"1\"} 3\n"),
        ]);
        let at = |second: i64, lookback| {
            let end = Timestamp::from_micros(second * 1_000_000);
            let range = std::time::Duration::from_secs(lookback);
            let window = Window {
                end,
                range,
                semantics: Semantics::Prometheus3,
            };
            let metric = history.metric("m").unwrap();
            let value = |(labels, series)| history.instant(labels, series, window);
            metric.series.iter().map(value).collect::<Vec<_>>()
        };
        assert_eq!(at(9, 300), [None, None]);
        assert_eq!(at(15, 300), [Some(1.0), Some(2.0)]);
        assert_eq!(at(20, 300), [Some(3.0), None]);
        assert_eq!(at(320, 300), [None, None]);
        assert_eq!(at(319, 300), [Some(3.0), None]);
    }

    #[test]
    fn limits_are_kept_and_told() {
        let mut history = History::with_limits(Limits {
            series: 2,
            points: 3,
        });
        let mut names = Names::default();
        for second in [10, 20] {
            history.add(
                &scrape("a", second, "m 1\nn 1\no 1\n"),
                &|_| true,
                &mut names,
            );
        }
        assert_eq!(history.size(), (2, 3, 3));
    }

    proptest! {
        #[test]
        fn scrapes_may_come_in_any_order(
            mut all in proptest::collection::vec((0..3_usize, 0..5_i64, 0..4_u8), 0..12),
            by in 0..12_usize,
        ) {
            let build = |all: &[(usize, i64, u8)]| {
                let scrape = |&(instance, at, value): &(usize, i64, u8)| {
                    scrape(["a", "b", "c"][instance], at, &format!("# TYPE m counter\nm {value}\n"))
                };
                add_all(&all.iter().map(scrape).collect::<Vec<_>>())
            };
            let before = build(&all);
            if !all.is_empty() {
                let by = by % all.len();
                all.rotate_left(by);
            }
            let after = build(&all);
            prop_assert_eq!(&before, &after);
            // Nor does it matter how they are split, nor whether a part went through a file.
            let (left, right) = all.split_at(by.min(all.len()));
            let (left, mut right) = (build(left), build(right));
            let file = postcard::to_stdvec(&left).unwrap();
            right.merge(postcard::from_bytes(&file).unwrap());
            prop_assert_eq!(before, right);
        }
    }
}
