//! Paths -> bytes -> line-aligned chunks that know where they came from.
//!
//! Owns files, directories, globs, standard input, compression and line boundaries. Knows nothing of
//! JSON or of audit events.

mod place;

pub use place::{Origin, Place, Places};
