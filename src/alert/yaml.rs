//! YAML as a tree in which every node knows its line.
//!
//! Built from the events of `saphyr-parser`: the serde-based crates lose the line numbers that a lint
//! lives on. Depth and size are bounded, aliases included, so that no file can exhaust memory or stack.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// A node and the line it starts on, counted from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A scalar, and whether it is plain (a plain `null` is no text).
    Scalar(String, bool),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(Node, Node)>),
}

/// Where and why a text is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) line: u64,
    pub(super) why: String,
}

const DEEPEST: usize = 64;
const MOST_NODES: usize = 1_000_000;

/// The documents of a YAML stream.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Broken> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Broken {
            line: error.marker().line() as u64,
            why: error.info().to_owned(),
        })?;
        builder.event(event, span)?;
    }
    Ok(builder.documents)
}

#[derive(Default)]
struct Builder {
    documents: Vec<Node>,
    /// Collections that are still open: the node, its anchor, and a key without its value.
    open: Vec<(Node, usize, Option<Node>)>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Broken> {
        let line = span.start.line() as u64;
        let broken = |why: &str| {
            Err(Broken {
                line,
                why: why.to_owned(),
            })
        };
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let node = Node {
                    line,
                    value: Value::Scalar(text.into_owned(), plain),
                };
                self.complete(node, anchor);
            }
            Event::SequenceStart(anchor, _) => self.begin(line, Value::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.begin(line, Value::Map(Vec::new()), anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((node, anchor, _)) = self.open.pop() {
                    self.complete(node, anchor);
                }
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.nodes += node.size();
                    self.complete(Node { line, ..node }, 0);
                }
                None => return broken("an alias without its anchor"),
            },
            _ => {}
        }
        if self.open.len() > DEEPEST {
            return broken("nested too deeply");
        }
        if self.nodes > MOST_NODES {
            return broken("too large");
        }
        Ok(())
    }

    fn begin(&mut self, line: u64, value: Value, anchor: usize) {
        self.open.push((Node { line, value }, anchor, None));
    }

    fn complete(&mut self, node: Node, anchor: usize) {
        self.nodes += 1;
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some((parent, _, key)) = self.open.last_mut() else {
            self.documents.push(node);
            return;
        };
        match (&mut parent.value, key.take()) {
            (Value::List(list), _) => list.push(node),
            (Value::Map(map), Some(key)) => map.push((key, node)),
            (Value::Map(_), None) => *key = Some(node),
            (Value::Scalar(..), _) => {}
        }
    }
}

impl Node {
    fn size(&self) -> usize {
        match &self.value {
            Value::Scalar(..) => 1,
            Value::List(list) => 1 + list.iter().map(Self::size).sum::<usize>(),
            Value::Map(map) => 1 + map.iter().map(|(k, v)| k.size() + v.size()).sum::<usize>(),
        }
    }

    /// The value under `key`, if this is a mapping that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let mut pairs = self.pairs().iter();
        pairs
            .find(|(name, _)| name.text() == Some(key))
            .map(|(_, value)| value)
    }

    /// The pairs of a mapping; none for anything else.
    pub(super) fn pairs(&self) -> &[(Self, Self)] {
        if let Value::Map(map) = &self.value {
            map
        } else {
            &[]
        }
    }

    /// The items of a sequence; none for anything else.
    pub(super) fn items(&self) -> &[Self] {
        if let Value::List(list) = &self.value {
            list
        } else {
            &[]
        }
    }

    /// The text of a scalar as it stands there, null or not.
    pub(super) fn raw(&self) -> Option<&str> {
        if let Value::Scalar(text, _) = &self.value {
            Some(text)
        } else {
            None
        }
    }

    /// The text of a scalar that is not null.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, plain) => {
                let null = *plain && matches!(&**text, "" | "~" | "null" | "Null" | "NULL");
                (!null).then_some(text)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_know_their_lines() {
        let documents = parse("a: 1\nb:\n  - x: |\n      text\n    y: ~\n---\nc: *q\n");
        assert_eq!(
            documents,
            Err(Broken {
                line: 7,
                why: documents.clone().unwrap_err().why
            })
        );
        let documents = parse("a: &q 1\nb:\n  - x: |\n      text\n    y: ~\n---\n- 2\n").unwrap();
        assert_eq!(documents.len(), 2);
        let item = &documents[0].get("b").unwrap().items()[0];
        assert_eq!(
            (item.line, item.get("x").unwrap().text()),
            (3, Some("text\n"))
        );
        assert_eq!(item.get("y").unwrap().text(), None);
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let level = |at: usize| {
            let before = if at == 0 {
                "x".to_owned()
            } else {
                format!("*a{}", at - 1)
            };
            format!("a{at}: &a{at} [{}]\n", vec![before; 10].join(","))
        };
        let text: String = (0..12).map(level).collect();
        assert_eq!(parse(&text).unwrap_err().why, "too large");
        assert_eq!(
            parse(&"- ".repeat(100)).unwrap_err().why,
            "nested too deeply"
        );
        // Brackets have a limit in the crate itself.
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([a-c:\\-\\[\\]{}&*!|>'\"#,? \n\t]|- |: |\\PC){0,80}") {
            let _ = parse(&text);
        }
    }
}
