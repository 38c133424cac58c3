//! What is decompressed ahead, member by member, is what the decoder would have come to serially.

use std::io::Cursor;

use flate2::{Crc, write::DeflateEncoder};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{super::Stream, *};

/// A piece of an archive, compressed or not.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Gzip,
    /// A member that says in its header how long it is, as bgzip's do.
    Bgzip,
    /// The same with a wrong length.
    Liar,
    /// A member that names its file, and has a magic number in that name.
    Named,
    /// As stored bytes, which hold the magic numbers that they hold.
    Stored,
    Zstd,
    /// A frame that does not say how long its text is, and has a checksum.
    Streamed,
    /// What zstd skips.
    Skippable,
    Padding,
    Text,
}

const PIECES: [Piece; 10] = [
    Piece::Gzip,
    Piece::Bgzip,
    Piece::Liar,
    Piece::Named,
    Piece::Stored,
    Piece::Zstd,
    Piece::Streamed,
    Piece::Skippable,
    Piece::Padding,
    Piece::Text,
];

fn pack(piece: Piece, content: &[u8]) -> Vec<u8> {
    match piece {
        Piece::Gzip => gzip(content),
        Piece::Bgzip => bgzip(content, 0),
        Piece::Liar => bgzip(content, 7),
        Piece::Named => {
            let name = flate2::GzBuilder::new().filename(&b"a\x1f\x8b\x08.log"[..]);
            let mut encoder = name.write(Vec::new(), Level::default());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Piece::Stored => {
            let mut encoder = GzEncoder::new(Vec::new(), Level::none());
            encoder.write_all(&gzip(content)).unwrap();
            encoder.write_all(b"\n").unwrap();
            encoder.finish().unwrap()
        }
        Piece::Zstd => zstd(content),
        Piece::Streamed => {
            let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
            encoder.include_checksum(true).unwrap();
            for part in content.chunks(20_000) {
                encoder.write_all(part).unwrap();
                encoder.flush().unwrap();
            }
            encoder.finish().unwrap()
        }
        Piece::Skippable => {
            let mut frame = vec![0x5a, 0x2a, 0x4d, 0x18];
            frame.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
            frame.extend(content);
            frame
        }
        Piece::Padding => vec![0; content.len().min(20)],
        Piece::Text => content.to_vec(),
    }
}

/// SAM specification, section 4.1.
fn bgzip(content: &[u8], wrong: u16) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Level::fast());
    encoder.write_all(content).unwrap();
    let deflated = encoder.finish().unwrap();
    let Ok(length) = u16::try_from(deflated.len() + 25) else {
        return gzip(content);
    };
    let mut sum = Crc::new();
    sum.update(content);
    let mut member = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 6, 0, b'B', b'C', 2, 0];
    member.extend(length.wrapping_sub(wrong).to_le_bytes());
    member.extend(deflated);
    member.extend(sum.sum().to_le_bytes());
    member.extend(sum.amount().to_le_bytes());
    member
}

fn any_archive() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        3 => (1..400_u64).prop_map(log),
        1 => (5_000..20_000_u64).prop_map(log),
        1 => Just(Vec::new()),
        1 => "[a-z\n]{0,60}".prop_map(String::into_bytes),
    ];
    // Mostly of one kind, as archives are.
    let kind = prop::sample::select(PIECES.to_vec());
    let odd = prop_oneof![8 => Just(None), 1 => kind.clone().prop_map(Some)];
    let damage = prop_oneof![
        6 => Just(None),
        1 => (any::<Index>(), any::<bool>()).prop_map(Some),
    ];
    (kind, vec((text, odd), 1..12), damage).prop_map(|(kind, pieces, damage)| {
        let mut stored = Vec::new();
        for (text, odd) in pieces {
            stored.extend(pack(odd.unwrap_or(kind), &text));
        }
        if let Some((at, cut)) = damage
            && stored.len() > 8
        {
            let at = at.index(stored.len() - 4) + 4;
            if cut {
                stored.truncate(at);
            } else {
                stored[at] ^= 0x55;
            }
        }
        stored
    })
}

type Chunks = Vec<(u64, Result<Vec<u8>, u64>)>;

fn chunks(source: &Source, threads: usize) -> Chunks {
    let pull = || {
        let (mut buffer, mut chunks) = (Buffer::new(), Vec::new());
        while let Some(chunk) = source.next(&mut buffer) {
            let content = match chunk.content {
                Content::Lines(text) => Ok(text.to_vec()),
                Content::TooLong { bytes, .. } => Err(bytes),
                Content::Records { .. } => panic!("opened for lines"),
            };
            chunks.push((chunk.offset, content));
        }
        chunks
    };
    let mut chunks: Chunks = std::thread::scope(|scope| {
        let pulling: Vec<_> = (0..threads).map(|_| scope.spawn(pull)).collect();
        let chunks = pulling.into_iter().map(|thread| thread.join().unwrap());
        chunks.collect::<Vec<_>>().concat()
    });
    chunks.sort();
    chunks
}

/// The stored bytes as they come through a pipe.
fn serially(stored: &[u8], limits: &Limits, name: &str) -> Source {
    let head = stored[..stored.len().min(4096)].to_vec();
    let rest = Cursor::new(stored[head.len()..].to_vec());
    Source {
        name: name.to_owned(),
        key: 0,
        compression: super::super::Compression::Gzip,
        reader: super::super::Reader::Stream(Stream::new(head, Box::new(rest), limits, false)),
    }
}

fn is_packed(stored: &[u8]) -> bool {
    use super::super::sniff::{Format, sniff};
    matches!(sniff(stored), Format::Packed(_))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn chunks_and_troubles_are_those_of_reading_serially(
        stored in any_archive(),
        chunk in prop_oneof![1..3000_usize, Just(1 << 20)],
        threads in 1..4_usize,
    ) {
        prop_assume!(is_packed(&stored));
        let limits = limits(chunk, 1 << 20);
        let directory = directory(&[("archive", &stored)]);
        let found = find(&[directory.path().to_owned()]);
        let source = only(&found).open(&limits).unwrap();
        let serial = serially(&stored, &limits, source.name());
        let (read, expected) = (chunks(&source, threads), chunks(&serial, 1));
        prop_assert_eq!(source.troubles(), serial.troubles());
        prop_assert_eq!(read.len(), expected.len());
        for (read, expected) in read.iter().zip(&expected) {
            prop_assert_eq!(read, expected);
        }
        prop_assert_eq!(source.end(), serial.end());
        // Where reading stops before the end, what was read ahead may be more.
        if source.troubles().iter().all(|trouble| !trouble.incomplete) {
            prop_assert_eq!(source.stored_bytes_read(), serial.stored_bytes_read());
        }
    }
}

/// How much of an archive is decompressed at once, by whoever claims it.
fn ahead(stored: &[u8], compression: super::super::Compression) -> (Vec<u8>, u64) {
    use super::super::{ahead::Ahead, position::Positioned};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(stored).unwrap();
    let file = std::sync::Arc::new(Positioned::new(file));
    let ahead = Ahead::new(file, stored.len() as u64, compression);
    let (mut text, mut at) = (Vec::new(), 0);
    while let Some(whole) = ahead.claim(at) {
        // The next ones are decompressed before anybody asks for them.
        while ahead.help() {}
        text.extend_from_slice(&whole.text[..whole.filled]);
        at = whole.until;
    }
    (text, at)
}

/// What stands between two copies of a member is not part of the first, nor is the second.
#[test]
fn a_member_that_comes_again_ends_where_it_ends() {
    let (again, between) = (gzip(&log(3000)), zstd(b"between\n"));
    let mut stored = gzip(b"first\n");
    stored.extend([&again[..], &between, &again].concat());
    let directory = directory(&[("archive", &stored)]);
    let found = find(&[directory.path().to_owned()]);
    let source = only(&found).open(&limits(1000, 1 << 20)).unwrap();
    let mut text = Vec::new();
    for (_, lines) in chunks(&source, 2) {
        text.extend(lines.unwrap());
    }
    let expected = [&b"first\n"[..], &log(3000), b"between\n", &log(3000)].concat();
    assert!(text == expected, "{} bytes", text.len());
    assert_eq!(source.troubles(), []);
}

#[test]
fn members_are_found_in_archives_of_every_kind() {
    use super::super::Compression::{Gzip, Zstd};
    let text = log(60_000);
    for (kind, compression) in [
        (Piece::Gzip, Gzip),
        (Piece::Bgzip, Gzip),
        (Piece::Named, Gzip),
        (Piece::Zstd, Zstd),
        (Piece::Streamed, Zstd),
    ] {
        // Long zstd frames are decompressed by whoever comes to them, block by block.
        let most = if compression == Gzip {
            text.len()
        } else {
            200_000
        };
        for size in [3000, 50_000, most] {
            let pieces = text.chunks(size).map(|part| pack(kind, part));
            let stored = pieces.collect::<Vec<_>>().concat();
            let (read, until) = ahead(&stored, compression);
            assert!(read == text, "{kind:?} of {size}");
            assert_eq!(until, stored.len() as u64, "{kind:?} of {size}");
        }
    }
}

#[test]
fn what_is_too_long_to_be_kept_is_left_to_the_decoder() {
    use super::super::Compression::{Gzip, Zstd};
    let zeros = vec![b'\n'; (16 << 20) + 1];
    assert_eq!(ahead(&gzip(&zeros), Gzip), (Vec::new(), 0));
    assert_eq!(ahead(&zstd(&zeros), Zstd), (Vec::new(), 0));
    let directory = directory(&[("a", &gzip(&zeros)), ("b", &zstd(&zeros))]);
    for input in find(&[directory.path().to_owned()]).inputs {
        let source = input.open(&DEFAULT).unwrap();
        assert_eq!(read(&source, 2).len(), zeros.len());
    }
}
