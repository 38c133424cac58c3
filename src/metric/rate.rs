//! `rate()`, `increase()` and `delta()` exactly as Prometheus computes them.
//!
//! A window rarely begins and ends at a scrape, so Prometheus stretches what it saw between the first
//! and the last sample to the window's edges: all the way where the edge is within 1.1 average
//! intervals, else by half an interval, and for a counter never further back than where it would have
//! been zero (prometheus `promql/functions.go`, `extrapolatedRate`). `tests/promtool.rs` holds this to
//! the last digit against a real promtool.

use std::time::Duration;

use super::Point;
use crate::finding::Timestamp;

/// Which Prometheus to follow; they differ at the window's left edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Semantics {
    /// Before 3.0: a sample exactly at the left edge belongs to the window.
    Prometheus2,
    /// From 3.0 on: it does not.
    #[default]
    Prometheus3,
}

/// A range such as `[5m]`, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its right edge, which belongs to it.
    pub end: Timestamp,
    /// Its length; Prometheus counts in milliseconds.
    pub range: Duration,
    /// Whether its left edge belongs to it.
    pub semantics: Semantics,
}

/// How much a counter rose within the window, resets included; `None` with fewer than two samples.
#[must_use]
pub fn increase(points: &[Point], window: Window) -> Option<f64> {
    extrapolated(points, window, true).map(|(rise, factor)| rise * factor)
}

/// How much a counter rose per second within the window; `None` with fewer than two samples.
#[must_use]
pub fn rate(points: &[Point], window: Window) -> Option<f64> {
    let seconds = window.range.as_millis() as f64 / 1000.0;
    extrapolated(points, window, true).map(|(rise, factor)| rise * (factor / seconds))
}

/// How much a gauge changed within the window; `None` with fewer than two samples.
#[must_use]
pub fn delta(points: &[Point], window: Window) -> Option<f64> {
    extrapolated(points, window, false).map(|(rise, factor)| rise * factor)
}

/// What a counter did from one sample to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The time of the one.
    pub from: Timestamp,
    /// The time of the other.
    pub to: Timestamp,
    /// By how much it rose in between, at least: what it counted before a restart is not seen.
    pub rise: f64,
}

/// What a counter did from each sample to the next, not stretched to any window: how many uses a
/// scrape really showed. After a restart, told by a lower value as `increase()` tells it, it counts
/// from zero again.
pub fn steps(points: &[Point]) -> impl Iterator<Item = Step> {
    let known = points.iter().filter(|point| point.value.is_finite());
    known.clone().zip(known.skip(1)).map(|(a, b)| Step {
        from: a.time,
        to: b.time,
        rise: if b.value < a.value {
            b.value
        } else {
            b.value - a.value
        },
    })
}

impl Window {
    /// The points inside, without stale markers. `points` must be in the order of time.
    #[must_use]
    pub fn select(self, points: &[Point]) -> impl DoubleEndedIterator<Item = Point> + Clone {
        self.slice(points)
            .iter()
            .copied()
            .filter(|point| !is_stale_marker(point.value))
    }

    /// The points inside, stale markers among them.
    pub(super) fn slice(self, points: &[Point]) -> &[Point] {
        let (from, to) = (self.start(), millis(self.end));
        let open = self.semantics == Semantics::Prometheus3;
        let first = points.partition_point(|point| {
            let time = millis(point.time);
            time < from || open && time == from
        });
        let last = points.partition_point(|point| millis(point.time) <= to);
        &points[first..last.max(first)]
    }

    /// The left edge in milliseconds.
    fn start(self) -> i64 {
        let range = u64::try_from(self.range.as_millis()).unwrap_or(u64::MAX);
        millis(self.end).saturating_sub_unsigned(range)
    }
}

/// The rise between the first and the last sample, and the factor that stretches it to the window.
fn extrapolated(points: &[Point], window: Window, counter: bool) -> Option<(f64, f64)> {
    let inside = window.select(points);
    let (first, last) = (inside.clone().next()?, inside.clone().next_back()?);
    let intervals = inside.clone().count() - 1;
    if intervals == 0 {
        return None;
    }
    let mut rise = last.value - first.value;
    if counter {
        // One after the other, as Prometheus does: the order shows in the last digit.
        let resets = inside
            .clone()
            .zip(inside.skip(1))
            .filter(|(a, b)| b.value < a.value);
        resets.for_each(|(before, _)| rise += before.value);
    }
    let sampled = between(millis(first.time), millis(last.time));
    let average = sampled / intervals as f64;
    let to_start = between(window.start(), millis(first.time));
    let to_end = between(millis(last.time), millis(window.end));
    let zero =
        (counter && rise > 0.0 && first.value >= 0.0).then(|| sampled * (first.value / rise));
    let length = sampled + stretch_back(to_start, zero, average, window.semantics);
    let length = length + stretch(to_end, average);
    Some((rise, length / sampled))
}

fn stretch(distance: f64, average: f64) -> f64 {
    if distance < average * 1.1 {
        distance
    } else {
        average / 2.0
    }
}

/// To the left edge, but not beyond the moment when the counter was zero.
fn stretch_back(distance: f64, zero: Option<f64>, average: f64, semantics: Semantics) -> f64 {
    let zero = zero.unwrap_or(f64::INFINITY);
    match semantics {
        Semantics::Prometheus2 => stretch(if zero < distance { zero } else { distance }, average),
        Semantics::Prometheus3 => {
            let stretched = stretch(distance, average);
            if zero < stretched { zero } else { stretched }
        }
    }
}

fn millis(time: Timestamp) -> i64 {
    time.micros().div_euclid(1000)
}

/// Seconds from one time in milliseconds to another.
fn between(from: i64, to: i64) -> f64 {
    to.saturating_sub(from) as f64 / 1000.0
}

/// The NaN by which Prometheus marks a series that has ended (`model/value`, `StaleNaN`).
#[must_use]
pub const fn is_stale_marker(value: f64) -> bool {
    value.to_bits() == 0x7ff0_0000_0000_0002
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(end: i64, range: u64) -> Window {
        Window {
            end: Timestamp::from_micros(end * 1_000_000),
            range: Duration::from_secs(range),
            semantics: Semantics::Prometheus3,
        }
    }

    fn points(values: &[(i64, f64)]) -> Vec<Point> {
        let point = |&(at, value)| Point {
            time: Timestamp::from_micros(at * 1_000_000),
            value,
        };
        values.iter().map(point).collect()
    }

    #[test]
    fn a_steady_counter_is_stretched_to_both_edges() {
        let series = points(&[(10, 100.0), (20, 110.0), (30, 120.0), (40, 130.0)]);
        assert_eq!(increase(&series, window(45, 40)), Some(40.0));
        assert_eq!(rate(&series, window(45, 40)), Some(1.0));
    }

    #[test]
    fn a_counter_is_not_stretched_below_zero() {
        let series = points(&[(10, 0.0), (20, 10.0), (30, 20.0)]);
        assert_eq!(increase(&series, window(30, 30)), Some(20.0));
        assert_eq!(delta(&series, window(30, 30)), Some(30.0));
    }

    #[test]
    fn far_edges_get_half_an_interval() {
        let series = points(&[(100, 50.0), (110, 60.0)]);
        assert_eq!(increase(&series, window(200, 200)), Some(20.0));
    }

    #[test]
    fn a_restart_is_no_loss() {
        let series = points(&[(10, 100.0), (20, 110.0), (30, 4.0), (40, 14.0)]);
        assert_eq!(
            increase(&series, window(40, 31)),
            Some(24.0 * (31.0 / 30.0))
        );
    }

    #[test]
    fn steps_are_not_stretched_and_know_restarts() {
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        let series = points(&[(10, 5.0), (20, 7.0), (30, stale), (40, 3.0), (50, 3.0)]);
        let rises: Vec<f64> = steps(&series).map(|step| step.rise).collect();
        assert_eq!(rises, [2.0, 3.0, 0.0]);
        assert_eq!(steps(&series[..1]).count(), 0);
    }

    #[test]
    fn one_sample_says_nothing() {
        assert_eq!(increase(&points(&[(10, 1.0)]), window(10, 60)), None);
        assert_eq!(increase(&[], window(10, 60)), None);
        // A point at the left edge is outside from Prometheus 3 on.
        let edge = points(&[(10, 1.0), (20, 2.0)]);
        assert_eq!(increase(&edge, window(20, 10)), None);
        let older = Window {
            semantics: Semantics::Prometheus2,
            ..window(20, 10)
        };
        assert_eq!(increase(&edge, older), Some(1.0));
    }

    proptest! {
        #[test]
        fn never_negative_and_never_more_than_seen_per_interval(
            steps in proptest::collection::vec((1..100_i64, 0..1000_u32), 2..30),
            end in 0..3000_i64,
            range in 1..3000_u64,
        ) {
            let mut at = 0;
            let series: Vec<_> = steps.iter().map(|&(step, value)| {
                at += step;
                (at, f64::from(value))
            }).collect();
            for semantics in [Semantics::Prometheus2, Semantics::Prometheus3] {
                let window = Window { semantics, ..window(end, range) };
                if let Some(rise) = increase(&points(&series), window) {
                    prop_assert!(rise >= 0.0, "{rise}");
                    let total: f64 = series.iter().map(|(_, value)| value).sum();
                    // Two intervals of stretching at most triple what one interval showed.
                    prop_assert!(rise <= total * 3.2 + 1e-9, "{rise} of {total}");
                }
            }
        }
    }
}
