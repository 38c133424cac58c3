//! The way out over the network: what is ready to be said goes to an Alertmanager.
//!
//! This is the only place that opens a connection, and only to the one server that was named. It knows bytes and
//! addresses, no findings: what the bytes say is `output`'s matter. A server that is slow, down or hostile costs
//! a bounded time and a bounded memory.

mod post;
mod target;

pub use post::{Patience, PostError, Posted, post};
pub use target::{Alertmanager, TargetError};
