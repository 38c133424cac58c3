//! The committed table of kube-apiserver's metrics is what the scrapes show.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, where a panic is a failure"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use satrail::{
    alert::Version,
    metric::{Format, Names, read_exposition},
};

const HEADER: &str = "\
# Metric families of kube-apiserver: name, kind, label names, the Kubernetes versions they were seen in.
# Made by `BLESS=1 cargo test --test kubernetes_metrics` from published scrapes of 1.19 to 1.35
# (newrelic/nri-kubernetes, Apache-2.0) and recorded ones of 1.36; facts only, no text and no values of theirs.
";

fn scrapes() -> Option<Vec<(Version, PathBuf)>> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let mut found = Vec::new();
    for entry in fs::read_dir(shared.join("public/scrapes")).ok()? {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(version) = name.strip_prefix("kube-apiserver-") {
            found.push((version.parse().unwrap(), path));
        }
    }
    for entry in fs::read_dir(shared.join("real/metrics")).ok()? {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("apiserver-") {
            found.push((Version(36), path));
        }
    }
    found.sort();
    Some(found)
}

#[test]
fn the_table_is_up_to_date() {
    let Some(scrapes) = scrapes() else {
        println!("not tried: ../shared/data is not there");
        return;
    };
    // (name, version) -> kind and labels, over all scrapes of that version.
    let mut seen: BTreeMap<(String, Version), (&str, BTreeSet<String>)> = BTreeMap::new();
    for (version, path) in &scrapes {
        let mut text = Vec::new();
        MultiGzDecoder::new(fs::File::open(path).unwrap())
            .read_to_end(&mut text)
            .unwrap();
        let read = read_exposition(&text, Format::Text, &|_| true, &mut Names::default());
        for family in read
            .families
            .iter()
            .filter(|family| !family.samples.is_empty())
        {
            let entry = seen.entry((family.name.to_string(), *version)).or_default();
            entry.0 = family.kind.as_str();
            entry
                .1
                .extend(family.label_names.iter().map(ToString::to_string));
        }
    }
    let mut rows: BTreeMap<(String, &str, BTreeSet<String>), Vec<String>> = BTreeMap::new();
    for ((name, version), (kind, labels)) in seen {
        rows.entry((name, kind, labels))
            .or_default()
            .push(version.to_string());
    }
    let mut table = HEADER.to_owned();
    for ((name, kind, labels), versions) in rows {
        let labels: Vec<String> = labels.into_iter().collect();
        let (labels, versions) = (labels.join(","), versions.join(","));
        writeln!(table, "{name}\t{kind}\t{labels}\t{versions}").unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/alert/metrics/kube-apiserver.tsv");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&file, &table).unwrap();
    }
    let hint = "to accept: BLESS=1 cargo test --test kubernetes_metrics";
    assert!(
        fs::read_to_string(file).unwrap() == table,
        "the table differs from the scrapes; {hint}"
    );
}
