//! Requests, ranked by whatever one likes: what `satrail top` is made of.

mod dimension;

pub use dimension::{Dimension, Filter};

use std::{cmp::Reverse, sync::Arc};

use serde::Serialize;

use crate::{
    detect::{Merge, Peak, Series, Smallest, hash},
    event::Event,
    finding::Timestamp,
};

use super::{
    columns::{COLUMNS, columns},
    fold::Study,
};

/// Over how many seconds a peak is told.
const PEAK_SECONDS: u64 = 60;

/// How many different values are counted one by one.
const KEPT: usize = 1 << 16;

/// How much of a value is kept, in bytes: a client may send megabytes.
const LONGEST: usize = 512;

/// Requests over time: seconds for 48 minutes of activity, ten seconds for eight hours, minutes for two days.
type Times = Series<48>;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What makes a row, from left to right; requests that lack one of them make none.
    pub by: Vec<Dimension>,
    /// Which requests count: those that pass all of these.
    pub filters: Vec<Filter>,
}

/// In which order rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankBy {
    /// The most requests first.
    Requests,
    /// The best 60 seconds first.
    Peak,
    /// The most refusals first.
    Denied,
    /// The most failures that were no refusals first.
    Failed,
}

impl RankBy {
    /// All of them, under the names of the command line.
    pub const ALL: [(&'static str, Self); 4] = [
        ("requests", Self::Requests),
        ("peak", Self::Peak),
        ("denied", Self::Denied),
        ("failed", Self::Failed),
    ];
}

/// Requests by value: a commutative monoid.
///
/// Beyond 65,536 different values, those with the smallest hashes are kept and the others are one sum.
#[derive(Debug, Default)]
pub(super) struct Ranking {
    wanted: Option<Arc<Wanted>>,
    requests: u64,
    /// Requests that lack what rows are made of.
    without: u64,
    rows: Smallest<Entry, KEPT>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Entry {
    values: Vec<String>,
    times: Times,
    denied: u64,
    failed: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Ranking {
    pub(super) fn new(wanted: Arc<Wanted>) -> Self {
        Self {
            wanted: Some(wanted),
            ..Self::default()
        }
    }
}

impl Study for Ranking {
    fn event(&mut self, _event: &Event<'_>) {}

    fn request(&mut self, event: &Event<'_>) {
        let Some(wanted) = &self.wanted else {
            return;
        };
        if !wanted.filters.iter().all(|filter| filter.passes(event)) {
            return;
        }
        self.requests += 1;
        (self.first, self.last) = stretched((self.first, self.last), event.time());
        let values: Option<Vec<_>> = wanted.by.iter().map(|by| by.value(event)).collect();
        let Some(values) = values else {
            self.without += 1;
            return;
        };
        let key = values.iter().fold(0, |seed, value| hash(seed, &[value]));
        let kept = || Entry {
            values: values.iter().map(|value| cut(value)).collect(),
            ..Entry::default()
        };
        if let Some(entry) = self.rows.slot(key, kept) {
            entry.add(event);
        }
    }

    fn merge(&mut self, other: Self) {
        self.wanted = self.wanted.take().or(other.wanted);
        self.requests += other.requests;
        self.without += other.without;
        self.rows.merge(other.rows);
        let theirs = [other.first, other.last];
        for time in theirs {
            (self.first, self.last) = stretched((self.first, self.last), time);
        }
    }
}

impl Entry {
    fn add(&mut self, event: &Event<'_>) {
        let time = event.time();
        self.times.add(time);
        (self.first, self.last) = stretched((self.first, self.last), time);
        let refused = event.refused();
        self.denied += u64::from(refused);
        self.failed += u64::from(!refused && !event.succeeded());
    }
}

impl Merge for Entry {
    fn merge(&mut self, other: Self) {
        if self.values.is_empty() {
            self.values = other.values;
        }
        self.times.merge(other.times);
        self.denied += other.denied;
        self.failed += other.failed;
        for time in [other.first, other.last] {
            (self.first, self.last) = stretched((self.first, self.last), time);
        }
    }
}

/// The span that also has `time` in it.
fn stretched(
    (first, last): (Option<Timestamp>, Option<Timestamp>),
    time: Option<Timestamp>,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let earliest = match (first, time) {
        (Some(first), Some(time)) => Some(first.min(time)),
        (first, time) => first.or(time),
    };
    (earliest, last.max(time))
}

/// The beginning of a value, if it is long.
fn cut(value: &str) -> String {
    let mut ends = (0..=LONGEST.min(value.len())).rev();
    let end = ends.find(|&end| value.is_char_boundary(end)).unwrap_or(0);
    let more = if end < value.len() { "…" } else { "" };
    format!("{}{more}", &value[..end])
}

/// Rows, ranked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// What the values of a row are, by name.
    pub by: Vec<&'static str>,
    /// Requests that passed the filters.
    pub requests: u64,
    /// Those of them that lack what rows are made of: calls of other users by account, requests without an answer by code.
    pub requests_without: u64,
    /// How many rows there are; an estimate beyond 65,536.
    pub distinct: u64,
    /// Requests of rows that are not shown.
    pub requests_not_shown: u64,
    /// When the first of the requests arrived.
    pub first_request: Option<Timestamp>,
    /// When the last one did.
    pub last_request: Option<Timestamp>,
    /// How many seconds a column of a row's timeline is wide; they begin with the first request.
    pub timeline_seconds: f64,
    /// The rows.
    pub rows: Vec<RankedRow>,
}

/// What requests with one value, or with several together, come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankedRow {
    /// The values. Hostile; cut beyond 512 bytes.
    pub values: Vec<String>,
    /// Requests, each counted once.
    pub requests: u64,
    /// Their share of all that passed the filters, in percent, to two decimals.
    pub percent: f64,
    /// Requests per second over the whole time, to three decimals.
    pub rate: f64,
    /// Requests per second over the best 60 seconds, to one decimal.
    pub peak_rate: f64,
    /// When these began.
    pub peak_start: Option<Timestamp>,
    /// Requests that were refused.
    pub denied: u64,
    /// Requests that failed and were not refused.
    pub failed: u64,
    /// When the first one arrived.
    pub first_seen: Option<Timestamp>,
    /// When the last one did.
    pub last_seen: Option<Timestamp>,
    /// Requests over the whole time, in columns of equal width.
    pub timeline: Vec<u64>,
}

impl Ranking {
    /// The best `limit` rows; rows that tie are in the order of their values.
    pub(super) fn ranked(&self, order: RankBy, limit: usize) -> Ranked {
        let micros = |time: Option<Timestamp>| time.map_or(0, Timestamp::micros);
        let seconds = micros(self.last).saturating_sub(micros(self.first)) as f64 / 1e6;
        let column = seconds / COLUMNS as f64;
        let mut entries: Vec<(&Entry, Option<Peak>)> = (self.rows.iter())
            .map(|(_, entry)| (entry, entry.times.peak(PEAK_SECONDS)))
            .collect();
        let worth = |entry: &Entry, peak: &Option<Peak>| match order {
            RankBy::Requests => (entry.times.total(), 1),
            RankBy::Denied => (entry.denied, 1),
            RankBy::Failed => (entry.failed, 1),
            RankBy::Peak => peak.map_or((0, 1), |peak| (peak.count, peak.seconds)),
        };
        entries.sort_by(|(a, peak_a), (b, peak_b)| {
            let ((a_count, a_per), (b_count, b_per)) = (worth(a, peak_a), worth(b, peak_b));
            // a/b > c/d without a division, so that the order is exact.
            let [a_worth, b_worth] = [
                u128::from(a_count) * u128::from(b_per),
                u128::from(b_count) * u128::from(a_per),
            ];
            let most = |entry: &Entry| Reverse(entry.times.total());
            (Reverse(a_worth), most(a), &a.values).cmp(&(Reverse(b_worth), most(b), &b.values))
        });
        entries.truncate(limit);
        let shown: u64 = (entries.iter()).map(|(entry, _)| entry.times.total()).sum();
        Ranked {
            by: (self.wanted.iter())
                .flat_map(|wanted| wanted.by.iter().map(|by| by.name()))
                .collect(),
            requests: self.requests,
            requests_without: self.without,
            distinct: self.rows.distinct(),
            requests_not_shown: self.requests - self.without - shown,
            first_request: self.first,
            last_request: self.last,
            timeline_seconds: column,
            rows: (entries.iter())
                .map(|(entry, peak)| self.row(entry, *peak, seconds))
                .collect(),
        }
    }

    fn row(&self, entry: &Entry, peak: Option<Peak>, seconds: f64) -> RankedRow {
        let requests = entry.times.total();
        let to = |scale: f64, value: f64| (value * scale).round() / scale;
        RankedRow {
            values: entry.values.clone(),
            requests,
            percent: to(100.0, 100.0 * requests as f64 / self.requests.max(1) as f64),
            // One request alone takes no time.
            rate: if seconds > 0.0 {
                to(1000.0, requests as f64 / seconds)
            } else {
                0.0
            },
            peak_rate: peak.map_or(0.0, |peak| to(10.0, peak.rate())),
            peak_start: peak.map(|peak| peak.start),
            denied: entry.denied,
            failed: entry.failed,
            first_seen: entry.first,
            last_seen: entry.last,
            timeline: columns(&entry.times, self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests;
