//! CRI container logs: `2026-01-02T03:04:05.123456789Z stdout F {...}`, long lines in parts tagged `P` of
//! which the last is tagged `F` (FACTS 5, `--audit-log-path=-`).

use super::{
    About, Inside,
    text::{first_word, is_time},
};

pub(super) const ABOUT: About = About {
    name: "cri",
    what: "CRI container logs (containerd, CRI-O); lines that were cut into parts are joined",
    example: r#"2026-01-02T03:04:05.123456789Z stdout F {"kind":"Event",...}"#,
    lacks: "",
};

pub(super) fn strip(line: &str) -> Option<Inside<'_>> {
    let (_, text, _) = part(line)?;
    Some(Inside::Text(text))
}

/// A line: its stream, its text, and whether that is the end of a line of the program's.
pub(super) fn part(line: &str) -> Option<(usize, &str, bool)> {
    let (time, rest) = first_word(line, 40)?;
    let (stream, rest) = first_word(rest, 6)?;
    let (tag, text) = first_word(rest, 32)?;
    let stream = match stream {
        "stdout" => 0,
        "stderr" => 1,
        _ => return None,
    };
    let ended = match tag.split(':').next()? {
        "F" => true,
        "P" => false,
        _ => return None,
    };
    is_time(time).then_some((stream, text, ended))
}
