//! A word that is looked for in every event: what the search needs is worked out once.

use std::sync::OnceLock;

use memchr::memmem::Finder;

/// A word that is looked for in every event.
///
/// Working out how to search for it costs more than the search through the few hundred bytes that
/// annotations have.
pub(super) struct Mark {
    word: &'static str,
    finder: OnceLock<Finder<'static>>,
}

impl Mark {
    pub(super) const fn new(word: &'static str) -> Self {
        Self {
            word,
            finder: OnceLock::new(),
        }
    }

    pub(super) const fn word(&self) -> &'static str {
        self.word
    }

    /// Whether the word stands in `text`.
    pub(super) fn is_in(&self, text: &str) -> bool {
        let finder = self.finder.get_or_init(|| Finder::new(self.word));
        finder.find(text.as_bytes()).is_some()
    }

    /// Whether the word stands in this JSON, or may be hidden there by an escape by number.
    pub(super) fn may_be_in(&self, json: &str) -> bool {
        self.is_in(json) || ESCAPE.is_in(json)
    }
}

static ESCAPE: Mark = Mark::new("\\u");
