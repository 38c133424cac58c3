//! Events whose members stand where they do in the plain form, perhaps among a shipper's own.

use crate::event::Event;

use super::{
    super::{Dialect, Inside, Members, viaq},
    Found, Sink, Unwrapper,
    place::Place,
};

impl Unwrapper {
    /// The members of an event, perhaps among others.
    pub(super) fn event(
        &mut self,
        record: &Members<'_>,
        place: Place<'_>,
        found: &mut Sink<'_>,
    ) -> Result<(), String> {
        let level = match viaq::open(record, &mut String::new()) {
            Some(Inside::Itself(level)) => Some(level),
            _ => None,
        };
        let text = record.object.json();
        let event = self
            .parser
            .parse(text, place.origin)
            .map_err(|bad| bad.why)?;
        let flattened = || {
            if level.is_some() {
                Dialect::Viaq
            } else if record.date.is_some() {
                Dialect::FluentBit
            } else if record.source_type.is_some() {
                Dialect::Vector
            } else if record.at_timestamp.is_some() {
                Dialect::Elastic
            } else {
                Dialect::Plain
            }
        };
        let dialect = place.dialect.unwrap_or_else(flattened);
        found(Found::Event(Event {
            dialect,
            level: level.unwrap_or(event.level),
            ..event
        }));
        Ok(())
    }
}
