//! Any chunk size, number of threads and compression gives the same lines at the same offsets.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

fn any_content() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        Just(Vec::new()),
        vec(any::<u8>(), 0..40),
        vec(Just(0_u8), 1..30),
        (1..30_000_usize).prop_map(|n| vec![b'x'; n]),
        "[a-z{}\"]{1,200}".prop_map(String::into_bytes),
    ];
    let end = select(vec![&b"\n"[..], b"\n", b"\r\n", b"\n\n\n"]);
    let start = select(vec![&b"{"[..], b"\xef\xbb\xbf", b"\n", b"\0\0"]);
    (start, vec((text, end), 0..12), any::<bool>()).prop_map(|(start, lines, cut)| {
        let mut content = start.to_vec();
        for (text, end) in lines {
            content.extend(text);
            content.extend(end);
        }
        if cut {
            content.pop();
        }
        content
    })
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let chunk = prop_oneof![1..8_usize, 8..200_usize, 200..20_000_usize, Just(1 << 20)];
    let max_line = prop_oneof![0..60_u64, 60..6000_u64, Just(64 << 20)];
    (chunk, max_line).prop_map(|(chunk, max_line)| limits(chunk, max_line))
}

/// The content, compressed in pieces that are cut anywhere.
fn packed(content: &[u8], cuts: &[prop::sample::Index], pack: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut at: Vec<usize> = cuts
        .iter()
        .map(|cut| cut.index(content.len() + 1))
        .collect();
    at.extend([0, content.len()]);
    at.sort_unstable();
    let pieces = at
        .windows(2)
        .map(|piece| pack(&content[piece[0]..piece[1]]));
    pieces.collect::<Vec<_>>().concat()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn every_way_of_reading_gives_the_same_lines(
        content in any_content(),
        limits in any_limits(),
        cuts in vec(any::<prop::sample::Index>(), 0..4),
        threads in 1..4_usize,
    ) {
        let expected = expected(&content, limits.max_line_bytes);
        let directory = directory(&[
            ("plain", &content),
            ("gzip", &packed(&content, &cuts, gzip)),
            ("zstd", &packed(&content, &cuts, zstd)),
        ]);
        let found = find(&[directory.path().to_owned()]);
        prop_assert_eq!(&found.troubles, &[]);
        for input in &found.inputs {
            let source = input.open(&limits).unwrap();
            prop_assert_eq!(&read(&source, threads), &expected, "{}", input.name());
            prop_assert_eq!(source.troubles(), vec![]);
            prop_assert_eq!(Some(source.stored_bytes_read()), input.stored_bytes());
        }
        let stream = super::super::Stream::new(Vec::new(), Box::new(std::io::Cursor::new(content)), &limits, false);
        let source = Source {
            name: String::new(),
            key: 0,
            compression: super::super::Compression::Plain,
            reader: super::super::Reader::Stream(stream),
        };
        prop_assert_eq!(&read(&source, threads), &expected, "stream");
    }

    #[test]
    fn damage_is_reported_and_what_stands_before_it_counts(
        lines in 1..3000_u64,
        at in any::<prop::sample::Index>(),
        cut in any::<bool>(),
        pack in select(vec![gzip as fn(&[u8]) -> Vec<u8>, zstd]),
        chunk in 1..3000_usize,
    ) {
        let content = log(lines);
        let mut stored = pack(&content);
        let at = at.index(stored.len() - 4) + 4;
        if cut { stored.truncate(at) } else { stored[at] ^= 0x55 }
        let directory = directory(&[("damaged", &stored)]);
        let path = directory.path().join("damaged");
        let (one, troubles) = super::content(&path, &limits(chunk, 1 << 20));
        let (other, same_troubles) = super::content(&path, &DEFAULT);
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(&troubles, &same_troubles);
        if cut {
            prop_assert!(content.starts_with(&one));
            prop_assert_eq!(troubles.len(), 1);
        }
    }
}

#[test]
fn a_line_over_many_blocks_is_not_read_quadratically() {
    let mut content = vec![b'x'; 24 << 20];
    content.extend(b"\nlast\n");
    let directory = directory(&[("a", &content), ("b.gz", &gzip(&content))]);
    for input in find(&[directory.path().to_owned()]).inputs {
        // 24,576 blocks: quadratic would be 300 GB.
        let limits = limits(1024, 64 << 20);
        let lines = read(&input.open(&limits).unwrap(), 2);
        assert_eq!(lines, expected(&content, limits.max_line_bytes));
    }
}

#[test]
fn a_too_long_line_takes_no_memory() {
    let mut content = b"first\n".to_vec();
    content.resize(8 << 20, b'x');
    content.extend(b"\nlast");
    let directory = directory(&[("a", &content), ("b.gz", &gzip(&content))]);
    for input in find(&[directory.path().to_owned()]).inputs {
        let source = input.open(&limits(64 << 10, 100 << 10)).unwrap();
        let mut buffer = Buffer::new();
        let mut offsets = Vec::new();
        while let Some(chunk) = source.next(&mut buffer) {
            offsets.push((
                chunk.offset,
                matches!(chunk.content, Content::TooLong { .. }),
            ));
        }
        offsets.sort_unstable();
        assert_eq!(offsets, [(0, false), (6, true), ((8 << 20) + 1, false)]);
        assert!(buffer.all().len() < 1 << 20, "{}", buffer.all().len());
    }
}
