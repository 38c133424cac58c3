//! Sizes, spans and times as they are typed.

use std::{num::NonZeroUsize, time::Duration};

use crate::{finding::Timestamp, pipeline::Bound};

/// `64MiB`, `1GB`, `500k`, `1048576`: KiB, MiB and GiB are powers of 1024, the others of 1000.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let why = || format!("'{text}' is no size such as 64MiB, 1GB or 1048576");
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| why())?;
    let factor: u64 = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(why()),
    };
    let size = number.checked_mul(factor);
    match size {
        None => Err(format!("'{text}' is too large")),
        Some(0) => Err("the size must be at least one byte".to_owned()),
        Some(size) => Ok(size),
    }
}

/// An RFC 3339 time, or a span before the newest event: `24h`, `7d`, `90m`, `1h30m`.
pub fn parse_bound(text: &str) -> Result<Bound, String> {
    if let Some(time) = Timestamp::parse(text) {
        return Ok(Bound::At(time));
    }
    parse_span(text).map(Bound::BeforeNewest).ok_or_else(|| {
        "neither an RFC 3339 time such as 2026-01-02T03:04:05Z nor a span such as 90m, 24h or 7d"
            .to_owned()
    })
}

/// A span of whole seconds that leaves no holes in a Prometheus, which looks back 5 minutes
/// (`--query.lookback-delta`).
pub fn parse_step(text: &str) -> Result<u32, String> {
    let span = parse_span(text).ok_or_else(|| format!("'{text}' is no span such as 60s or 1m"))?;
    match u32::try_from(span.as_secs()) {
        Ok(seconds @ 1..300) => Ok(seconds),
        _ => Err(
            "a step is at least 1s and less than 5m, since Prometheus looks back no further"
                .to_owned(),
        ),
    }
}

/// For how many days a state remembers: at least one.
pub fn parse_days(text: &str) -> Result<u32, String> {
    let span = parse_span(text).ok_or_else(|| format!("'{text}' is no span such as 30d"))?;
    let days = u32::try_from(span.as_secs() / 86_400).unwrap_or(u32::MAX);
    if days == 0 || span.as_secs() % 86_400 > 0 {
        return Err("whole days are kept, at least one: 30d".to_owned());
    }
    Ok(days)
}

/// A span of time: `90m`, `24h`, `1d12h`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    parse_span(text).ok_or_else(|| format!("'{text}' is no span such as 90m, 24h or 7d"))
}

/// How many threads: at least one.
pub fn parse_threads(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.trim().parse();
    number.map_err(|_| format!("'{text}' is no number of threads: 1, or more"))
}

fn parse_span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..end].parse().ok()?;
        let tail = &rest[end..];
        let unit = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let seconds = match &tail[..unit] {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(seconds)?)?;
        rest = &tail[unit..];
    }
    Some(Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steps() {
        for (text, step) in [("60s", Some(60)), ("1m", Some(60)), ("299s", Some(299))] {
            assert_eq!(parse_step(text).ok(), step, "{text}");
        }
        for text in ["", "0s", "5m", "60", "1000000000000d"] {
            assert!(parse_step(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, size) in [
            ("64MiB", 64 << 20),
            ("1GB", 1_000_000_000),
            ("1gib", 1 << 30),
            ("4096", 4096),
            ("12 kB", 12_000),
        ] {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
        for text in [
            "",
            "MiB",
            "-1",
            "1.5GB",
            "0",
            "12 parsecs",
            "99999999999999GiB",
            "1é",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bounds() {
        let ago = |seconds| Ok(Bound::BeforeNewest(Duration::from_secs(seconds)));
        assert_eq!(parse_bound("24h"), ago(86_400));
        assert_eq!(parse_bound("1h30m"), ago(5400));
        assert_eq!(parse_bound("7d"), ago(604_800));
        let epoch = Ok(Bound::At(Timestamp::from_micros(0)));
        assert_eq!(parse_bound("1970-01-01T00:00:00Z"), epoch);
        assert_eq!(parse_bound("1970-01-01T02:00:00+02:00"), epoch);
        for text in [
            "",
            "24",
            "h",
            "24y",
            "-1h",
            "1h30",
            "yesterday",
            "2026-01-02",
            "9999999999999999w",
        ] {
            assert!(parse_bound(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_typed_panics(text in any::<String>()) {
            let _ = parse_size(&text);
            let _ = parse_bound(&text);
        }
    }
}
