//! One scrape: what was served, by whom and when; and how to learn that from a file's name.

use super::Exposition;
use crate::finding::Timestamp;

/// What one instance served at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Scrape {
    /// Who served it: becomes the label `instance` of samples that have none.
    pub instance: String,
    /// When: becomes the time of samples that have none.
    pub time: Timestamp,
    /// The samples.
    pub exposition: Exposition,
}

/// Where a scrape's time comes from, the most trustworthy first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeFrom {
    /// The user said so.
    Flag,
    /// Every sample carries its own.
    Samples,
    /// The file's name holds it.
    Name,
    /// The file was last modified then.
    Modified,
}

/// When a scrape was taken: a flag's time, else the latest of the samples' own (if all have one), else
/// the one in the file's name, else that of the file's last change. `None` where nothing is known.
#[must_use]
pub fn scrape_time(
    exposition: &Exposition,
    file_name: &str,
    modified: Option<Timestamp>,
    flag: Option<Timestamp>,
) -> Option<(Timestamp, TimeFrom)> {
    let samples = || {
        exposition
            .samples()
            .filter_map(|sample| sample.timestamp)
            .max()
    };
    let samples = exposition.is_timestamped().then(samples).flatten();
    flag.map(|time| (time, TimeFrom::Flag))
        .or_else(|| samples.map(|time| (time, TimeFrom::Samples)))
        .or_else(|| time_from_name(file_name).map(|time| (time, TimeFrom::Name)))
        .or_else(|| modified.map(|time| (time, TimeFrom::Modified)))
}

/// The time in a file's name, read as UTC: `20261122T042353Z`, `2026-11-22T04-23-53`, seconds since
/// 1970 in ten digits, or milliseconds in thirteen.
#[must_use]
pub fn time_from_name(file_name: &str) -> Option<Timestamp> {
    find_time(base_name(file_name)).map(|(_, time)| time)
}

/// The instance that a file's name begins with: `apiserver-20261122T042353Z.prom.gz` is of
/// `apiserver`; without a time in it, the name without its endings. `None` where nothing is left.
#[must_use]
pub fn instance_from_name(file_name: &str) -> Option<&str> {
    const ENDINGS: [&str; 9] = [
        "gz",
        "zst",
        "prom",
        "txt",
        "metrics",
        "openmetrics",
        "om",
        "json",
        "log",
    ];
    let mut name = base_name(file_name);
    if let Some((at, _)) = find_time(name) {
        name = &name[..at];
    } else {
        while let Some((rest, ending)) = name.rsplit_once('.')
            && ENDINGS.contains(&ending)
        {
            name = rest;
        }
    }
    let name = name.trim_end_matches(['-', '_', '.', '@', ' ']);
    (!name.is_empty()).then_some(name)
}

fn base_name(file_name: &str) -> &str {
    file_name.rsplit(['/', '\\']).next().unwrap_or(file_name)
}

/// The first thing in `name` that reads as a time, and where it begins.
fn find_time(name: &str) -> Option<(usize, Timestamp)> {
    let bytes = name.as_bytes();
    let starts =
        |at: &usize| bytes[*at].is_ascii_digit() && (*at == 0 || !bytes[at - 1].is_ascii_digit());
    (0..bytes.len())
        .filter(starts)
        .find_map(|at| time_at(&bytes[at..]).map(|time| (at, time)))
}

fn time_at(bytes: &[u8]) -> Option<Timestamp> {
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    match digits {
        10 => unix(&bytes[..10], 1_000_000),
        13 => unix(&bytes[..13], 1000),
        8 => calendar(&bytes[..8], bytes.get(8..)?),
        4 => {
            let date = [bytes.get(..4)?, bytes.get(5..7)?, bytes.get(8..10)?].concat();
            let dashed = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
            dashed.then(|| calendar(&date, bytes.get(10..)?)).flatten()
        }
        _ => None,
    }
}

fn unix(digits: &[u8], unit: i64) -> Option<Timestamp> {
    let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(Timestamp::from_micros(number.checked_mul(unit)?))
}

/// `date` is YYYYMMDD; `rest` begins with a separator and has HHMMSS, in one or with separators.
fn calendar(date: &[u8], rest: &[u8]) -> Option<Timestamp> {
    let (separator, rest) = rest.split_first()?;
    if !matches!(separator, b'T' | b't' | b'_' | b'-' | b' ') {
        return None;
    }
    let clock = match rest.get(2) {
        Some(byte) if byte.is_ascii_digit() => rest.get(..6)?.to_vec(),
        Some(b'-' | b':' | b'_' | b'.') => {
            [rest.get(..2)?, rest.get(3..5)?, rest.get(6..8)?].concat()
        }
        _ => return None,
    };
    let (date, clock) = (
        std::str::from_utf8(date).ok()?,
        std::str::from_utf8(&clock).ok()?,
    );
    let all = [date, clock].concat();
    all.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(())?;
    Timestamp::parse(&format!(
        "{}-{}-{}T{}:{}:{}.000000Z",
        date.get(..4)?,
        date.get(4..6)?,
        date.get(6..8)?,
        clock.get(..2)?,
        clock.get(2..4)?,
        clock.get(4..6)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_time_and_instance() {
        let check = |name: &str, time: Option<&str>, instance: Option<&str>| {
            let time = time.map(|time| Timestamp::parse(time).unwrap());
            assert_eq!(time_from_name(name), time, "{name}");
            assert_eq!(instance_from_name(name), instance, "{name}");
        };
        let noon = Some("2026-11-22T04:23:53Z");
        check(
            "metrics/apiserver-20261122T042353Z.prom.gz",
            noon,
            Some("apiserver"),
        );
        check(
            "10.0.0.1:6443_2026-11-22T04-23-53.txt",
            noon,
            Some("10.0.0.1:6443"),
        );
        check("kcm.2026-11-22_04:23:53+x", noon, Some("kcm"));
        check("node-1-1795321433.prom", noon, Some("node-1"));
        check("1795321433000", noon, None);
        check("20261122-042353.prom", noon, None);
        check(
            "kube-apiserver-1.35.prom.gz",
            None,
            Some("kube-apiserver-1.35"),
        );
        check("metrics.txt", None, Some("metrics"));
        check("a-20261322T042353Z", None, Some("a-20261322T042353Z"));
        check("20261122", None, Some("20261122"));
        check("x2026-11-22Té0-00-00", None, Some("x2026-11-22Té0-00-00"));
        check("", None, None);
    }

    #[test]
    fn the_best_known_time_wins() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let read = |text: &[u8]| {
            super::super::read_exposition(
                text,
                super::super::Format::Text,
                &|_| true,
                &mut super::super::Names::default(),
            )
        };
        let (plain, timed, mixed) = (
            read(b"a 1\n"),
            read(b"a 1 5000\nb 1 7000\n"),
            read(b"a 1 5000\nb 1\n"),
        );
        let name = "x-0000000009.prom";
        assert_eq!(
            scrape_time(&timed, name, None, Some(at(1))),
            Some((at(1), TimeFrom::Flag))
        );
        assert_eq!(
            scrape_time(&timed, name, None, None),
            Some((at(7), TimeFrom::Samples))
        );
        assert_eq!(
            scrape_time(&mixed, name, None, None),
            Some((at(9), TimeFrom::Name))
        );
        assert_eq!(
            scrape_time(&plain, "x", Some(at(3)), None),
            Some((at(3), TimeFrom::Modified))
        );
        assert_eq!(scrape_time(&plain, "x", None, None), None);
    }

    proptest::proptest! {
        #[test]
        fn no_name_makes_it_panic(name in "([0-9]{1,13}|[-_:.TZ/é ]|\\PC){0,12}") {
            let _ = time_from_name(&name);
            if let Some(instance) = instance_from_name(&name) {
                proptest::prop_assert!(name.contains(instance));
            }
        }
    }
}
