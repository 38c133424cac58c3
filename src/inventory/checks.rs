//! What is wrong: one file for each sort of thing that can be.

mod access;
mod accounts;
mod bindings;
mod pods;
mod tokens;

pub use access::Holder;
pub use tokens::{Caller, LegacyToken, Verdict};

pub(super) use access::{cluster_admins, secret_readers, unbind};
pub(super) use pods::{Workload, workloads};
pub(super) use tokens::legacy_tokens;

use super::{Check, Evidence, Issue, world::World};

/// Every issue, the most severe first.
pub(super) fn issues(world: &World<'_>, tokens: &[LegacyToken]) -> Vec<Issue> {
    let mut issues = Vec::new();
    issues.extend(access::check(world));
    issues.extend(bindings::check(world));
    issues.extend(accounts::check(world));
    issues.extend(tokens::check(world, tokens));
    issues.extend(pods::check(world));
    for issue in &mut issues {
        let more = in_the_log(issue, world);
        issue.evidence.extend(more);
    }
    issues.sort_by(|a, b| {
        let key = |issue: &Issue| (std::cmp::Reverse(issue.severity), issue.check);
        key(a).cmp(&key(b)).then_with(|| a.subject.cmp(&b.subject))
    });
    issues
}

/// What the account did, beside what it may do.
fn in_the_log(issue: &Issue, world: &World<'_>) -> Vec<Evidence> {
    let wanted = matches!(
        issue.check,
        Check::ClusterAdmin
            | Check::DangerousPermissions
            | Check::DefaultAccountBinding
            | Check::DefaultAccountPods
    );
    let Some(namespace) = issue.subject.namespace.as_deref().filter(|_| wanted) else {
        return Vec::new();
    };
    let findings = world.findings(namespace, &issue.subject.name).iter();
    findings
        .take(3)
        .map(|finding| Evidence {
            object: issue.subject.clone(),
            says: format!(
                "in the log: {} ({}), {} requests",
                finding.detector, finding.severity, finding.count
            ),
        })
        .collect()
}
