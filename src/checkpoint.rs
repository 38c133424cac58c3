//! What `satrail cron` keeps between runs, and how a run goes on from it.
//!
//! ```text
//!   files ----book----> which file is this, and what of it is new?   content, not names
//!     |                        |
//!     |                 pipeline::Held      one state for each day of the log
//!     |                        |
//!     |                     findings        new, ongoing, resolved; told or not
//!     v                        v
//!   read again later       store: one SQLite file, one transaction a run
//! ```
//!
//! Knows findings, never detectors by name; knows files by their content, never what is in them.

mod book;
mod book_entry;
mod finding_rows;
mod following;
mod outcome;
mod part;
mod plan;
mod run;
mod store;
mod suppression;

pub use outcome::{Outcome, Tally};
pub use plan::Plan;
pub use run::Checkpoint;
pub use store::{Error, Size};
pub use suppression::{Suppressed, Suppression};
