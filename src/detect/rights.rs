//! Which rights lead to more rights, as a set that can be added up.

use serde::{Deserialize, Serialize};

use super::body::nullable;

/// Rights that lead to more rights: a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rights(u32);

/// How much a write of a role or binding weighs, the gravest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Weight {
    /// Labels and the like: no rights.
    Touched,
    /// Deleted.
    Removed,
    /// Grants what workloads need.
    Ordinary,
    /// The log does not say what it grants.
    Unknown,
    /// Grants what leads to more rights: secrets, tokens, exec.
    Sensitive,
    /// The log does not say, but it is one of Kubernetes' own.
    BuiltIn,
    /// Grants everything, or the right to grant it.
    Everything,
}

/// One rule of a role.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Rule {
    #[serde(deserialize_with = "nullable")]
    verbs: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    api_groups: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    resources: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    resource_names: Vec<String>,
}

macro_rules! rights {
    ($($(#[doc = $doc:literal])+ $name:ident = $bit:literal $words:literal $weight:ident;)+) => {
        impl Rights {
            $($(#[doc = $doc])+ const $name: Self = Self(1 << $bit);)+

            /// Each with its name in attributes, and how much it weighs.
            const ALL: &'static [(Self, &'static str, Weight)] =
                &[$((Self::$name, $words, Weight::$weight)),+];
        }
    };
}

rights! {
    /// The role `cluster-admin`.
    CLUSTER_ADMIN = 0 "cluster-admin" Everything;
    /// Every verb on every resource.
    EVERYTHING = 1 "every verb on every resource" Everything;
    /// `escalate` on roles.
    ESCALATE = 2 "escalate" Everything;
    /// `bind` on roles.
    BIND = 3 "bind" Everything;
    /// `impersonate`.
    IMPERSONATE = 4 "impersonate" Everything;
    /// Write access to every resource.
    WRITE_EVERYTHING = 5 "write every resource" Everything;
    /// Read access to every resource, secrets too.
    READ_EVERYTHING = 6 "read every resource" Sensitive;
    /// Reading secrets.
    SECRETS = 7 "secrets" Sensitive;
    /// Going into pods.
    POD_ENTRY = 8 "pods/exec, attach or ephemeralcontainers" Sensitive;
    /// Making tokens.
    TOKENS = 9 "serviceaccounts/token" Sensitive;
    /// The kubelets' API.
    NODE_PROXY = 10 "nodes/proxy" Sensitive;
    /// Writing roles and bindings, as far as its own rights go.
    RBAC = 11 "write roles and bindings" Sensitive;
    /// Writing what looks at every request.
    ADMISSION = 12 "write admission configurations" Sensitive;
    /// Making certificates for users.
    CERTIFICATES = 13 "approve or sign certificates" Sensitive;
    /// The roles `admin` and `edit`, which include secrets, tokens and exec.
    ADMIN_OR_EDIT = 14 "admin or edit" Sensitive;
    /// A role that belongs to the control plane or to nodes.
    CONTROL_PLANE = 15 "a control plane role" Sensitive;
    /// A verb `*` on some resources.
    EVERY_VERB = 16 "every verb" Ordinary;
}

impl Rights {
    /// None of them.
    pub(super) const NONE: Self = Self(0);

    /// Both.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What the rules of a role grant.
    pub(super) fn of_rules(rules: &[Rule]) -> Self {
        let rights = rules.iter().map(Rule::rights);
        rights.fold(Self::NONE, Self::and)
    }

    /// What the name of a role that every cluster has tells.
    pub(super) fn of_role(name: &str) -> Self {
        match name {
            "cluster-admin" => Self::CLUSTER_ADMIN,
            "admin" | "edit" => Self::ADMIN_OR_EDIT,
            "system:node"
            | "system:kube-controller-manager"
            | "system:kube-scheduler"
            | "system:kubelet-api-admin"
            | "system:aggregate-to-admin"
            | "system:aggregate-to-edit" => Self::CONTROL_PLANE,
            _ if name.starts_with("system:controller:") => Self::CONTROL_PLANE,
            _ => Self::NONE,
        }
    }

    /// How much they weigh; `everywhere` is the whole cluster, or kube-system, which comes to the same.
    pub(super) fn weight(self, everywhere: bool) -> Weight {
        let weights = Self::ALL.iter().filter(|(right, ..)| self.has(*right));
        let weight = weights.map(|&(.., weight)| weight).max();
        match weight.unwrap_or(Weight::Ordinary) {
            weight if everywhere => weight,
            // Within one namespace it is the namespace that is at stake.
            Weight::Everything => Weight::Sensitive,
            _ => Weight::Ordinary,
        }
    }

    /// Their names, the gravest first.
    pub(super) fn names(self) -> Vec<String> {
        let named = Self::ALL.iter().filter(|(right, ..)| self.has(*right));
        named.map(|(_, name, _)| (*name).to_owned()).collect()
    }
}

/// A right, and the rule that grants it: one of the verbs on one of the resources.
struct Row {
    right: Rights,
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
}

const fn row(
    right: Rights,
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
) -> Row {
    Row {
        right,
        group,
        resources,
        verbs,
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ROLES: &[&str] = &["roles", "clusterroles"];
const WRITES: &[&str] = &["create", "update", "patch"];

/// Rules about every resource of every group.
const OF_EVERYTHING: &[Row] = &[
    row(Rights::ESCALATE, RBAC, ROLES, &["escalate"]),
    row(Rights::BIND, RBAC, ROLES, &["bind"]),
    row(Rights::IMPERSONATE, "", &["users"], &["impersonate"]),
    row(Rights::WRITE_EVERYTHING, "", &["*"], WRITES),
    row(
        Rights::READ_EVERYTHING,
        "",
        &["*"],
        &["get", "list", "watch"],
    ),
];

/// Rules about some resources. The verb `*` on serviceaccounts includes `impersonate`, and every other operator
/// has it: only users and groups count there.
const OF_SOME: &[Row] = &[
    row(Rights::ESCALATE, RBAC, ROLES, &["escalate"]),
    row(Rights::BIND, RBAC, ROLES, &["bind"]),
    row(
        Rights::IMPERSONATE,
        "",
        &["users", "groups"],
        &["impersonate"],
    ),
    row(Rights::SECRETS, "", &["secrets"], &["get", "list", "watch"]),
    row(
        Rights::POD_ENTRY,
        "",
        &["pods/exec", "pods/attach", "pods/ephemeralcontainers"],
        &["get", "create", "update", "patch"],
    ),
    row(Rights::TOKENS, "", &["serviceaccounts/token"], &["create"]),
    row(Rights::NODE_PROXY, "", &["nodes/proxy"], &["get", "create"]),
    row(
        Rights::RBAC,
        RBAC,
        &[
            "roles",
            "clusterroles",
            "rolebindings",
            "clusterrolebindings",
        ],
        WRITES,
    ),
    row(
        Rights::ADMISSION,
        "admissionregistration.k8s.io",
        &[
            "mutatingwebhookconfigurations",
            "validatingwebhookconfigurations",
            "mutatingadmissionpolicies",
            "validatingadmissionpolicies",
        ],
        WRITES,
    ),
    row(
        Rights::CERTIFICATES,
        "certificates.k8s.io",
        &[
            "certificatesigningrequests/approval",
            "certificatesigningrequests/status",
            "signers",
        ],
        &["update", "patch", "approve", "sign"],
    ),
];

impl Rule {
    /// A rule for a few named objects is not counted: it is about somebody's own ones.
    fn rights(&self) -> Rights {
        if !self.resource_names.is_empty() {
            return Rights::NONE;
        }
        let table = if self.is_about_everything() {
            OF_EVERYTHING
        } else {
            OF_SOME
        };
        let every_verb = self.verbs.iter().any(|verb| verb == "*");
        let granted = table
            .iter()
            .filter(|row| self.may(row.verbs) && self.covers(row.group, row.resources));
        let rights = granted.fold(Rights::NONE, |rights, row| rights.and(row.right));
        match (every_verb, self.is_about_everything()) {
            (true, true) => Rights::EVERYTHING,
            (true, false) => rights.and(Rights::EVERY_VERB),
            (false, _) => rights,
        }
    }

    /// Whether it allows one of these verbs.
    fn may(&self, verbs: &[&str]) -> bool {
        self.verbs
            .iter()
            .any(|verb| verb == "*" || verbs.contains(&verb.as_str()))
    }

    /// Whether it is about every resource of every group.
    fn is_about_everything(&self) -> bool {
        let star = |names: &[String]| names.iter().any(|name| name == "*");
        star(&self.api_groups) && star(&self.resources)
    }

    /// Whether it is about one of the `names` in `group`; `*/exec` is every subresource of that name.
    fn covers(&self, group: &str, names: &[&str]) -> bool {
        let subresource = |name: &str| name.split_once('/').map(|(_, sub)| format!("*/{sub}"));
        let wanted = |resource: &String| {
            resource == "*"
                || names
                    .iter()
                    .any(|name| *name == resource || subresource(name).as_ref() == Some(resource))
        };
        self.is_in(group) && self.resources.iter().any(wanted)
    }

    fn is_in(&self, group: &str) -> bool {
        self.api_groups.iter().any(|g| g == "*" || g == group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rules: &str) -> Rights {
        Rights::of_rules(&serde_json::from_str::<Vec<Rule>>(rules).unwrap())
    }

    #[test]
    fn rules_are_read_as_the_authorizer_reads_them() {
        for (rules, names) in [
            (
                r#"[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}]"#,
                &["every verb on every resource"][..],
            ),
            (
                r#"[{"verbs":["get","list"],"apiGroups":["*"],"resources":["*"]}]"#,
                &["read every resource"],
            ),
            (
                r#"[{"verbs":["bind","escalate","create"],"apiGroups":["rbac.authorization.k8s.io"],"resources":["clusterroles"]}]"#,
                &["escalate", "bind", "write roles and bindings"],
            ),
            (
                r#"[{"verbs":["list"],"apiGroups":[""],"resources":["*"]}]"#,
                &["secrets"],
            ),
            (
                r#"[{"verbs":["create"],"apiGroups":[""],"resources":["*/exec"]}]"#,
                &["pods/exec, attach or ephemeralcontainers"],
            ),
            (
                r#"[{"verbs":["get"],"apiGroups":[""],"resources":["secrets"],"resourceNames":["own"]}]"#,
                &[],
            ),
            (
                r#"[{"verbs":["*"],"apiGroups":["example.com"],"resources":["*"]}]"#,
                &["every verb"],
            ),
            (
                r#"[{"verbs":["get"],"nonResourceURLs":["/metrics"],"apiGroups":null,"resources":null}]"#,
                &[],
            ),
            (
                r#"[{"verbs":["get"],"apiGroups":["metrics.k8s.io"],"resources":["secrets"]}]"#,
                &[],
            ),
        ] {
            assert_eq!(of(rules).names(), names, "{rules}");
        }
    }

    #[test]
    fn a_namespace_is_less_than_the_cluster() {
        let everything = Rights::CLUSTER_ADMIN;
        assert_eq!(everything.weight(true), Weight::Everything);
        assert_eq!(everything.weight(false), Weight::Sensitive);
        assert_eq!(Rights::SECRETS.weight(true), Weight::Sensitive);
        assert_eq!(Rights::SECRETS.weight(false), Weight::Ordinary);
        assert_eq!(Rights::NONE.weight(true), Weight::Ordinary);
    }
}
