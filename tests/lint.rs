//! What `satrail alerts lint` says about rules, beside the recorded scrapes.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, where a panic is a failure"
)]

use std::{fs, io::Read, path::Path};

use flate2::read::MultiGzDecoder;
use satrail::{
    alert::{World, kubernetes_metrics, lint},
    metric::{
        Catalogue, Format, History, Names, Scrape, Semantics, instance_from_name, read_exposition,
        time_from_name,
    },
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The scrapes in a directory, as far as their names tell the time; none where it is not there.
fn recorded_in(directory: &str) -> (Catalogue, History) {
    let (mut catalogue, mut history) = (Catalogue::default(), History::default());
    let mut names = Names::default();
    let entries = fs::read_dir(Path::new(ROOT).join(directory))
        .into_iter()
        .flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        let file = path.file_name().unwrap().to_str().unwrap();
        let Some(time) = time_from_name(file) else {
            continue;
        };
        let mut text = fs::read(&path).unwrap();
        if text.starts_with(b"\x1f\x8b") {
            let packed = std::mem::take(&mut text);
            MultiGzDecoder::new(&*packed)
                .read_to_end(&mut text)
                .unwrap();
        }
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

/// The four scrapes that are part of the repository.
fn recorded() -> (Catalogue, History) {
    recorded_in("tests/metrics")
}

/// Each problem as `alert kind`, without what depends on the values.
fn kinds(name: &str, world: &World<'_>) -> Vec<String> {
    let yaml = fs::read_to_string(Path::new(ROOT).join("tests/alerts").join(name)).unwrap();
    let problems = lint(&yaml, name, world);
    problems
        .iter()
        .map(|problem| format!("{} {}", problem.rule, problem.kind.as_str()))
        .collect()
}

/// The whole recording: nothing is unknown or absent that was only cut away from the four scrapes.
#[test]
fn rules_are_held_against_the_whole_recording() {
    let (catalogue, history) = recorded_in("../shared/data/real/metrics");
    if catalogue.is_empty() {
        println!("not tried: ../shared/data/real/metrics is not there");
        return;
    }
    println!("{:?} series, points, dropped", history.size());
    let elsewhere = kubernetes_metrics(None);
    let world = World {
        catalogue: &catalogue,
        source: "the scrapes given",
        elsewhere: &elsewhere,
        history: &history,
        semantics: Semantics::default(),
        has_target_labels: false,
    };
    assert_eq!(
        kinds("seeds.rules.yaml", &world),
        [
            "LegacyServiceAccountTokensInUse raw-counter",
            "DefaultServiceAccountUsed missing-expr",
            "DefaultServiceAccountUsed template-label",
            "ServiceAccountAPICallRateHigh unknown-label",
            "ServiceAccountAPICallRateHigh template-label",
            "UnexpectedSecretsListBySA missing-expr",
            "UnexpectedSecretsListBySA template-label",
            "HighTokenRequestRate unknown-metric",
            "AuthenticationAttempts unknown-metric",
            "TokenRequestDuration unknown-metric",
            "ClientRequests unknown-label",
            "ClientRequests unknown-label",
            "ClientRequests unknown-label",
        ]
    );
    let right = kinds("right.rules.yaml", &world);
    assert!(
        right.iter().all(|said| !said.contains("unknown")),
        "{right:?}"
    );
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
        has_target_labels: false,
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
        has_target_labels: false,
    };
    check("seeds.rules.yaml", &world, "seeds.1.35.txt");
}

/// Rules that are right: nothing is said against them but what the four scrapes cannot show.
#[test]
fn rules_that_are_right_are_left_alone() {
    let (catalogue, history) = recorded();
    let elsewhere = kubernetes_metrics(None);
    let world = World {
        catalogue: &catalogue,
        source: "the scrapes given",
        elsewhere: &elsewhere,
        history: &history,
        semantics: Semantics::default(),
        has_target_labels: false,
    };
    check("right.rules.yaml", &world, "right.scrapes.txt");
}

proptest::proptest! {
    #[test]
    fn no_rules_make_it_panic(
        expr in "(c|sum|rate|by|and|on|offset|group_left|histogram_quantile|[(){}\\[\\]=~!<>+*/%^,\"@ -]|5m|:|1e3|label_replace|\\PC){0,30}",
        other in "([a-c]|: |- |\n|  |[{}\\[\\]&*|>'\"]|groups|rules|expr|alert){0,40}",
    ) {
        let (catalogue, history) = (Catalogue::default(), History::default());
        let world = World {
            catalogue: &catalogue,
            source: "nothing",
            elsewhere: &catalogue,
            history: &history,
            semantics: Semantics::default(),
            has_target_labels: true,
        };
        let quoted = serde_json::to_string(&expr).unwrap();
        let _ = lint(&format!("groups: [{{name: g, rules: [{{alert: a, expr: {quoted}}}]}}]"), "f", &world);
        let _ = lint(&other, "f", &world);
    }

    #[test]
    fn no_length_makes_it_overflow(piece in "(\\(|-|1\\+|a and |sum\\(|\\[|\\{|abs\\()", times in 1..40_000_usize) {
        let (catalogue, history) = (Catalogue::default(), History::default());
        let world = World {
            catalogue: &catalogue,
            source: "nothing",
            elsewhere: &catalogue,
            history: &history,
            semantics: Semantics::default(),
            has_target_labels: true,
        };
        let expr = piece.repeat(times) + "1";
        let _ = lint(&format!("groups: [{{name: g, rules: [{{alert: a, expr: '{expr}'}}]}}]"), "f", &world);
    }
}
