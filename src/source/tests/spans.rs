//! A file that is read in pieces while it grows gives the same records as when it is read once.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::source::Span;

/// Every record of a source, by place: those of chunks of lines are lines.
fn read_records(source: &Source) -> Vec<(u64, String)> {
    let mut buffer = Buffer::new();
    let mut found = Vec::new();
    while let Some(chunk) = source.next(&mut buffer) {
        match chunk.content {
            Content::TooLong { .. } => {}
            Content::Lines(bytes) => {
                let mut at = chunk.offset;
                for line in bytes.split_inclusive(|&byte| byte == b'\n') {
                    found.push((at, String::from_utf8_lossy(line).into_owned()));
                    at += line.len() as u64;
                }
            }
            Content::Records { text, records, .. } => {
                for record in records {
                    let at = chunk.offset + record.start as u64;
                    let record = String::from_utf8_lossy(&text[record.start..record.end]);
                    found.push((at, record.into_owned()));
                }
            }
        }
    }
    found.sort();
    found
}

fn record(n: u32, form: usize) -> String {
    let filler = "y".repeat((n as usize * 7919) % 600);
    match form {
        0 => format!("{{\"kind\":\"Event\",\"n\":{n},\"x\":\"{filler}\"}}\n"),
        1 => format!("{{\n \"n\": {n},\n \"x\": \"{filler}\"\n}}\n"),
        _ => format!(
            "2026-01-02T03:04:05.1Z stdout P {{\"n\":{n},\n2026-01-02T03:04:05.1Z stdout F \"x\":\"{filler}\"}}\n"
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(120) })]

    #[test]
    fn a_growing_file_is_read_once(
        records in 1..60_u32,
        form in 0..3_usize,
        cuts in vec(any::<prop::sample::Index>(), 0..6),
        chunk in select(vec![1 << 20, 900, 70]),
        pack in select(vec![None, Some(gzip as fn(&[u8]) -> Vec<u8>), Some(zstd)]),
    ) {
        let content: Vec<u8> = (0..records).flat_map(|n| record(n, form).into_bytes()).collect();
        let mut sizes: Vec<usize> = cuts.iter().map(|cut| cut.index(content.len() + 1)).collect();
        sizes.push(content.len());
        sizes.sort_unstable();
        let limits = limits(chunk, 1 << 20);
        let directory = directory(&[("whole", &content)]);
        let whole = read_records(&only(&find(&[directory.path().join("whole")])).open_records(&limits).unwrap());
        let path = directory.path().join("growing");
        let (mut from, mut found) = (0, Vec::new());
        for (step, &size) in sizes.iter().enumerate() {
            // Compressed once it has stopped growing, in the middle of a line or not.
            let last = step + 1 == sizes.len();
            let text = &content[..size];
            match pack {
                Some(pack) if last => fs::write(&path, pack(text)).unwrap(),
                _ => fs::write(&path, text).unwrap(),
            }
            let input = only(&find(std::slice::from_ref(&path))).clone();
            let Ok(probe) = input.probe() else { continue };
            if size == 0 {
                continue;
            }
            let until = match probe.compression {
                crate::source::Compression::Plain => input.last_line(from).unwrap().start,
                _ => u64::MAX,
            };
            let sealed = input.seal(probe.compression, from).unwrap();
            prop_assert!(sealed.is_some());
            let source = input.only(Span { key: 7, from, until }).open_records(&limits).unwrap();
            prop_assert_eq!(source.key(), 7);
            found.extend(read_records(&source));
            prop_assert!(source.end() >= from && source.end() <= size as u64);
            from = source.end();
            if let Some(seal) = source.seal() {
                let input = only(&find(std::slice::from_ref(&path))).clone();
                prop_assert_eq!(input.seal(probe.compression, from).unwrap().map(|seal| seal.hash), Some(seal));
            }
        }
        prop_assert_eq!(from, content.len() as u64);
        prop_assert_eq!(found, whole);
    }
}

#[test]
fn a_place_is_known_by_what_stands_before_it() {
    let text: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
    let directory = directory(&[
        ("a", &text),
        ("b.gz", &gzip(&text)),
        ("c.zst", &zstd(&text)),
    ]);
    for at in [0_u64, 1, 4096, 4097, 50_000, 80_000] {
        let seals: Vec<_> = find(&[directory.path().to_owned()])
            .inputs
            .iter()
            .map(|input| {
                let probe = input.probe().unwrap();
                input.seal(probe.compression, at).unwrap().unwrap()
            })
            .collect();
        assert!(seals.windows(2).all(|pair| pair[0] == pair[1]), "{at}");
        assert_eq!(seals[0].more, at < 80_000);
    }
    let input = only(&find(&[directory.path().join("a")])).clone();
    let plain = crate::source::Compression::Plain;
    assert_eq!(input.seal(plain, 80_001).unwrap(), None);
}
