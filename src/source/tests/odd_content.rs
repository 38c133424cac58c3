//! Files that are cut, damaged, padded, of another format, or changed while they are read.

use std::{
    fs::OpenOptions,
    io::{self, Read},
};

use super::{super::stream::Stream, *};

/// The content and the only trouble's `why` and `unreadable`.
#[track_caller]
fn check(stored: &[u8], content_expected: &[u8], trouble: Option<(&str, bool)>) {
    let directory = directory(&[("audit.log", stored)]);
    let path = directory.path().join("audit.log");
    let (text, troubles) = content(&path, &limits(50, 1000));
    assert_eq!(
        String::from_utf8_lossy(&text),
        String::from_utf8_lossy(content_expected)
    );
    let got: Vec<_> = troubles
        .iter()
        .map(|t| (t.why.as_str(), t.unreadable))
        .collect();
    match trouble {
        None => assert_eq!(got, []),
        Some((why, unreadable)) => {
            assert_eq!(got.len(), 1, "{got:?}");
            assert!(got[0].0.contains(why), "{got:?}");
            assert_eq!(got[0].1, unreadable, "{got:?}");
        }
    }
}

#[test]
fn an_empty_file_is_fine() {
    check(b"", b"", None);
    check(b"\xef\xbb\xbf", b"", None);
    check(&gzip(b""), b"", None);
    check(&zstd(b""), b"", None);
}

#[test]
fn line_ends_nuls_and_invalid_utf8_are_left_to_the_reader_of_lines() {
    let content = b"\0\0\0\0{}\r\n\n\r\n\xff\xfe{}\n{}";
    check(content, content, None);
    check(&gzip(content), content, None);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line() {
    check(b"\xef\xbb\xbf{}\n", b"{}\n", None);
    check(&zstd(b"\xef\xbb\xbf{}\n"), b"{}\n", None);
}

#[test]
fn gzip_and_zstd_members_follow_each_other_in_any_mixture() {
    let skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc";
    let stored = [
        &gzip(b"1\n")[..],
        &gzip(b""),
        &zstd(b"2"),
        skippable,
        &gzip(b"3\n"),
    ]
    .concat();
    check(&stored, b"1\n23\n", None);
    check(&[&skippable[..], &zstd(b"1\n")].concat(), b"1\n", None);
}

#[test]
fn what_was_readable_of_a_cut_file_counts() {
    let log = log(5000);
    let whole = gzip(&log);
    let directory = directory(&[("a.gz", &whole[..whole.len() / 2])]);
    let (text, troubles) = content(&directory.path().join("a.gz"), &DEFAULT);
    assert!(
        log.starts_with(&text) && text.len() > log.len() / 3,
        "{}",
        text.len()
    );
    assert_eq!(
        troubles[0].why,
        format!(
            "cut short after {} decompressed bytes, which count: it ends within compressed data; \
             it is still being written or was copied in part: fetch it again",
            text.len()
        )
    );
    check(
        &whole[..5],
        b"",
        Some(("nothing could be decompressed: ", true)),
    );
    // Only the check sum is missing.
    let short = gzip(b"{}\n");
    check(
        &short[..short.len() - 3],
        b"{}\n",
        Some(("cut short after 3", false)),
    );
    let short = zstd(b"{}\n");
    check(
        &short[..short.len() - 1],
        b"{}",
        Some(("cut short after 2", false)),
    );
}

#[test]
fn a_wrong_check_sum_is_reported() {
    let mut stored = gzip(b"{}\n");
    let at = stored.len() - 6;
    stored[at] ^= 1;
    check(&stored, b"{}\n", Some(("corrupt gzip data", false)));
}

#[test]
fn what_follows_the_last_member_is_reported() {
    let with = |tail: &[u8]| [&gzip(b"{}\n")[..], tail].concat();
    check(
        &with(&[0; 1000]),
        b"{}\n",
        Some(("1000 NUL bytes of padding at stored byte 23", false)),
    );
    check(
        &with(b"\x01\x02{}\n"),
        b"{}\n",
        Some((
            "from stored byte 23 on is neither compressed nor text",
            false,
        )),
    );
    check(
        &with(b"[]\n"),
        b"{}\n[]\n",
        Some(("from stored byte 23 on is text, and read", false)),
    );
    let again = [&[0; 100][..], &gzip(b"[]\n")].concat();
    check(
        &with(&again),
        b"{}\n[]\n",
        Some(("100 NUL bytes of padding", false)),
    );
}

#[test]
fn two_layers_of_compression_are_not_undone() {
    check(&gzip(&gzip(b"{}\n")), b"", Some(("compressed twice", true)));
    check(&zstd(&gzip(b"{}\n")), b"", Some(("compressed twice", true)));
}

#[test]
fn other_formats_are_named() {
    check(&gzip(b"\xff\xfe{\0}\0"), b"", Some(("UTF-16", true)));
    for (start, what) in [
        (&b"\xff\xfe{\0}\0"[..], "UTF-16"),
        (b"\xfe\xff\0{\0}", "UTF-16"),
        (b"\xfd7zXZ\0\0", "xz"),
        (b"BZh91AY&SY", "bzip2"),
        (b"PK\x03\x04", "zip"),
    ] {
        let directory = directory(&[("a", start)]);
        let found = find(&[directory.path().to_owned()]);
        let trouble = only(&found).open(&DEFAULT).unwrap_err();
        assert!(
            trouble.why.contains(what) && trouble.unreadable,
            "{trouble:?}"
        );
    }
}

#[test]
fn what_is_appended_after_opening_is_left_to_the_next_run() {
    let directory = directory(&[("a", b"1\n2\n")]);
    let path = directory.path().join("a");
    let source = only(&find(std::slice::from_ref(&path)))
        .open(&DEFAULT)
        .unwrap();
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"3\n").unwrap();
    assert_eq!(read(&source, 2), expected(b"1\n2\n", 9));
    assert_eq!(source.troubles(), []);
    let again = only(&find(&[path])).open(&DEFAULT).unwrap();
    assert_eq!(again.key(), source.key(), "grown, and still the same log");
}

#[test]
fn a_small_file_is_read_at_once() {
    for log in [log(1), log(1000), b"no newline".to_vec()] {
        let directory = directory(&[("a", &log)]);
        let path = directory.path().join("a");
        let source = only(&find(std::slice::from_ref(&path))).open(&limits(100, 1 << 20));
        let source = source.unwrap();
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        assert_eq!(read(&source, 2), expected(&log, 1 << 20));
        assert_eq!(source.troubles(), []);
        assert_eq!(source.stored_bytes_read(), log.len() as u64);
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_read_ends_early() {
    // Too long to be read at once.
    let log = log(3000);
    for chunk in [1, 10, 100, 1000, 1 << 20] {
        for left in [0, 1, 40, 333] {
            let directory = directory(&[("a", &log)]);
            let path = directory.path().join("a");
            let source = only(&find(std::slice::from_ref(&path))).open(&limits(chunk, 1 << 20));
            let source = source.unwrap();
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(left).unwrap();
            let left = usize::try_from(left).unwrap();
            assert_eq!(read(&source, 2), expected(&log[..left], 1 << 20));
            let troubles = source.troubles();
            assert_eq!(troubles.len(), 1);
            let why = format!("it shrank from {} to {left} bytes", log.len());
            assert!(troubles[0].why.starts_with(&why), "{troubles:?}");
            assert_eq!(source.stored_bytes_read(), left as u64);
        }
    }
}

/// A disk that fails after some bytes.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::other("bad sector"));
        }
        let n = out.len().min(self.0);
        out[..n].fill(b'\n');
        self.0 -= n;
        Ok(n)
    }
}

#[test]
fn a_read_error_ends_the_source() {
    for (bytes, unreadable) in [(0, true), (1000, false)] {
        let stream = Stream::new(Vec::new(), Box::new(Failing(bytes)), &limits(64, 64), false);
        let (mut buffer, mut read) = (Buffer::new(), 0);
        while let Some(super::super::Piece::Lines { range, .. }) = stream.next(&mut buffer) {
            read += range.len();
        }
        assert_eq!(read, bytes);
        let troubles = stream.troubles("disk");
        assert_eq!(troubles.len(), 1);
        assert!(troubles[0].why.contains("bad sector"), "{troubles:?}");
        assert_eq!(troubles[0].unreadable, unreadable);
    }
}

#[test]
fn what_was_read_before_a_read_error_is_still_decompressed() {
    let log = log(3000);
    for stored in [gzip(&log), zstd(&log)] {
        let (head, rest) = stored[..stored.len() * 3 / 4].split_at(100);
        let texts = [1, 1000, 1 << 20].map(|chunk| {
            let reader = io::Cursor::new(rest.to_vec()).chain(Failing(0));
            let stream = Stream::new(head.to_vec(), Box::new(reader), &limits(chunk, 1000), false);
            let (mut buffer, mut text) = (Buffer::new(), Vec::new());
            while let Some(super::super::Piece::Lines { range, .. }) = stream.next(&mut buffer) {
                text.extend(buffer.get(range));
            }
            let troubles = stream.troubles("disk");
            // A block of zstd comes whole or not at all.
            let why = match text.len() {
                0 => "nothing could be decompressed".to_owned(),
                bytes => format!("cut short after {bytes} decompressed bytes"),
            };
            assert!(troubles[0].why.starts_with(&why), "{troubles:?}");
            assert!(troubles[0].why.ends_with("bad sector"), "{troubles:?}");
            text
        });
        assert!(log.starts_with(&texts[0]));
        assert!(texts[0] == texts[1] && texts[1] == texts[2]);
    }
}

#[test]
fn the_key_tells_files_apart_and_stays_the_same() {
    let directory = directory(&[("a", b"1\n2\n"), ("b", b"1\n2\n"), ("c.gz", &gzip(b"1\n"))]);
    let keys = || -> Vec<u64> {
        let inputs = find(&[directory.path().to_owned()]).inputs;
        inputs
            .iter()
            .map(|input| input.open(&DEFAULT).unwrap().key())
            .collect()
    };
    let before = keys();
    assert_eq!(before, keys());
    assert_ne!(before[0], before[1]);
    write(&directory, "a", b"another log\n");
    assert_ne!(before[0], keys()[0]);
}
