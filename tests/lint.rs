//! What `satrail alerts lint` says about rules, beside the recorded scrapes.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, where a panic is a failure"
)]

use std::{fs, path::Path};

use satrail::{
    alert::{World, kubernetes_metrics, lint},
    metric::{
        Catalogue, Format, History, Names, Scrape, Semantics, instance_from_name, read_exposition,
        time_from_name,
    },
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The four scrapes that are part of the repository.
fn recorded() -> (Catalogue, History) {
    let (mut catalogue, mut history) = (Catalogue::default(), History::default());
    let mut names = Names::default();
    let entries = fs::read_dir(Path::new(ROOT).join("tests/metrics")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        let file = path.file_name().unwrap().to_str().unwrap();
        let Some(time) = time_from_name(file) else {
            continue;
        };
        let text = fs::read(&path).unwrap();
        let exposition = read_exposition(&text, Format::Text, &|_| true, &mut names);
        let instance = instance_from_name(file).unwrap().to_owned();
        catalogue.observe(&exposition);
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
    (catalogue, history)
}

fn check(name: &str, world: &World<'_>, expected: &str) {
    let file = format!("tests/alerts/{name}");
    let yaml = fs::read_to_string(Path::new(ROOT).join(&file)).unwrap();
    let problems: Vec<_> = lint(&yaml, &file, world)
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect();
    let expected = Path::new(ROOT).join("tests/alerts").join(expected);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&expected, problems.concat()).unwrap();
    }
    let hint = "to accept: BLESS=1 cargo test --test lint";
    let wanted = fs::read_to_string(expected).unwrap_or_default();
    assert!(problems.concat() == wanted, "{}\n{hint}", problems.concat());
}

#[test]
fn rules_are_held_against_scrapes() {
    let (catalogue, history) = recorded();
    let elsewhere = kubernetes_metrics(None);
    let world = World {
        catalogue: &catalogue,
        source: "the scrapes given",
        elsewhere: &elsewhere,
        history: &history,
        semantics: Semantics::default(),
    };
    check("seeds.rules.yaml", &world, "seeds.scrapes.txt");
    check("every-kind.rules.yaml", &world, "every-kind.scrapes.txt");
}

#[test]
fn rules_are_held_against_a_version_of_kubernetes() {
    let (catalogue, elsewhere) = (
        kubernetes_metrics("1.35".parse().ok()),
        kubernetes_metrics(None),
    );
    let history = History::default();
    let world = World {
        catalogue: &catalogue,
        source: "Kubernetes 1.35",
        elsewhere: &elsewhere,
        history: &history,
        semantics: Semantics::default(),
    };
    check("seeds.rules.yaml", &world, "seeds.1.35.txt");
}
