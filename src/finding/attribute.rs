//! What a finding says beyond its fixed fields: a small tree of values.
//!
//! Not `serde_json::Value`, so that a detector cannot put a float with sixteen digits or an unsorted
//! map into an output that must be the same, byte for byte, on every run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Named values, in the order of their names.
pub type Attributes = BTreeMap<String, Attribute>;

/// One value of a finding's attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attribute {
    /// Nothing known.
    Null,
    /// Yes or no.
    Flag(bool),
    /// A count.
    Count(u64),
    /// A rate or share; make it with [`Attribute::rate`], which rounds.
    Rate(f64),
    /// A point in time.
    Time(Timestamp),
    /// A string; it may come from the log and is then hostile.
    Text(String),
    /// Several values.
    List(Vec<Attribute>),
    /// Named values.
    Map(Attributes),
}

impl Attribute {
    /// A rate or share, rounded to one decimal so that every run prints the same digits.
    #[must_use]
    pub fn rate(value: f64) -> Self {
        Self::Rate((value * 10.0).round() / 10.0)
    }
}

impl From<bool> for Attribute {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<u64> for Attribute {
    fn from(value: u64) -> Self {
        Self::Count(value)
    }
}

impl From<&str> for Attribute {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Timestamp> for Attribute {
    fn from(value: Timestamp) -> Self {
        Self::Time(value)
    }
}

impl From<Attributes> for Attribute {
    fn from(value: Attributes) -> Self {
        Self::Map(value)
    }
}

impl<T: Into<Attribute>> From<Option<T>> for Attribute {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Attribute>> From<Vec<T>> for Attribute {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}
