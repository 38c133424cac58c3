//! Numbers, sizes, spans and times as people read them. Counts stay exact.

use std::time::Duration;

use crate::finding::Timestamp;

/// `1234567` as `1,234,567`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 file`, `2,000 files`.
pub(super) fn count(number: u64, one: &str) -> String {
    let many = if number == 1 { "" } else { "s" };
    format!("{} {one}{many}", thousands(number))
}

/// `48.1 MB`: decimal units, as disks and networks count.
pub(super) fn bytes(number: u64) -> String {
    let mut value = number as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB", "PB"] {
        // What would round to 1000.0 is one of the next unit.
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "B" {
        format!("{number} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// `0.31 s`, `4 min 46 s`, `3 d 2 h`: two units at most.
pub(super) fn span(span: Duration) -> String {
    // Below ten seconds hundredths are shown; above, the nearest second.
    let seconds = match span.as_secs() {
        few @ 0..10 => few,
        _ => (span + Duration::from_millis(500)).as_secs(),
    };
    let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {big_unit}"),
        _ => format!("{big} {big_unit} {small} {small_unit}"),
    };
    match seconds {
        0..10 if span.subsec_millis() > 0 || seconds == 0 => format!("{:.2} s", span.as_secs_f64()),
        0..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// `2026-11-22 04:23:50`, in UTC, to the second; `-` for none.
pub(super) fn time(time: Option<Timestamp>) -> String {
    let Some(time) = time else {
        return "-".to_owned();
    };
    let text = time.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(date), Some(clock)) if text.as_bytes().get(10) == Some(&b'T') => {
            format!("{date} {clock}")
        }
        _ => text,
    }
}

/// `2026-11-22 04:23:50 to 04:28:36`: a day is said once.
pub(super) fn range(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    let (from, to) = (time(from), time(to));
    if from == to {
        return from;
    }
    match (from.split_once(' '), to.split_once(' ')) {
        (Some((day, _)), Some((same, clock))) if day == same => format!("{from} to {clock}"),
        _ => format!("{from} to {to}"),
    }
}

/// How long it is from one time to another.
pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    let micros = to.micros().saturating_sub(from.micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// A rate in whole numbers once it is large: `342.9`, `85,603`.
pub(super) fn rate(value: f64) -> String {
    if value < 1000.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    digits.parse().map_or(digits, thousands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stay_exact() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(thousands(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(1200, "file"), "1,200 files");
    }

    #[test]
    fn sizes_have_one_decimal() {
        for (number, text) in [
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_960, "1.0 MB"),
            (48_112_903, "48.1 MB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn spans_have_two_units() {
        for (millis, text) in [
            (0, "0.00 s"),
            (310, "0.31 s"),
            (5000, "5 s"),
            (59_400, "59 s"),
            (59_900, "1 min"),
            (286_000, "4 min 46 s"),
            (3_600_000, "1 h"),
            (266_400_000, "3 d 2 h"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_day_is_said_once() {
        let at = |text: &str| Timestamp::parse(text);
        let from = at("2026-11-22T04:23:50.123939Z");
        assert_eq!(
            range(from, at("2026-11-22T04:28:36Z")),
            "2026-11-22 04:23:50 to 04:28:36"
        );
        assert_eq!(
            range(from, at("2026-11-23T00:00:00Z")),
            "2026-11-22 04:23:50 to 2026-11-23 00:00:00"
        );
        assert_eq!(range(from, from), "2026-11-22 04:23:50");
        assert_eq!(range(None, None), "-");
    }

    #[test]
    fn large_rates_are_whole() {
        assert_eq!(rate(342.94), "342.9");
        assert_eq!(rate(85_603.4), "85,603");
        assert_eq!(rate(f64::INFINITY), "inf");
    }
}
