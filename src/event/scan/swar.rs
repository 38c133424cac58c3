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
        let closes = equal(folded, b'}');
        masks.closes |= bits(closes) << shift;
        masks.followers |= bits(closes | equal(word, b':') | equal(word, b',')) << shift;
        masks.controls |= bits(control(word)) << shift;
    }
    masks
}

#[cfg(any(test, not(target_arch = "x86_64")))]
pub(super) fn nested_end(text: &[u8], from: usize) -> Option<usize> {
    walk_blocks!(text, from, masks)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::simd;

    /// One byte at a time, as the SIMD code's documentation says.
    fn nested_end(text: &[u8], from: usize) -> Option<usize> {
        let (mut depth, mut inside, mut escaped, mut closed) = (1, false, false, false);
        for (at, &byte) in text.iter().enumerate().skip(from) {
            if closed && !b":,]}".contains(&byte) {
                return None;
            }
            closed = false;
            if inside {
                if byte < 0x20 {
                    return None;
                }
                if byte == b'"' && !escaped {
                    (inside, closed) = (false, true);
                }
                escaped = byte == b'\\' && !escaped;
                continue;
            }
            match byte {
                b'"' => inside = true,
                b'\\' => return None,
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 1 => return Some(at + 1),
                b'}' | b']' => depth -= 1,
                _ => {}
            }
        }
        None
    }

    fn string_stop(text: &[u8], from: usize) -> usize {
        (from..text.len())
            .find(|&at| matches!(text[at], b'"' | b'\\' | 0..0x20))
            .unwrap_or(text.len())
    }

    fn check(text: &[u8], from: usize) {
        let end = nested_end(text, from);
        assert_eq!(super::nested_end(text, from), end, "portable");
        assert_eq!(simd::nested_end(text, from), end, "detected");
        let stop = string_stop(text, from);
        assert_eq!(super::string_stop(text, from), stop, "portable");
        assert_eq!(simd::string_stop(text, from), stop, "detected");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(simd::sse2_for_tests(text, from), (stop, end), "sse2");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn every_way_finds_the_same_ends(
            text in prop::collection::vec(prop::sample::select(br#"""""\\\{[]}:,,::ab 1"#.to_vec()), 0..300),
            from in 0_usize..70,
        ) {
            check(&text, from.min(text.len()));
        }

        #[test]
        fn every_way_finds_the_same_ends_in_long_values(
            parts in prop::collection::vec(prop::sample::select(vec![
                r#""a":"b","#, r#""c":{"d":[1,2,{"e":"f\"g"}]},"#, r#""\\\\\\\\":"\\\"","#, "1,2,3,",
                r#""a long string of more than sixty-four bytes, with [brackets] and {braces} in it","#,
                r#""é":"","#, "[[[[[[]]]]]],", "\u{1}", "]}", "\\", "\"",
            ]), 0..40),
            from in 0_usize..70,
        ) {
            let text = format!("{}\"z\":0}}}}", parts.concat());
            check(text.as_bytes(), from.min(text.len()));
        }

        #[test]
        fn any_bytes_at_all(text in prop::collection::vec(any::<u8>(), 0..200), from in 0_usize..200) {
            check(&text, from.min(text.len()));
        }
    }
}
