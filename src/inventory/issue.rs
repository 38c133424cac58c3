//! One thing to mend, with what it rests on and how to mend it.

use serde::Serialize;

use crate::finding::{Remediation, Severity, Step};

use super::{Binding, Grant, Id, Rule};

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// A ServiceAccount may do everything.
    ClusterAdmin,
    /// A ServiceAccount has permissions by which it can become another.
    DangerousPermissions,
    /// Everybody, every account or every anonymous caller is given a role.
    GroupBinding,
    /// A namespace's default account is given a role.
    DefaultAccountBinding,
    /// A legacy token is still there.
    LegacyToken,
    /// An account is given a role in a namespace that is not its own.
    CrossNamespaceBinding,
    /// A binding names an account or a role that does not exist.
    DanglingBinding,
    /// An account did nothing in the log's period.
    UnusedAccount,
    /// A role was given and not used.
    UnusedPermissions,
    /// Pods share the default account of their namespace.
    DefaultAccountPods,
    /// A workload has a token and does not use it.
    UnusedToken,
    /// A token of an unusual lifetime is mounted.
    ProjectedToken,
    /// An account of that name was deleted and made again.
    RecreatedAccount,
}

impl Check {
    /// All checks, in the order in which equally severe ones are reported.
    pub const ALL: [Self; 13] = [
        Self::ClusterAdmin,
        Self::DangerousPermissions,
        Self::GroupBinding,
        Self::DefaultAccountBinding,
        Self::LegacyToken,
        Self::CrossNamespaceBinding,
        Self::DanglingBinding,
        Self::UnusedAccount,
        Self::UnusedPermissions,
        Self::DefaultAccountPods,
        Self::UnusedToken,
        Self::ProjectedToken,
        Self::RecreatedAccount,
    ];

    /// The name in every output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterAdmin => "cluster-admin",
            Self::DangerousPermissions => "dangerous-permissions",
            Self::GroupBinding => "group-binding",
            Self::DefaultAccountBinding => "default-account-binding",
            Self::LegacyToken => "legacy-token",
            Self::CrossNamespaceBinding => "cross-namespace-binding",
            Self::DanglingBinding => "dangling-binding",
            Self::UnusedAccount => "unused-account",
            Self::UnusedPermissions => "unused-permissions",
            Self::DefaultAccountPods => "default-account-pods",
            Self::UnusedToken => "unused-token",
            Self::ProjectedToken => "projected-token",
            Self::RecreatedAccount => "recreated-account",
        }
    }
}

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Issue {
    /// What was looked for.
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// The object that it is about.
    pub subject: Object,
    /// One line: what is wrong.
    pub summary: String,
    /// The objects that say so.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub remediation: Remediation,
}

/// An object by kind and name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Object {
    /// `ServiceAccount`, `ClusterRoleBinding`, ...; `Namespace`, `Group`, `User`.
    pub kind: String,
    /// Its namespace; `null` for what has none.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its uid; `null` where it is not known.
    pub uid: Option<String>,
}

/// An object, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The object.
    pub object: Object,
    /// What of it matters here.
    pub says: String,
}

impl Object {
    /// The object of that kind and id.
    pub(super) fn of(kind: &str, id: &Id) -> Self {
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            kind: kind.to_owned(),
            namespace: filled(&id.namespace),
            name: id.name.clone(),
            uid: filled(&id.uid),
        }
    }

    /// Something that is only a name: a group, a user, a namespace.
    pub(super) fn named(kind: &str, name: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// A binding.
    pub(super) fn binding(binding: &Binding) -> Self {
        Self::of(binding.kind(), &binding.id)
    }
}

/// `namespace/name`, or the name alone.
impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// The binding behind a grant, and what it gives.
pub(super) fn evidence(grant: &Grant<'_>, says: impl Into<String>) -> Evidence {
    Evidence {
        object: Object::binding(grant.binding),
        says: says.into(),
    }
}

/// `ClusterRole edit`, and where the binding gives it.
pub(super) fn role_of(binding: &Binding) -> String {
    let (kind, name) = (&binding.role.kind, &binding.role.name);
    if binding.id.namespace.is_empty() {
        format!("{kind} {name} in all namespaces")
    } else {
        format!("{kind} {name} in {}", binding.id.namespace)
    }
}

/// A rule in few words: `get, list pods, configmaps`.
pub(super) fn rule_in_words(rule: &Rule) -> String {
    let some = |list: &[String]| {
        let shown = list
            .iter()
            .take(5)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        match list.len().saturating_sub(5) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        }
    };
    let mut words = some(&rule.verbs);
    if !rule.resources.is_empty() {
        words.push(' ');
        words.push_str(&some(&rule.resources));
        let core = rule.api_groups.iter().all(String::is_empty);
        if !core {
            words.push_str(" of ");
            words.push_str(&some(&rule.api_groups));
        }
    }
    if !rule.non_resource_urls.is_empty() {
        words.push(' ');
        words.push_str(&some(&rule.non_resource_urls));
    }
    if !rule.resource_names.is_empty() {
        words.push_str(" named ");
        words.push_str(&some(&rule.resource_names));
    }
    words
}

pub(super) fn fix(summary: impl Into<String>, steps: Vec<Step>) -> Remediation {
    Remediation {
        summary: summary.into(),
        steps,
    }
}

pub(super) fn step(text: impl Into<String>, command: String) -> Step {
    Step {
        text: text.into(),
        command: Some(command),
    }
}

pub(super) fn by_hand(text: impl Into<String>) -> Step {
    Step {
        text: text.into(),
        command: None,
    }
}

/// `1 pod`, `3 pods`.
pub(super) fn count(number: usize, one: &str) -> String {
    let many = if number == 1 { "" } else { "s" };
    format!("{number} {one}{many}")
}
