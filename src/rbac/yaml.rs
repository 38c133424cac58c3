//! Manifests as YAML: block style, sorted keys, and quotes around whatever could be read otherwise.

use std::fmt::Write;

use serde_json::Value;

/// Lists of words up to this width stand on one line.
const WIDEST: usize = 100;

/// `value` as a YAML document, without a separator. `value` comes from this program's own types: its
/// depth is theirs.
#[must_use]
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(_) | Value::Array(_) => block(value, 0, &mut text),
        scalar => text = self::scalar(scalar),
    }
    text.trim_start_matches('\n').to_owned() + "\n"
}

/// A mapping or a list, from a new line on.
fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                start_line(indent, out);
                let _ = write!(out, "{}:", word(key));
                child(value, indent + 2, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                start_line(indent, out);
                out.push('-');
                match item {
                    Value::Object(map) if !map.is_empty() => {
                        // The first key stands beside the dash.
                        let mut inner = String::new();
                        block(item, indent + 2, &mut inner);
                        out.push(' ');
                        out.push_str(inner.trim_start());
                    }
                    _ => child(item, indent + 2, out),
                }
            }
        }
        _ => {}
    }
}

/// What follows a key or a dash.
fn child(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if map.is_empty() => out.push_str(" {}"),
        Value::Array(items) if items.is_empty() => out.push_str(" []"),
        Value::Array(items) if items.iter().all(is_scalar) => {
            let words: Vec<_> = items.iter().map(scalar).collect();
            let line = words.join(", ");
            if indent + line.len() <= WIDEST {
                let _ = write!(out, " [{line}]");
            } else {
                // Lists may stand as far left as their key.
                block(value, indent.saturating_sub(2), out);
            }
        }
        Value::Object(_) => block(value, indent, out),
        Value::Array(_) => block(value, indent.saturating_sub(2), out),
        _ => {
            let _ = write!(out, " {}", scalar(value));
        }
    }
}

fn start_line(indent: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

const fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Object(_) | Value::Array(_))
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => word(text),
        other => other.to_string(),
    }
}

/// A string: as it is where every YAML reader takes that for this very string, in quotes otherwise.
fn word(text: &str) -> String {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    let starts = |b: &u8| b.is_ascii_alphabetic() || *b == b'/';
    let plain = text.bytes().all(inside) && text.as_bytes().first().is_some_and(starts);
    // What YAML 1.1 takes for something else (kubectl's reader is one).
    let other = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    if plain && !other.contains(&text.to_ascii_lowercase().as_str()) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Double quotes, and escapes that YAML 1.1 and 1.2 share (YAML 1.2, 5.7) for all but printable ASCII and
/// letters.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            _ if c.is_alphanumeric() => out.push(c),
            _ => {
                let _ = match u32::from(c) {
                    code @ ..0x100 => write!(out, "\\x{code:02x}"),
                    code @ ..0x1_0000 => write!(out, "\\u{code:04x}"),
                    code => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use saphyr_parser::{Event, Parser, ScalarStyle};
    use serde_json::json;

    use super::*;

    /// What another reader makes of it: every scalar, and whether it is quoted.
    fn scalars(text: &str) -> Vec<(String, bool)> {
        let events = Parser::new_from_str(text).map(|event| event.unwrap().0);
        let scalars = events.filter_map(|event| match event {
            Event::Scalar(text, style, ..) => {
                Some((text.into_owned(), style != ScalarStyle::Plain))
            }
            _ => None,
        });
        scalars.collect()
    }

    #[test]
    fn looks_as_people_write_it() {
        let value = json!({
            "metadata": {"name": "satrail:shop:web", "labels": {}},
            "rules": [
                {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"]},
                {"nonResourceURLs": ["/metrics"], "verbs": [], "resourceNames": ["yes", "1", "a b"]},
            ],
            "subjects": [{"kind": "ServiceAccount"}],
        });
        let expected = "\
metadata:
  labels: {}
  name: \"satrail:shop:web\"
rules:
- apiGroups: [\"\"]
  resources: [pods, pods/log]
  verbs: [get]
- nonResourceURLs: [/metrics]
  resourceNames: [\"yes\", \"1\", \"a b\"]
  verbs: []
subjects:
- kind: ServiceAccount
";
        assert_eq!(yaml(&value), expected);
    }

    #[test]
    fn long_lists_stand_below_each_other() {
        let names: Vec<_> = (0..3).map(|n| format!("{n}{}", "x".repeat(40))).collect();
        let text = yaml(&json!({"verbs": names}));
        assert_eq!(text.lines().count(), 4, "{text}");
        assert_eq!(scalars(&text).len(), 4);
    }

    proptest! {
        #[test]
        fn every_string_comes_back(text in any::<String>(), more in "[a-zA-Z0-9:.#~*&!|>'\"%@`{}\\[\\] -]{0,12}") {
            let written = yaml(&json!({"a": [text.clone()], "b": more.clone()}));
            let read: Vec<_> = scalars(&written).into_iter().map(|(text, _)| text).collect();
            prop_assert_eq!(read, ["a".to_owned(), text, "b".to_owned(), more]);
            prop_assert!(written.chars().all(|c| c == '\n' || !c.is_control()));
        }

        #[test]
        fn what_is_no_string_elsewhere_is_quoted(text in "(true|NO|On|null|~|-?[0-9]{1,3}(\\.[0-9]+)?|0x1f|1e3|[0-9]{4}-[0-9]{2}-[0-9]{2}|\\.inf)") {
            let written = yaml(&json!({"a": text}));
            prop_assert!(scalars(&written)[1].1, "{}", written);
        }
    }
}
