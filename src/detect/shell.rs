//! Commands that can be pasted: arguments from a hostile log, quoted for a POSIX shell.

pub(super) use crate::finding::quote;
