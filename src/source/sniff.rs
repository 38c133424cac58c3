//! What a source holds, told by its first bytes and never by its name: rotation and shippers rename.

use serde::{Deserialize, Serialize};

/// How a source is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Compression {
    /// As it is.
    Plain,
    /// gzip, of any number of members.
    Gzip,
    /// Zstandard, of any number of frames.
    Zstd,
}

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Lines, after a byte-order mark of so many bytes.
    Text { mark: usize },
    /// A compression that is undone here.
    Packed(Compression),
    /// Something that would only give bad lines, and what to do about it.
    Foreign(&'static str),
}

/// Enough bytes to tell.
pub(super) const ENOUGH: usize = 6;

/// What a stream that starts with `head` holds.
pub(super) fn sniff(head: &[u8]) -> Format {
    match head {
        [0x1f, 0x8b, ..] => Format::Packed(Compression::Gzip),
        // Frames, and skippable frames: RFC 8878 sections 3.1.1 and 3.1.2.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Format::Packed(Compression::Zstd)
        }
        [0xef, 0xbb, 0xbf, ..] => Format::Text { mark: 3 },
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Format::Foreign(
            "it is UTF-16 text, which only a redirect in PowerShell makes of an audit log: convert \
             it first, with `iconv -f UTF-16 -t UTF-8`",
        ),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            Format::Foreign("it is compressed with xz, which is not supported: pipe in `xz -dc`")
        }
        [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', ..] => Format::Foreign(
            "it is compressed with bzip2, which is not supported: pipe in `bzip2 -dc`",
        ),
        [0x04, 0x22, 0x4d, 0x18, ..] => {
            Format::Foreign("it is compressed with lz4, which is not supported: pipe in `lz4 -dc`")
        }
        [b'P', b'K', 3, 4, ..] => {
            Format::Foreign("it is a zip archive, which is not supported: unpack it first")
        }
        _ => Format::Text { mark: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_by_magic_bytes() {
        let cases: &[(&[u8], Format)] = &[
            (b"", Format::Text { mark: 0 }),
            (b"\x1f", Format::Text { mark: 0 }),
            (b"{\"kind\"", Format::Text { mark: 0 }),
            (b"BZh9 is a text", Format::Text { mark: 0 }),
            (b"\x1f\x8b\x08", Format::Packed(Compression::Gzip)),
            (b"\x28\xb5\x2f\xfd", Format::Packed(Compression::Zstd)),
            (b"\x5a\x2a\x4d\x18", Format::Packed(Compression::Zstd)),
            (b"\xef\xbb\xbf{", Format::Text { mark: 3 }),
        ];
        for (head, format) in cases {
            assert_eq!(sniff(head), *format, "{head:?}");
        }
        for head in [
            &b"\xff\xfe{\0"[..],
            b"\xfe\xff\0{",
            b"PK\x03\x04",
            b"\xfd7zXZ\0\0",
        ] {
            assert!(matches!(sniff(head), Format::Foreign(_)), "{head:?}");
        }
    }
}
