//! Generated rules and their unit tests, before the real promtool (Debian package `prometheus`).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is a failure"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use satrail::{
    alert::{
        Generated, Recording, Version, Wish, World, built_in, generate, kubernetes_metrics, lint,
        parse_rules, rules_file, tests_file,
    },
    finding::Timestamp,
    metric::{
        Catalogue, Exposition, Family, History, Kind, Labels, Sample, ScrapeHints, Semantics,
        read_scrapes,
    },
    pipeline::{self, Options, Silent},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn path(relative: &str) -> PathBuf {
    Path::new(ROOT).join(relative)
}

fn run(command: &mut Command) -> (bool, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|why| panic!("{command:?}: {why}: scripts/test installs what is missing"));
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    (status.success(), said)
}

/// promtool accepts the rules, without a remark, and all their unit tests pass.
fn promtool(directory: &Path) {
    for (what, file) in [
        ("check", "satrail.rules.yaml"),
        ("test", "satrail.rules_test.yaml"),
    ] {
        let mut command = Command::new("promtool");
        command.args([what, "rules"]);
        if what == "check" {
            command.arg("--lint-fatal");
        }
        let (good, said) = run(command.arg(directory.join(file)));
        assert!(good, "{}", said.chars().take(4000).collect::<String>());
    }
}

fn satrail(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_satrail"))
        .args(arguments)
        .current_dir(ROOT)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// Generates from inputs, and lets promtool judge. What was said, and the rules file.
fn made_from(inputs: &[&str]) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().to_str().unwrap();
    let arguments = [&["alerts"], inputs, &["--operator", "--output", output]].concat();
    let (code, said) = satrail(&arguments);
    assert_eq!(code, Some(0), "{said}");
    promtool(directory.path());
    let rules = fs::read_to_string(directory.path().join("satrail.rules.yaml")).unwrap();
    let manifest = directory.path().join("satrail.prometheusrule.yaml");
    let manifest = parse_rules(&fs::read_to_string(manifest).unwrap());
    let plain = parse_rules(&rules);
    let names = |file: &satrail::alert::RuleFile| {
        let all = file.groups.iter().flat_map(|group| &group.rules);
        all.map(|rule| (rule.name.clone(), rule.expr.clone().map(|e| e.text)))
            .collect::<Vec<_>>()
    };
    assert_eq!(manifest.faults, []);
    assert_eq!(names(&manifest), names(&plain));
    (said, rules)
}

#[test]
fn promtool_accepts_what_is_made_from_the_sample() {
    let (said, _) = made_from(&["data/audit", "--metrics", "tests/metrics/apiserver-*.prom"]);
    for fires in [
        "LegacyServiceAccountTokensInUse",
        "StaleTokenUsedByServiceAccount",
        "UnexpectedSecretsListBySA",
        "DefaultServiceAccountUsed",
        "ServiceAccountClassAPICallRateHigh",
    ] {
        let recorded = |line: &str| {
            line.trim().starts_with(&format!("{fires}:"))
                && line.ends_with("fires on what was recorded")
        };
        assert!(said.lines().any(recorded), "{fires}: {said}");
    }
}

#[test]
fn promtool_accepts_what_is_made_from_the_whole_recording() {
    let real = "../shared/data/real";
    if !path(real).is_dir() {
        println!("not tried: {real} is not there");
        return;
    }
    let (audit, metrics) = (format!("{real}/audit"), format!("{real}/metrics"));
    let (said, rules) = made_from(&[&audit, "--metrics", &metrics]);
    assert!(said.contains("0 templates left out"), "{said}");
    // What was generated stands the same lint as everybody's rules.
    let wanted = |_: &str| true;
    let scrapes = read_scrapes(&[path(&metrics)], &ScrapeHints::default(), &wanted);
    let mut catalogue = scrapes.catalogue.clone();
    satrail::alert::add_published(&mut catalogue);
    let world = World {
        catalogue: &catalogue,
        source: "the scrapes given",
        elsewhere: &kubernetes_metrics(None),
        history: &scrapes.history,
        semantics: Semantics::default(),
        has_target_labels: false,
    };
    let problems = lint(&rules, "satrail.rules.yaml", &world);
    let grave = problems
        .iter()
        .filter(|p| p.kind.level() > satrail::alert::Level::Note);
    let grave: Vec<_> = grave.map(ToString::to_string).collect();
    assert!(grave.is_empty(), "{grave:#?}");
}

#[test]
fn a_version_is_enough_for_native_rules() {
    let (said, _) = made_from(&["--kubernetes", "1.24"]);
    assert!(
        said.contains("left out: InvalidatedLegacyTokensUsed"),
        "{said}"
    );
    assert!(
        said.contains("left out: DefaultServiceAccountUsed: no audit log"),
        "{said}"
    );
    let (said, _) = made_from(&["--kubernetes", "1.36"]);
    assert!(
        !said.contains("left out: InvalidatedLegacyTokensUsed"),
        "{said}"
    );
}

#[test]
fn the_same_input_gives_the_same_files() {
    let read = |threads: &str| {
        let directory = tempfile::tempdir().unwrap();
        let output = directory.path().to_str().unwrap();
        let (code, said) = satrail(&[
            "alerts",
            "data/audit",
            "--metrics",
            "tests/metrics/apiserver-*.prom",
            "--threads",
            threads,
            "--output",
            output,
        ]);
        let file = |name| fs::read_to_string(directory.path().join(name)).unwrap();
        (
            code,
            said,
            file("satrail.rules.yaml"),
            file("satrail.rules_test.yaml"),
        )
    };
    assert_eq!(read("1"), read("3"));
}

/// Counters of accounts and Secrets with these names, some of which are busy.
fn telemetry(names: &[&str]) -> History {
    let mut history = History::default();
    for (at, name) in names.iter().enumerate() {
        let labels = Labels::of(&[
            ("namespace", "n{{s"),
            ("serviceaccount", name),
            ("secret", name),
        ]);
        for metric in [
            "satrail_serviceaccount_requests_total",
            "satrail_legacy_token_requests_total",
        ] {
            let per_minute = [1200.0, 60.0, 3000.0, 7.0].get(at).copied().unwrap_or(0.5);
            let sample = |minute: u32| Sample {
                name: metric.into(),
                labels: labels.clone(),
                value: (f64::from(minute) * per_minute).floor(),
                timestamp: Some(Timestamp::from_micros(i64::from(minute) * 60_000_000)),
            };
            let family = Family {
                name: metric.into(),
                kind: Kind::Counter,
                help: String::new(),
                unit: String::new(),
                label_names: Vec::new(),
                samples: (0..90).map(sample).collect(),
            };
            history.add_timestamped(&Exposition {
                families: vec![family],
                ..Exposition::default()
            });
        }
    }
    history
}

/// Rules, tests and labels from a log in which everything is hostile.
#[test]
fn hostile_names_stay_inside_their_quotes() {
    let hostile: [&str; 12] = [
        "a\"} or vector(1) #",
        "{{ $value }}{{",
        "b\\\n- alert: X",
        "c'\t: &x *y |\u{0}\u{7f}\u{85}\u{2028}é\u{1f980}",
        "quiet1",
        "quiet2",
        "quiet3",
        "quiet4",
        "quiet5",
        "quiet6",
        "quiet7",
        "quiet8",
    ];
    let history = telemetry(&hostile);
    let generated = from_audit(&history);
    let busy: BTreeSet<&str> = generated
        .rules
        .iter()
        .map(|rule| rule.account.get("serviceaccount"))
        .collect();
    assert!(
        busy.contains(hostile[0]) && busy.contains(hostile[2]),
        "{busy:?}"
    );
    let directory = tempfile::tempdir().unwrap();
    write(&generated, directory.path());
    promtool(directory.path());
    let file = parse_rules(&rules_file(&generated));
    assert_eq!(file.faults, []);
    let rules = file.groups.iter().flat_map(|group| &group.rules);
    for (rule, made) in rules.zip(&generated.rules) {
        assert_eq!(
            (&rule.name, &rule.expr.as_ref().unwrap().text),
            (&made.alert, &made.expr)
        );
        for ((name, read), (own, written)) in rule.labels.iter().zip(&made.labels) {
            assert_eq!((name, &read.text), (own, written));
        }
    }
}

fn write(generated: &Generated, directory: &Path) {
    let name = "satrail.rules.yaml";
    fs::write(directory.join(name), rules_file(generated)).unwrap();
    let tests = tests_file(generated, name);
    fs::write(directory.join("satrail.rules_test.yaml"), tests).unwrap();
}

fn from_audit(telemetry: &History) -> Generated {
    let (scrapes, catalogue) = (History::default(), Catalogue::default());
    let recording = Recording {
        scrapes: &scrapes,
        catalogue: &catalogue,
        has_scrapes: false,
        telemetry,
        has_audit: true,
        findings: &[],
        version: Some(Version(36)),
    };
    let wish = Wish {
        headroom: None,
        interval: 30,
    };
    generate(&built_in().unwrap(), &recording, wish)
}

/// A log that has hardly begun: nothing is normal yet, and everything is shown all the same.
#[test]
fn every_template_is_proved_without_any_recording() {
    let generated = from_audit(&History::default());
    assert_eq!(generated.left_out, []);
    let templates = built_in().unwrap();
    let used: BTreeSet<&str> = generated.rules.iter().map(|rule| &*rule.template).collect();
    let all: BTreeSet<&str> = templates.iter().map(|template| &*template.id).collect();
    assert_eq!(used, all);
    let directory = tempfile::tempdir().unwrap();
    write(&generated, directory.path());
    promtool(directory.path());
}

#[test]
fn lint_tells_right_from_wrong() {
    let seeds = "tests/alerts/seeds.rules.yaml";
    let (code, said) = satrail(&[
        "alerts",
        "lint",
        seeds,
        "--metrics",
        "tests/metrics/apiserver-*.prom",
    ]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("error[missing-expr] DefaultServiceAccountUsed"),
        "{said}"
    );
    let (code, said) = satrail(&[
        "alerts",
        "lint",
        seeds,
        "--kubernetes",
        "1.35",
        "--format",
        "json",
    ]);
    assert_eq!(code, Some(1));
    let document: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(document["problems"][0]["kind"], "raw-counter");
    let directory = tempfile::tempdir().unwrap();
    write(&from_audit(&History::default()), directory.path());
    let rules = directory.path().join("satrail.rules.yaml");
    let (code, said) = satrail(&[
        "alerts",
        "lint",
        rules.to_str().unwrap(),
        "--kubernetes",
        "1.36",
    ]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = satrail(&["alerts", "lint", "no-such.yaml"]);
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn refusals_say_what_to_do() {
    let (code, said) = satrail(&["alerts", "--output", "nowhere"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--kubernetes"), "{said}");
    let (code, said) = satrail(&["alerts", "data/audit"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--output"), "{said}");
}

/// The telemetry and the scan are one pass: what the rules are fitted to is what the report shows.
#[test]
fn the_sample_has_telemetry() {
    let options = Options {
        paths: vec![path("data/audit")],
        ..Options::default()
    };
    let (_, telemetry) = pipeline::telemetry(&options, &Silent).unwrap();
    let history = telemetry.to_history(15);
    assert!(
        history
            .metric("satrail_serviceaccount_requests_total")
            .is_some()
    );
}
