//! Ten megabytes of scrape: the own reader, and the crate `prometheus-parse` for comparison.
//! `cargo bench --bench metrics`

use std::fmt::Write;

use divan::{Bencher, counter::BytesCount};
use satrail::metric::{Format, Names, read_exposition};

fn main() {
    divan::main();
}

/// A recorded piece, over and over under other names, as a big cluster's `/metrics` would be.
fn scrape() -> String {
    let piece = include_str!("../tests/metrics/apiserver-20261122T042817Z.prom");
    let mut text = String::new();
    for round in 0_u32.. {
        if text.len() > 10_000_000 {
            break;
        }
        for line in piece.lines() {
            match line
                .strip_prefix("# HELP ")
                .or(line.strip_prefix("# TYPE "))
            {
                Some(rest) => writeln!(text, "{}r{round}_{rest}", &line[..7]),
                None => writeln!(text, "r{round}_{line}"),
            }
            .unwrap_or_default();
        }
    }
    text
}

#[divan::bench]
fn satrail_everything(bencher: Bencher<'_, '_>) {
    let text = scrape();
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        read_exposition(
            text.as_bytes(),
            Format::Text,
            &|_| true,
            &mut Names::default(),
        )
        .samples
    });
}

#[divan::bench]
fn satrail_only_serviceaccount_families(bencher: Bencher<'_, '_>) {
    let text = scrape();
    let wanted = |name: &str| name.contains("serviceaccount_");
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        read_exposition(
            text.as_bytes(),
            Format::Text,
            &wanted,
            &mut Names::default(),
        )
        .samples
    });
}

#[divan::bench]
fn prometheus_parse(bencher: Bencher<'_, '_>) {
    let text = scrape();
    bencher.counter(BytesCount::of_str(&text)).bench(|| {
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        prometheus_parse::Scrape::parse(lines).map(|scrape| scrape.samples.len())
    });
}
