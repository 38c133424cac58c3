//! The parts of a state over time as they are kept: packed by themselves, each with a checksum.
//!
//! Knows how a value becomes bytes again and again; where the bytes stand is the affair of a [`Shelf`].

use std::{fmt::Display, io::Write};

use serde::{Serialize, de::DeserializeOwned};

use super::Error;

/// Where parts are kept by name. What was put there can be had again at once.
pub trait Shelf {
    /// Why it cannot be used.
    type Error: From<Error>;

    /// The names of all parts.
    fn names(&self) -> Result<Vec<String>, Self::Error>;

    /// A part, if there is one of this name.
    fn part(&self, name: &str) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Puts a part in the place of what had its name; `None` deletes it.
    fn put(&self, name: &str, packed: Option<&[u8]>) -> Result<(), Self::Error>;
}

/// Packs a value for [`unpack`].
pub fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let packed = || -> Result<Vec<u8>, String> {
        let mut zstd = zstd::Encoder::new(Vec::new(), 3).map_err(|error| error.to_string())?;
        zstd.include_checksum(true)
            .map_err(|error| error.to_string())?;
        // In blocks: postcard writes byte by byte, and one buffer for all of it would be as large as the value.
        let mut blocks = std::io::BufWriter::with_capacity(BLOCK, &mut zstd);
        postcard::to_io(value, &mut blocks).map_err(|error| error.to_string())?;
        blocks.flush().map_err(|error| error.to_string())?;
        drop(blocks);
        zstd.finish().map_err(|error| error.to_string())
    };
    packed().map_err(|why| damaged("a new one", &why))
}

const BLOCK: usize = 128 << 10;

/// What [`pack`] has packed; `name` is for the error.
pub fn unpack<T: DeserializeOwned>(name: &str, packed: &[u8]) -> Result<T, Error> {
    let bytes = zstd::decode_all(packed).map_err(|error| damaged(name, &error))?;
    postcard::from_bytes(&bytes).map_err(|error| damaged(name, &error))
}

/// That a part cannot be used.
pub(super) fn damaged(name: &str, why: &dyn Display) -> Error {
    Error::Part {
        part: name.to_owned(),
        why: why.to_string(),
    }
}
