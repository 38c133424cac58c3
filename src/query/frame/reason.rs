//! The annotation `authorization.k8s.io/reason`, taken apart for its columns.

use std::borrow::Cow;

/// What RBAC's reason names, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    BindingKind,
    Binding,
    BindingNamespace,
    RoleKind,
    Role,
    GrantedTo,
}

/// One part of a reason such as `RBAC: allowed by RoleBinding "b/ns" of Role "r" to ServiceAccount "name/ns"`
/// (kubernetes `plugin/pkg/auth/authorizer/rbac/rbac.go`); empty for any other reason.
pub(super) fn part(reason: &str, wanted: Part) -> String {
    parts(reason, wanted).unwrap_or_default()
}

fn parts(reason: &str, wanted: Part) -> Option<String> {
    let rest = reason.strip_prefix("RBAC: allowed by ")?;
    let (binding_kind, binding, rest) = kind_and_name(rest)?;
    let (role_kind, role, rest) = kind_and_name(rest.strip_prefix(" of ")?)?;
    let (subject_kind, subject, rest) = kind_and_name(rest.strip_prefix(" to ")?)?;
    if !rest.is_empty() {
        return None;
    }
    let (binding, namespace) = match binding_kind {
        "RoleBinding" => binding.rsplit_once('/')?,
        _ => (&*binding, ""),
    };
    Some(match wanted {
        Part::BindingKind => binding_kind.to_owned(),
        Part::Binding => binding.to_owned(),
        Part::BindingNamespace => namespace.to_owned(),
        Part::RoleKind => role_kind.to_owned(),
        Part::Role => role.into_owned(),
        Part::GrantedTo => format!("{subject_kind} {subject}"),
    })
}

/// Splits `Kind "name"` off; names are written with Go's `%q`, whose escapes in names are those of JSON.
fn kind_and_name(text: &str) -> Option<(&str, Cow<'_, str>, &str)> {
    let (kind, quoted) = text.split_once(' ')?;
    let inside = quoted.strip_prefix('"')?;
    let mut escaped = false;
    let end = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    let (name, rest) = (inside.get(..end)?, inside.get(end + 1..)?);
    let name = if name.contains('\\') {
        let literal = quoted.get(..end + 2)?;
        Cow::Owned(serde_json::from_str(literal).unwrap_or_else(|_| name.to_owned()))
    } else {
        Cow::Borrowed(name)
    };
    Some((kind, name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_reasons_apart() {
        let all = |reason: &str| {
            use Part::{Binding, BindingKind, BindingNamespace, GrantedTo, Role, RoleKind};
            [
                BindingKind,
                BindingNamespace,
                Binding,
                RoleKind,
                Role,
                GrantedTo,
            ]
            .map(|wanted| part(reason, wanted))
        };
        let cluster = r#"RBAC: allowed by ClusterRoleBinding "b:c" of ClusterRole "r" to ServiceAccount "web/shop""#;
        assert_eq!(
            all(cluster),
            [
                "ClusterRoleBinding",
                "",
                "b:c",
                "ClusterRole",
                "r",
                "ServiceAccount web/shop"
            ]
        );
        let role = r#"RBAC: allowed by RoleBinding "b\"x/shop" of Role "r" to Group "g h""#;
        assert_eq!(
            all(role),
            ["RoleBinding", "shop", "b\"x", "Role", "r", "Group g h"]
        );
        for other in [
            "",
            "RBAC: ",
            "RBAC: allowed by ClusterRoleBinding \"b",
            &format!("{cluster}x"),
        ] {
            assert_eq!(all(other).concat(), "", "{other}");
        }
    }
}
