//! Rates that are too high for too long: the window in which they are highest.

use std::collections::BTreeSet;

use crate::finding::{Attribute, Timestamp};

use super::{Peak, Series};

/// A rate, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    /// So many a minute on average.
    pub(super) per_minute: f64,
    /// Over so many minutes.
    pub(super) minutes: u32,
}

impl Rate {
    pub(super) fn new(per_minute: u32, minutes: u32) -> Self {
        Self {
            per_minute: f64::from(per_minute),
            minutes,
        }
    }

    /// The fastest window that is at least as fast as this and that `accepts`. A single burst is no rate: at
    /// least four fifths of the window's minutes must have something in them.
    pub(super) fn exceeded<const N: usize>(
        self,
        series: &Series<N>,
        accepts: impl Fn(&Peak) -> bool,
    ) -> Option<Peak> {
        let seconds = u64::from(self.minutes) * 60;
        // The total bounds every window: nearly all series end here.
        if (series.total() as f64) < self.per_minute * f64::from(self.minutes) {
            return None;
        }
        let fast = |window: &Peak| window.rate() * 60.0 >= self.per_minute;
        let wanted = series
            .windows(seconds)
            .filter(|window| fast(window) && is_spread(series, window) && accepts(window));
        wanted.fold(None, |best: Option<Peak>, window| match best {
            Some(best) if best.count >= window.count => Some(best),
            _ => Some(window),
        })
    }
}

/// Whether four fifths of the window's minutes have something in them, as far as the buckets tell.
fn is_spread<const N: usize>(series: &Series<N>, window: &Peak) -> bool {
    let width = series.width().max(60);
    let from = window.start.seconds();
    let inside = from..from + window.seconds.cast_signed();
    let starts = series.buckets().map(|(bucket, _)| bucket * series.width());
    let active: BTreeSet<i64> = starts
        .filter(|start| inside.contains(start))
        .map(|start| start.div_euclid(width))
        .collect();
    let all = window.seconds.div_ceil(width.unsigned_abs());
    active.len() as u64 * 5 >= all * 4
}

/// When the window ends.
pub(super) fn end(window: &Peak) -> Timestamp {
    let micros = window.seconds.saturating_mul(1_000_000).cast_signed();
    Timestamp::from_micros(window.start.micros().saturating_add(micros))
}

/// `from`, `to`, `count` and `per_minute`.
pub(super) fn attribute(window: &Peak) -> Attribute {
    let fields: [(&str, Attribute); 4] = [
        ("from", window.start.into()),
        ("to", end(window).into()),
        ("count", window.count.into()),
        ("per_minute", Attribute::rate(window.rate() * 60.0)),
    ];
    Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(seconds: impl Iterator<Item = i64>) -> Series<12> {
        let mut series = Series::default();
        for second in seconds {
            series.add(Some(Timestamp::from_micros(second * 1_000_000)));
        }
        series
    }

    fn exceeded(seconds: impl Iterator<Item = i64>) -> Option<u64> {
        let window = Rate::new(30, 5).exceeded(&series(seconds), |_| true);
        window.map(|window| window.count)
    }

    #[test]
    fn a_rate_has_to_last() {
        assert_eq!(exceeded((0..300).step_by(2)), Some(150));
        assert_eq!(exceeded((0..298).step_by(2)), None, "too few");
        assert_eq!(exceeded((0..100).chain(0..100)), None, "a burst");
        assert_eq!(exceeded((0..3600).step_by(2)), Some(150));
        // An hour of nothing on either side, in buckets of ten seconds.
        let far = [0, 9000].into_iter().chain((4000..4600).step_by(1));
        assert_eq!(exceeded(far), Some(300));
    }

    #[test]
    fn what_is_not_accepted_does_not_count() {
        let series = series(0..300);
        assert!(Rate::new(30, 5).exceeded(&series, |_| false).is_none());
    }
}
