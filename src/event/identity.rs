//! Who made a request.

use super::{Object, Text, Value};

/// A user as the authenticator saw it (`user`, `impersonatedUser`).
#[derive(Debug, Clone, Copy, Default)]
pub struct User<'a> {
    /// The user name; empty on a 401.
    pub name: Text<'a>,
    /// The whole object: `uid`, `groups`, `extra`.
    pub object: Object<'a>,
    /// Its `extra`, which is looked into for nearly every request.
    pub extra: Object<'a>,
}

impl<'a> User<'a> {
    pub(super) fn new(name: Text<'a>, object: Object<'a>) -> Self {
        let extra = object.get("extra").and_then(Value::object);
        Self {
            name,
            object,
            extra: extra.unwrap_or_default(),
        }
    }

    /// The groups.
    pub fn groups(&self) -> impl Iterator<Item = Text<'a>> + use<'a> {
        let groups = self.object.get("groups").unwrap_or_default();
        groups.items().filter_map(Value::text)
    }

    /// The first value of one of the `extra` keys, such as
    /// `authentication.kubernetes.io/pod-name`.
    #[must_use]
    pub fn extra(&self, key: &str) -> Option<Text<'a>> {
        self.extra.get(key)?.items().next()?.text()
    }

    /// The ServiceAccount that the name stands for.
    #[must_use]
    pub fn service_account(&self) -> Option<ServiceAccount<'a>> {
        ServiceAccount::from_user_name(self.name.as_plain()?)
    }
}

/// A ServiceAccount by its two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceAccount<'a> {
    /// Its namespace: a DNS label.
    pub namespace: &'a str,
    /// Its name: a DNS subdomain, which may hold dots.
    pub name: &'a str,
}

impl<'a> ServiceAccount<'a> {
    /// What every ServiceAccount's user name starts with.
    pub const PREFIX: &'static str = "system:serviceaccount:";

    /// Takes `system:serviceaccount:<namespace>:<name>` apart: exactly two parts, neither empty
    /// (apiserver `pkg/authentication/serviceaccount/util.go` `SplitUsername`, which also checks that
    /// they are valid names).
    #[must_use]
    pub fn from_user_name(name: &'a str) -> Option<Self> {
        let rest = name.strip_prefix(Self::PREFIX)?;
        let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let colon = rest.bytes().position(|b| !label(b))?;
        let (namespace, name) = (rest.get(..colon)?, rest.get(colon..)?.strip_prefix(':')?);
        let valid = name.bytes().all(|b| label(b) || b == b'.');
        (valid && !namespace.is_empty() && !name.is_empty()).then_some(Self { namespace, name })
    }

    /// The user name.
    #[must_use]
    pub fn user_name(&self) -> String {
        format!("{}{}:{}", Self::PREFIX, self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_user_names_apart() {
        let split = |name| ServiceAccount::from_user_name(name).map(|a| (a.namespace, a.name));
        assert_eq!(
            split("system:serviceaccount:shop:web"),
            Some(("shop", "web"))
        );
        assert_eq!(
            split("system:serviceaccount:shop:web.v2"),
            Some(("shop", "web.v2"))
        );
        for name in [
            "system:serviceaccount:shop",
            "system:serviceaccount::web",
            "system:node:n1",
            "",
            "system:serviceaccount:shop:",
            "system:serviceaccount:shop:a:b",
            "system:serviceaccount:Shop:web",
            "system:serviceaccounts:shop:web",
            "system:serviceaccount:a.b:web",
        ] {
            assert_eq!(split(name), None, "{name}");
        }
    }
}
