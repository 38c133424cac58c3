//! YAML, written: block style, and every string that is not plainly a word in quotes.
//!
//! Whatever a string holds, it cannot end its quotes, start a comment, look like a number, or reach a terminal as a
//! control sequence. Knows nothing of what is written.

use std::fmt::Write;

use serde_json::Value;

/// Lists of words up to this width stand on one line.
const WIDEST: usize = 100;

/// `value` as the lines of a document, without a separator. Its depth is that of this program's own types.
#[must_use]
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    if is_nested(value) {
        block(value, 0, &mut text);
    } else {
        text = leaf(value);
    }
    text.trim_start_matches('\n').to_owned() + "\n"
}

/// A text in double quotes. Letters of other scripts stay readable; what controls or joins does not stay.
#[must_use]
pub fn quoted(text: &str) -> String {
    escaped(text, char::is_alphanumeric)
}

/// The same in nothing but printable ASCII, which makes it a string of Go and of PromQL as well.
#[must_use]
pub fn quoted_ascii(text: &str) -> String {
    escaped(text, |_| false)
}

/// A text that may stand in a comment: on one line, nothing in it that does not print.
#[must_use]
pub fn comment(text: &str) -> String {
    let shown = |c: char| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric();
    text.chars()
        .map(|c| if shown(c) { c } else { '?' })
        .collect()
}

/// A mapping or a list, from a new line on.
fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                start_line(indent, out);
                let _ = write!(out, "{}:", word(key));
                // Lists may stand as far left as their key.
                let inside = if value.is_array() { indent } else { indent + 2 };
                child(value, inside, out);
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
    if let Value::Array(items) = value
        && !items.is_empty()
        && !items.iter().any(is_nested)
    {
        let line = items.iter().map(leaf).collect::<Vec<_>>().join(", ");
        if indent + line.len() <= WIDEST {
            let _ = write!(out, " [{line}]");
            return;
        }
    }
    if is_nested(value) {
        block(value, indent, out);
    } else {
        let _ = write!(out, " {}", leaf(value));
    }
}

fn start_line(indent: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Whether it takes lines of its own.
fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn leaf(value: &Value) -> String {
    match value {
        Value::String(text) => word(text),
        // Numbers, `true`, `null`, `{}` and `[]` are the same in JSON.
        other => other.to_string(),
    }
}

/// A string: as it is where every YAML reader takes that for this very string, in quotes otherwise.
fn word(text: &str) -> String {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    let starts = |b: &u8| b.is_ascii_alphabetic() || *b == b'/';
    let plain = text.bytes().all(inside) && text.as_bytes().first().is_some_and(starts);
    // What YAML 1.1 takes for something else (kubectl's reader is one), and what readers of numbers do.
    let other = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf",
    ];
    if plain && !other.contains(&text.to_ascii_lowercase().as_str()) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Double quotes, and escapes that YAML 1.1, YAML 1.2 (5.7) and Go share for all but printable ASCII and what is kept.
fn escaped(text: &str, kept: impl Fn(char) -> bool) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            ' '..='~' => quoted.push(c),
            _ if kept(c) => quoted.push(c),
            _ => {
                // Writing to a String cannot fail.
                let _ = match u32::from(c) {
                    code @ ..0x1_0000 => write!(quoted, "\\u{code:04x}"),
                    code => write!(quoted, "\\U{code:08x}"),
                };
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
        assert_eq!(document(&value), expected);
    }

    #[test]
    fn long_lists_stand_below_each_other() {
        let names: Vec<_> = (0..3).map(|n| format!("{n}{}", "x".repeat(40))).collect();
        let value = json!({"verbs": names});
        let text = document(&value);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert_eq!(parse(&text), value);
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
            prop_assert!(text.chars().all(|c| c == '\n' || (' '..='~').contains(&c) || c.is_alphanumeric()));
            prop_assert_eq!(parse(&text), tree, "{}", text);
        }

        #[test]
        fn what_is_no_string_elsewhere_is_quoted(text in "(true|NO|On|null|~|-?[0-9]{1,3}(\\.[0-9]+)?|0x1f|1e3|[0-9]{4}-[0-9]{2}-[0-9]{2}|\\.inf)") {
            prop_assert_eq!(document(&json!({"a": text})), format!("a: \"{text}\"\n"));
        }
    }
}
