//! A history as it stands in a file: plain strings, which share nothing.

use serde::{Deserialize, Serialize};

use super::{History, Kind, Labels, Limits, Metric, Names, Series, Text};
use crate::finding::Timestamp;

/// What a [`History`] is written as.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    metrics: Vec<StoredMetric>,
    scrapes: Vec<(String, Vec<Timestamp>)>,
    limits: Limits,
    dropped: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredMetric {
    name: String,
    kind: Kind,
    help: String,
    series: Vec<(Vec<(String, String)>, Series)>,
}

impl From<History> for Stored {
    fn from(history: History) -> Self {
        let owned = |labels: &Labels| {
            let pairs = labels.iter();
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        };
        let metrics = history.metrics.into_iter().map(|(name, metric)| {
            let series = metric.series.into_iter();
            StoredMetric {
                name: name.to_string(),
                kind: metric.kind,
                help: metric.help,
                series: series.map(|(labels, s)| (owned(&labels), s)).collect(),
            }
        });
        let scrapes = history.scrapes.into_iter();
        let scrapes =
            scrapes.map(|(instance, times)| (instance.to_string(), times.into_iter().collect()));
        Self {
            metrics: metrics.collect(),
            scrapes: scrapes.collect(),
            limits: history.limits,
            dropped: history.dropped,
        }
    }
}

impl From<Stored> for History {
    fn from(stored: Stored) -> Self {
        let mut names = Names::default();
        let mut shared = |pairs: Vec<(String, String)>| {
            let pairs = pairs.iter();
            Labels::new(pairs.map(|(n, v)| (names.get(n), names.get(v))).collect())
        };
        let metrics = stored.metrics.into_iter().map(|stored| {
            let metric = Metric {
                kind: stored.kind,
                cumulative: stored.kind.is_cumulative(&stored.name),
                help: stored.help,
                series: (stored.series.into_iter())
                    .map(|(labels, series)| (shared(labels), series))
                    .collect(),
            };
            (Text::from(stored.name), metric)
        });
        let scrapes = stored.scrapes.into_iter();
        let mut history = Self {
            metrics: metrics.collect(),
            scrapes: scrapes
                .map(|(instance, times)| (Text::from(instance), times.into_iter().collect()))
                .collect(),
            limits: stored.limits,
            dropped: stored.dropped,
            ..Self::default()
        };
        history.count();
        history
    }
}
