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

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            known: Vec::new(),
            long: None,
        }
    }
}
