//! Metrics from run to run: counters never fall, and count what stands in the log once.
#![expect(
    clippy::float_cmp,
    reason = "counters are whole numbers far below 2^53"
)]

use std::{collections::BTreeMap, fs, process::Command};

use super::site::{Site, gzip, joined, sample};

/// The samples of a metrics file, each with its value, after promtool has accepted the file.
fn scraped(site: &Site) -> BTreeMap<String, f64> {
    let file = site.path("satrail.prom");
    let checked = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert!(checked.status.success() && said.trim().is_empty(), "{said}");
    let text = fs::read_to_string(&file).unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.map(|line| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), value.parse().unwrap())
    });
    samples.collect()
}

fn counters(scrape: &BTreeMap<String, f64>) -> impl Iterator<Item = (&String, &f64)> {
    let is_counter = |series: &str| series.split('{').next().unwrap().ends_with("_total");
    scrape.iter().filter(move |(series, _)| is_counter(series))
}

fn sum(scrape: &BTreeMap<String, f64>, metric: &str) -> f64 {
    let of = scrape
        .iter()
        .filter(|(series, _)| series.split('{').next() == Some(metric));
    of.map(|(_, value)| value).sum()
}

/// Distinct audit IDs of ServiceAccounts: their requests.
fn requests(lines: &[String]) -> f64 {
    let by_account = lines
        .iter()
        .filter(|line| line.contains("\"username\":\"system:serviceaccount:"));
    let mut ids: Vec<_> = by_account
        .map(|line| line.split("\"auditID\":").nth(1).unwrap().get(..38))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len() as f64
}

const REQUESTS: &str = "satrail_serviceaccount_requests_total";

#[test]
fn counters_never_fall_whoever_is_the_busiest_and_whatever_rotates() {
    let (site, all) = (Site::new(), sample());
    let metrics = ["--metrics-out", "satrail.prom", "--top", "2"];
    let mut before = BTreeMap::new();
    let pieces: Vec<_> = all.chunks(all.len() / 9).collect();
    site.write("audit.log", "");
    let mut read = 0;
    for (n, piece) in pieces.iter().enumerate() {
        site.append("audit.log", joined(piece));
        read += piece.len();
        site.report(&metrics);
        let now = scraped(&site);
        for (series, value) in counters(&before) {
            assert!(
                now.get(series) >= Some(value),
                "{n}: {series} was {value}: {:?}",
                now.get(series)
            );
        }
        let known = &all[..read];
        assert_eq!(sum(&now, REQUESTS), requests(known), "{n}");
        assert_eq!(now["satrail_audit_events_total"], read as f64);
        assert_eq!(now["satrail_last_run_events"], piece.len() as f64);
        assert_eq!(now["satrail_last_run_success"], 1.0);
        let named = now.keys().filter(|series| series.starts_with(REQUESTS));
        assert!(named.count() <= 3, "two and the others");
        // What was read is renamed, compressed, deleted in turn; a run that reads nothing changes nothing.
        let text = fs::read(site.log("audit.log")).unwrap();
        match n % 4 {
            0 => {
                site.rename("audit.log", &format!("audit-{n}.log"));
                site.write("audit.log", "");
            }
            1 => {
                site.write(&format!("audit-{n}.log.gz"), gzip(text));
                site.write("audit.log", "");
            }
            2 => site.write("audit.log", ""),
            _ => {}
        }
        site.report(&metrics);
        let again = scraped(&site);
        assert!(counters(&now).eq(counters(&again)), "{n}");
        before = again;
    }
    assert_eq!(read, all.len());
}

#[test]
fn a_watch_that_ends_in_a_later_run_counts_once() {
    let (site, all) = (Site::new(), sample());
    // The first watch of which both events stand in the sample.
    let id = |line: &str| line.split("\"auditID\":\"").nth(1).unwrap()[..36].to_owned();
    let stage = |line: &str, stage: &str| line.contains(&format!("\"stage\":\"{stage}\""));
    let pair = all.iter().find_map(|start| {
        let ends = |end: &&String| stage(end, "ResponseComplete") && id(end) == id(start);
        stage(start, "ResponseStarted").then(|| Some((start, all.iter().find(ends)?)))?
    });
    let (start, end) = pair.unwrap();
    let metrics = ["--metrics-out", "satrail.prom"];
    let mut counts = Vec::new();
    for line in [start, end] {
        let text = fs::read_to_string(site.log("audit.log")).unwrap_or_default();
        site.write("audit.log", text + line + "\n");
        let report = site.report(&metrics);
        let scrape = scraped(&site);
        counts.push((
            report["input"]["events"].as_u64(),
            report["input"]["requests"].as_u64(),
            report["coverage"]["open_requests"].as_u64(),
            sum(&scrape, REQUESTS),
            scrape["satrail_audit_requests_total"],
        ));
    }
    let expected = |events, open| (Some(events), Some(1), Some(open), 1.0, 1.0);
    assert_eq!(counts, [expected(1, 1), expected(2, 0)]);
}

#[test]
fn a_run_that_fails_says_so_in_its_metrics() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..10]));
    site.write("audit-1.log.xz", b"\xfd7zXZ\0\0\x04");
    let metrics = ["--metrics-out", "satrail.prom"];
    site.report_ending(&metrics, 2);
    assert_eq!(scraped(&site)["satrail_last_run_success"], 0.0);
    site.remove("audit-1.log.xz");
    site.append("audit.log", "{\"kind\":\"Event\",,}\n");
    for (of_run, all) in [(1.0, 1.0), (0.0, 1.0)] {
        site.report(&metrics);
        let scrape = scraped(&site);
        assert_eq!(scrape["satrail_last_run_success"], 1.0);
        assert_eq!(scrape["satrail_last_run_bad_lines"], of_run);
        assert_eq!(scrape["satrail_bad_lines_total"], all);
    }
}

#[test]
fn a_scrape_is_read_once_and_what_is_written_over_it_is_read_too() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..10]));
    let scrape = |time: &str| {
        let name = format!(
            "{}/data/metrics/apiserver-{time}.prom",
            env!("CARGO_MANIFEST_DIR")
        );
        fs::read(name).unwrap()
    };
    // One name, overwritten; the time is that of the file.
    let live = site.path("live.prom");
    let scrapes = |report: serde_json::Value| {
        let metrics = &report["input"]["metrics"];
        (
            metrics["scrapes"].as_u64().unwrap(),
            metrics["samples"].as_u64().unwrap(),
        )
    };
    fs::write(&live, scrape("20261122T042509Z")).unwrap();
    let first = scrapes(site.report(&["--metrics", "live.prom"]));
    assert_eq!(first.0, 1);
    assert_eq!(scrapes(site.report(&["--metrics", "live.prom"])), first);
    // Copied under another name: the same.
    fs::copy(&live, site.path("other.prom")).unwrap();
    assert_eq!(
        scrapes(site.report(&["--metrics", "live.prom", "other.prom"])),
        first
    );
    fs::write(&live, scrape("20261122T042524Z")).unwrap();
    let second = scrapes(site.report(&["--metrics", "live.prom"]));
    assert_eq!(second.0, 2);
    assert!(second.1 > first.1, "{second:?}");
    assert_eq!(scrapes(site.report(&["--metrics", "live.prom"])), second);
    // What was read is part of the state, named or not.
    assert_eq!(scrapes(site.report(&[])), second);
    let report = site.report_ending(&["--metrics", "no-such.prom"], 2);
    assert_eq!(scrapes(report), second);
}
