//! Why a request was refused: for want of a right, or for want of the right to impersonate.

use std::borrow::Cow;

use crate::event::Event;

use super::{mark::Mark, request::Request};

/// What the verb of a refused impersonation starts with.
static IMPERSONATE: Mark = Mark::new("impersonate");

/// What kube-apiserver says when it refuses (apiserver `pkg/endpoints/handlers/responsewriters/errors.go`):
/// `users "bob" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster
/// scope`. Since Kubernetes 1.24 the log has it (FACTS 1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The object's name, where the message has one.
    pub(super) name: Option<String>,
    /// The verb: `list`, `impersonate`, `impersonate:user-info`, `impersonate-on:user-info:list`.
    pub(super) verb: String,
    /// The resource, with its subresource after a slash; empty for a path.
    pub(super) resource: String,
    /// The namespace, for namespaced resources.
    pub(super) namespace: Option<String>,
}

/// Whether `event` was refused for want of a right of whoever sent it: not by admission, which comes after
/// authorization (decision `allow`, FACTS 10), and not because of impersonation.
pub(super) fn lacks_right(request: &Request<'_>) -> bool {
    request.code == Some(403)
        && request.impersonated_user.is_none()
        && !request.notes.allow
        && impersonation_refused(request).is_none()
}

/// What `event` was to impersonate, if that was refused: there is no `impersonatedUser` and no authorization
/// annotation then, and the message is the only trace (FACTS 1.3).
pub(super) fn impersonation_refused(event: &Event<'_>) -> Option<Refusal> {
    if event.code != Some(403) || event.impersonated_user.is_some() {
        return None;
    }
    // Nearly no message has the word; only an escape by number could hide it.
    if !IMPERSONATE.may_be_in(event.status.json()) {
        return None;
    }
    let message = event.status.get("message")?.text()?.read();
    let refusal = Refusal::parse(&message)?;
    refusal.verb.starts_with("impersonate").then_some(refusal)
}

impl Refusal {
    /// Reads the message from its start, quoted names included: what a client may have put into a name is
    /// never taken for the message itself.
    pub(super) fn parse(message: &str) -> Option<Self> {
        let (name, rest) = match message.strip_prefix("forbidden: ") {
            Some(rest) => (None, rest),
            None => object(message)?,
        };
        let (_, rest) = quoted(rest.strip_prefix("User ")?)?;
        let rest = rest.strip_prefix(" cannot ")?;
        let (verb, rest) = rest.split_once(' ')?;
        let refusal = |resource: Cow<'_, str>, namespace| Self {
            name,
            verb: verb.to_owned(),
            resource: resource.into_owned(),
            namespace,
        };
        if let Some(path) = rest.strip_prefix("path ") {
            quoted(path)?;
            return Some(refusal(Cow::Borrowed(""), None));
        }
        let (resource, rest) = quoted(rest.strip_prefix("resource ")?)?;
        let (_, rest) = quoted(rest.strip_prefix(" in API group ")?)?;
        let namespace = match rest.strip_prefix(" in the namespace ") {
            Some(rest) => Some(quoted(rest)?.0.into_owned()),
            None => rest.starts_with(" at the cluster scope").then_some(None)?,
        };
        Some(refusal(resource, namespace))
    }
}

/// `users "bob" is forbidden: ` or `users is forbidden: `, and what follows.
fn object(message: &str) -> Option<(Option<String>, &str)> {
    let (_, rest) = message.split_once(' ')?;
    if let Some(rest) = rest.strip_prefix("is forbidden: ") {
        return Some((None, rest));
    }
    let (name, rest) = quoted(rest)?;
    let rest = rest.strip_prefix(" is forbidden: ")?;
    Some((Some(name.into_owned()), rest))
}

/// A string in Go's `%q`, and what follows it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut name = String::new();
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let (raw, rest) = inside.split_at(at);
                let name = if name == raw {
                    Cow::Borrowed(raw)
                } else {
                    Cow::Owned(name)
                };
                return Some((name, &rest[1..]));
            }
            '\\' => name.push(chars.next()?.1),
            _ => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(message: &str) -> Option<(Option<String>, String, String, Option<String>)> {
        Refusal::parse(message).map(|r| (r.name, r.verb, r.resource, r.namespace))
    }

    fn some(name: Option<&str>, verb: &str, resource: &str, namespace: Option<&str>) -> Refusal {
        Refusal {
            name: name.map(str::to_owned),
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
        }
    }

    #[test]
    fn reads_every_form() {
        for (message, expected) in [
            (
                r#"users "system:admin" is forbidden: User "system:serviceaccount:shop:web" cannot impersonate resource "users" in API group "" at the cluster scope"#,
                some(Some("system:admin"), "impersonate", "users", None),
            ),
            (
                r#"serviceaccounts "super" is forbidden: User "alice" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "kube-system": RBAC: [x]"#,
                some(
                    Some("super"),
                    "impersonate",
                    "serviceaccounts",
                    Some("kube-system"),
                ),
            ),
            (
                r#"userextras.authentication.k8s.io "view" is forbidden: User "alice" cannot impersonate resource "userextras/scopes" in API group "authentication.k8s.io" at the cluster scope"#,
                some(Some("view"), "impersonate", "userextras/scopes", None),
            ),
            (
                r#"secrets is forbidden: User "system:serviceaccount:shop:web" cannot impersonate-on:user-info:list resource "secrets" in API group "" at the cluster scope"#,
                some(None, "impersonate-on:user-info:list", "secrets", None),
            ),
            (
                r#"forbidden: User "alice" cannot impersonate-on:arbitrary-node:get path "/api""#,
                some(None, "impersonate-on:arbitrary-node:get", "", None),
            ),
        ] {
            assert_eq!(Refusal::parse(message), Some(expected), "{message}");
        }
    }

    #[test]
    fn names_are_not_taken_for_the_message() {
        let name = r#"x\" is forbidden: User \"y\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope"#;
        let message = format!(
            r#"pods "{name}" is forbidden: User "alice" cannot get resource "pods" in API group "" in the namespace "shop""#
        );
        let (_, verb, resource, _) = parsed(&message).unwrap();
        assert_eq!((verb.as_str(), resource.as_str()), ("get", "pods"));
        for other in [
            "",
            "Unauthorized",
            r#"configmaps "a" is forbidden: unable to create new content in namespace x"#,
            r#"users "a" is forbidden: User "b cannot impersonate"#,
            r#"users "a" is forbidden: User "b" cannot impersonate resource "users""#,
        ] {
            assert_eq!(parsed(other), None, "{other}");
        }
    }
}
