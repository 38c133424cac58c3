//! Writes an event down as kube-apiserver would have, from what another form has kept of it.

use std::fmt::Write;

use crate::event::{Object, Text, Value, scan::simd::nested_end};

/// An event in the making, in a scratch text.
pub(super) struct Canon<'o>(&'o mut String);

impl<'o> Canon<'o> {
    /// Begins an event; what was in `out` is gone.
    pub(super) fn begin(out: &'o mut String) -> Self {
        out.clear();
        out.push_str(r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1""#);
        Self(out)
    }

    /// A member whose value stands for itself.
    pub(super) fn json(&mut self, key: &str, json: &str) {
        self.key(key);
        self.0.push_str(json);
    }

    /// A string, as it stands in its literal.
    pub(super) fn text(&mut self, key: &str, text: Text<'_>) {
        self.key(key);
        self.literal(text);
    }

    /// A string that needs escaping.
    pub(super) fn string(&mut self, key: &str, text: &str) {
        self.key(key);
        escape(text, self.0);
    }

    /// An array of one string.
    pub(super) fn texts(&mut self, key: &str, text: Text<'_>) {
        self.key(key);
        self.0.push('[');
        self.literal(text);
        self.0.push(']');
    }

    /// An object whose keys were rewritten by a shipper.
    pub(super) fn renamed(&mut self, key: &str, object: Object<'_>, rename: fn(&str) -> String) {
        self.key(key);
        let mut separator = '{';
        for (key, value) in object.entries() {
            self.0.push(separator);
            escape(&rename(&key.read()), self.0);
            self.0.push(':');
            self.0.push_str(value.json());
            separator = ',';
        }
        if separator == '{' {
            self.0.push('{');
        }
        self.0.push('}');
    }

    /// An object or an array: as it is, or, where it is a string that holds one, what that holds.
    pub(super) fn dynamic(&mut self, key: &str, value: Value<'_>) {
        let Some(text) = value.text() else {
            return self.json(key, value.json());
        };
        let held = text.read();
        let held = held.trim();
        // Nothing that a string holds may end the event around it.
        if held.starts_with(['{', '[']) && nested_end(held.as_bytes(), 1) == Some(held.len()) {
            self.json(key, held);
        }
    }

    /// Ends it.
    pub(super) fn end(self) {
        self.0.push('}');
    }

    fn key(&mut self, key: &str) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, ",\"{key}\":");
    }

    fn literal(&mut self, text: Text<'_>) {
        self.0.push('"');
        self.0.push_str(text.literal());
        self.0.push('"');
    }
}

/// A string literal.
pub(super) fn escape(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0'..' ' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
            _ => out.push(char),
        }
    }
    out.push('"');
}
