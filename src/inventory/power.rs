//! Permissions that are worth more than they look: with each of them, an account can become another.

use serde::Serialize;

use crate::finding::Severity;

use super::{Action, Rule};

/// What a rule gives, if it gives one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// Every verb on every resource.
    Everything,
    /// `escalate` on roles: may put any right into a role.
    Escalate,
    /// `bind` on roles: may give itself any role.
    Bind,
    /// `impersonate`: may act as somebody else.
    Impersonate,
    /// `create` on `serviceaccounts/token`: may make a token of any account in reach.
    MintTokens,
    /// `nodes/proxy`: may run commands in every container of a node, past the audit log.
    NodesProxy,
    /// Reads secrets, tokens among them.
    ReadSecrets,
    /// `pods/exec` or `pods/attach`: may use the tokens of pods.
    Exec,
    /// `*` as a verb or a resource: also what will be invented later.
    Wildcard,
}

const RBAC: &str = "rbac.authorization.k8s.io";

impl Power {
    /// All of them, the greatest first.
    pub const ALL: [Self; 9] = [
        Self::Everything,
        Self::Escalate,
        Self::Bind,
        Self::Impersonate,
        Self::MintTokens,
        Self::NodesProxy,
        Self::ReadSecrets,
        Self::Exec,
        Self::Wildcard,
    ];

    /// What it lets an account do.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Everything => "do everything",
            Self::Escalate => "put any right into a role (escalate)",
            Self::Bind => "bind any role (bind)",
            Self::Impersonate => "act as others (impersonate)",
            Self::MintTokens => "make tokens (serviceaccounts/token)",
            Self::NodesProxy => "reach into nodes (nodes/proxy)",
            Self::ReadSecrets => "read secrets",
            Self::Exec => "run commands in pods (pods/exec)",
            Self::Wildcard => "use a wildcard",
        }
    }

    /// How bad it is in the hands of a workload: cluster-wide, or in one namespace.
    #[must_use]
    pub const fn severity(self, cluster_wide: bool) -> Severity {
        match (self, cluster_wide) {
            (Self::Everything, true) => Severity::Critical,
            (Self::Wildcard, true) => Severity::Medium,
            (Self::Wildcard | Self::Exec | Self::ReadSecrets | Self::NodesProxy, false) => {
                Severity::Low
            }
            (_, true) => Severity::High,
            (_, false) => Severity::Medium,
        }
    }

    /// One request for each way to have it.
    fn probes(self) -> &'static [(&'static str, &'static str, &'static str)] {
        match self {
            Self::Everything | Self::Wildcard => &[],
            Self::Escalate => &[
                ("escalate", RBAC, "clusterroles"),
                ("escalate", RBAC, "roles"),
            ],
            Self::Bind => &[("bind", RBAC, "clusterroles"), ("bind", RBAC, "roles")],
            Self::Impersonate => &[
                ("impersonate", "", "users"),
                ("impersonate", "", "groups"),
                ("impersonate", "", "serviceaccounts"),
            ],
            Self::MintTokens => &[("create", "", "serviceaccounts/token")],
            // A websocket is a get.
            Self::NodesProxy => &[("get", "", "nodes/proxy"), ("create", "", "nodes/proxy")],
            Self::ReadSecrets => &[
                ("get", "", "secrets"),
                ("list", "", "secrets"),
                ("watch", "", "secrets"),
            ],
            Self::Exec => &[
                ("create", "", "pods/exec"),
                ("get", "", "pods/exec"),
                ("create", "", "pods/attach"),
                ("get", "", "pods/attach"),
            ],
        }
    }

    /// Whether a request used it.
    #[must_use]
    pub fn is_used_by(self, action: &Action) -> bool {
        self.probes().iter().any(|&(verb, group, resource)| {
            (verb, group, resource) == (&action.verb, &action.group, &action.resource)
        })
    }

    /// What a rule gives, the greatest first. `Everything` includes all the others.
    #[must_use]
    pub fn of(rule: &Rule) -> Vec<Self> {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| pattern == "*");
        let (verbs, resources) = (any(&rule.verbs), any(&rule.resources));
        if verbs && resources && any(&rule.api_groups) && rule.resource_names.is_empty() {
            return vec![Self::Everything];
        }
        let gives = |power: &Self| {
            power
                .probes()
                .iter()
                .any(|&(verb, group, resource)| rule.covers(&action(verb, group, resource)))
        };
        let mut powers: Vec<_> = Self::ALL.into_iter().filter(gives).collect();
        if resources || verbs && !rule.resources.is_empty() {
            powers.push(Self::Wildcard);
        }
        powers
    }
}

fn action(verb: &str, group: &str, resource: &str) -> Action {
    Action {
        verb: verb.to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        ..Action::default()
    }
}

/// Whether a rule lets read all secrets in reach at once.
#[must_use]
pub fn lists_secrets(rule: &Rule) -> bool {
    let list = |verb| rule.allows(&action(verb, "", "secrets"), "");
    list("list") || list("watch")
}
