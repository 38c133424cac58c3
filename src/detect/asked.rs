//! What TokenRequests ask for, where their bodies are logged.

use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, Object, Value},
    finding::{Attribute, Attributes},
};

use super::{Merge, Tally, caller::SHOWN, request::Request};

/// What TokenRequests ask for: `spec` of their bodies, which policies usually leave out, and rightly so: the response
/// holds the token.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    bodies: u64,
    /// `Pod <name>`, `nothing`, ...
    bound_to: Tally,
    /// Empty stands for the default one.
    audiences: Tally,
    longest: Option<u64>,
}

/// What a TokenRequest's body asks for the token to be bound to: kind and name.
pub(super) fn bound_object(event: &Request<'_>) -> Option<(String, String)> {
    let bound = spec(event)?.get("boundObjectRef")?.object()?;
    let text = |key: &str| bound.get(key)?.text().map(|text| text.read().into_owned());
    Some((text("kind")?, text("name").unwrap_or_default()))
}

fn spec<'a>(event: &Event<'a>) -> Option<Object<'a>> {
    event.request_body?.object()?.get("spec")?.object()
}

impl Asked {
    /// Takes note of one TokenRequest.
    pub(super) fn add(&mut self, event: &Request<'_>) {
        let Some(spec) = spec(event) else { return };
        self.bodies += 1;
        let bound = bound_object(event).map(|(kind, name)| format!("{kind} {name}"));
        self.bound_to
            .add(bound.as_deref().unwrap_or("nothing"), event);
        let audiences = spec.get("audiences").unwrap_or_default();
        for audience in audiences.items().filter_map(Value::text) {
            self.audiences.add(&audience.read(), event);
        }
        let seconds = spec.get("expirationSeconds");
        let seconds = seconds.and_then(|seconds| seconds.json().parse::<u64>().ok());
        self.longest = self.longest.max(seconds);
    }

    /// The greatest `expirationSeconds` asked for, where bodies are logged.
    pub(super) const fn longest_seconds(&self) -> Option<u64> {
        self.longest
    }

    /// `bodies`, `bound_to`, `audiences`, `longest_seconds`.
    pub(super) fn write(&self, attributes: &mut Attributes) {
        let fields: [(&str, Attribute); 4] = [
            ("bodies", self.bodies.into()),
            ("bound_to", self.bound_to.attribute(SHOWN)),
            ("audiences", self.audiences.attribute(SHOWN)),
            ("longest_seconds", self.longest.into()),
        ];
        attributes.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    }
}

impl Merge for Asked {
    fn merge(&mut self, other: Self) {
        self.bodies += other.bodies;
        self.bound_to.merge(other.bound_to);
        self.audiences.merge(other.audiences);
        self.longest = self.longest.max(other.longest);
    }
}
