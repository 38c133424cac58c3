//! What is remembered of whoever calls, found without looking at any state.

use super::memo::Caller;

/// A value for each seat of [`Memo`](super::Memo), with the user whom it is about.
///
/// No state: forgetting any of it changes nothing but the time that it takes.
#[derive(Debug)]
pub(super) struct BySeat<T>(Vec<Option<(u64, T)>>);

impl<T: Copy> BySeat<T> {
    /// What is remembered of the user of `caller`.
    pub(super) fn get(&self, caller: &Caller) -> Option<T> {
        let (user, value) = (*self.0.get(caller.seat)?)?;
        (user == caller.user_hash).then_some(value)
    }

    /// Remembers `value` of the user of `caller`.
    pub(super) fn set(&mut self, caller: &Caller, value: T) {
        if self.0.len() <= caller.seat {
            self.0.resize(caller.seat + 1, None);
        }
        self.0[caller.seat] = Some((caller.user_hash, value));
    }
}

impl<T> Default for BySeat<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
