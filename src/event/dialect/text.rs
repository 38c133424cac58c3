//! What is told of text that is no JSON.

use super::Skipped;

/// What CloudWatch and its readers put where they cut an event.
const CUT: &str = "[Truncated...]";

/// What a text is that a form has wrapped and that is no JSON, or none any more.
pub(super) fn judge(text: &str) -> Skipped {
    if text.trim_end().ends_with(CUT) && text.starts_with('{') {
        Skipped::Cut
    } else if text.starts_with("CWL CONTROL MESSAGE") {
        Skipped::ControlMessage
    } else {
        known(text).unwrap_or(Skipped::OtherLog)
    }
}

/// What a line is that is no JSON, if it is something that is known to stand beside audit events.
pub(super) fn known(text: &str) -> Option<Skipped> {
    if is_klog(text) {
        Some(Skipped::Klog)
    } else if is_legacy(text) {
        Some(Skipped::LegacyFormat)
    } else {
        None
    }
}

/// `I0102 15:04:05.000000       1 file.go:12] text` (klog `klog.go`, `formatHeader`).
fn is_klog(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    matches!(bytes.first(), Some(b'I' | b'W' | b'E' | b'F'))
        && (1..5).all(digit)
        && bytes.get(5) == Some(&b' ')
        && [6, 7, 9, 10, 12, 13].into_iter().all(digit)
        && bytes.get(8) == Some(&b':')
        && bytes.get(11) == Some(&b':')
        && bytes.get(14) == Some(&b'.')
}

/// `2017-...Z AUDIT: id="..." stage="..."` (apiserver `pkg/audit/format.go`).
fn is_legacy(text: &str) -> bool {
    let Some((time, rest)) = text.split_once(' ') else {
        return false;
    };
    is_time(time) && rest.starts_with("AUDIT: id=\"")
}

/// Whether `word` is a date and a time with no space between.
pub(super) fn is_time(word: &str) -> bool {
    let bytes = word.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    (19..=40).contains(&bytes.len())
        && [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]
            .into_iter()
            .all(digit)
        && (bytes[4], bytes[7], bytes[10], bytes[13], bytes[16]) == (b'-', b'-', b'T', b':', b':')
}

/// The first word of a line and what follows it: a word of at most so many bytes.
pub(super) fn first_word(line: &str, longest: usize) -> Option<(&str, &str)> {
    let end = memchr::memchr(
        b' ',
        line.as_bytes()
            .get(..=longest.min(line.len().checked_sub(1)?))?,
    )?;
    Some((line.get(..end)?, line.get(end + 1..)?))
}
