//! The exact path: any line that is JSON, read as Go reads it, and any other with the reason why not.
//!
//! simd-json decides whether the line is JSON. What is valid is then written down again without white
//! space and with as few escapes as JSON allows, so that a user name spelled `\u0077eb` is plain text to
//! whoever compares it, and the event borrows from that. Numbers stay as they were written. simd-json's
//! DOM is not used: it keeps the first of two duplicate keys in some cases, where Go takes the last.
//!
//! One difference from a strict parser, and it is Go's: a lone surrogate escape, which a client
//! can smuggle into a patch body, means U+FFFD instead of failing the line.

mod event;
mod rewrite;
mod why;

use simd_json::Buffers;

use crate::source::Origin;

use super::{BadLine, Event};

/// Nesting allowed in a line: Go's own limit (encoding/json `maxNestingDepth`), so that whatever an apiserver
/// accepted and logged is read here as well. Nothing on this path recurses.
const MAX_DEPTH: usize = 10_000;

/// Lines above this size do not leave their buffers behind.
const KEEP: usize = 4 << 20;

/// What the exact path reuses from line to line.
#[derive(Default)]
pub(super) struct Exact {
    scratch: Vec<u8>,
    rewritten: String,
    buffers: Option<Buffers>,
}

impl Exact {
    /// Parses one line.
    #[cold]
    pub(super) fn parse(&mut self, line: &str, origin: Origin) -> Result<Event<'_>, BadLine> {
        let bad = |why: String| BadLine { origin, why };
        let line = line.trim_matches([' ', '\t', '\n', '\r']);
        if line.is_empty() {
            return Err(bad("an empty line".to_owned()));
        }
        if self.rewritten.capacity() > KEEP {
            self.rewritten = String::new();
        }
        self.validate(line).map_err(bad)?;
        rewrite::compact(line, &mut self.rewritten);
        event::read(&self.rewritten, origin).map_err(bad)
    }

    /// Writes the JSON in `text` into `out` in its shortest spelling.
    pub(super) fn compact(&mut self, text: &str, out: &mut String) -> Result<(), String> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        self.validate(text)?;
        rewrite::compact(text, out);
        Ok(())
    }

    /// Whether the line is JSON; if not, why not.
    fn validate(&mut self, line: &str) -> Result<(), String> {
        rewrite::mend_surrogates(line, &mut self.scratch);
        let buffers = self
            .buffers
            .get_or_insert_with(|| Buffers::with_max_depth(4096, MAX_DEPTH));
        let verdict = simd_json::to_tape_with_buffers(&mut self.scratch, buffers)
            .map(drop)
            .map_err(|error| why::not_json(line, &error));
        if line.len() > KEEP {
            // simd-json needs up to thirty times the line, and a long line is rarely followed by another.
            self.buffers = None;
            self.scratch = Vec::new();
        }
        verdict
    }
}
