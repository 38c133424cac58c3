//! The smallest roles that allow what was used: permissions in, manifests out.
//!
//! A pure function of [`crate::permission::Permissions`] and of how much is to be widened. Knows what
//! RBAC can say and what a log cannot; knows no event, no file and no report.

mod grants;
mod manifest;
mod notes;
mod rules;

pub use grants::Widening;
pub use manifest::{Body, Manifest, Metadata, RoleRef, RoleSubject, Roles};
pub use rules::Rule;
