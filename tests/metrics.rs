//! Every line of every scrape is read, and to the value that other parsers read.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests, where a panic is a failure"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use flate2::read::MultiGzDecoder;
use satrail::{
    finding::Timestamp,
    metric::{
        Exposition, Format, History, Names, Scrape, Semantics, Window, increase,
        instance_from_name, read_exposition, scrape_time,
    },
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The recorded and published scrapes beside the repository; none, and a line that says so, without them.
fn shared_scrapes() -> Vec<PathBuf> {
    let shared = Path::new(ROOT).join("../shared/data");
    let mut files = Vec::new();
    for directory in ["real/metrics", "public/scrapes"] {
        match fs::read_dir(shared.join(directory)) {
            Ok(entries) => files.extend(entries.map(|entry| entry.unwrap().path())),
            Err(_) => println!("not there, so not tried: ../shared/data/{directory}"),
        }
    }
    files.retain(|path| path.to_string_lossy().contains(".prom"));
    files.sort();
    files
}

fn own_scrapes() -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(ROOT).join("tests/metrics")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().contains("apiserver-"));
    files.sort();
    files
}

fn load(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    if !bytes.starts_with(b"\x1f\x8b") {
        return bytes;
    }
    let mut text = Vec::new();
    MultiGzDecoder::new(&*bytes).read_to_end(&mut text).unwrap();
    text
}

fn read(text: &[u8]) -> Exposition {
    read_exposition(text, Format::detect(text), &|_| true, &mut Names::default())
}

/// `name{labels}` -> (value, own time in milliseconds), of series names with `le` as a number.
type Samples = BTreeMap<String, (u64, Option<i64>)>;

/// All NaN are one value here.
fn bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        value.to_bits()
    }
}

fn samples(read: &Exposition) -> Samples {
    let sample = |sample: &satrail::metric::Sample| {
        let time = sample.timestamp.map(|time| time.micros() / 1000);
        (
            format!("{}{}", sample.name, sample.labels),
            (bits(sample.value), time),
        )
    };
    read.samples().map(sample).collect()
}

#[test]
fn every_line_of_every_scrape_is_a_sample() {
    for path in own_scrapes().into_iter().chain(shared_scrapes()) {
        let text = load(&path);
        let lines = text.split(|&byte| byte == b'\n');
        let lines = lines
            .filter(|line| !line.is_empty() && line[0] != b'#')
            .count();
        let read = read(&text);
        assert_eq!(read.samples, lines as u64, "{}", path.display());
        assert_eq!(read.bad.count, 0, "{}", path.display());
        assert_eq!(samples(&read).len(), lines, "{}", path.display());
        let typed =
            |family: &&satrail::metric::Family| family.kind == satrail::metric::Kind::Unknown;
        assert_eq!(
            read.families.iter().filter(typed).count(),
            0,
            "{}",
            path.display()
        );
    }
}

#[test]
fn bad_lines_are_told_one_by_one() {
    let read = read(&load(&Path::new(ROOT).join("tests/metrics/bad.prom")));
    let told: Vec<_> = read
        .bad
        .first
        .iter()
        .map(|bad| format!("{}: {}\n", bad.line, bad.why))
        .collect();
    let wanted = Path::new(ROOT).join("tests/metrics/bad.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&wanted, told.concat()).unwrap();
    }
    let hint = "if this is right: BLESS=1 cargo test --test metrics";
    assert_eq!(
        told.concat(),
        fs::read_to_string(wanted).unwrap_or_default(),
        "{hint}"
    );
    assert_eq!(read.samples, 2, "the good lines around them are read");
}

/// The crate `prometheus-parse` where it is right: see `src/metric.rs` for where it is not.
#[test]
fn agrees_with_the_crate_prometheus_parse() {
    let (mut same, mut lost) = (0, 0);
    for path in own_scrapes().into_iter().chain(shared_scrapes()) {
        let text = String::from_utf8(load(&path)).unwrap();
        let ours = samples(&read(text.as_bytes()));
        let theirs =
            prometheus_parse::Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
        let mut theirs_by_name = BTreeMap::new();
        for sample in &theirs.samples {
            reference(sample, &mut theirs_by_name);
        }
        for (name, (value, _)) in &ours {
            match theirs_by_name.get(&with_numeric_bound(name)) {
                Some(their) => {
                    assert_eq!(their, value, "{name} in {}", path.display());
                    same += 1;
                }
                None => lost += 1,
            }
        }
    }
    println!("prometheus-parse: {same} samples alike, {lost} that it loses or garbles");
    // What it garbles are labels with a comma, an equals sign or a brace in their values.
    assert!(same > 100 && lost * 100 < same, "{same} alike, {lost} not");
}

fn reference(sample: &prometheus_parse::Sample, all: &mut BTreeMap<String, u64>) {
    let name = |suffix: &str, extra: Option<(&str, f64)>| {
        let mut pairs: Vec<_> = sample
            .labels
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        pairs.extend(extra.map(|(name, bound)| (name.to_owned(), format!("{bound:?}"))));
        pairs.sort();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let labels = if pairs.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", pairs.join(","))
        };
        format!("{}{suffix}{labels}", sample.metric)
    };
    match &sample.value {
        prometheus_parse::Value::Counter(value)
        | prometheus_parse::Value::Gauge(value)
        | prometheus_parse::Value::Untyped(value) => {
            all.insert(name("", None), bits(*value));
        }
        prometheus_parse::Value::Histogram(buckets) => {
            for bucket in buckets {
                all.insert(
                    name("_bucket", Some(("le", bucket.less_than))),
                    bits(bucket.count),
                );
            }
        }
        prometheus_parse::Value::Summary(quantiles) => {
            for quantile in quantiles {
                all.insert(
                    name("", Some(("quantile", quantile.quantile))),
                    bits(quantile.count),
                );
            }
        }
    }
}

/// That crate keeps bounds as numbers: `le="1e-05"` is `le="1e-5"` to it.
fn with_numeric_bound(name: &str) -> String {
    for label in ["le=\"", "quantile=\""] {
        if let Some((before, rest)) = name.split_once(label) {
            let (bound, after) = rest.split_once('"').unwrap();
            return format!(
                "{before}{label}{:?}\"{after}",
                bound.parse::<f64>().unwrap()
            );
        }
    }
    name.to_owned()
}

/// The official Python client, if `SATRAIL_PYTHON` names a Python that has it, as in scripts/test.
#[test]
fn agrees_with_the_python_client() {
    let Some(python) = std::env::var_os("SATRAIL_PYTHON") else {
        println!("not tried: set SATRAIL_PYTHON to a Python that has prometheus_client");
        return;
    };
    let own = Path::new(ROOT).join("tests/metrics");
    let odd = [own.join("odd.prom"), own.join("odd.om")];
    let mut compared = 0;
    for path in odd.into_iter().chain(own_scrapes()).chain(shared_scrapes()) {
        let text = load(&path);
        let format = if path.ends_with("odd.om") {
            "openmetrics"
        } else {
            "text"
        };
        let mut child = Command::new(&python)
            .arg(own.join("second_parser.py"))
            .arg(format)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let ours = samples(&read(&text));
        std::thread::spawn(move || stdin.write_all(&text).unwrap());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", path.display());
        let theirs = python_samples(&String::from_utf8(output.stdout).unwrap());
        for (name, sample) in &theirs {
            assert_eq!(ours.get(name), Some(sample), "{name} in {}", path.display());
        }
        assert_eq!(ours.len(), theirs.len(), "{}", path.display());
        compared += theirs.len();
    }
    println!("prometheus_client: {compared} samples alike");
}

fn python_samples(text: &str) -> Samples {
    text.lines()
        .map(|line| {
            let parts: Vec<_> = line.split('\t').collect();
            let labels: Vec<(String, String)> = serde_json::from_str(parts[1]).unwrap();
            let labels: Vec<_> = labels.iter().map(|(n, v)| (&**n, &**v)).collect();
            let name = format!("{}{}", parts[0], satrail::metric::Labels::of(&labels));
            (
                name,
                (bits(parts[2].parse().unwrap()), parts[3].parse().ok()),
            )
        })
        .collect()
}

fn history(files: &[PathBuf]) -> History {
    let (mut history, mut names) = (History::default(), Names::default());
    for path in files {
        let text = load(path);
        let file = path.file_name().unwrap().to_str().unwrap();
        let exposition = read_exposition(&text, Format::Text, &|_| true, &mut names);
        let Some((time, _)) = scrape_time(&exposition, file, None, None) else {
            continue;
        };
        let instance = instance_from_name(file).unwrap().to_owned();
        history.add(
            &Scrape {
                instance,
                time,
                exposition,
            },
            &|_| true,
            &mut names,
        );
    }
    history
}

/// The last value and the increase over the whole recording, as in the recording's own notes.
#[test]
fn the_recording_shows_what_was_done() {
    let mut files = shared_scrapes();
    files.retain(|path| path.to_string_lossy().contains("real/metrics"));
    let history = history(&if files.is_empty() {
        own_scrapes()
    } else {
        files
    });
    let end = *history.times().last().unwrap();
    assert_eq!(end, Timestamp::parse("2026-11-22T04:28:17Z").unwrap());
    let check = |name: &str, last: f64, rise: f64| {
        let metric = history.metric(name).unwrap();
        assert_eq!(metric.series.len(), 1, "{name}");
        let series = metric.series.values().next().unwrap().points();
        assert_eq!(bits(series.last().unwrap().value), bits(last), "{name}");
        // From the first scrape to the last one, so that nothing is extrapolated.
        let range = Duration::from_secs(264);
        let window = Window {
            end,
            range,
            semantics: Semantics::Prometheus2,
        };
        assert_eq!(increase(series, window), Some(rise), "{name}");
    };
    check("serviceaccount_stale_tokens_total", 1.0, 1.0);
    check("serviceaccount_legacy_manual_token_uses_total", 3.0, 3.0);
    check("serviceaccount_legacy_auto_token_uses_total", 1.0, 1.0);
    check(
        "serviceaccount_invalid_legacy_auto_token_uses_total",
        10.0,
        10.0,
    );
    check("serviceaccount_legacy_tokens_total", 44.0, 44.0);
    check("serviceaccount_valid_tokens_total", 198.0, 198.0);
}
