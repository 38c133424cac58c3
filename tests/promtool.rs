//! The arithmetic of counters, to the last digit against a real promtool (Debian package `prometheus`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests, where a panic is a failure"
)]

use std::{fmt::Write as _, fs, process::Command, time::Duration};

use satrail::{
    alert::{Evaluation, Outcome, ProblemKind, World, lint, parse_expression},
    finding::Timestamp,
    metric::{
        Catalogue, Exposition, Family, History, Kind, Labels, Point, Sample, Semantics, Series,
        Text, Window, delta, increase, rate,
    },
};

/// What the promtool here follows.
fn promtool() -> Semantics {
    let output = Command::new("promtool")
        .arg("--version")
        .output()
        .expect("promtool is not installed: scripts/test installs Debian's package prometheus");
    // Releases before 3 print to standard error.
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let version = text.split("version ").nth(1).unwrap_or_default();
    println!("promtool {}", version.split(',').next().unwrap_or_default());
    if version.starts_with("2.") {
        Semantics::Prometheus2
    } else {
        Semantics::Prometheus3
    }
}

/// Small, fast and the same on every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// How Prometheus marks the end of a series.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// One counter, as promtool's `values` and as ours: steps of one second, most of them empty.
fn counter(random: &mut Random) -> (String, Series) {
    let (mut text, mut points, mut value) = (String::new(), Vec::new(), 0.0);
    let start = [0, 0, 40, 200][usize::try_from(random.below(4)).unwrap()];
    let interval = 1 + random.below(60);
    let slow = random.below(3) == 0;
    for second_at in 0..600_u32 {
        let due = u64::from(second_at) >= start
            && (u64::from(second_at) + random.below(2)).is_multiple_of(interval);
        if !due || random.below(10) == 0 {
            text.push_str("_ ");
            continue;
        }
        match random.below(40) {
            0 => value = 0.0,
            1 => value = random.below(50) as f64 / 8.0,
            2 => value += random.below(1_000_000) as f64 / 3.0,
            _ if slow => value += f64::from(u8::from(random.below(9) == 0)),
            _ => value += random.below(1000) as f64 / 7.0,
        }
        let time = second(u64::from(second_at));
        if random.below(60) == 0 {
            text.push_str("stale ");
            points.push(Point {
                time,
                value: f64::from_bits(STALE),
            });
            continue;
        }
        write!(text, "{value:?} ").unwrap();
        points.push(Point { time, value });
    }
    (text, points.into_iter().collect())
}

/// `labels` and the value of each sample that an expression comes to.
fn expectation(text: &mut String, expr: &str, at: u64, samples: &[(String, f64)]) {
    writeln!(
        text,
        "      - expr: {expr}\n        eval_time: {at}s\n        exp_samples:"
    )
    .unwrap();
    for (labels, value) in samples {
        writeln!(
            text,
            "          - labels: '{labels}'\n            value: {}",
            yaml(*value)
        )
        .unwrap();
    }
}

fn yaml(value: f64) -> String {
    match value {
        value if value.is_nan() => ".nan".to_owned(),
        value if value.is_infinite() => if value > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        value => format!("{value:?}"),
    }
}

fn input_series(text: &mut String, many: &[(String, Series)]) {
    text.push_str("  - interval: 1s\n    input_series:\n");
    for (at, (values, _)) in many.iter().enumerate() {
        let series = format!("'c{{instance=\"{at}\"}}'");
        writeln!(text, "      - series: {series}\n        values: '{values}'").unwrap();
    }
    text.push_str("    promql_expr_test:\n");
}

/// Runs promtool over a file of unit tests or of rules; what it said, and whether it was content.
fn run(command: &[&str], text: &str) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file.yaml");
    fs::write(&file, text).unwrap();
    let output = Command::new("promtool")
        .args(command)
        .arg(&file)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).chars().take(3000).collect(),
    )
}

fn second(at: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(at).unwrap() * 1_000_000)
}

type Function = fn(&[Point], Window) -> Option<f64>;
const FUNCTIONS: [(&str, Function); 3] = [("increase", increase), ("rate", rate), ("delta", delta)];

/// The functions over each counter in one window, and the sum of the increases.
fn one_window(text: &mut String, many: &[(String, Series)], at: u64, window: Window) -> usize {
    let seconds = window.range.as_secs();
    let mut count = 0;
    for (name, function) in FUNCTIONS {
        for (instance, (_, series)) in many.iter().enumerate() {
            let expr = format!("{name}(c{{instance=\"{instance}\"}}[{seconds}s])");
            let labels = format!("{{instance=\"{instance}\"}}");
            let value = function(series.points(), window).map(|value| (labels, value));
            expectation(text, &expr, at, &Vec::from_iter(value));
            count += 1;
        }
    }
    // Several instances are summed after each one's increase; the order of a sum shows in its last
    // digits, so this one is compared with room.
    let rises = many
        .iter()
        .filter_map(|(_, series)| increase(series.points(), window));
    let rises: Vec<f64> = rises.collect();
    if !rises.is_empty() {
        let sum: f64 = rises.iter().sum();
        let room = sum.abs() * 1e-12;
        let expr = format!("abs(sum(increase(c[{seconds}s])) - {sum:?}) <= bool {room:?}");
        expectation(text, &expr, at, &[("{}".to_owned(), 1.0)]);
        count += 1;
    }
    count
}

#[test]
fn rate_increase_and_delta_are_prometheus_to_the_last_digit() {
    let semantics = promtool();
    let mut random = Random(0x5eed);
    let mut text = "evaluation_interval: 1s\ntests:\n".to_owned();
    let mut count = 0;
    for _ in 0..60 {
        let many: Vec<_> = (0..3).map(|_| counter(&mut random)).collect();
        input_series(&mut text, &many);
        for _ in 0..12 {
            let at = random.below(640);
            let longest = [30, 120, 900][usize::try_from(random.below(3)).unwrap()];
            let range = Duration::from_secs(1 + random.below(longest));
            let window = Window {
                end: second(at),
                range,
                semantics,
            };
            count += one_window(&mut text, &many, at, window);
        }
    }
    let (content, said) = run(&["test", "rules"], &text);
    assert!(content, "{said}");
    println!("{count} expressions alike");
}

/// Expressions, and whether their results keep the metric's name.
const EXPRESSIONS: [(&str, bool); 40] = [
    ("c", true),
    ("c{instance=~\"0|2\",instance!=\"2\"}", true),
    ("c{instance!~\".\"}", true),
    ("c offset 90s", true),
    ("-c", false),
    ("round(sum(c) * 10)", false),
    ("max(c) - min(c)", false),
    ("count(c > 50)", false),
    ("group(c)", false),
    ("sum by (instance) (increase(c[2m])) > 100", false),
    ("round(sum without (instance) (rate(c[3m])))", false),
    ("max by (nothing) (c)", false),
    ("c > 100", true),
    ("100 > c", true),
    ("c > bool 100", false),
    ("c == c", true),
    ("c != 0", true),
    ("c * 2 + 1", false),
    ("2 ^ 3 * c % 7", false),
    ("c / 0", false),
    ("c - c offset 1m", false),
    ("rate(c[1m]) / on(instance) rate(c[5m])", false),
    ("rate(c[1m]) > ignoring(x) rate(c[5m])", false),
    ("c and c{instance=\"1\"}", true),
    ("c unless c{instance=\"1\"}", true),
    ("c unless on() c{instance=\"9\"}", true),
    ("rate(c[1m]) or vector(1)", false),
    ("rate(c[1m]) or rate(c[9m])", false),
    ("irate(c[2m])", false),
    ("changes(c[2m])", false),
    ("resets(c[5m])", false),
    ("max_over_time(c[1m]) - min_over_time(c[1m])", false),
    ("count_over_time(c[200s])", false),
    ("last_over_time(c[100s])", true),
    ("present_over_time(c[10s])", false),
    ("absent(c{instance=\"9\",x!=\"y\"})", false),
    ("absent(c)", false),
    ("clamp_max(c, 10) + clamp_min(c, 5)", false),
    ("round(c) - floor(c) + ceil(abs(-c))", false),
    ("vector(scalar(c{instance=\"0\"}) + 1)", false),
];

/// All NaN are one to promtool only where they have the same bits; those of its own making do not.
fn comparable(vector: &[(Labels, f64)]) -> bool {
    vector.iter().all(|(_, value)| !value.is_nan())
}

#[test]
fn expressions_come_to_what_prometheus_says() {
    let semantics = promtool();
    let mut random = Random(0xa1e47);
    let mut text = "evaluation_interval: 1s\ntests:\n".to_owned();
    let mut count = 0;
    for _ in 0..12 {
        let many: Vec<_> = (0..3).map(|_| counter(&mut random)).collect();
        let history = history(&many);
        input_series(&mut text, &many);
        for _ in 0..6 {
            let at = random.below(1000);
            let time = second(at);
            let evaluation = Evaluation {
                history: &history,
                time,
                semantics,
                unseen_labels: &[],
            };
            for (expr, keeps_name) in EXPRESSIONS {
                let outcome = evaluation.evaluate(&parse_expression(expr).unwrap());
                let Ok(Outcome::Vector(vector)) = outcome else {
                    panic!("{expr}: {outcome:?}")
                };
                let name = if keeps_name { "c" } else { "" };
                let sample = |(labels, value): &(Labels, f64)| match labels.to_string() {
                    labels if labels.is_empty() && name.is_empty() => ("{}".to_owned(), *value),
                    labels => (format!("{name}{labels}"), *value),
                };
                if comparable(&vector) {
                    let samples: Vec<_> = vector.iter().map(sample).collect();
                    expectation(&mut text, &format!("'{expr}'"), at, &samples);
                    count += 1;
                }
            }
        }
    }
    let (content, said) = run(&["test", "rules"], &text);
    assert!(content, "{said}");
    println!("{count} expressions alike");
}

fn history(many: &[(String, Series)]) -> History {
    let name = Text::from("c");
    let mut samples = Vec::new();
    for (at, (_, series)) in many.iter().enumerate() {
        let labels = Labels::of(&[("instance", &at.to_string())]);
        samples.extend(series.points().iter().map(|point| Sample {
            name: Text::clone(&name),
            labels: labels.clone(),
            value: point.value,
            timestamp: Some(point.time),
        }));
    }
    let family = Family {
        name,
        kind: Kind::Counter,
        help: String::new(),
        unit: String::new(),
        label_names: Vec::new(),
        samples,
    };
    let mut history = History::default();
    history.add_timestamped(&Exposition {
        families: vec![family],
        ..Exposition::default()
    });
    history
}

/// Rules, one for each reason why Prometheus refuses a file, and neighbours that it accepts.
const RULES: [&str; 26] = [
    "alert: A\n    expr: up == 0",
    "alert: A\n    expr: up == 0\n    for: 5m\n    labels: {a: b}\n    annotations: {c: '{{ $labels.d }}'}",
    "alert: A\n    expr: up == 0\n    for: 1h30m",
    "alert: A\n    expr: up == 0\n    for: 30m1h",
    "alert: A\n    expr: up == 0\n    for: 5 minutes",
    "alert: A\n    expr: up == 0\n    for: 0s",
    "alert: A",
    "alert: A\n    expr: ''",
    "alert: A\n    expr: null",
    "expr: up",
    "record: r\n    expr: up",
    "record: r\n    alert: A\n    expr: up",
    "record: r\n    expr: up\n    for: 5m",
    "record: r\n    expr: up\n    annotations: {a: b}",
    "record: 'a b'\n    expr: up",
    "alert: A\n    expr: up\n    severity: x",
    "alert: A\n    expr: up\n    labels: {a-b: c}",
    "alert: A\n    expr: up\n    annotations: {a-b: c}",
    "alert: A\n    expr: up\n    labels: {__name__: c}",
    "alert: A\n    expr: sum(rate(up[5m])",
    "alert: A\n    expr: rate(up) > 1",
    "alert: A\n    expr: up{a=~\"(\"}",
    "alert: A\n    expr: nosuch(up)",
    "alert: A\n    expr: sum by (a b) (up)",
    "alert: A\n    expr: up\n    annotations: {c: '{{ $labels.d }'}",
    "alert: A\n    expr: {{ up }}",
];

#[test]
fn the_lint_refuses_what_prometheus_refuses() {
    promtool();
    let nothing = (Catalogue::default(), History::default());
    let world = World {
        catalogue: &nothing.0,
        source: "nothing",
        elsewhere: &nothing.0,
        history: &nothing.1,
        semantics: Semantics::default(),
        has_target_labels: false,
    };
    for rule in RULES {
        let text = format!("groups:\n- name: g\n  rules:\n  - {rule}\n");
        let (accepted, said) = run(&["check", "rules"], &text);
        let refusals = [
            ProblemKind::InvalidRule,
            ProblemKind::MissingExpr,
            ProblemKind::BadExpr,
        ];
        let ours = lint(&text, "f", &world);
        let refused = ours.iter().any(|problem| refusals.contains(&problem.kind));
        assert_eq!(accepted, !refused, "{rule}\n{said}\n{ours:?}");
    }
}
