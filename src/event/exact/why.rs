//! What is wrong with a line, in words that hold nothing of the line.

use serde_json::error::Category;
use simd_json::ErrorType;

use crate::event::Value;

/// Why `line` is not JSON, which simd-json has found; `serde_json` words it and knows the place better.
pub(super) fn not_json(line: &str, error: &simd_json::Error) -> String {
    match serde_json::from_str::<serde::de::IgnoredAny>(line) {
        Err(worded) if worded.classify() == Category::Eof => cut_short(line),
        Err(worded) if !worded.to_string().starts_with("recursion limit") => {
            let text = worded.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text);
            match worded.line() {
                1 => format!("not JSON: {what}, at byte {}", worded.column()),
                line => format!(
                    "not JSON: {what}, at byte {} of its line {line}",
                    worded.column()
                ),
            }
        }
        // What serde_json skips without looking closely, or does not follow as deep.
        _ => match error.error() {
            ErrorType::Eof => cut_short(line),
            ErrorType::InvalidNumber => {
                format!(
                    "not JSON: a number out of range, near byte {}",
                    error.index()
                )
            }
            ErrorType::InputTooLarge => "longer than 4 GiB".to_owned(),
            kind if format!("{kind:?}").contains("Depth") => {
                format!("nested deeper than {} levels", super::MAX_DEPTH)
            }
            _ => format!("not JSON, near byte {}", error.index()),
        },
    }
}

/// Why a value is not what its field takes.
pub(super) fn expected(field: &str, wanted: &str, found: Value<'_>) -> String {
    format!("{field}: expected {wanted}, found {}", kind(found))
}

fn kind(value: Value<'_>) -> &'static str {
    match value.json().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

fn cut_short(line: &str) -> String {
    match line.len() {
        1 => "cut short after 1 byte".to_owned(),
        bytes => format!("cut short after {bytes} bytes"),
    }
}
