//! What a cluster holds: a dump of its accounts, pods, Secrets and RBAC, and what it says of them.
//!
//! ```text
//!   files --read--> Inventory --.
//!                               >-- report --> issues, practices, tables
//!   audit log ------> Usage ---'   (the pipeline fills it in)
//! ```
//!
//! Owns the objects, RBAC as Kubernetes evaluates it, and the judgement of both. Knows no audit event and
//! no output. What it answers for others: [`Inventory::account`], [`Inventory::pods_of`],
//! [`Inventory::token_secrets_of`], [`Rbac::grants_to`], [`granted_minus_used`]; all of it together about
//! chosen accounts: [`standings`]; about the accounts of findings: [`enrich`].

mod objects;
mod guess;
mod parse;
mod seed;
mod shape;
mod read;
mod usage;
mod rbac;
mod power;
mod unused;
mod issue;
mod world;
mod checks;
mod practices;
mod manifests;
mod report;
mod standing;
mod enrich;

pub use checks::{Caller, Holder, LegacyToken, Verdict};
pub use enrich::enrich;
pub use issue::{Check, Evidence, Issue, Object};
pub use manifests::Manifest;
pub use objects::{
    Account, Binding, Condition, Id, Inventory, Owner, Pod, ProjectedToken, Role, RoleRef, Rule,
    SecretUse, Selector, Subject, TokenSecret, automounts,
};
pub use power::{Power, lists_secrets};
pub use practices::{Kept, Practice};
pub use rbac::{Grant, GrantedRule, Rbac};
pub use read::{Dumps, read};
pub use report::{AccountRow, Gone, GrantRow, Log, PodRow, Read, Report, RuleRow, report};
pub use standing::{OtherUid, Standing, Unused, UnusedPower, Workload, standings};
pub use unused::{Cell, GrantUse, RuleUse, Used, granted_minus_used};
pub use usage::{AccountUsage, Action, SecretUsage, Usage, UsedPermission, pod_key};
