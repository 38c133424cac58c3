//! SQL over audit events, findings and samples: the tables, the queries that come along, and the engine.
//!
//! Owns what a table is: its columns, their types and their meaning, documented once ([`frame`]), and the files
//! in `queries/` ([`library`]). Running a query and writing Parquet need Polars and the feature `query`; what
//! can be said without reading anything works in every build. Knows findings and events, no detector by name,
//! and no terminal.

pub mod frame;
pub mod library;
mod placeholder;
mod error;

#[cfg(feature = "query")]
mod engine;

#[cfg(feature = "query")]
pub use engine::{Answer, Exported, Failure, Input, Results, ask, export};
pub use error::Error;
