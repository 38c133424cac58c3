//! Values by text, for as many texts as there is room for.

use std::{hash::Hasher, sync::Arc};

use rustc_hash::FxHasher;

use super::{LONGEST, SEATS};

/// So many of the first and of the last bytes of a text are hashed.
const HASHED: (usize, usize) = (96, 64);

/// So many values share a place, which is a line of the cache.
const WAYS: usize = 4;

/// How many places there are at first, and at most. Powers of two.
const PLACES: (usize, usize) = (128, 4096);

/// A value that was looked for since so many times all values could have been is one of those that come again.
const SOON: usize = 64;

/// All is forgotten when so many bytes of text have been learnt, so that nobody fills the memory with long ones.
const MOST_TEXT: usize = 32 << 20;

/// What is known. Which value of a full place was looked for the longest ago makes room; if that was a little while ago,
/// there are too few places, and they become twice as many.
#[derive(Debug)]
pub(super) struct Table<T> {
    places: Vec<Place<T>>,
    /// How often it was looked into.
    now: u32,
    /// How many values it has had, and how much text.
    had: usize,
    text: usize,
    /// One that is too long to be kept.
    long: Option<Arc<T>>,
}

#[derive(Debug)]
#[repr(align(64))]
struct Place<T> {
    /// Of each value what its text hashes to, and when it was looked for last.
    hashes: [u32; WAYS],
    looked: [u32; WAYS],
    known: [Option<Arc<T>>; WAYS],
}

impl<T> Table<T> {
    /// What `is` says yes to; `make` is called with its seat if it is not known.
    pub(super) fn get<const N: usize>(
        &mut self,
        in_line: [&str; N],
        number: u64,
        is: impl Fn(&T) -> bool,
        make: impl FnOnce(usize) -> T,
    ) -> &Arc<T> {
        let length = in_line.iter().map(|text| text.len()).sum::<usize>();
        if length > LONGEST {
            return self.long.insert(Arc::new(make(SEATS)));
        }
        let hash = hash(in_line, number);
        self.now = self.now.wrapping_add(1);
        let at = self.at(hash);
        let found = self.places.get(at).and_then(|place| {
            (0..WAYS).find(|&way| {
                place.hashes[way] == hash && place.known[way].as_deref().is_some_and(&is)
            })
        });
        let (at, way) = if let Some(way) = found {
            (at, way)
        } else {
            self.text += length;
            self.room(hash)
        };
        let place = &mut self.places[at];
        (place.hashes[way], place.looked[way]) = (hash, self.now);
        place.known[way].get_or_insert_with(|| {
            self.had += 1;
            Arc::new(make(self.had % SEATS))
        })
    }

    /// Where a value of this hash would be.
    fn at(&self, hash: u32) -> usize {
        hash as usize & self.places.len().saturating_sub(1)
    }

    /// Makes room for a value of this hash.
    fn room(&mut self, hash: u32) -> (usize, usize) {
        if self.text > MOST_TEXT {
            (self.places, self.text) = (Vec::new(), 0);
        }
        if self.places.is_empty() {
            self.places.resize_with(PLACES.0, Place::default);
        }
        loop {
            let at = self.at(hash);
            let place = &mut self.places[at];
            if let Some(way) = place.known.iter().position(Option::is_none) {
                return (at, way);
            }
            let ages = place.looked.map(|then| self.now.wrapping_sub(then));
            let oldest = (0..WAYS).max_by_key(|&way| ages[way]).unwrap_or_default();
            let places = self.places.len();
            if ages[oldest] as usize > places * WAYS * SOON || places >= PLACES.1 {
                self.places[at].known[oldest] = None;
                return (at, oldest);
            }
            self.grow();
        }
    }

    /// Twice as many places. Those that share one differ in the next bit of their hashes, or go on sharing it.
    fn grow(&mut self) {
        let before = self.places.len();
        self.places.resize_with(before * 2, Place::default);
        let (old, new) = self.places.split_at_mut(before);
        for (old, new) in old.iter_mut().zip(new) {
            for way in 0..WAYS {
                if old.hashes[way] as usize & before != 0 {
                    (new.hashes[way], new.looked[way]) = (old.hashes[way], old.looked[way]);
                    new.known[way] = old.known[way].take();
                }
            }
        }
    }
}

fn hash<const N: usize>(in_line: [&str; N], number: u64) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write_u64(number);
    for text in in_line {
        let text = text.as_bytes();
        let (first, last) = HASHED;
        if text.len() <= first + last {
            hasher.write(text);
        } else {
            hasher.write(&text[..first]);
            hasher.write(&text[text.len() - last..]);
        }
    }
    let hash = hasher.finish();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a part of the hash will do"
    )]
    let part = (hash ^ hash >> 32) as u32;
    part
}

/// Parts of a line, one behind the other in memory: they are compared with those of every event.
#[derive(Debug)]
pub(super) struct InLine<const N: usize> {
    text: Box<str>,
    /// Where each of them ends. None is longer than [`LONGEST`], or it is not compared.
    ends: [u32; N],
}

impl<const N: usize> InLine<N> {
    pub(super) fn new(parts: [&str; N]) -> Self {
        Self {
            text: parts.concat().into_boxed_str(),
            ends: ends(parts),
        }
    }

    #[inline]
    pub(super) fn is(&self, parts: [&str; N]) -> bool {
        let mut rest = self.text.as_bytes();
        self.ends == ends(parts)
            && parts.iter().all(|part| {
                let (own, after) = rest.split_at(part.len().min(rest.len()));
                rest = after;
                is_same(own, part.as_bytes())
            })
    }

    /// How long they are together, in bytes.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.text.len()
    }
}

/// `a == b`, without a call for the few bytes of a verb or a resource.
#[inline]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    const WORD: usize = size_of::<u64>();
    if a.len() != b.len() {
        return false;
    }
    let words = |text: &[u8]| {
        let (first, last) = (text.first_chunk::<WORD>()?, text.last_chunk::<WORD>()?);
        Some((u64::from_ne_bytes(*first), u64::from_ne_bytes(*last)))
    };
    match a.len() {
        0..WORD => a.iter().eq(b),
        WORD..=16 => words(a) == words(b),
        _ => a == b,
    }
}

#[inline]
fn ends<const N: usize>(parts: [&str; N]) -> [u32; N] {
    let mut ends = [0; N];
    let mut end = 0_u32;
    for (known, part) in ends.iter_mut().zip(parts) {
        end = end.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
        *known = end;
    }
    ends
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            now: 0,
            had: 0,
            text: 0,
            long: None,
        }
    }
}

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self {
            hashes: [0; WAYS],
            looked: [0; WAYS],
            known: [const { None }; WAYS],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often one of `texts` had to be learnt.
    fn learnt(table: &mut Table<String>, texts: impl Iterator<Item = String>) -> usize {
        let mut learnt = 0;
        for text in texts {
            let known = table.get(
                [&text],
                0,
                |known| *known == text,
                |_| {
                    learnt += 1;
                    text.clone()
                },
            );
            assert_eq!(**known, text);
        }
        learnt
    }

    fn name(number: usize) -> String {
        format!("pod-{number}")
    }

    #[test]
    fn what_comes_again_is_seldom_learnt_anew() {
        for (many, most) in [(1, 0), (100, 10), (3000, 300), (8000, 16_000)] {
            let mut table = Table::default();
            let first = learnt(&mut table, (0..many).map(name));
            assert_eq!(first, many);
            let again = learnt(&mut table, (0..10 * many).map(|n| name(n % many)));
            assert!(again <= most, "{again} of {many}");
            assert!(table.places.len() <= PLACES.1);
        }
    }

    #[test]
    fn what_never_comes_again_makes_room() {
        let mut table = Table::default();
        let now_and_again = |n: usize| name(if n.is_multiple_of(2) { n % 50 } else { n });
        let many = 200_000;
        let learnt = learnt(&mut table, (0..many).map(now_and_again));
        assert!(learnt < many / 2 + 2000, "{learnt}");
        let kept = (table.places.iter().flat_map(|place| &place.known)).flatten();
        assert!(kept.count() <= PLACES.1 * WAYS);
    }

    /// However alike they are where nobody looks.
    #[test]
    fn texts_of_one_hash_are_told_apart() {
        let alike = |n: usize| format!("{}{n:04}{}", "a".repeat(200), "b".repeat(200));
        assert_eq!(hash([&alike(1)], 0), hash([&alike(2)], 0));
        let mut table = Table::default();
        learnt(&mut table, (0..10_000).map(|n| alike(n * 7 % 100)));
    }

    #[test]
    fn long_texts_do_not_fill_the_memory() {
        let mut table = Table::default();
        let long = |n: usize| format!("{n}{}", "x".repeat(3000));
        assert_eq!(learnt(&mut table, (0..20_000).map(long)), 20_000);
        let kept = (table.places.iter().flat_map(|place| &place.known)).flatten();
        assert!(kept.map(|text| text.len()).sum::<usize>() <= MOST_TEXT);
        let too_long = |n: usize| format!("{n}{}", "x".repeat(LONGEST));
        assert_eq!(learnt(&mut table, (0..20).map(|_| too_long(1))), 20);
    }
}
