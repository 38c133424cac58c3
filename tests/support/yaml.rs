//! YAML documents as JSON values, from the events of a YAML library.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

/// The documents of `text` that hold something; `plain` says what a scalar without quotes is.
pub(crate) fn documents(text: &str, plain: impl Fn(&str) -> Value) -> Vec<Value> {
    let (mut documents, mut open) = (Vec::new(), Vec::<Open>::new());
    for event in Parser::new_from_str(text) {
        let value = match event.unwrap().0 {
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop().unwrap() {
                Open::List(items) => Value::Array(items),
                Open::Map(map, None) => Value::Object(map),
                Open::Map(_, Some(key)) => panic!("{key} has no value"),
            },
            Event::Scalar(word, ScalarStyle::Plain, ..) => {
                // An empty document, such as one of comments alone, is an empty plain scalar.
                if open.is_empty() && (word.is_empty() || word == "~") {
                    continue;
                }
                plain(&word)
            }
            Event::Scalar(word, ..) => Value::String(word.into_owned()),
            Event::Alias(_) => panic!("an alias"),
            _ => continue,
        };
        match open.last_mut() {
            None => documents.push(value),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(map, key)) => match key.take() {
                None => *key = Some(value.as_str().unwrap().to_owned()),
                Some(key) => {
                    let twice = map.insert(key.clone(), value);
                    assert!(twice.is_none(), "{key} twice");
                }
            },
        }
    }
    documents
}

/// A string that YAML can take for nothing else, for text in which all scalars are strings.
pub(crate) fn string(word: &str) -> Value {
    let safe = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let other = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let safe = safe && !other.contains(&word.to_lowercase().as_str());
    assert!(safe, "{word} may be no string");
    Value::String(word.to_owned())
}
