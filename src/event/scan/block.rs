//! What a block of 64 bytes says about nesting, whichever way its masks were computed.

use std::hint::black_box;

/// Which bytes of a block are what: bit i is byte i.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Masks {
    /// `"`
    pub(super) quotes: u64,
    /// `\`
    pub(super) backslashes: u64,
    /// `{` and `[`
    pub(super) opens: u64,
    /// `}` and `]`
    pub(super) closes: u64,
    /// What may follow a string: `:`, `,`, `}` and `]`
    pub(super) followers: u64,
    /// Below 0x20.
    pub(super) controls: u64,
}

/// What is known at the end of a block.
#[derive(Debug)]
pub(super) struct Walk {
    /// Brackets still open.
    depth: u64,
    /// All ones inside a string, zero outside.
    inside: u64,
    /// 1 if the next byte is escaped.
    escaped: u64,
    /// 1 if the last byte closed a string.
    closed: u64,
}

/// What a block led to.
pub(super) enum Step {
    /// The value goes on.
    On,
    /// It ended with the byte before this one.
    End(usize),
    /// It is no JSON.
    Broken,
}

/// Right behind the opening bracket.
impl Default for Walk {
    fn default() -> Self {
        Self {
            depth: 1,
            inside: 0,
            escaped: 0,
            closed: 0,
        }
    }
}

impl Walk {
    /// Takes one block more.
    #[expect(
        clippy::inline_always,
        reason = "must become part of callers that are compiled for AVX2, which plain inlining did not do"
    )]
    #[inline(always)]
    pub(super) fn step(&mut self, masks: Masks) -> Step {
        // Keeps LLVM (22) from computing with vectors of single bits instead of integers, between which
        // it then moves the bits one by one: a third slower, measured on lists of pods.
        let masks = black_box(masks);
        let quotes = masks.quotes & !self.escaped_bytes(masks.backslashes);
        // From an opening quote on, up to the byte before the closing one.
        let inside = prefix_xor(quotes) ^ self.inside;
        self.inside = 0_u64.wrapping_sub(inside >> 63);
        let opens = masks.opens & !inside;
        let closes = masks.closes & !inside;
        let closing = quotes & !inside;
        let after_string = (closing << 1) | self.closed;
        self.closed = closing >> 63;
        let bad =
            after_string & !masks.followers | masks.controls & inside | masks.backslashes & !inside;

        if u64::from(closes.count_ones()) >= self.depth
            && let Some(end) = self.end(opens, closes)
        {
            let up_to_end = u64::MAX >> (63 - end);
            return if bad & up_to_end == 0 {
                Step::End(end as usize + 1)
            } else {
                Step::Broken
            };
        }
        if bad != 0 {
            return Step::Broken;
        }
        self.depth = self.depth + u64::from(opens.count_ones()) - u64::from(closes.count_ones());
        Step::On
    }

    /// The closing bracket at which the depth becomes zero.
    #[expect(clippy::inline_always, reason = "as in step")]
    #[inline(always)]
    fn end(&self, opens: u64, closes: u64) -> Option<u32> {
        let mut left = closes;
        let mut ended = 0;
        while left != 0 {
            let at = left.trailing_zeros();
            let opened = u64::from((opens & ((1 << at) - 1)).count_ones());
            ended += 1;
            if ended == self.depth + opened {
                return Some(at);
            }
            left &= left - 1;
        }
        None
    }

    /// Which bytes are escaped, that is, follow an odd run of backslashes.
    #[inline(always)]
    fn escaped_bytes(&mut self, backslashes: u64) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        if backslashes == 0 {
            return std::mem::take(&mut self.escaped);
        }
        // A backslash that is escaped itself starts nothing.
        let backslashes = backslashes & !self.escaped;
        let follows = (backslashes << 1) | self.escaped;
        // Adding the starts of the runs that begin at odd places carries through those runs; what
        // comes out tells for each byte behind a run whether the run's parity is its own.
        let odd_starts = backslashes & !EVEN & !follows;
        let (carried, overflow) = odd_starts.overflowing_add(backslashes);
        self.escaped = u64::from(overflow);
        (EVEN ^ (carried << 1)) & follows
    }
}

/// Bit i of the result is the parity of the bits 0 to i.
const fn prefix_xor(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ bits << 32
}
