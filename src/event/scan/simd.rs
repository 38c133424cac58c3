//! Finding the end of a string or of a nested value, 16 to 64 bytes at a time.
//!
//! `unsafe`: loads from arrays of the right length, and calls of AVX2 code after asking the CPU. SSE2 is
//! part of x86-64, AVX2 is asked for at run time, and everything else takes the portable way, which the
//! tests hold against the others.
#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "SIMD loads, and calls of code compiled for a CPU feature that was checked"
    )
)]

use super::block::{Masks, Step, Walk};
#[cfg(not(target_arch = "x86_64"))]
use super::swar;

/// Bytes looked at together in nested values.
pub(super) const BLOCK: usize = 64;

/// The first byte at or after `from` that ends a string or makes it harder to read: a quote, a
/// backslash or a control byte. The length of `text` if there is none.
#[inline]
pub(in crate::event) fn string_stop(text: &[u8], from: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { sse2::string_stop(text, from) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        swar::string_stop(text, from)
    }
}

/// The end of the object or array whose opening bracket stands right before `from`.
///
/// Vouches for: strings are terminated, hold no control bytes and are followed by one of `: , } ]`;
/// brackets are balanced (in number, not in kind); no backslash stands outside a string. `None` if
/// not, or if there is no end.
#[inline]
pub(in crate::event) fn nested_end(text: &[u8], from: usize) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("bmi1")
        {
            // SAFETY: the CPU has just been found to have the features that the function needs.
            unsafe { avx2::nested_end(text, from) }
        } else {
            // SAFETY: SSE2 is part of x86-64.
            unsafe { sse2::nested_end(text, from) }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        swar::nested_end(text, from)
    }
}

/// What the SSE2 code says, whatever this CPU has.
#[cfg(all(test, target_arch = "x86_64"))]
pub(super) fn sse2_for_tests(text: &[u8], from: usize) -> (usize, Option<usize>) {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { (sse2::string_stop(text, from), sse2::nested_end(text, from)) }
}

/// Walks the blocks of `$text` from `$from`, the last one filled up with spaces.
///
/// A macro and not a function that takes a closure: a closure in a generic does not inherit the
/// caller's `target_feature`, and its intrinsics become calls.
macro_rules! walk_blocks {
    ($text:expr, $from:expr, $masks:path) => {{
        let mut at = $from;
        let mut walk = Walk::default();
        let mut rest = $text.get(at..)?;
        while let Some((block, after)) = rest.split_first_chunk::<BLOCK>() {
            match walk.step($masks(block)) {
                Step::On => {}
                Step::End(bytes) => return Some(at + bytes),
                Step::Broken => return None,
            }
            at += BLOCK;
            rest = after;
        }
        let mut block = [b' '; BLOCK];
        block.get_mut(..rest.len())?.copy_from_slice(rest);
        match walk.step($masks(&block)) {
            Step::End(bytes) => Some(at + bytes),
            Step::On | Step::Broken => None,
        }
    }};
}
#[cfg(any(test, not(target_arch = "x86_64")))]
pub(super) use walk_blocks;

#[cfg(target_arch = "x86_64")]
pub(super) mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8,
    };

    use super::{BLOCK, Masks, Step, Walk};
    use crate::event::scan::swar;

    const LANE: usize = 16;

    #[target_feature(enable = "sse2")]
    #[inline]
    fn load(bytes: &[u8; LANE]) -> __m128i {
        // SAFETY: the array has the 16 bytes that are read, and the load may be unaligned.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn equal(bytes: __m128i, byte: u8) -> __m128i {
        _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte.cast_signed()))
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn control(bytes: __m128i) -> __m128i {
        _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn bits(mask: __m128i) -> u64 {
        u64::from(_mm_movemask_epi8(mask).cast_unsigned())
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(in crate::event::scan) fn string_stop(text: &[u8], from: usize) -> usize {
        let mut at = from;
        let mut rest = text.get(from..).unwrap_or_default();
        while let Some((lane, after)) = rest.split_first_chunk::<LANE>() {
            let lane = load(lane);
            let quoted = _mm_or_si128(equal(lane, b'"'), equal(lane, b'\\'));
            let stops = bits(_mm_or_si128(quoted, control(lane)));
            if stops != 0 {
                return at + stops.trailing_zeros() as usize;
            }
            at += LANE;
            rest = after;
        }
        swar::string_stop(text, at)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn masks(block: &[u8; BLOCK]) -> Masks {
        let mut masks = Masks::default();
        let (lanes, _) = block.as_chunks::<LANE>();
        for (i, lane) in lanes.iter().enumerate() {
            let lane = load(lane);
            let folded = _mm_or_si128(lane, _mm_set1_epi8(0x20));
            let closes = equal(folded, b'}');
            let separators = _mm_or_si128(equal(lane, b':'), equal(lane, b','));
            let shift = i * LANE;
            masks.quotes |= bits(equal(lane, b'"')) << shift;
            masks.backslashes |= bits(equal(lane, b'\\')) << shift;
            masks.opens |= bits(equal(folded, b'{')) << shift;
            masks.closes |= bits(closes) << shift;
            masks.followers |= bits(_mm_or_si128(closes, separators)) << shift;
            masks.controls |= bits(control(lane)) << shift;
        }
        masks
    }

    #[target_feature(enable = "sse2")]
    pub(in crate::event::scan) fn nested_end(text: &[u8], from: usize) -> Option<usize> {
        walk_blocks!(text, from, masks)
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8,
        _mm256_or_si256, _mm256_set1_epi8,
    };

    use super::{BLOCK, Masks, Step, Walk};

    const LANE: usize = 32;

    #[target_feature(enable = "avx2")]
    #[inline]
    fn equal(bytes: __m256i, byte: u8) -> __m256i {
        _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte.cast_signed()))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn bits(mask: __m256i) -> u64 {
        u64::from(_mm256_movemask_epi8(mask).cast_unsigned())
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn masks(block: &[u8; BLOCK]) -> Masks {
        let mut masks = Masks::default();
        let (lanes, _) = block.as_chunks::<LANE>();
        for (i, lane) in lanes.iter().enumerate() {
            // SAFETY: the array has the 32 bytes that are read, and the load may be unaligned.
            let lane = unsafe { _mm256_loadu_si256(lane.as_ptr().cast()) };
            let folded = _mm256_or_si256(lane, _mm256_set1_epi8(0x20));
            let closes = equal(folded, b'}');
            let separators = _mm256_or_si256(equal(lane, b':'), equal(lane, b','));
            let control = _mm256_cmpeq_epi8(_mm256_min_epu8(lane, _mm256_set1_epi8(0x1f)), lane);
            let shift = i * LANE;
            masks.quotes |= bits(equal(lane, b'"')) << shift;
            masks.backslashes |= bits(equal(lane, b'\\')) << shift;
            masks.opens |= bits(equal(folded, b'{')) << shift;
            masks.closes |= bits(closes) << shift;
            masks.followers |= bits(_mm256_or_si256(closes, separators)) << shift;
            masks.controls |= bits(control) << shift;
        }
        masks
    }

    #[target_feature(enable = "avx2,popcnt,bmi1")]
    pub(in crate::event::scan) fn nested_end(text: &[u8], from: usize) -> Option<usize> {
        walk_blocks!(text, from, masks)
    }
}
