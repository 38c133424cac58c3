//! YAML documents as JSON values, from the events of a YAML library: anything that YAML could take for
//! something else than a string is refused.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

/// The documents of `text` that hold something.
pub(crate) fn documents(text: &str) -> Vec<Value> {
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
                let safe = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
                let other = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
                let safe = safe && !other.contains(&word.to_lowercase().as_str());
                // An empty document, such as one of comments alone, is an empty plain scalar.
                if open.is_empty() && (word.is_empty() || word == "~") {
                    continue;
                }
                assert!(safe, "{word} may be no string");
                Value::String(word.into_owned())
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
