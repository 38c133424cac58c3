//! Bytes per second of everything that could parse audit events, on the same lines, with the same answers.

#![expect(clippy::print_stderr, reason = "a benchmark talks to a person")]

#[path = "../../examples/gen/bodies.rs"]
mod bodies;
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
    divan::main();
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
