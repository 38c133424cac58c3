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

    /// Writes the JSON in `text` into `out` without white space and with as few escapes as JSON allows; or
    /// says why it is none.
    pub(super) fn compact_into(&mut self, text: &str, out: &mut String) -> Result<(), String> {
        self.exact.compact(text, out)
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
pub fn resync(line: impl AsRef<[u8]>) -> Option<usize> {
    let after_first = line.as_ref().get(1..)?;
    memmem::find(
        after_first,
        br#"{"kind":"Event","apiVersion":"audit.k8s.io/"#,
    )
    .map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Stage;

    const EVENT: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a","stage":"Panic","requestURI":"/x","verb":"get","user":{"username":"u"}"#;

    fn why(line: &str) -> String {
        let mut parser = Parser::default();
        parser.parse(line, Origin::default()).unwrap_err().why
    }

    #[test]
    fn says_why_a_line_is_no_event() {
        let with = |rest: &str| format!("{EVENT},{rest}}}");
        for (line, expected) in [
            (EVENT.to_owned(), "cut short after 150 bytes"),
            (
                r#"{"kind":"Event","level":"Metadata"}"#.to_owned(),
                "not an audit event: no stage",
            ),
            (
                r#"{"kind":"EventList","items":[]}"#.to_owned(),
                "an EventList: unwrap it first (one event per line is read)",
            ),
            (
                r#"{"kind":"Pod"}"#.to_owned(),
                "not an audit event: kind is Pod, not Event",
            ),
            (
                r#"{"kind":"\u001b[2J"}"#.to_owned(),
                "not an audit event: kind is not Event",
            ),
            (
                r#"{"level":"info"}"#.to_owned(),
                "not an audit event: neither kind nor auditID",
            ),
            ("[1]".to_owned(), "line: expected an object, found an array"),
            ("  ".to_owned(), "an empty line"),
            (
                with(r#""user":[]"#),
                "user: expected an object, found an array",
            ),
            (
                with(r#""objectRef":{"name":1}"#),
                "objectRef.name: expected a string, found a number",
            ),
            (
                with(r#""sourceIPs":"::1""#),
                "sourceIPs: expected an array, found a string",
            ),
            (
                with(r#""responseStatus":{"code":200.0}"#),
                "responseStatus.code: expected an HTTP status, found another number",
            ),
            (
                with(r#""responseStatus":{"code":true}"#),
                "responseStatus.code: expected a number, found a boolean",
            ),
            (
                format!("{EVENT}}} tail"),
                "not JSON: trailing characters, at byte 153",
            ),
            (
                "E0102 klog text".to_owned(),
                "not JSON: expected value, at byte 1",
            ),
        ] {
            assert_eq!(why(&line), expected, "{line}");
        }
    }

    #[test]
    fn deep_nesting_is_an_answer_and_not_a_crash() {
        for depth in [127, 512, 9_000] {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            let line = format!("{EVENT},\"requestObject\":{open}{close}}}");
            let mut parser = Parser::default();
            assert!(Parser::parse_fast(&line, Origin::default()).is_some());
            let event = parser.parse_exactly(&line, Origin::default()).unwrap();
            assert_eq!(event.stage, Stage::Panic);
        }
        let line = format!("{EVENT},\"verb\":{}", "[".repeat(1_000_000));
        assert!(!why(&line).is_empty());
        let line = format!(
            "{EVENT},\"verb\":{}{}}}",
            "[".repeat(1_000_000),
            "]".repeat(1_000_000)
        );
        assert_eq!(why(&line), "nested deeper than 10000 levels");
    }

    #[test]
    fn finds_every_event_glued_to_half_a_line() {
        let whole = format!("{EVENT}}}");
        let line = format!("{}{}{whole}", &whole[..100], &whole[..60]);
        let first = resync(&line).unwrap();
        let second = first + resync(&line[first..]).unwrap();
        assert_eq!((first, second), (100, 160));
        assert_eq!(resync(&line[second..]), None);
        assert_eq!(resync(""), None);
        assert_eq!(resync("é"), None);
    }

    #[test]
    fn what_is_spelled_oddly_is_read_plainly() {
        let line = EVENT.replace(r#""u""#, r#""system:serviceaccount:shop:\u0077eb""#) + "}";
        let mut parser = Parser::default();
        let event = parser.parse(&line, Origin::default()).unwrap();
        let account = event.service_account().unwrap();
        assert_eq!((account.namespace, account.name), ("shop", "web"));
    }
}
