//! Bytes per second of everything that could parse audit events, on the same lines, with the same answers.

#![expect(clippy::print_stderr, reason = "a benchmark talks to a person")]
#![expect(clippy::unwrap_used, reason = "what it parses is known to be good")]

#[path = "../../examples/gen/bodies.rs"]
mod bodies;
#[expect(dead_code, reason = "one profile of the example asks for more of them")]
#[path = "../../examples/gen/callers.rs"]
mod callers;
mod contenders;
#[path = "../../examples/gen/rng.rs"]
mod rng;
#[path = "../../examples/gen/traffic.rs"]
mod traffic;

use std::sync::LazyLock;

use divan::{Bencher, black_box, counter::BytesCount};

use traffic::{Profile, Traffic};

const SIZE: usize = 64 << 20;

static META: LazyLock<Vec<u8>> = LazyLock::new(|| generate(Profile::Meta));
static MIXED: LazyLock<Vec<u8>> = LazyLock::new(|| generate(Profile::Mixed));

fn generate(profile: Profile) -> Vec<u8> {
    let mut traffic = Traffic::new(profile, 1, 200);
    let mut text = String::with_capacity(SIZE + (1 << 16));
    while text.len() < SIZE {
        traffic.line(&mut text);
    }
    text.into_bytes()
}

fn log(profile: Profile) -> &'static [u8] {
    match profile {
        Profile::Meta => &META,
        Profile::Mixed => &MIXED,
    }
}

fn main() {
    for profile in [Profile::Meta, Profile::Mixed] {
        let log = log(profile);
        let ours = contenders::satrail(log);
        assert_eq!(ours, contenders::serde_json_struct(log));
        assert_eq!(ours, contenders::simd_json_struct(log));
        assert_eq!(ours, contenders::simd_json_tape(log));
        assert_eq!(ours, contenders::sonic_rs_struct(log));
        eprintln!("{profile:?}: {ours:?}");
    }
    if std::env::args().any(|arg| arg == "--cpu-time") {
        cpu_time();
    } else {
        divan::main();
    }
}

/// Every contender in turn, over and over, by the processor time of this thread: what to trust on a
/// machine that others use too (Linux only).
fn cpu_time() {
    type Contender = (&'static str, fn(&[u8]));
    const CONTENDERS: [Contender; 7] = [
        ("newlines", |log| {
            black_box(contenders::newlines(log));
        }),
        ("satrail", |log| {
            black_box(contenders::satrail(log));
        }),
        ("satrail, exact path only", |log| {
            drop(black_box(contenders::satrail_exact_path(log)));
        }),
        ("simd-json tape", |log| {
            drop(black_box(contenders::simd_json_tape(log)));
        }),
        ("simd-json serde", |log| {
            drop(black_box(contenders::simd_json_struct(log)));
        }),
        ("sonic-rs serde", |log| {
            drop(black_box(contenders::sonic_rs_struct(log)));
        }),
        ("serde_json serde", |log| {
            drop(black_box(contenders::serde_json_struct(log)));
        }),
    ];
    for profile in [Profile::Meta, Profile::Mixed] {
        let log = log(profile);
        let mut times = [const { Vec::new() }; CONTENDERS.len()];
        for _ in 0..15 {
            for ((_, contender), times) in CONTENDERS.iter().zip(&mut times) {
                let before = thread_nanos();
                contender(log);
                times.push(thread_nanos() - before);
            }
        }
        let mut medians = times.map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2] as f64
        });
        let yardstick = medians[4];
        for ((name, _), nanos) in CONTENDERS.iter().zip(&mut medians) {
            let speed = log.len() as f64 * 1e3 / *nanos;
            let ratio = yardstick / *nanos;
            eprintln!("{profile:?}  {name:24}  {speed:8.0} MB/s  {ratio:6.2}");
        }
    }
}

/// How long this thread has run on a processor.
fn thread_nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|nanos| nanos.parse().ok())
        .unwrap_or(0)
}

macro_rules! contenders {
    ($($name:ident)*) => {
        $(#[divan::bench(args = [Profile::Meta, Profile::Mixed], sample_count = 15, sample_size = 1)]
        fn $name(bencher: Bencher<'_, '_>, profile: Profile) {
            let log = log(profile);
            bencher
                .counter(BytesCount::new(log.len()))
                .bench(|| contenders::$name(black_box(log)));
        })*
    };
}

contenders! {
    newlines
    satrail
    satrail_exact_path
    simd_json_tape
    simd_json_struct
    sonic_rs_struct
    serde_json_struct
}
