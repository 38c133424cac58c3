//! Where records begin and end, found in a stream that comes in pieces of any size.

use super::{documents::Documents, parts::Parts};

/// What stands at the end of the bytes that a step took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing: the piece is used up.
    Nothing,
    /// A record starts here.
    Start,
    /// The record ends here; it is an item of the list under this key ([`super::Record::list`]).
    End(&'static str),
    /// What started is no record but a container of records.
    Void,
}

/// Tells records apart, one step after the other. Where the pieces are cut does not matter.
#[derive(Debug)]
pub(super) enum Splitter {
    Documents(Documents),
    Parts(Parts),
}

impl Splitter {
    /// Goes on to the next mark; how many bytes were taken to get there.
    pub(super) fn step(&mut self, bytes: &[u8]) -> (usize, Mark) {
        match self {
            Self::Documents(documents) => documents.step(bytes),
            Self::Parts(parts) => parts.step(bytes),
        }
    }

    /// Whether the stream may end here; asked outside of records.
    pub(super) fn may_end(&self) -> bool {
        match self {
            Self::Documents(documents) => !documents.is_within(),
            Self::Parts(_) => true,
        }
    }
}
