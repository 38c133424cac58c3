//! Any line: no panic, and both parsing paths agree with serde_json, by the law of `tests/parse`.
#![no_main]

#[path = "../../tests/parse/generate.rs"]
mod generate;
#[path = "../../tests/parse/law.rs"]
mod law;
#[path = "../../tests/parse/reference.rs"]
mod reference;

use libfuzzer_sys::fuzz_target;

use generate::{Entropy, damage, event};

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        // Half the inputs choose an event, damaged or not; the others are the line.
        Some((0x80..=0xff, choices)) => {
            let line = event(&mut Entropy(choices));
            law::check(&line);
            let choices = choices.get(choices.len() / 2..).unwrap_or_default();
            law::check(&damage(&mut Entropy(choices), &line, &line));
        }
        _ => {
            if let Ok(line) = std::str::from_utf8(data) {
                law::check(line);
            }
        }
    }
});
