//! Values by text, for as many texts as there is room for.

use std::{hash::Hasher, sync::Arc};

use rustc_hash::FxHasher;

use super::{LONGEST, PLACES};

/// So many of the last bytes of a text are hashed.
const HASHED: usize = 64;

/// What is known, two to a place: the newer of two whose hashes meet stands first.
#[derive(Debug)]
pub(super) struct Table<T> {
    known: Vec<Option<Arc<T>>>,
    /// One that is too long to be kept.
    long: Option<Arc<T>>,
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
        if in_line.iter().map(|text| text.len()).sum::<usize>() > LONGEST {
            return self.long.insert(Arc::new(make(PLACES)));
        }
        if self.known.is_empty() {
            self.known.resize_with(PLACES, || None);
        }
        let mut hasher = FxHasher::default();
        hasher.write_u64(number);
        for text in in_line {
            hasher.write(last(text.as_bytes()));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a part of the hash will do"
        )]
        let first = ((hasher.finish() as usize) % PLACES) & !1;
        let found = [first, first + 1]
            .into_iter()
            .find(|&at| self.known[at].as_deref().is_some_and(&is));
        let at = found.unwrap_or_else(|| {
            self.known.swap(first, first + 1);
            self.known[first] = None;
            first
        });
        self.known[at].get_or_insert_with(|| Arc::new(make(at)))
    }
}

/// What differs most between two texts of one length: a pod's UID ends its user, a role's name what it was allowed by.
/// What two texts have in common here costs one of them its place at worst.
fn last(text: &[u8]) -> &[u8] {
    text.last_chunk::<HASHED>().map_or(text, |last| last)
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
                own == part.as_bytes()
            })
    }

    /// How long they are together, in bytes.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.text.len()
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
            known: Vec::new(),
            long: None,
        }
    }
}
