//! The arithmetic of counters, to the last digit against a real promtool (Debian package `prometheus`).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests, where a panic is a failure"
)]

use std::{fmt::Write as _, fs, process::Command, time::Duration};

use satrail::{
    finding::Timestamp,
    metric::{Point, Semantics, Series, Window, delta, increase, rate},
};

/// What the promtool here follows; `None`, and a line that says so, where there is none.
fn promtool() -> Option<Semantics> {
    let Ok(output) = Command::new("promtool").arg("--version").output() else {
        println!("not tried: no promtool; it is in Debian's package prometheus");
        return None;
    };
    // Releases before 3 print to standard error.
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let version = text.split("version ").nth(1).unwrap_or_default();
    println!("promtool {}", version.split(',').next().unwrap_or_default());
    Some(if version.starts_with("2.") {
        Semantics::Prometheus2
    } else {
        Semantics::Prometheus3
    })
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

/// One counter, as promtool's `values` and as ours: steps of one second, most of them empty.
fn counter(random: &mut Random) -> (String, Series) {
    let (mut text, mut points, mut value) = (String::new(), Vec::new(), 0.0);
    let start = [0, 0, 40, 200][usize::try_from(random.below(4)).unwrap()];
    let interval = 1 + random.below(60);
    let slow = random.below(3) == 0;
    for second in 0..600_u32 {
        let due = u64::from(second) >= start
            && (u64::from(second) + random.below(2)).is_multiple_of(interval);
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
        if random.below(60) == 0 {
            text.push_str("stale ");
            continue;
        }
        write!(text, "{value:?} ").unwrap();
        points.push(Point {
            time: Timestamp::from_micros(i64::from(second) * 1_000_000),
            value,
        });
    }
    (text, points.into_iter().collect())
}

fn expectation(text: &mut String, expr: &str, at: u64, labels: &str, value: Option<f64>) {
    writeln!(text, "      - expr: {expr}\n        eval_time: {at}s").unwrap();
    match value {
        Some(value) => {
            writeln!(
                text,
                "        exp_samples:\n          - labels: '{labels}'\n            value: {value:?}"
            )
        }
        None => writeln!(text, "        exp_samples: []"),
    }
    .unwrap();
}

type Function = fn(&[Point], Window) -> Option<f64>;

#[test]
fn rate_increase_and_delta_are_prometheus_to_the_last_digit() {
    let Some(semantics) = promtool() else { return };
    let mut random = Random(0x5eed);
    let mut text = "evaluation_interval: 1s\ntests:\n".to_owned();
    let mut count = 0;
    for _ in 0..60 {
        let many: Vec<_> = (0..3).map(|_| counter(&mut random)).collect();
        text.push_str("  - interval: 1s\n    input_series:\n");
        for (at, (values, _)) in many.iter().enumerate() {
            writeln!(
                text,
                "      - series: 'c{{instance=\"{at}\"}}'\n        values: '{values}'"
            )
            .unwrap();
        }
        text.push_str("    promql_expr_test:\n");
        for _ in 0..12 {
            let at = random.below(640);
            let longest = [30, 120, 900][usize::try_from(random.below(3)).unwrap()];
            let range = 1 + random.below(longest);
            let end = Timestamp::from_micros(i64::try_from(at).unwrap() * 1_000_000);
            let window = Window {
                end,
                range: Duration::from_secs(range),
                semantics,
            };
            for (name, function) in [
                ("increase", increase as Function),
                ("rate", rate as Function),
                ("delta", delta as Function),
            ] {
                for (instance, (_, series)) in many.iter().enumerate() {
                    let expr = format!("{name}(c{{instance=\"{instance}\"}}[{range}s])");
                    let labels = format!("{{instance=\"{instance}\"}}");
                    expectation(
                        &mut text,
                        &expr,
                        at,
                        &labels,
                        function(series.points(), window),
                    );
                    count += 1;
                }
            }
            // Several instances are summed after each one's increase; the order of a sum shows in its
            // last digits, so this one is compared with room.
            let rises: Vec<f64> = many
                .iter()
                .filter_map(|(_, series)| increase(series.points(), window))
                .collect();
            if !rises.is_empty() {
                let sum: f64 = rises.iter().sum();
                let expr = format!(
                    "abs(sum(increase(c[{range}s])) - {sum:?}) <= bool {:?}",
                    sum.abs() * 1e-12
                );
                expectation(&mut text, &expr, at, "{}", Some(1.0));
                count += 1;
            }
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("counters_test.yaml");
    fs::write(&file, &text).unwrap();
    let output = Command::new("promtool")
        .args(["test", "rules"])
        .arg(&file)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{}", &said[..said.len().min(3000)]);
    println!("{count} expressions alike");
}
