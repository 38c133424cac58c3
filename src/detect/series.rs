//! Counts per time bucket, as fine as bounded memory allows.

mod block;

use serde::{Deserialize, Serialize};

use crate::finding::Timestamp;

use super::batch::Batch;
use block::Block;

/// The bucket widths, in seconds, the finest first.
const WIDTHS: [i64; 6] = [1, 10, 60, 300, 3600, 86_400];

/// How many buckets one block holds: the unit in which memory is counted.
const BLOCK: i64 = 60;

/// How many buckets are counted over time.
///
/// Starts with seconds and, when more than `MAX_BLOCKS` blocks of 60 buckets have something in them,
/// goes over to the next width (1 s, 10 s, 1 min, 5 min, 1 h, 1 d) for all of them. The width in the end
/// is the finest one that fits the whole, so it does not depend on the order of the input, nor on how it
/// was split: a part never needs a coarser one than the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series<const MAX_BLOCKS: usize> {
    width: u8,
    total: u64,
    /// Sorted by number. Not a map, whose nodes would be mostly empty: most series of a large cluster
    /// have one block or two.
    blocks: Vec<Block>,
}

/// The best window of a [`Series`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// When the window starts.
    pub start: Timestamp,
    /// Its length in seconds; longer than was asked for where the buckets are wider.
    pub seconds: u64,
    /// How many were counted in it.
    pub count: u64,
}

impl Peak {
    /// Per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.seconds as f64
    }
}

impl<const MAX_BLOCKS: usize> Series<MAX_BLOCKS> {
    /// Counts one at `time`; something without a time is counted in the total alone.
    pub fn add(&mut self, time: Option<Timestamp>) {
        self.total += 1;
        if let Some(time) = time {
            self.put(time.seconds().div_euclid(self.width()), 1);
        }
    }

    /// Counts `count` in one second.
    pub(super) fn add_second(&mut self, second: i64, count: u32) {
        self.total += u64::from(count);
        self.put(second.div_euclid(self.width()), count);
    }

    /// Counts the requests of `batch`.
    pub(super) fn add_batch(&mut self, batch: &Batch) {
        for (second, count) in batch.seconds() {
            self.add_second(second, count);
        }
    }

    /// Counts `count` of which no time is known.
    pub const fn add_untimed(&mut self, count: u64) {
        self.total += count;
    }

    /// Adds what another series has counted.
    pub fn merge(&mut self, mut other: Self) {
        self.total += other.total;
        while self.width < other.width {
            self.widen();
        }
        while other.width < self.width {
            other.widen();
        }
        for (bucket, count) in other.buckets() {
            self.insert(bucket, count);
        }
        self.shrink();
    }

    #[inline]
    fn put(&mut self, bucket: i64, count: u32) {
        self.insert(bucket, count);
        self.shrink();
    }

    /// Adds `count` to bucket number `bucket`, which is given in the present width.
    #[inline]
    fn insert(&mut self, bucket: i64, count: u32) {
        let number = bucket.div_euclid(BLOCK);
        let at = match self.blocks.last() {
            // Most logs are in order.
            Some(last) if last.number == number => self.blocks.len() - 1,
            Some(last) if last.number > number => {
                self.blocks.partition_point(|other| other.number < number)
            }
            _ => self.blocks.len(),
        };
        if self
            .blocks
            .get(at)
            .is_none_or(|other| other.number != number)
        {
            if self.blocks.is_empty() {
                // Many stay with one; a vector would begin with room for four.
                self.blocks.reserve_exact(1);
            }
            self.blocks.insert(at, Block::new(number));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the rest of a division by 60"
        )]
        let slot = bucket.rem_euclid(BLOCK).unsigned_abs() as usize;
        self.blocks[at].add(slot, count);
    }

    /// Goes over to the finest width that fits. Only once all buckets are in: their numbers mean
    /// something else in another width.
    fn shrink(&mut self) {
        while self.blocks.len() > MAX_BLOCKS && usize::from(self.width) + 1 < WIDTHS.len() {
            self.widen();
        }
    }

    fn widen(&mut self) {
        let Some(&next) = WIDTHS.get(usize::from(self.width) + 1) else {
            return;
        };
        let factor = next / self.width();
        self.width += 1;
        for block in std::mem::take(&mut self.blocks) {
            for (bucket, count) in block.buckets() {
                self.insert(bucket.div_euclid(factor), count);
            }
        }
    }

    /// The bucket width in seconds.
    #[must_use]
    pub fn width(&self) -> i64 {
        WIDTHS[usize::from(self.width).min(WIDTHS.len() - 1)]
    }

    /// How many were counted in all.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The buckets that have something in them, by time: number (time / width) and count.
    pub fn buckets(&self) -> impl Iterator<Item = (i64, u32)> {
        self.blocks.iter().flat_map(Block::buckets)
    }

    /// When bucket number `bucket` starts.
    #[must_use]
    pub fn start_of(&self, bucket: i64) -> Timestamp {
        Timestamp::from_micros(
            bucket
                .saturating_mul(self.width())
                .saturating_mul(1_000_000),
        )
    }

    /// The window of `seconds` in which the most were counted, the earliest of equals. Windows are as
    /// long as asked, rounded up to whole buckets.
    #[must_use]
    pub fn peak(&self, seconds: u64) -> Option<Peak> {
        self.windows(seconds).fold(None, |best, window| match best {
            Some(best) if best.count >= window.count => Some(best),
            _ => Some(window),
        })
    }

    /// For every bucket that has something in it, the window of `seconds` that ends with it.
    pub fn windows(&self, seconds: u64) -> impl Iterator<Item = Peak> {
        let span = i64::try_from(seconds).unwrap_or(i64::MAX / 2).max(1);
        let length = span.saturating_add(self.width() - 1) / self.width();
        let mut inside = std::collections::VecDeque::new();
        let mut count = 0_u64;
        self.buckets().map(move |(bucket, n)| {
            inside.push_back((bucket, n));
            count += u64::from(n);
            while let Some(&(oldest, n)) = inside.front() {
                if oldest > bucket - length {
                    break;
                }
                count -= u64::from(n);
                inside.pop_front();
            }
            let start = self.start_of(bucket - length + 1);
            Peak {
                start,
                seconds: (length * self.width()).unsigned_abs(),
                count,
            }
        })
    }

    /// How many were counted in the buckets that overlap the span from `from` to before `to`.
    #[must_use]
    pub fn count_overlapping(&self, from: Timestamp, to: Timestamp) -> u64 {
        let inside = |bucket: i64| self.start_of(bucket) < to && self.start_of(bucket + 1) > from;
        self.buckets()
            .filter(|&(b, _)| inside(b))
            .map(|(_, n)| u64::from(n))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(seconds: &[u32]) -> Series<4> {
        let mut series = Series::default();
        for &second in seconds {
            series.add(Some(Timestamp::from_micros(
                i64::from(second) * 1_000_000 + 5,
            )));
        }
        series
    }

    proptest! {
        #[test]
        fn does_not_depend_on_order_or_split(
            mut seconds in prop::collection::vec(0_u32..3_000_000, 0..300), cut: prop::sample::Index,
        ) {
            let whole = series(&seconds);
            let at = if seconds.is_empty() { 0 } else { cut.index(seconds.len()) };
            let (mut left, right) = (series(&seconds[..at]), series(&seconds[at..]));
            left.merge(right);
            prop_assert_eq!(&left, &whole);
            seconds.reverse();
            prop_assert_eq!(series(&seconds), whole);
        }

        // Few and far between, so that merging itself goes over to the next width.
        #[test]
        fn widening_while_merging_loses_nothing(
            left in prop::collection::vec(0_u32..5_000, 1..9), right in prop::collection::vec(0_u32..50_000, 1..9),
        ) {
            let (mut a, mut b) = (series(&left), series(&right));
            a.merge(series(&right));
            b.merge(series(&left));
            prop_assert_eq!(&a, &b);
            prop_assert_eq!(a, series(&[left, right].concat()));
        }

        // More than 255 in a second, by one or by many at a time, and through a file.
        #[test]
        fn counts_of_any_size_are_kept(
            seconds in prop::collection::vec(0_u32..90, 1..9), times in 1_u32..400, cut: prop::sample::Index,
        ) {
            let all: Vec<u32> = seconds.iter().flat_map(|&s| (0..times).map(move |_| s)).collect();
            let whole = series(&all);
            let at = cut.index(all.len());
            let (mut left, right) = (series(&all[..at]), series(&all[at..]));
            let bytes = postcard::to_stdvec(&right).unwrap();
            left.merge(postcard::from_bytes(&bytes).unwrap());
            prop_assert_eq!(&left, &whole);
            for (second, count) in whole.buckets() {
                let real = all.iter().filter(|&&s| i64::from(s) == second).count();
                prop_assert_eq!(count as usize, real);
            }
        }

        #[test]
        fn the_peak_is_the_best_window(seconds in prop::collection::vec(0_u32..200, 1..200)) {
            let mut series = Series::<768>::default();
            for &second in &seconds {
                series.add(Some(Timestamp::from_micros(i64::from(second) * 1_000_000)));
            }
            let best = (0..200).map(|start: u32| {
                seconds.iter().filter(|&&s| s >= start && s < start + 10).count() as u64
            }).max();
            prop_assert_eq!(series.peak(10).map(|p| p.count), best);
        }
    }
}
