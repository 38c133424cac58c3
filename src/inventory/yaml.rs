//! YAML for manifests: block style, and every string that is not plainly a word in quotes.
//!
//! What stands in double quotes is JSON's form with more escapes, which YAML 1.2 reads as it is (5.7), so
//! that no name from a dump can end a string, start a comment or look like a number.

use std::fmt::Write;

use serde_json::Value;

/// A document, as the lines behind `---`.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

/// A text that may stand in a comment: on one line, nothing in it that does not print.
pub(super) fn comment(text: &str) -> String {
    let shown = |c: char| {
        if c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric() {
            c
        } else {
            '?'
        }
    };
    text.chars().map(shown).collect()
}

fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (i, (key, value)) in map.iter().enumerate() {
                if i > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                text.push_str(&scalar(key));
                text.push(':');
                behind(value, indent, text);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (i, item) in list.iter().enumerate() {
                if i > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                text.push_str("- ");
                block(item, indent + 2, text);
            }
        }
        _ => {
            text.push_str(&leaf(value));
            text.push('\n');
        }
    }
}

/// A value behind its key: on the same line, or on lines of its own.
fn behind(value: &Value, indent: usize, text: &mut String) {
    let nested = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    };
    if nested {
        text.push('\n');
        text.push_str(&" ".repeat(indent + 2));
        block(value, indent + 2, text);
    } else {
        text.push(' ');
        block(value, indent, text);
    }
}

fn leaf(value: &Value) -> String {
    match value {
        Value::String(string) => scalar(string),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        other => other.to_string(),
    }
}

fn scalar(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Whether any reader of YAML takes the text for this very string: a word that begins with a letter and is
/// no value of another type in YAML 1.1 or 1.2.
fn is_plain(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic());
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    let special = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf",
    ];
    first
        && text.bytes().all(inside)
        && !text.contains("//")
        && !special.contains(&text.to_ascii_lowercase().as_str())
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            ' '..='~' => quoted.push(c),
            // Writing to a String cannot fail.
            _ if u32::from(c) < 0x1_0000 => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            _ => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use saphyr_parser::{Event, Parser, ScalarStyle};
    use serde_json::json;

    use super::*;

    /// Reads YAML back with another library's events.
    fn parse(text: &str) -> Value {
        let mut events = Parser::new_from_str(text).map(|event| event.unwrap().0);
        let node = loop {
            let event = events.next().unwrap();
            if !matches!(event, Event::StreamStart | Event::DocumentStart(_)) {
                break value(event, &mut events);
            }
        };
        assert!(matches!(events.next(), Some(Event::DocumentEnd)));
        assert!(matches!(events.next(), Some(Event::StreamEnd)));
        node
    }

    fn value<'a>(event: Event<'a>, events: &mut impl Iterator<Item = Event<'a>>) -> Value {
        match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => match &*text {
                "true" => json!(true),
                "false" => json!(false),
                "null" => json!(null),
                other => other
                    .parse::<i64>()
                    .map_or_else(|_| json!(other), |n| json!(n)),
            },
            Event::Scalar(text, ..) => json!(text),
            Event::SequenceStart(..) => {
                let mut list = Vec::new();
                loop {
                    match events.next().unwrap() {
                        Event::SequenceEnd => return Value::Array(list),
                        event => list.push(value(event, events)),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut map = serde_json::Map::new();
                loop {
                    match events.next().unwrap() {
                        Event::MappingEnd => return Value::Object(map),
                        key => {
                            let key = value(key, events).as_str().unwrap().to_owned();
                            let event = events.next().unwrap();
                            map.insert(key, value(event, events));
                        }
                    }
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn tree() -> impl Strategy<Value = Value> {
        let text = "([{}\"'#:&*!|>\\\\\n\t\r -]|\\PC|\\p{Cc}|true|12|~){0,12}";
        let leaf = prop_oneof![
            any::<bool>().prop_map(|b| json!(b)),
            any::<i32>().prop_map(|n| json!(n)),
            text.prop_map(|s| json!(s)),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::btree_map(text, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn comes_back_as_it_was(tree in tree()) {
            let text = document(&tree);
            prop_assert!(text.chars().all(|c| c == '\n' || (' '..='~').contains(&c)));
            prop_assert_eq!(parse(&text), tree, "{}", text);
        }
    }
}
