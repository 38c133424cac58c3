//! JSON arrays: records of their own, or lists of records.

use crate::event::{Value, scan::simd::nested_end};

use super::{
    super::{ARRAYS, Dialect},
    Found, Sink, Unwrapper,
    place::Place,
    unknown,
};

impl Unwrapper {
    /// An array, in any layout.
    pub(super) fn array(
        &mut self,
        text: &str,
        place: Place<'_>,
        found: &mut Sink<'_>,
    ) -> Result<(), String> {
        if nested_end(text.as_bytes(), 1) == Some(text.len()) {
            self.items(Value::from_text(text), place, found)
        } else {
            self.compacted(text, place, found)
        }
    }

    /// An array without white space in it.
    pub(super) fn items(
        &mut self,
        array: Value<'_>,
        place: Place<'_>,
        found: &mut Sink<'_>,
    ) -> Result<(), String> {
        if self.only == Some(Dialect::Plain) {
            return Err(self.why(array.json(), place));
        }
        for (dialect, open) in ARRAYS {
            if self.is_wanted(*dialect, place)
                && let Some(inside) = open(array.json())
            {
                self.inside(inside, "", place.inside(*dialect), found);
                return Ok(());
            }
        }
        if !array
            .items()
            .next()
            .is_some_and(|item| item.json().starts_with(['{', '[', '"']))
        {
            return Err(self.why(array.json(), place));
        }
        for item in array.items() {
            self.item(item.json(), place.item("[]"), found);
        }
        Ok(())
    }

    /// One item of a list.
    pub(super) fn item(&mut self, text: &str, place: Place<'_>, found: &mut Sink<'_>) {
        if !text.starts_with(['{', '[', '"']) {
            return found(Found::Bad("an item of a list that is no record".to_owned()));
        }
        if let Err(why) = self.record(text, place, found) {
            unknown(text, why, place, found);
        }
    }
}
