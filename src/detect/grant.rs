//! Which binding allowed a request: the annotation `authorization.k8s.io/reason`, taken apart.

use crate::finding::Attribute;

/// What RBAC's reason names. Only the first binding that matches is named, ClusterRoleBindings before
/// RoleBindings: evidence, and no full list of the rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    /// `ClusterRoleBinding` or `RoleBinding`.
    pub(super) binding_kind: String,
    /// The binding's name.
    pub(super) binding: String,
    /// The namespace of a RoleBinding.
    pub(super) namespace: Option<String>,
    /// `ClusterRole` or `Role`.
    pub(super) role_kind: String,
    /// The role's name.
    pub(super) role: String,
    /// `ServiceAccount`, `Group` or `User`.
    pub(super) subject_kind: String,
    /// The subject, as the reason writes it: `name/namespace` for a ServiceAccount.
    pub(super) subject: String,
}

impl Grant {
    /// Reads the form that kubernetes `plugin/pkg/auth/authorizer/rbac/rbac.go` and
    /// `pkg/registry/rbac/validation/rule.go` write (FACTS 2.2); `None` for anything else.
    pub(super) fn parse(reason: &str) -> Option<Self> {
        let rest = reason.strip_prefix("RBAC: allowed by ")?;
        let (binding_kind, binding, rest) = kind_and_name(rest)?;
        let (role_kind, role, rest) = kind_and_name(rest.strip_prefix(" of ")?)?;
        let (subject_kind, subject, rest) = kind_and_name(rest.strip_prefix(" to ")?)?;
        let (binding, namespace) = match binding_kind {
            "RoleBinding" => binding
                .rsplit_once('/')
                .map(|(b, n)| (b.to_owned(), n.to_owned()))?,
            _ => (binding, String::new()),
        };
        rest.is_empty().then(|| Self {
            binding_kind: binding_kind.to_owned(),
            binding,
            namespace: (!namespace.is_empty()).then_some(namespace),
            role_kind: role_kind.to_owned(),
            role,
            subject_kind: subject_kind.to_owned(),
            subject,
        })
    }

    /// Whether every cluster has this role: kube-apiserver makes them, and mends them when it starts
    /// (kubernetes `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`).
    pub(super) fn is_built_in(&self) -> bool {
        let role = self.role.as_str();
        role.starts_with("system:") || ["cluster-admin", "admin", "edit", "view"].contains(&role)
    }

    /// The grant as an attribute, with the number of requests that it let through.
    pub(super) fn attribute(self, requests: u64) -> Attribute {
        let fields: [(&str, Attribute); 8] = [
            ("binding_kind", self.binding_kind.into()),
            ("binding", self.binding.into()),
            ("namespace", self.namespace.into()),
            ("role_kind", self.role_kind.into()),
            ("role", self.role.into()),
            ("subject_kind", self.subject_kind.into()),
            ("subject", self.subject.into()),
            ("requests", requests.into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

/// Splits `Kind "name"` off; names are written with Go's `%q`.
fn kind_and_name(text: &str) -> Option<(&str, String, &str)> {
    let (kind, rest) = text.split_once(" \"")?;
    let mut name = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((kind, name, rest.get(at + 1..)?)),
            '\\' => name.push(chars.next()?.1),
            _ => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_documented_forms() {
        let grant = Grant::parse(
            r#"RBAC: allowed by RoleBinding "secret-watcher/shop" of Role "secret-watcher" to ServiceAccount "watcher/shop""#,
        ).unwrap();
        assert_eq!(
            (grant.binding_kind.as_str(), grant.binding.as_str()),
            ("RoleBinding", "secret-watcher")
        );
        assert_eq!(grant.namespace.as_deref(), Some("shop"));
        assert_eq!(
            (grant.role_kind.as_str(), grant.subject.as_str()),
            ("Role", "watcher/shop")
        );
        let grant = Grant::parse(
            r#"RBAC: allowed by ClusterRoleBinding "a \"b\"" of ClusterRole "r" to Group "system:authenticated""#,
        ).unwrap();
        assert_eq!(
            (grant.binding.as_str(), grant.namespace),
            (r#"a "b""#, None)
        );
        assert_eq!(grant.subject_kind, "Group");
    }

    #[test]
    fn refuses_everything_else() {
        for reason in [
            "",
            "internal error",
            r#"RBAC: [clusterrole.rbac.authorization.k8s.io "x" not found]"#,
            r#"RBAC: allowed by ClusterRoleBinding "B" of ClusterRole "R" to ServiceAccount "a/b" and more"#,
            r#"RBAC: allowed by RoleBinding "no-namespace" of Role "R" to User "u""#,
            r#"RBAC: allowed by ClusterRoleBinding "unterminated"#,
        ] {
            assert_eq!(Grant::parse(reason), None, "{reason}");
        }
    }
}
