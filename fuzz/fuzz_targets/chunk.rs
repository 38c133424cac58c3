//! Any log: no panic, and the same report for any chunk size, by the law of `tests/input`.
#![no_main]

#[path = "../../tests/parse/generate.rs"]
mod generate;
#[path = "../../tests/input/law.rs"]
#[expect(dead_code, reason = "decompress uses the other half")]
mod law;
#[path = "../../tests/input/logs.rs"]
mod logs;

use libfuzzer_sys::fuzz_target;

use generate::Entropy;

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, size], rest)) = data.split_first_chunk() else {
        return;
    };
    let chunk = 1 + usize::from(size) * usize::from(size) / 3;
    if kind < 0x80 {
        law::check_scan(rest, chunk);
    } else {
        law::check_scan(&logs::log(&mut Entropy(rest)), chunk);
    }
});
