//! A part of what is held: on the shelf as it is, or to be put there.

use serde::de::DeserializeOwned;

use super::super::packed::{Shelf, damaged, unpack};

/// A packed part.
#[derive(Debug)]
pub(super) enum Part {
    /// Stands on the shelf as it is.
    Shelved,
    /// Is to be put there.
    New(Vec<u8>),
}

impl Part {
    pub(super) fn unpack<T: DeserializeOwned, S: Shelf>(
        &self,
        name: &str,
        shelf: &S,
    ) -> Result<T, S::Error> {
        match self {
            Self::Shelved => fetch(shelf, name),
            Self::New(packed) => Ok(unpack(name, packed)?),
        }
    }

    /// Puts it on the shelf, if it is not there as it is.
    pub(super) fn save<S: Shelf>(&mut self, name: &str, shelf: &S) -> Result<(), S::Error> {
        if let Self::New(packed) = self {
            shelf.put(name, Some(packed))?;
            *self = Self::Shelved;
        }
        Ok(())
    }
}

/// A part that has to be on the shelf.
pub(super) fn fetch<T: DeserializeOwned, S: Shelf>(shelf: &S, name: &str) -> Result<T, S::Error> {
    let packed = shelf.part(name)?;
    let packed = packed.ok_or_else(|| damaged(name, &"it is missing"))?;
    Ok(unpack(name, &packed)?)
}
