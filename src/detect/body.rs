//! What a write says about its object: the bodies, in whichever form they came.
//!
//! A request's body is a whole object (create, update), a piece of one (merge, strategic merge and apply
//! patches), or a list of operations (JSON patch), which becomes the piece that it writes. Knows nothing of
//! what the objects mean.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::event::{Event, Value};

/// How many operations of a JSON patch are read, and how deep their paths may go: far more than any real one
/// has.
const MOST_OPERATIONS: usize = 10_000;
const DEEPEST_PATH: usize = 32;

/// What a body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body<T> {
    /// The level is too low for it, or it was cut out.
    Unlogged,
    /// It is there and cannot be read as such an object.
    Unreadable,
    /// What it says, as far as it is wanted.
    Said(T),
}

impl<T> Body<T> {
    /// What it says, if it does.
    pub(super) fn said(self) -> Option<T> {
        match self {
            Self::Said(said) => Some(said),
            Self::Unlogged | Self::Unreadable => None,
        }
    }
}

/// The object as the request wants it: a part of it only, if the request is a patch.
pub(super) fn requested<T: DeserializeOwned>(event: &Event<'_>) -> Body<T> {
    event.request_body.map_or(Body::Unlogged, read)
}

/// The object as it was stored if the log has that (level RequestResponse), else as the request wants it.
pub(super) fn stored<T: DeserializeOwned>(event: &Event<'_>) -> Body<T> {
    let response = event.response_body.filter(|_| event.succeeded());
    let stored = response.filter(|body| {
        let kind = body.object().and_then(|object| object.get("kind"));
        // A deletion answers with a Status as often as not.
        kind.and_then(Value::text)
            .is_none_or(|kind| kind != "Status")
    });
    match stored.map(read) {
        Some(Body::Said(object)) => Body::Said(object),
        _ => requested(event),
    }
}

/// For fields that Go writes as `null` when they are empty.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn read<T: DeserializeOwned>(body: Value<'_>) -> Body<T> {
    // Fields that T does not have are skipped without recursion, however deep they are.
    let read = if body.json().starts_with('[') {
        written_by_patch(body).and_then(|piece| serde_json::from_value(piece).ok())
    } else {
        serde_json::from_str(body.json()).ok()
    };
    read.map_or(Body::Unreadable, Body::Said)
}

/// One operation of a JSON patch (RFC 6902).
#[derive(Deserialize)]
struct Operation {
    op: String,
    path: String,
    #[serde(default)]
    value: serde_json::Value,
}

/// What a JSON patch adds and replaces, as a piece of the object: what it takes away or copies is not known.
fn written_by_patch(operations: Value<'_>) -> Option<serde_json::Value> {
    let mut piece = Tree::default();
    for (at, operation) in operations.items().take(MOST_OPERATIONS).enumerate() {
        let operation: Operation = serde_json::from_str(operation.json()).ok()?;
        if operation.op != "add" && operation.op != "replace" {
            continue;
        }
        piece.put(&operation.path, at, operation.value);
    }
    Some(piece.into_value())
}

/// An object that grows by paths; lists are objects whose keys are indices until it is finished.
#[derive(Default)]
struct Tree {
    leaf: Option<serde_json::Value>,
    children: BTreeMap<String, Tree>,
}

impl Tree {
    fn leaf(value: serde_json::Value) -> Self {
        Self {
            leaf: Some(value),
            children: BTreeMap::new(),
        }
    }

    fn put(&mut self, path: &str, at: usize, value: serde_json::Value) {
        let mut place = self;
        for segment in path.split('/').skip(1).take(DEEPEST_PATH) {
            let segment = match segment {
                // Behind the last one: one more each time.
                "-" => format!("-{at:06}"),
                _ => segment.replace("~1", "/").replace("~0", "~"),
            };
            place = place.children().entry(segment).or_default();
        }
        *place = Self::leaf(value);
    }

    /// What is in it; a value that a path leads into is taken apart first.
    fn children(&mut self) -> &mut BTreeMap<String, Self> {
        match self.leaf.take() {
            Some(serde_json::Value::Object(map)) => {
                let map = map.into_iter();
                self.children = map.map(|(key, value)| (key, Self::leaf(value))).collect();
            }
            Some(serde_json::Value::Array(items)) => {
                let items = items.into_iter().enumerate();
                let items = items.map(|(at, value)| (at.to_string(), Self::leaf(value)));
                self.children = items.collect();
            }
            _ => {}
        }
        &mut self.children
    }

    /// At most [`DEEPEST_PATH`] deep, and a value below that.
    fn into_value(self) -> serde_json::Value {
        if let Some(value) = self.leaf {
            return value;
        }
        let index = |key: &String| {
            let digits = key.strip_prefix('-').unwrap_or(key);
            digits.bytes().all(|b| b.is_ascii_digit())
        };
        if !self.children.is_empty() && self.children.keys().all(index) {
            return self.children.into_values().map(Self::into_value).collect();
        }
        let children = self.children.into_iter();
        children
            .map(|(key, child)| (key, child.into_value()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Parser, source::Origin};

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Thing {
        #[serde(deserialize_with = "nullable")]
        names: Vec<String>,
        #[serde(deserialize_with = "nullable")]
        inner: BTreeMap<String, Vec<String>>,
    }

    fn body(request: &str) -> Body<Thing> {
        let line = format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"a","stage":"ResponseComplete","requestURI":"/x","verb":"patch","user":{{"username":"u"}},"requestObject":{request}}}"#
        );
        requested(&Parser::default().parse(&line, Origin::default()).unwrap())
    }

    fn thing(names: &[&str], inner: &[(&str, &[&str])]) -> Body<Thing> {
        let list = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect();
        Body::Said(Thing {
            names: list(names),
            inner: inner
                .iter()
                .map(|&(key, names)| (key.to_owned(), list(names)))
                .collect(),
        })
    }

    #[test]
    fn reads_objects_and_the_pieces_that_patches_write() {
        assert_eq!(
            body(r#"{"names":["a"],"other":{"x":[1]}}"#),
            thing(&["a"], &[])
        );
        assert_eq!(body(r#"{"names":null}"#), thing(&[], &[]));
        assert_eq!(
            body(
                r#"[{"op":"add","path":"/names/-","value":"a"},{"op":"add","path":"/names/-","value":"b"},
                {"op":"remove","path":"/names/0"},{"op":"replace","path":"/inner/a~1b/3","value":"c"}]"#
            ),
            thing(&["a", "b"], &[("a/b", &["c"])])
        );
        let into_a_value = r#"[{"op":"add","path":"/inner","value":{"x":["a"]}},{"op":"add","path":"/inner/x/-","value":"b"}]"#;
        let Body::Said(mut found) = body(into_a_value) else {
            panic!()
        };
        found.inner.values_mut().for_each(|names| names.sort());
        assert_eq!(Body::Said(found), thing(&[], &[("x", &["a", "b"])]));
    }

    #[test]
    fn says_what_it_cannot_read() {
        for request in [
            r#"{"names":7}"#,
            "[1]",
            r#"[{"op":"add","path":"","value":7}]"#,
            "3",
        ] {
            assert_eq!(body(request), Body::Unreadable, "{request}");
        }
        let deep = format!(
            r#"{{"names":["a"],"other":{}{}}}"#,
            "[".repeat(5_000),
            "]".repeat(5_000)
        );
        assert_eq!(body(&deep), thing(&["a"], &[]));
        let far = format!(
            r#"[{{"op":"add","path":"{}","value":1}}]"#,
            "/a".repeat(100_000)
        );
        assert_eq!(body(&far), thing(&[], &[]));
    }
}
