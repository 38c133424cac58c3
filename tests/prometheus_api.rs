//! A real Prometheus on loopback scrapes a recorded exposition; what its API says of it is what we read.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "helpers of tests, where a panic is a failure"
)]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use satrail::metric::{Catalogue, Exposition, Format, Names, read_api, read_exposition};
use support::{Prometheus, serve};

#[path = "support/prometheus.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod support;

/// Scrapes `count` paths of one server, `/0` and on, each as a job of its own.
fn start(directory: &Path, targets: u16, count: usize) -> Prometheus {
    let mut config = "global: {scrape_interval: 1s}\nscrape_configs:\n".to_owned();
    for at in 0..count {
        let target = format!("127.0.0.1:{targets}");
        writeln!(config, "- job_name: 'job{at}'\n  metrics_path: /{at}").unwrap();
        writeln!(config, "  static_configs: [{{targets: ['{target}']}}]").unwrap();
    }
    Prometheus::start(directory, &config)
}

/// The answer read, once it holds at least `count` series.
fn wait_for(prometheus: &Prometheus, path: &str, count: usize) -> Exposition {
    prometheus.wait_for(path, |body| {
        let read = read_api(body, &|_| true, &mut Names::default()).ok()?;
        (read.samples().count() >= count).then_some(read)
    })
}

/// `name{labels}` -> the bits of the value, all NaN being one; without what Prometheus adds.
fn samples(read: &Exposition) -> BTreeMap<String, u64> {
    let added = ["up", "scrape_"];
    let own = read
        .samples()
        .filter(|sample| added.iter().all(|name| !sample.name.starts_with(name)));
    own.map(|sample| {
        let labels = sample
            .labels
            .filtered(|name| name != "job" && name != "instance");
        let bits = if sample.value.is_nan() {
            f64::NAN
        } else {
            sample.value
        }
        .to_bits();
        (format!("{}{labels}", sample.name), bits)
    })
    .collect()
}

/// What each path of the server serves: `/0` the first text, and so on.
fn by_index(texts: Vec<String>) -> impl Fn(&str) -> String {
    move |path| {
        let index = path.trim_start_matches('/').parse().ok();
        let text = index.and_then(|at: usize| texts.get(at));
        text.cloned().unwrap_or_default()
    }
}

#[test]
fn its_answers_are_what_we_read() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metrics");
    let files: [PathBuf; 2] = [
        own.join("apiserver-20261122T042817Z.prom"),
        own.join("odd.prom"),
    ];
    // Samples with a time of their own, years ago, are not what an instant query finds; and of a blank
    // at the end of a line Prometheus is so afraid that it refuses the whole scrape.
    let left_out = ["395066363000", "-3982045", "indented"];
    let plain = |text: &String| -> String {
        let odd = |line: &&str| left_out.iter().any(|part| line.contains(part));
        let lines: Vec<_> = text.lines().filter(|line| !odd(line)).collect();
        lines.join("\n") + "\n"
    };
    let texts: Vec<_> = files
        .iter()
        .map(|path| plain(&fs::read_to_string(path).unwrap()))
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let port = serve(by_index(texts.clone()));
    let prometheus = start(directory.path(), port, texts.len());
    for (at, text) in texts.iter().enumerate() {
        let ours = read_exposition(
            text.as_bytes(),
            Format::Text,
            &|_| true,
            &mut Names::default(),
        );
        let ours = samples(&ours);
        let selector = format!("%7Bjob=%22job{at}%22%7D");
        let vector = format!("/api/v1/query?query={selector}");
        assert_eq!(
            samples(&wait_for(&prometheus, &vector, ours.len() + 5)),
            ours,
            "{vector}"
        );
        let matrix = format!("/api/v1/query?query={selector}%5B60s%5D");
        assert_eq!(
            samples(&wait_for(&prometheus, &matrix, ours.len() * 2)),
            ours,
            "{matrix}"
        );
        let series = format!("/api/v1/series?match%5B%5D={selector}");
        let names: Vec<_> = samples(&wait_for(&prometheus, &series, ours.len()))
            .into_keys()
            .collect();
        assert_eq!(names, ours.into_keys().collect::<Vec<_>>(), "{series}");
    }
    let scalar = wait_for(&prometheus, "/api/v1/query?query=scalar(vector(4))", 1);
    assert_eq!(samples(&scalar)["scalar"], 4.0_f64.to_bits());
    let mut catalogue = Catalogue::default();
    catalogue.observe(&wait_for(
        &prometheus,
        "/api/v1/series?match%5B%5D=authentication_attempts",
        1,
    ));
    assert!(!catalogue.get("authentication_attempts").unwrap().cumulative);
    catalogue.observe(&wait_for(&prometheus, "/api/v1/metadata", 0));
    assert!(catalogue.get("authentication_attempts").unwrap().cumulative);
}
