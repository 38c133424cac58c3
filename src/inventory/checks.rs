//! What is wrong: one file for each sort of thing that can be.

mod access;
mod accounts;
mod bindings;
mod pods;
mod tokens;

pub use access::Holder;
pub use tokens::{LegacyToken, Verdict};

pub(super) use access::{cluster_admins, secret_readers};
pub(super) use pods::{Workload, workloads};
pub(super) use tokens::legacy_tokens;

use super::{Issue, world::World};

/// Every issue, the most severe first.
pub(super) fn issues(world: &World<'_>, tokens: &[LegacyToken]) -> Vec<Issue> {
    let mut issues = Vec::new();
    issues.extend(access::check(world));
    issues.extend(bindings::check(world));
    issues.extend(accounts::check(world));
    issues.extend(tokens::check(world, tokens));
    issues.extend(pods::check(world));
    issues.sort_by(|a, b| {
        let key = |issue: &Issue| (std::cmp::Reverse(issue.severity), issue.check);
        key(a).cmp(&key(b)).then_with(|| a.subject.cmp(&b.subject))
    });
    issues
}
