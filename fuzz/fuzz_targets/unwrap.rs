//! Any wrapping: no panic, and the same report for any chunk size and number of threads, by the law of
//! `tests/input`.
#![no_main]

#[path = "../../tests/parse/generate.rs"]
mod generate;
#[path = "../../tests/input/law.rs"]
#[expect(dead_code, reason = "decompress uses the other half")]
mod law;
#[path = "../../tests/dialects/wrap.rs"]
mod wrap;

use libfuzzer_sys::fuzz_target;

use generate::{Entropy, damage, event};

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, size, layout], rest)) = data.split_first_chunk() else {
        return;
    };
    let chunk = 1 + usize::from(size) * usize::from(size) / 3;
    // A third of the inputs are the file; the others choose events, a layout and damage to it.
    if kind < 0x55 {
        return law::check_scan(rest, chunk);
    }
    let mut entropy = Entropy(rest);
    let lines = [event(&mut entropy), event(&mut entropy)];
    let whole: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|event| event.is_object()))
        .collect();
    let layout = &wrap::LAYOUTS[usize::from(layout) % wrap::LAYOUTS.len()];
    let content = (layout.write)(&whole);
    if kind < 0xaa {
        law::check_scan(content.as_bytes(), chunk);
    } else {
        law::check_scan(damage(&mut entropy, &content, &content).as_bytes(), chunk);
    }
});
