//! A write of a role or binding: what it grants, to whom, and what of that the log does not say.
//!
//! With bodies (level Request and above) the verdict is about what the object says; without them only its
//! name tells.

use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, ServiceAccount},
    finding::Subject,
};

use super::{
    Tally,
    body::{self, Body, nullable},
    caller, deed, keyed,
    rights::{Rights, Rule, Weight},
};

/// A write of a role or binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RbacWrite {
    /// Its name; empty if the log does not know it (deletecollection, `generateName`).
    pub(super) name: String,
    /// Whether it binds, and does not define.
    pub(super) is_binding: bool,
    /// The role that it binds, if the log says.
    pub(super) role: Option<String>,
    /// What it grants, if the log says.
    pub(super) rights: Rights,
    /// How much that is.
    pub(super) weight: Weight,
    /// Whom it grants that.
    pub(super) grantees: Vec<Grantee>,
    /// Whether bodies said so.
    pub(super) is_known: bool,
    /// `ClusterRoleBinding "name"` as a hash, and so on: the same for every write of it and every use.
    pub(super) key: u64,
}

/// A subject of a binding.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub(super) struct Grantee {
    /// `ServiceAccount`, `User` or `Group`.
    pub(super) kind: String,
    /// Its name.
    pub(super) name: String,
    /// The namespace of a ServiceAccount.
    pub(super) namespace: String,
}

/// What stands before the name of a group, so that no user is taken for one.
const GROUP: &str = "group:";

/// The accounts and users among those whom bindings name; groups are nobody.
pub(super) fn somebody(grantees: &Tally) -> impl Iterator<Item = Subject> {
    let names = grantees.ranked().into_iter().map(|name| &name.value);
    names
        .filter(|name| !name.starts_with(GROUP))
        .map(|name| caller::subject(name))
}

/// To whom a binding grants, the gravest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Reach {
    /// To nobody: it is a role.
    Nobody,
    /// To somebody whom the log does not name.
    Unknown,
    /// To accounts and users by name.
    Others,
    /// To every pod of a namespace: its `default` account, or all its accounts.
    Namespace,
    /// To whoever wrote it.
    Itself,
    /// To everybody: all accounts, all who authenticate, or nobody in particular.
    Everybody,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stored {
    #[serde(deserialize_with = "nullable")]
    metadata: Metadata,
    #[serde(rename = "roleRef")]
    role: Option<RoleRef>,
    subjects: Option<Vec<Grantee>>,
    rules: Option<Vec<Rule>>,
    #[serde(rename = "aggregationRule")]
    aggregation: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "nullable")]
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RoleRef {
    #[serde(deserialize_with = "nullable")]
    name: String,
}

impl Stored {
    /// Whether it says anything about rights.
    const fn grants(&self) -> bool {
        self.role.is_some()
            || self.subjects.is_some()
            || self.rules.is_some()
            || self.aggregation.is_some()
    }
}

impl RbacWrite {
    /// What `event` writes; `None` if it writes no role and no binding.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        let object = event.object?;
        if object.group != "rbac.authorization.k8s.io" || !deed::is_write(event) {
            return None;
        }
        let (kind, is_binding) = match &*object.resource.read() {
            "clusterroles" => ("ClusterRole", false),
            "roles" => ("Role", false),
            "clusterrolebindings" => ("ClusterRoleBinding", true),
            "rolebindings" => ("RoleBinding", true),
            _ => return None,
        };
        let namespace = object.namespace.read();
        let removes = event.verb == "delete" || event.verb == "deletecollection";
        let body = if removes {
            Body::Unlogged
        } else {
            body::stored::<Stored>(event)
        };
        let is_known = matches!(body, Body::Said(_));
        let stored = body.said().unwrap_or_default();
        let logged = object.name.read();
        let name = if logged.is_empty() {
            stored.metadata.name.clone()
        } else {
            logged.into_owned()
        };
        let role = stored.role.as_ref().map(|role| role.name.clone());
        let rights = Rights::of_rules(stored.rules.as_deref().unwrap_or_default())
            .and(role.as_deref().map_or(Rights::NONE, Rights::of_role));
        let everywhere = kind.starts_with("Cluster") || namespace == "kube-system";
        let weight = match () {
            () if removes => Weight::Removed,
            () if is_known && !touches_rights(event, &stored) => Weight::Touched,
            // A binding's role never changes, so that a patch may do without it.
            () if is_known && !(is_binding && role.is_none()) => rights.weight(everywhere),
            () if is_built_in(&name) => Weight::BuiltIn,
            () => Weight::Unknown,
        };
        Some(Self {
            key: key(kind, &name, &namespace),
            name,
            is_binding,
            role,
            rights,
            weight,
            grantees: stored.subjects.unwrap_or_default(),
            is_known,
        })
    }

    /// To whom it grants, seen from the users that wrote it.
    pub(super) fn reach(&self, event: &Event<'_>) -> Reach {
        let writers = [Some(event.user), event.impersonated_user];
        let wrote = |user: &str| writers.iter().flatten().any(|writer| writer.name == user);
        self.grantees
            .iter()
            .map(|grantee| grantee.reach(wrote))
            .max()
            .unwrap_or(match (self.is_binding, self.is_known) {
                (false, _) => Reach::Nobody,
                (true, _) => Reach::Unknown,
            })
    }
}

impl Grantee {
    /// As the audit log calls it: `system:serviceaccount:ns:name` for a ServiceAccount, `group:name` for a group.
    pub(super) fn name_in_log(&self) -> String {
        if self.kind == "ServiceAccount" {
            let (namespace, name) = (&self.namespace, &self.name);
            format!("system:serviceaccount:{namespace}:{name}")
        } else if self.kind == "Group" {
            format!("{GROUP}{}", self.name)
        } else {
            self.name.clone()
        }
    }

    /// Whether it is the `default` account of a namespace.
    pub(super) fn is_default_account(&self) -> bool {
        let account = ServiceAccount::from_user_name;
        account(&self.name_in_log()).is_some_and(|account| account.name == "default")
    }

    fn reach(&self, wrote: impl Fn(&str) -> bool) -> Reach {
        let everybody = [
            "system:anonymous",
            "system:unauthenticated",
            "system:authenticated",
            "system:serviceaccounts",
        ];
        let of_namespace = "system:serviceaccounts:";
        match self.name.as_str() {
            name if self.kind != "ServiceAccount" && everybody.contains(&name) => Reach::Everybody,
            _ if wrote(&self.name_in_log()) => Reach::Itself,
            name if self.kind == "Group" && name.starts_with(of_namespace) => Reach::Namespace,
            _ if self.is_default_account() => Reach::Namespace,
            _ => Reach::Others,
        }
    }
}

/// Whether the request is about rights, and not only about labels: a patch says only what it changes.
fn touches_rights(event: &Event<'_>, stored: &Stored) -> bool {
    if event.verb != "patch" {
        return stored.grants();
    }
    match body::requested::<Stored>(event) {
        Body::Said(patch) => patch.grants(),
        Body::Unlogged | Body::Unreadable => true,
    }
}

/// Whether kube-apiserver makes an object of that name in every cluster (kubernetes
/// `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`), as far as the name tells.
pub(super) fn is_built_in(name: &str) -> bool {
    name.starts_with("system:") || ["cluster-admin", "admin", "edit", "view"].contains(&name)
}

/// The hash that stands for a role or binding.
pub(super) fn key(kind: &str, name: &str, namespace: &str) -> u64 {
    keyed::hash(0, &[kind, name, namespace])
}
