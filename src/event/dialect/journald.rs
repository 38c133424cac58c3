//! journald: `journalctl -o json` (`{"MESSAGE":"{...}",...}`), and the lines of `journalctl` and syslog
//! (`Jan 02 03:04:05 host kube-apiserver[1]: {...}`).

use super::{About, Inside, Members, Skipped};

pub(super) const ABOUT: About = About {
    name: "journald",
    what: "journald and syslog: `journalctl -o json`, or lines with time, host and program",
    example: r#"{"MESSAGE":"{...}","_HOSTNAME":"...","__REALTIME_TIMESTAMP":"..."}"#,
    lacks: "events over 48 KiB, which journald takes apart",
};

pub(super) fn open<'a>(record: &Members<'a>, _scratch: &mut String) -> Option<Inside<'a>> {
    let message = record.message_upper?;
    Some(match message.text() {
        Some(_) => Inside::Value(message),
        // Bytes that are no text come as an array of numbers.
        None => Inside::Skipped(Skipped::OtherLog),
    })
}

/// `<anything short> program[pid]: {...}`
pub(super) fn strip(line: &str) -> Option<Inside<'_>> {
    let at = memchr::memmem::find(line.as_bytes().get(..256.min(line.len()))?, b"]: {")?;
    let header = line.get(..at)?;
    let (before, pid) = header.rsplit_once('[')?;
    let is_pid = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    (is_pid && !before.contains(['{', '"'])).then_some(Inside::Text(line.get(at + 3..)?))
}
