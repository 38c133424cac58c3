//! Commands that can be pasted: arguments from a hostile log, quoted for a POSIX shell.

/// `text` as one word for a POSIX shell: as it is where that is safe, in single quotes otherwise.
#[must_use]
pub fn quote(text: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&b);
    if !text.is_empty() && !text.starts_with('-') && text.bytes().all(safe) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
