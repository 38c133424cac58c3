//! One counter over time.

use std::borrow::Cow;

use crate::{finding::Timestamp, metric::Labels};

use super::{Counts, Published};

/// One counter: a metric, its labels, and what it counted when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter<'a> {
    /// Which metric.
    pub metric: &'static Published,
    /// Of whom.
    pub labels: Labels,
    /// What was counted, by time bucket and in total.
    pub counts: Cow<'a, Counts>,
}

/// What a counter has come to.
///
/// [`Counter::to_total`] makes one of what was counted just now; whoever keeps totals from run to run makes them
/// of what was kept, by [`Published::named`] and [`Labels::of`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// Which metric.
    pub metric: &'static Published,
    /// Of whom.
    pub labels: Labels,
    /// How many there were.
    pub value: u64,
}

/// At which times a counter is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// At the multiples of so many seconds, as a Prometheus would scrape it.
    Regular(u32),
    /// Wherever it has changed, and at the multiples of so many seconds, so that there are no holes.
    Changes(u32),
}

impl Counter<'_> {
    /// Its present value.
    #[must_use]
    pub fn to_total(&self) -> Total {
        Total {
            metric: self.metric,
            labels: self.labels.clone(),
            value: self.counts.total(),
        }
    }

    /// The counter over time: how many had been counted before each moment, never falling.
    ///
    /// Begins with the value before its first bucket, which is zero but for what has no time, so that
    /// `increase()` sees the first one; goes on to the end of `span`, which is that of all counters.
    pub fn points(
        &self,
        span: (Timestamp, Timestamp),
        sampling: Sampling,
    ) -> impl Iterator<Item = (Timestamp, u64)> {
        let counts = &*self.counts;
        let ends = counts
            .buckets()
            .map(|(bucket, n)| (counts.start_of(bucket + 1).seconds(), u64::from(n)));
        let timed: u64 = counts.buckets().map(|(_, n)| u64::from(n)).sum();
        let first = counts
            .buckets()
            .next()
            .map_or(span.0, |(bucket, _)| counts.start_of(bucket))
            .seconds();
        let (step, changes) = match sampling {
            Sampling::Regular(step) => (step, false),
            Sampling::Changes(step) => (step, true),
        };
        let step = i64::from(step.max(1));
        let floor = first.div_euclid(step) * step;
        let (mut regular, end) = if changes {
            (first, span.1.seconds())
        } else {
            (floor, span.1.seconds() + step - 1)
        };
        let mut value = counts.total().saturating_sub(timed);
        let mut ends = ends.peekable();
        std::iter::from_fn(move || {
            let change = ends.peek().map(|&(at, _)| at).filter(|_| changes);
            let at = change.map_or(regular, |change| change.min(regular));
            if at > end {
                return None;
            }
            while let Some((_, n)) = ends.next_if(|&(end, _)| end <= at) {
                value += n;
            }
            if at == regular {
                regular = (at.div_euclid(step) + 1) * step;
            }
            Some((Timestamp::from_micros(at.saturating_mul(1_000_000)), value))
        })
    }
}
