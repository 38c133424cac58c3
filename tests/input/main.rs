//! Whole files, held to the law over generated and damaged content: what the fuzz targets `chunk` and
//! `decompress` do, for a few hundred cases.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "../parse/generate.rs"]
mod generate;
mod law;
mod logs;

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use proptest::{collection::vec, prelude::*};

use generate::Entropy;
use law::{check_read, check_scan};
use logs::log;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn chunk() -> impl Strategy<Value = usize> {
    prop_oneof![1..40_usize, 40..2000_usize, 2000..20_000_usize]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_log_gives_one_report(bytes in vec(any::<u8>(), 0..700), chunk in chunk()) {
        check_scan(&log(&mut Entropy(&bytes)), chunk);
    }

    #[test]
    fn any_bytes_give_one_report(bytes in vec(any::<u8>(), 0..300), chunk in chunk()) {
        check_scan(&bytes, chunk);
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in vec(any::<u8>(), 0..300), chunk in chunk(), zstd in any::<bool>()) {
        check_read(&bytes, chunk);
        let magic: &[u8] = if zstd { b"\x28\xb5\x2f\xfd" } else { b"\x1f\x8b\x08\x00\0\0\0\0\0\x03" };
        check_read(&[magic, &bytes].concat(), chunk);
    }

    #[test]
    fn damaged_archives_are_read_to_an_end(
        bytes in vec(any::<u8>(), 0..400),
        at in any::<prop::sample::Index>(),
        flip in any::<u8>(),
        cut in any::<bool>(),
        zstd in any::<bool>(),
        chunk in chunk(),
    ) {
        let log = log(&mut Entropy(&bytes));
        let mut stored = if zstd { zstd::encode_all(&log[..], 1).unwrap() } else { gzip(&log) };
        let at = at.index(stored.len());
        if cut { stored.truncate(at) } else { stored[at] ^= flip }
        check_read(&stored, chunk);
        check_scan(&stored, chunk);
    }
}
