//! Sixty buckets in a row: the unit in which a series takes memory.

use serde::{Deserialize, Serialize};

use super::BLOCK;

const SLOTS: usize = 60;

/// How many filled buckets take no memory of their own.
const FEW: usize = 15;

/// 60 buckets in a row, in 32 bytes as long as few of them have something in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub(super) struct Block {
    /// Time / width / 60.
    pub(super) number: i64,
    /// One bit for each bucket that has something in it.
    filled: u64,
    counts: Counts,
}

/// How many each bucket has. Which form it is follows from the counts alone, since they never fall.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Counts {
    /// Of the filled buckets, in their order; zeros behind them.
    Few([u8; FEW]),
    /// More buckets than that are filled.
    Narrow(Box<[u8; SLOTS]>),
    /// One has more than 255.
    Wide(Box<[u32; SLOTS]>),
}

/// As it is saved: what most blocks have most of is nothing.
#[derive(Serialize, Deserialize)]
struct Stored {
    number: i64,
    /// One bit for each bucket that has something in it.
    filled: u64,
    /// The counts of those buckets, in their order.
    counts: Vec<u32>,
}

impl Block {
    pub(super) const fn new(number: i64) -> Self {
        Self {
            number,
            filled: 0,
            counts: Counts::Few([0; FEW]),
        }
    }

    #[inline]
    pub(super) fn add(&mut self, slot: usize, count: u32) {
        if slot >= SLOTS || count == 0 {
            return;
        }
        let bit = 1 << slot;
        let before = (self.filled & (bit - 1)).count_ones() as usize;
        let all = self.filled.count_ones() as usize;
        let known = self.filled & bit != 0;
        let narrow = u8::try_from(count);
        match (&mut self.counts, narrow) {
            (Counts::Few(counts), Ok(count)) if !known && all < FEW => {
                counts.copy_within(before..all, before + 1);
                counts[before] = count;
            }
            (Counts::Few(counts), Ok(count)) if known => match counts[before].checked_add(count) {
                Some(sum) => counts[before] = sum,
                None => self.widen(slot, u32::from(count)),
            },
            (Counts::Few(_), Ok(count)) => {
                let mut counts = Box::new([0; SLOTS]);
                for (slot, known) in self.slots() {
                    counts[slot] = u8::try_from(known).unwrap_or(u8::MAX);
                }
                counts[slot] = count;
                self.counts = Counts::Narrow(counts);
            }
            (Counts::Narrow(counts), Ok(count)) => match counts[slot].checked_add(count) {
                Some(sum) => counts[slot] = sum,
                None => self.widen(slot, u32::from(count)),
            },
            (Counts::Wide(counts), _) => counts[slot] = counts[slot].saturating_add(count),
            (_, Err(_)) => self.widen(slot, count),
        }
        self.filled |= bit;
    }

    /// Adds to a bucket what only a wide one holds.
    fn widen(&mut self, slot: usize, count: u32) {
        let mut counts = Box::new([0; SLOTS]);
        for (slot, known) in self.slots() {
            counts[slot] = known;
        }
        counts[slot] = counts[slot].saturating_add(count);
        self.counts = Counts::Wide(counts);
    }

    /// The filled buckets by their place here, with their counts.
    fn slots(&self) -> impl Iterator<Item = (usize, u32)> {
        let (mut left, mut at) = (self.filled, 0);
        std::iter::from_fn(move || {
            let slot = left.trailing_zeros() as usize;
            let count = match &self.counts {
                _ if left == 0 => return None,
                Counts::Few(counts) => u32::from(*counts.get(at)?),
                Counts::Narrow(counts) => u32::from(counts[slot]),
                Counts::Wide(counts) => counts[slot],
            };
            left &= left - 1;
            at += 1;
            Some((slot, count))
        })
    }

    pub(super) fn buckets(&self) -> impl Iterator<Item = (i64, u32)> {
        let start = self.number * BLOCK;
        self.slots()
            .map(move |(slot, count)| (start + slot.cast_signed() as i64, count))
    }
}

impl From<Block> for Stored {
    fn from(block: Block) -> Self {
        Self {
            number: block.number,
            filled: block.filled,
            counts: block.slots().map(|(_, count)| count).collect(),
        }
    }
}

impl From<Stored> for Block {
    fn from(stored: Stored) -> Self {
        let mut block = Self::new(stored.number);
        let filled = (0..SLOTS).filter(|slot| stored.filled >> slot & 1 == 1);
        for (slot, count) in filled.zip(stored.counts) {
            block.add(slot, count);
        }
        block
    }
}
