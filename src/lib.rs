//! satrail: what the ServiceAccounts of a Kubernetes cluster have really been doing.
//!
//! The modules stand in the order in which the data flows. Each may use only what stands before it
//! (`tests/architecture.rs` holds them to that).

pub mod yaml;
pub mod finding;
pub mod source;
pub mod event;
pub mod metric;
pub mod inventory;
pub mod detect;
pub mod permission;
pub mod rbac;
pub mod pipeline;
pub mod output;
pub mod query;
pub mod alert;
pub mod checkpoint;
pub mod deliver;
pub mod config;
pub mod command;
pub mod cli;
