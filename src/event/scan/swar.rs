//! The portable way: eight bytes at a time in a plain integer.

#[cfg(any(test, not(target_arch = "x86_64")))]
use super::{
    block::{Masks, Step, Walk},
    simd::{BLOCK, walk_blocks},
};

const WORD: usize = 8;
const ONES: u64 = u64::MAX / 0xff;
const LOW: u64 = ONES * 0x7f;

/// 0x80 in every byte of `word` that is `byte`, exactly.
const fn equal(word: u64, byte: u8) -> u64 {
    let different = word ^ (ONES * byte as u64);
    !(((different & LOW) + LOW) | different | LOW)
}

/// 0x80 in every byte of `word` that is below 0x20.
const fn control(word: u64) -> u64 {
    equal(word & (ONES * 0xe0), 0)
}

pub(super) fn string_stop(text: &[u8], from: usize) -> usize {
    let mut at = from;
    let mut rest = text.get(from..).unwrap_or_default();
    while let Some((word, after)) = rest.split_first_chunk::<WORD>() {
        let word = u64::from_le_bytes(*word);
        let stops = equal(word, b'"') | equal(word, b'\\') | control(word);
        if stops != 0 {
            return at + stops.trailing_zeros() as usize / 8;
        }
        at += WORD;
        rest = after;
    }
    rest.iter()
        .position(|&byte| matches!(byte, b'"' | b'\\' | 0..0x20))
        .map_or(text.len(), |found| at + found)
}

/// Gathers the 0x80s into eight bits.
#[cfg(any(test, not(target_arch = "x86_64")))]
const fn bits(mask: u64) -> u64 {
    (mask >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn masks(block: &[u8; BLOCK]) -> Masks {
    let mut masks = Masks::default();
    let (words, _) = block.as_chunks::<WORD>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let folded = word | (ONES * 0x20);
        let shift = i * WORD;
        masks.quotes |= bits(equal(word, b'"')) << shift;
        masks.backslashes |= bits(equal(word, b'\\')) << shift;
        masks.opens |= bits(equal(folded, b'{')) << shift;
        masks.closes |= bits(equal(folded, b'}')) << shift;
        masks.separators |= bits(equal(word, b':') | equal(word, b',')) << shift;
        masks.controls |= bits(control(word)) << shift;
    }
    masks
}

#[cfg(any(test, not(target_arch = "x86_64")))]
pub(super) fn nested_end(text: &[u8], from: usize) -> Option<usize> {
    walk_blocks!(text, from, masks)
}
