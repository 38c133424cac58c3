//! What `grep -rn` prints: `./audit.log:13417:{...}`, or without the file, or without the number.

use super::{About, Inside};

pub(super) const ABOUT: About = About {
    name: "grep",
    what: "`grep` with file names or line numbers",
    example: r#"./kube-apiserver/audit.log:13417:{"kind":"Event",...}"#,
    lacks: "where the event stands in the log: evidence names the line of the paste",
};

/// Longer paths than Linux has.
const LONGEST: usize = 4096 + 16;

pub(super) fn strip(line: &str) -> Option<Inside<'_>> {
    let start = line.as_bytes().get(..LONGEST.min(line.len()))?;
    let at = memchr::memmem::find(start, b":{\"")?;
    let header = line.get(..at)?;
    let is_header = !header.is_empty() && !header.contains(['{', '"', '\t']);
    is_header.then_some(Inside::Text(line.get(at + 1..)?))
}
