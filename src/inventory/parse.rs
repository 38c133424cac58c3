//! JSON of Kubernetes -> objects, one at a time: what is not kept is skipped while it is read.
//!
//! A document may be an object, a list of any kind, or several of these one after the other. Syntax
//! errors end a file; an object that has another shape than Kubernetes gives it is left out by itself.
//! Errors say where and never quote what they found: it might be a Secret.

use std::{fmt, io::Read};

use serde::{
    Deserialize,
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess,
        SeqAccess, Visitor,
    },
};
use serde_json::value::RawValue;

use super::{
    seed::Any,
    shape::{self, Object},
};

/// What is told about a document while it is read.
pub(super) trait Sink {
    /// One object.
    fn object(&mut self, object: Object);
    /// A list that says what it is a list of, `SecretList`; it may be empty.
    fn list(&mut self, kind: &str);
    /// An object that does not look as it should, and what is wrong.
    fn odd(&mut self, why: String);
}

/// Reads all documents; the error says where the syntax ends, and what to do.
pub(super) fn parse(input: impl Read, sink: &mut dyn Sink) -> Result<(), String> {
    let input = std::io::BufReader::with_capacity(256 << 10, input);
    let mut json = serde_json::Deserializer::from_reader(input);
    let mut documents = 0_u64;
    loop {
        match json.end() {
            Ok(()) => break,
            // More to come, and not white space.
            Err(error) if error.is_syntax() => {}
            Err(error) => return Err(told(&error)),
        }
        Any(Item { sink, depth: 0 })
            .deserialize(&mut json)
            .map_err(|error| told(&error))?;
        documents += 1;
    }
    if documents == 0 {
        return Err("it is empty: take the dump again".to_owned());
    }
    Ok(())
}

/// Where and why, without the text that was found there.
fn told(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    if error.is_eof() {
        format!(
            "it ends in the middle of an object (line {line}): the dump was cut short, take it again"
        )
    } else if error.is_io() {
        "it cannot be read any further".to_owned()
    } else if error.is_data() {
        format!("its lists are nested more deeply than in any dump (line {line})")
    } else {
        format!("it is no JSON at line {line}, column {column}: take the dump again with -o json")
    }
}

/// Lists in lists in lists are nobody's dump.
const DEEPEST: u8 = 4;

/// An object or a list of them.
struct Item<'a> {
    sink: &'a mut dyn Sink,
    depth: u8,
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of Kubernetes")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.no_object();
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.no_object();
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.no_object();
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.no_object();
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.no_object();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.no_object();
        Ok(())
    }

    /// `jq .items` makes such a thing.
    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        Items {
            sink: self.sink,
            depth: self.depth,
        }
        .visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut raw = Raw::default();
        let mut is_list = false;
        while let Some(key) = map.next_key_seed(Key)? {
            match key {
                Field::Items => {
                    is_list = true;
                    map.next_value_seed(Any(Items {
                        sink: self.sink,
                        depth: self.depth,
                    }))?;
                }
                Field::Kind => raw.kind = text(&map.next_value::<Box<RawValue>>()?),
                Field::Type => raw.type_ = text(&map.next_value::<Box<RawValue>>()?),
                // Only whether there is any: the values are skipped where they stand.
                Field::Data => raw.has_data |= map.next_value_seed(Any(IsFilled))?,
                Field::Metadata => raw.metadata = Some(map.next_value()?),
                Field::Spec => raw.spec = Some(map.next_value()?),
                Field::Status => raw.status = Some(map.next_value()?),
                Field::Rules => raw.rules = Some(map.next_value()?),
                Field::RoleRef => raw.role_ref = Some(map.next_value()?),
                Field::Subjects => raw.subjects = Some(map.next_value()?),
                Field::Aggregation => raw.aggregation = Some(map.next_value()?),
                Field::Automount => raw.automount = Some(map.next_value()?),
                Field::Secrets => raw.secrets = Some(map.next_value()?),
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let kind = raw.kind.as_deref().unwrap_or_default();
        if is_list || kind.ends_with("List") {
            self.sink.list(kind);
            return Ok(());
        }
        match shape::object(&raw) {
            Ok(object) => self.sink.object(object),
            Err(why) => self.sink.odd(why),
        }
        Ok(())
    }
}

impl Item<'_> {
    fn no_object(self) {
        self.sink.odd("a value that is no object".to_owned());
    }
}

struct Items<'a> {
    sink: &'a mut dyn Sink,
    depth: u8,
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    /// A list that Go wrote of nothing.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if self.depth >= DEEPEST {
            return Err(A::Error::custom("lists nested too deeply"));
        }
        let depth = self.depth + 1;
        while let Some(()) = items.next_element_seed(Any(Item {
            sink: self.sink,
            depth,
        }))? {}
        Ok(())
    }
}

/// The parts of an object, not yet taken apart: what kind it is may stand behind them.
#[derive(Default)]
pub(super) struct Raw {
    pub(super) kind: Option<String>,
    pub(super) type_: Option<String>,
    pub(super) has_data: bool,
    pub(super) metadata: Option<Box<RawValue>>,
    pub(super) spec: Option<Box<RawValue>>,
    pub(super) status: Option<Box<RawValue>>,
    pub(super) rules: Option<Box<RawValue>>,
    pub(super) role_ref: Option<Box<RawValue>>,
    pub(super) subjects: Option<Box<RawValue>>,
    pub(super) aggregation: Option<Box<RawValue>>,
    pub(super) automount: Option<Box<RawValue>>,
    pub(super) secrets: Option<Box<RawValue>>,
}

/// A part, as the shape that Kubernetes gives it; a missing one and `null` are its default.
pub(super) fn part<T: DeserializeOwned + Default>(
    raw: Option<&RawValue>,
    name: &str,
) -> Result<T, String> {
    let Some(raw) = raw else {
        return Ok(T::default());
    };
    serde_json::from_str::<Option<T>>(raw.get())
        .map(Option::unwrap_or_default)
        .map_err(|_| format!("its {name} do not look as Kubernetes writes them"))
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

#[derive(Clone, Copy)]
enum Field {
    Kind,
    Type,
    Data,
    Items,
    Metadata,
    Spec,
    Status,
    Rules,
    RoleRef,
    Subjects,
    Aggregation,
    Automount,
    Secrets,
    Other,
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Field;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Field, D::Error> {
        json.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Field, E> {
        Ok(match name {
            "kind" => Field::Kind,
            "type" => Field::Type,
            "data" | "stringData" | "binaryData" => Field::Data,
            "items" => Field::Items,
            "metadata" => Field::Metadata,
            "spec" => Field::Spec,
            "status" => Field::Status,
            "rules" => Field::Rules,
            "roleRef" => Field::RoleRef,
            "subjects" => Field::Subjects,
            "aggregationRule" => Field::Aggregation,
            "automountServiceAccountToken" => Field::Automount,
            "secrets" => Field::Secrets,
            _ => Field::Other,
        })
    }
}

/// Whether a map holds anything at all.
struct IsFilled;

impl<'de> Visitor<'de> for IsFilled {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut filled = false;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            filled = true;
        }
        Ok(filled)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<bool, A::Error> {
        IgnoredAny.visit_seq(items).map(|_| true)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }
}

/// A list that may be `null`, as Go writes empty ones.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    json: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(json)?.unwrap_or_default())
}

/// A text that may be `null`.
pub(super) fn string<'de, D: Deserializer<'de>>(json: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(json)?.unwrap_or_default())
}
