//! Numbers for thresholds: percentiles, rounded up, and in words.

use std::time::Duration;

/// The value that `percentile` percent do not exceed (nearest rank).
pub(super) fn at_percentile(sorted: &[f64], percentile: f64) -> Option<f64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 100 percent of a length"
    )]
    let rank = (percentile / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

/// Up to two significant digits: a threshold with more would pretend to know more.
pub(super) fn rounded_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 0.0;
    }
    let unit = 10_f64.powf(value.log10().floor() - 1.0);
    let digits = (value / unit - 1e-9).ceil();
    // Through text, so that 0.3 is 0.3.
    format!("{digits}e{}", unit.log10().round())
        .parse()
        .unwrap_or(value)
}

/// A number for people to read.
pub(super) fn significant(value: f64) -> String {
    if value == 0.0 || value >= 100.0 {
        return format!("{value:.0}");
    }
    let digits = if value >= 1.0 { 1 } else { 3 };
    format!("{value:.digits$}")
}

/// As short as possible, and never with an exponent.
pub(in super::super) fn plain(value: f64) -> String {
    format!("{value}")
}

/// A time as Prometheus writes it.
pub(super) fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let part = |n: u64, unit: &str| {
        if n > 0 {
            format!("{n}{unit}")
        } else {
            String::new()
        }
    };
    let text = [part(hours, "h"), part(minutes, "m"), part(rest, "s")].concat();
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_have_two_digits_and_are_never_lower() {
        for (value, rounded) in [
            (0.0, 0.0),
            (0.29, 0.29),
            (0.291, 0.3),
            (3.0, 3.0),
            (12.34, 13.0),
            (101.0, 110.0),
            (100.0, 100.0),
            (0.000_12, 0.000_12),
            (99.1, 100.0),
        ] {
            assert_eq!(plain(rounded_up(value)), plain(rounded), "{value}");
        }
    }

    #[test]
    fn a_percentile_is_a_value_that_was_seen() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(at_percentile(&values, 99.0), Some(198.0));
        assert_eq!(at_percentile(&values, 100.0), Some(200.0));
        assert_eq!(at_percentile(&values, 0.0), Some(1.0));
        assert_eq!(at_percentile(&[], 99.0), None);
    }
}
