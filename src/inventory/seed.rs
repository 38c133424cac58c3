//! What serde asks of whoever reads a value into something that is there already.

use serde::de::{DeserializeSeed, Deserializer, Visitor};

/// Reads whatever comes with the visitor.
pub(super) struct Any<V>(pub(super) V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Any<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<V::Value, D::Error> {
        json.deserialize_any(self.0)
    }
}
