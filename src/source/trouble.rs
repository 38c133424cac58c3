//! What could not be read, and why: data, not an error, since the rest of the run goes on.

use std::{
    io::{Error, ErrorKind},
    path::Path,
};

use serde::{Deserialize, Serialize};

/// A file that could not be read, or not to its end, or was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Trouble {
    /// The file.
    pub file: String,
    /// What happened, and what was done about it.
    pub why: String,
    /// Whether something was asked for and nothing at all could be read of it.
    pub unreadable: bool,
    /// Whether something that was asked for is missing: all of it, or what stands behind the damage.
    pub incomplete: bool,
}

impl Trouble {
    /// The operating system did not let it be read.
    #[must_use]
    pub fn failed(file: &str, error: &Error) -> Self {
        Self::unreadable(file, why(error))
    }

    /// Whether nothing had this name any more when it was opened: of a file that was listed before, it says
    /// that it was renamed or deleted since.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.unreadable && self.why == GONE
    }

    /// Whether it says no more than that a document has no end: of a file that grows, that is how it should be.
    #[must_use]
    pub fn is_open_end(&self) -> bool {
        self.incomplete && self.why == OPEN_END
    }

    /// The end of the last document is missing.
    pub(super) fn open_end(file: &str) -> Self {
        Self::cut(file, OPEN_END)
    }

    /// Nothing at all could be read.
    pub(super) fn unreadable(file: &str, why: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            why: why.into(),
            unreadable: true,
            incomplete: true,
        }
    }

    /// It was read to some point and not to its end.
    pub(super) fn cut(file: &str, why: impl Into<String>) -> Self {
        Self {
            unreadable: false,
            ..Self::unreadable(file, why)
        }
    }

    /// Something that a reader of the report should know; nothing that was asked for is missing.
    pub(super) fn note(file: &str, why: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            why: why.into(),
            unreadable: false,
            incomplete: false,
        }
    }
}

/// What [`why`] says of a file that is not there.
const GONE: &str = "no such file";

/// What [`Trouble::open_end`] says.
const OPEN_END: &str = "it ends within a JSON document: it is still being written or was copied in part; what could be \
                        read counts";

/// A path as shown to people.
pub(super) fn name_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// An error of the operating system, with what a person can do about it.
pub(super) fn why(error: &Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => GONE.to_owned(),
        ErrorKind::PermissionDenied => {
            "permission denied: audit logs are readable by their owner only (mode 0600)".to_owned()
        }
        _ => error.to_string(),
    }
}
