//! Any file: reading and decompressing ends, in bounded memory, and gives the same text for any chunk
//! size, by the law of `tests/input`.
#![no_main]

#[path = "../../tests/input/law.rs"]
#[expect(dead_code, reason = "chunk uses the other half")]
mod law;

use libfuzzer_sys::fuzz_target;

const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, size], rest)) = data.split_first_chunk() else {
        return;
    };
    let chunk = 1 + usize::from(size) * usize::from(size) / 3;
    // Half the inputs begin as archives do, so that the fuzzer need not find that out.
    let magic: &[u8] = match kind {
        0..0x80 => &[],
        0x80..0xc0 => GZIP,
        0xc0.. => ZSTD,
    };
    law::check_read(&[magic, rest].concat(), chunk);
});
