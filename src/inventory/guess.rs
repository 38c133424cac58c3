//! Whether a file is a dump of objects or an audit log, told by its first bytes.
//!
//! kubectl writes `kind` behind `items`, so the first object inside counts as well. What is neither an
//! object of Kubernetes nor a list of them is left to the reader of audit logs, which says what it is.

use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::seed::Any;

/// So many bytes are enough to tell: the first object of a list may carry long annotations.
pub(super) const ENOUGH: usize = 64 << 10;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    /// Objects of Kubernetes as JSON.
    Dump,
    /// Objects of Kubernetes as YAML.
    Yaml,
    /// Anything else: audit events, most likely.
    Log,
}

/// What the file that starts with `head` holds.
pub(super) fn guess(head: &[u8]) -> Guess {
    let text = head.trim_ascii_start();
    if [
        &b"apiVersion:"[..],
        b"kind:",
        b"items:",
        b"---",
        b"- apiVersion:",
    ]
    .iter()
    .any(|start| text.starts_with(start))
    {
        return Guess::Yaml;
    }
    let mut traits = Traits::default();
    let mut json = serde_json::Deserializer::from_slice(text);
    // It ends in an error where the head ends; what was seen until then stays seen.
    let members = Members {
        traits: &mut traits,
        is_item: false,
    };
    let _ = Any(members).deserialize(&mut json);
    if traits.is_dump() {
        Guess::Dump
    } else {
        Guess::Log
    }
}

/// What was seen of the first object.
#[derive(Debug, Default)]
struct Traits {
    kind: Option<String>,
    api_version: bool,
    metadata: bool,
    audit: bool,
    /// The first of its items.
    items: Option<Box<Traits>>,
}

impl Traits {
    fn is_dump(&self) -> bool {
        let audit = |traits: &Self| {
            let kind = traits.kind.as_deref();
            traits.audit || matches!(kind, Some("Event" | "EventList")) && !traits.metadata
        };
        if audit(self) || self.kind.as_deref() == Some("EventList") {
            return false;
        }
        if let Some(first) = &self.items {
            return !audit(first);
        }
        let list = |kind: &str| kind.ends_with("List");
        self.kind.as_deref().is_some_and(list)
            || self.api_version && (self.metadata || self.kind.is_some())
    }
}

/// The members of an object; of an item in a list, not the items of which are of interest.
struct Members<'a> {
    traits: &'a mut Traits,
    is_item: bool,
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let traits = self.traits;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "kind" => {
                    traits.kind = map.next_value::<Option<String>>()?;
                    continue;
                }
                "items" if traits.items.is_none() && !self.is_item => {
                    let first = traits.items.insert(Box::default());
                    map.next_value_seed(Any(Items(first)))?;
                    continue;
                }
                "auditID" => traits.audit = true,
                "stage" | "stageTimestamp" if !self.is_item => traits.audit = true,
                "apiVersion" => traits.api_version = true,
                "metadata" => traits.metadata = true,
                _ => {}
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

struct Items<'a>(&'a mut Traits);

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let first = Members {
            traits: self.0,
            is_item: true,
        };
        items.next_element_seed(Any(first))?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_dumps_from_logs() {
        for (text, expected) in [
            (
                r#"{"apiVersion":"v1","items":[],"kind":"List"}"#,
                Guess::Dump,
            ),
            (
                r#"{"apiVersion":"v1","items":[{"apiVersion":"v1","data":{"a":"#,
                Guess::Dump,
            ),
            ("\n { \"kind\": \"ServiceAccountList\", ", Guess::Dump),
            (
                r#"{"kind":"Secret","apiVersion":"v1","metadata":{}}"#,
                Guess::Dump,
            ),
            (
                r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"x"}"#,
                Guess::Log,
            ),
            (
                r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[{"#,
                Guess::Log,
            ),
            (
                r#"{"items":[{"level":"Metadata","auditID":"x"}],"kind":"EventList"}"#,
                Guess::Log,
            ),
            (r#"{"messageType":"DATA_MESSAGE","owner":"1"}"#, Guess::Log),
            (r#"{"records":[{"category":"kube-audit"}]}"#, Guess::Log),
            (
                "2024-01-02T03:04:05Z stdout F {\"kind\":\"Event\"}",
                Guess::Log,
            ),
            ("apiVersion: v1\nitems:\n", Guess::Yaml),
            ("---\nkind: List\n", Guess::Yaml),
            ("", Guess::Log),
            ("[[[[", Guess::Log),
            ("# HELP x y\n", Guess::Log),
        ] {
            assert_eq!(guess(text.as_bytes()), expected, "{text}");
        }
    }
}
