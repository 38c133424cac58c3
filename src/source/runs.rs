//! Where members of an archive end, and what stands in them, if they are whole.

use libdeflater::{Decompressor, crc32};
use memchr::memmem;

use super::{
    ahead::{STORED_MOST, TEXT_MOST},
    sniff::Compression,
};

/// gzip: magic, deflate.
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
/// The shortest gzip header and trailer.
const GZIP_LEAST: usize = 18;
/// A checksum of the text, and its length.
const TRAILER: usize = 8;
/// What bgzip writes at the end of a file.
const BGZIP_EMPTY: usize = 28;
/// deflate's best ratio.
const DEFLATE_MOST: usize = 1032;
/// Frames of so much text make a run: more of them would leave the processor's caches before they are read.
const ENOUGH: usize = 1 << 20;
/// So many places where a gzip member could end are tried.
const TRIES: usize = 8;
/// The largest window that zstd accepts without being asked to (`ZSTD_WINDOWLOG_LIMIT_DEFAULT`).
const WINDOW_LOG_MOST: u8 = 27;
/// What a block of zstd holds at most (RFC 8878, section 3.1.1.2.4).
const BLOCK_MOST: usize = 128 << 10;

/// Where the last member that stands whole in `stored` seems to end; a member starts at the first byte.
pub(super) fn end(compression: Compression, stored: &[u8], is_all: bool) -> Option<usize> {
    match compression {
        Compression::Plain => None,
        Compression::Gzip => gzip_end(stored, is_all),
        Compression::Zstd => Some(frames(stored).0).filter(|&end| end > 0),
    }
}

/// What stands in members from the first byte on, put at the start of `text`, which grows as it has to: how many stored
/// bytes they took, and how long their text is. No bytes at all if they are not what they seemed, or too long.
pub(super) fn decompress(
    compression: Compression,
    stored: &[u8],
    text: &mut Vec<u8>,
) -> (usize, usize) {
    match compression {
        Compression::Plain => (0, 0),
        Compression::Gzip => {
            let mut inflate = Decompressor::new();
            let (mut at, mut filled) = (0, 0);
            while let Some((length, more)) = gzip_member(&stored[at..], &mut inflate, text, filled)
            {
                (at, filled) = (at + length, filled + more);
            }
            (at, filled)
        }
        Compression::Zstd => {
            let (end, most) = frames(stored);
            if text.len() < most {
                text.resize(most, 0);
            }
            let decompressed = zstd::bulk::Decompressor::new().and_then(|mut frame| {
                frame.decompress_to_buffer(&stored[..end], text.as_mut_slice())
            });
            decompressed.map_or((0, 0), |filled| (end, filled))
        }
    }
}

fn gzip_end(stored: &[u8], is_all: bool) -> Option<usize> {
    let mut end = 0;
    while let Some(length) = bgzip_length(&stored[end..])
        && end + length <= stored.len()
    {
        end += length;
    }
    if end > 0 {
        return Some(end);
    }
    if !is_gzip(stored) {
        return None;
    }
    if is_all && stored.len() <= STORED_MOST {
        return Some(stored.len());
    }
    let starts = memmem::rfind_iter(stored, GZIP);
    starts
        .into_iter()
        .find(|&at| at >= GZIP_LEAST && is_gzip(&stored[at..]))
}

/// Whether a member may start here: deflate, no flag that is reserved, and none of a checksum over the header, which
/// would have to be looked at.
fn is_gzip(stored: &[u8]) -> bool {
    matches!(stored, [0x1f, 0x8b, 8, flags, ..] if flags & 0b1110_0010 == 0)
}

/// The length of a member, by what bgzip writes into its header.
fn bgzip_length(stored: &[u8]) -> Option<usize> {
    match stored {
        [
            0x1f,
            0x8b,
            8,
            4,
            _,
            _,
            _,
            _,
            _,
            _,
            6,
            0,
            b'B',
            b'C',
            2,
            0,
            low,
            high,
            ..,
        ] => Some(usize::from(u16::from_le_bytes([*low, *high])) + 1),
        _ => None,
    }
}

/// Decompresses the member at the first byte, if its end can be found; how long it is, and how long its text is, which is
/// put at `filled`.
fn gzip_member(
    stored: &[u8],
    inflate: &mut Decompressor,
    text: &mut Vec<u8>,
    filled: usize,
) -> Option<(usize, usize)> {
    if !is_gzip(stored) {
        return None;
    }
    if let Some(length) = bgzip_length(stored) {
        return gzip_ends_at(stored.get(..length)?, inflate, text, filled);
    }
    let next = memmem::find_iter(&stored[1..], GZIP).map(|at| at + 1);
    let next = next.filter(|&at| at >= GZIP_LEAST && is_gzip(&stored[at..]));
    let mut ends = next.take(TRIES).chain([stored.len()]);
    ends.find_map(|end| gzip_ends_at(&stored[..end], inflate, text, filled))
}

/// Decompresses a member that takes up all of `stored`, if one does: its length and its checksum stand at its end.
fn gzip_ends_at(
    stored: &[u8],
    inflate: &mut Decompressor,
    text: &mut Vec<u8>,
    filled: usize,
) -> Option<(usize, usize)> {
    if stored.len() < GZIP_LEAST {
        return None;
    }
    let (before, length) = stored.split_last_chunk()?;
    let (_, sum) = before.split_last_chunk()?;
    let (sum, length) = (u32::from_le_bytes(*sum), u32::from_le_bytes(*length));
    // The end of a member without text looks like padding behind one; of bgzip's own, it is known where it is.
    let is_known = bgzip_length(stored) == Some(BGZIP_EMPTY);
    if length == 0 && !(is_known && stored.len() == BGZIP_EMPTY) {
        return None;
    }
    let length = usize::try_from(length).ok()?;
    if length > TEXT_MOST - filled.min(TEXT_MOST)
        || length > stored.len().saturating_mul(DEFLATE_MOST)
    {
        return None;
    }
    if text.len() < filled + length {
        text.resize(filled + length, 0);
    }
    let room = &mut text[filled..filled + length];
    let is_whole = inflate.gzip_decompress(stored, room) == Ok(length) && crc32(room) == sum;
    // What follows a member's end is not looked at, and it may be the same member once more, perhaps with others between.
    let trailer = stored.len() - TRAILER;
    let ends_here = || length == 0 || memmem::find(stored, &stored[trailer..]) == Some(trailer);
    (is_whole && ends_here()).then_some((stored.len(), length))
}

/// Where the last of the zstd frames ends that stand whole in `stored`, as far as their text is not too long, and how
/// long that is at most.
fn frames(stored: &[u8]) -> (usize, usize) {
    let (mut end, mut text) = (0, 0);
    while let Some((length, most)) = frame(&stored[end..])
        && text + most <= TEXT_MOST
        && text < ENOUGH
    {
        (end, text) = (end + length, text + most);
    }
    (end, text)
}

/// The length of the frame at the first byte, if all of it is there, and of its text at most.
fn frame(stored: &[u8]) -> Option<(usize, usize)> {
    let (magic, rest) = stored.split_first_chunk::<4>()?;
    if let [0x50..=0x5f, 0x2a, 0x4d, 0x18] = magic {
        let length = u32::from_le_bytes(*rest.first_chunk()?);
        let length = 8_usize.checked_add(usize::try_from(length).ok()?)?;
        return (length <= stored.len()).then_some((length, 0));
    }
    let &descriptor = rest.first()?;
    let single = descriptor >> 5 & 1 == 1;
    // No dictionary, and no bit that is reserved.
    if *magic != [0x28, 0xb5, 0x2f, 0xfd] || descriptor & 0b1011 != 0 {
        return None;
    }
    let mut at = 5;
    if !single {
        if stored.get(at)? >> 3 > WINDOW_LOG_MOST - 10 {
            return None;
        }
        at += 1;
    }
    at += match descriptor >> 6 {
        0 => usize::from(single),
        flag => 1 << flag,
    };
    let mut text = 0;
    loop {
        let &[low, middle, high] = stored.get(at..)?.first_chunk()?;
        let header = u32::from_le_bytes([low, middle, high, 0]);
        let size = usize::try_from(header >> 3).ok()?;
        let (length, most) = match header >> 1 & 3 {
            0 => (size, size),
            1 => (1, size),
            2 => (size, BLOCK_MOST),
            _ => return None,
        };
        at += 3 + length;
        text += most;
        if header & 1 == 1 {
            break;
        }
    }
    at += if descriptor >> 2 & 1 == 1 { 4 } else { 0 };
    (at <= stored.len()).then_some((at, text))
}
