//! What the authorizer was asked for each ServiceAccount, and how it answered: permissions used and refused.
//!
//! A commutative monoid, bounded per account: [`Used`] is added up over any split of the input. Knows
//! events and how kube-apiserver turns a request into what RBAC is asked; knows no role, no manifest and
//! no threshold. What is kept where there is too much of it: names while they are few, namespaces while
//! they are few, and of very many permissions those with the smallest hashes.

mod action;
mod asked;
mod everybody;
mod spread;
mod used;

pub use action::Action;
pub use asked::Answer;
pub use everybody::belongs_to_everybody;
pub use spread::{NAMES_KEPT, NAMESPACES_KEPT, Names, Place, Spread, Uses};
pub use used::{ACTIONS_KEPT, Permissions, Used, UsedByAccount};
