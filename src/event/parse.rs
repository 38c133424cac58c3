//! A line of JSON -> an [`Event`]: the fast path, and the exact one for what it does not vouch for.

use std::fmt;

use memchr::memmem;

use crate::source::Origin;

use super::{BadLine, Event, exact::Exact, scan::scan};

/// What parsing reuses from line to line. One per thread.
#[derive(Default)]
pub struct Parser {
    exact: Exact,
}

impl Parser {
    /// Parses one line (without its newline).
    #[inline]
    pub fn parse<'a>(&'a mut self, line: &'a str, origin: Origin) -> Result<Event<'a>, BadLine> {
        match scan(line, origin) {
            Some(event) => Ok(event),
            None => self.exact.parse(line, origin),
        }
    }

    /// Parses one line by the exact path only: for tests and fuzzing, which hold one against the other.
    #[doc(hidden)]
    pub fn parse_exactly<'a>(
        &'a mut self,
        line: &'a str,
        origin: Origin,
    ) -> Result<Event<'a>, BadLine> {
        self.exact.parse(line, origin)
    }

    /// Parses one line by the fast path only; `None` if it does not vouch for it. For tests and fuzzing.
    #[doc(hidden)]
    #[must_use]
    pub fn parse_fast(line: &str, origin: Origin) -> Option<Event<'_>> {
        scan(line, origin)
    }
}

/// The buffers are nobody's business.
impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser").finish_non_exhaustive()
    }
}

/// Where the next event starts in a line that could not be parsed.
///
/// A crash or a full disk leaves half a line, and the next event is written right behind it. Only for
/// lines that did not parse. A body may hold such an object as well, and then what follows from there on
/// does not parse either, since the event around it goes on after it: call again on the rest.
#[must_use]
pub fn resync(line: &str) -> Option<usize> {
    let after_first = line.as_bytes().get(1..)?;
    memmem::find(
        after_first,
        br#"{"kind":"Event","apiVersion":"audit.k8s.io/"#,
    )
    .map(|at| at + 1)
}
