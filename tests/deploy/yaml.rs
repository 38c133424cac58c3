//! YAML documents as JSON values, by the core schema's rules for plain scalars.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

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
                let typed = serde_json::from_str(&word).ok();
                typed.unwrap_or_else(|| Value::String(word.into_owned()))
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
                Some(key) => assert!(map.insert(key.clone(), value).is_none(), "{key} twice"),
            },
        }
    }
    documents
}
