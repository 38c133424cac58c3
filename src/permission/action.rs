//! What can be granted: a verb on a resource, or on a path of the API server.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::event::Event;

/// A verb on a resource or on a path: one permission without its place and its object's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Action {
    /// A verb on a resource of the Kubernetes API.
    Resource {
        /// The API group; empty for the core group.
        group: String,
        /// The resource, plural.
        resource: String,
        /// The subresource; empty if the resource itself is meant.
        subresource: String,
        /// `get`, `list`, `watch`, `create`, ...
        verb: String,
    },
    /// An HTTP method on any other path.
    Path {
        /// The path, decoded, without the query: what RBAC compares with `nonResourceURLs`.
        path: String,
        /// The method in lower case.
        verb: String,
    },
}

/// [`Action`], borrowed: what a request is, without a copy of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ActionRef<'a> {
    Resource {
        group: Cow<'a, str>,
        resource: Cow<'a, str>,
        subresource: Cow<'a, str>,
        verb: Cow<'a, str>,
    },
    Path {
        path: Cow<'a, str>,
        verb: Cow<'a, str>,
    },
}

/// The verbs that kube-apiserver derives from a request on a resource (apiserver
/// `pkg/endpoints/request/requestinfo.go`). Any other HTTP method leaves the verb empty.
const VERBS: [&str; 9] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "proxy",
];

/// Longer paths are none that a role would name.
const LONGEST_PATH: usize = 512;

impl<'a> ActionRef<'a> {
    /// What `event` is a request for; `None` if no role could name it without naming more.
    ///
    /// Resources, verbs and paths come from the URL that the client chose. `GET /api/v1/*` is a request
    /// for the resource `*`, which in a rule would mean every resource; so only what can exist is taken.
    pub(super) fn of(event: &Event<'a>) -> Option<Self> {
        let verb = event.verb.read();
        let Some(object) = event.object.filter(|object| !object.resource.is_empty()) else {
            let path = path(event)?;
            let is_method = (1..=16).contains(&verb.len()) && verb.bytes().all(is_lower);
            return is_method.then_some(Self::Path { path, verb });
        };
        let [group, resource, subresource] =
            [object.group, object.resource, object.subresource].map(crate::event::Text::read);
        let known = VERBS.contains(&&*verb)
            && (group.is_empty() || is_subdomain(&group))
            && is_label(&resource)
            && (subresource.is_empty() || is_label(&subresource));
        known.then_some(Self::Resource {
            group,
            resource,
            subresource,
            verb,
        })
    }

    /// Whether it is worth a look whether everybody may do this: rules out nearly every request.
    pub(super) fn may_be_everybodys(&self) -> bool {
        match self {
            Self::Path { .. } => true,
            Self::Resource { resource, .. } => resource.starts_with("selfsubject"),
        }
    }

    /// A hash that stands for the action.
    pub(super) fn hash(&self) -> u64 {
        let parts: [&str; 4] = match self {
            Self::Resource {
                group,
                resource,
                subresource,
                verb,
            } => [group, resource, subresource, verb],
            Self::Path { path, verb } => ["/", path, "", verb],
        };
        parts
            .iter()
            .fold(0, |seed, part| xxh3_64_with_seed(part.as_bytes(), seed))
    }

    pub(super) fn to_action(&self) -> Action {
        match self {
            Self::Resource {
                group,
                resource,
                subresource,
                verb,
            } => Action::Resource {
                group: group.to_string(),
                resource: resource.to_string(),
                subresource: subresource.to_string(),
                verb: verb.to_string(),
            },
            Self::Path { path, verb } => Action::Path {
                path: path.to_string(),
                verb: verb.to_string(),
            },
        }
    }
}

impl Action {
    /// The verb.
    #[must_use]
    pub fn verb(&self) -> &str {
        match self {
            Self::Resource { verb, .. } | Self::Path { verb, .. } => verb,
        }
    }

    /// The resource as a rule names it (`pods`, `pods/log`), or the path.
    #[must_use]
    pub fn target(&self) -> Cow<'_, str> {
        match self {
            Self::Resource {
                resource,
                subresource,
                ..
            } if !subresource.is_empty() => Cow::Owned(format!("{resource}/{subresource}")),
            Self::Resource { resource, .. } => Cow::Borrowed(resource),
            Self::Path { path, .. } => Cow::Borrowed(path),
        }
    }

    /// The API group; empty for the core group and for paths.
    #[must_use]
    pub fn group(&self) -> &str {
        match self {
            Self::Resource { group, .. } => group,
            Self::Path { .. } => "",
        }
    }

    /// Whether RBAC can tell objects apart by name for this action.
    ///
    /// The authorizer knows the name from the URL. A create of the resource itself and a
    /// `deletecollection` have none there; a create of a subresource (`pods/exec`,
    /// `serviceaccounts/token`) has.
    #[must_use]
    pub fn can_be_restricted_by_name(&self) -> bool {
        match self {
            Self::Resource {
                subresource, verb, ..
            } => verb != "deletecollection" && (verb != "create" || !subresource.is_empty()),
            Self::Path { .. } => false,
        }
    }
}

/// `verb resource.group/subresource`, or `verb /path`.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource {
                group,
                resource,
                subresource,
                verb,
            } => {
                write!(f, "{verb} {resource}")?;
                if !group.is_empty() {
                    write!(f, ".{group}")?;
                }
                if !subresource.is_empty() {
                    write!(f, "/{subresource}")?;
                }
                Ok(())
            }
            Self::Path { path, verb } => write!(f, "{verb} {path}"),
        }
    }
}

/// The path of a request that is not for a resource, if a rule can name it and nothing else.
fn path<'a>(event: &Event<'a>) -> Option<Cow<'a, str>> {
    let uri = event.request_uri.read();
    let cut = |uri: &str| uri.find(['?', '#']).unwrap_or(uri.len());
    let raw: Cow<'a, str> = match uri {
        Cow::Borrowed(uri) => Cow::Borrowed(&uri[..cut(uri)]),
        Cow::Owned(uri) => Cow::Owned(uri[..cut(&uri)].to_owned()),
    };
    let path = if raw.contains('%') {
        Cow::Owned(decoded(&raw)?)
    } else {
        raw
    };
    // An asterisk at the end of a rule's path matches everything behind it.
    let nameable = path.starts_with('/')
        && path.len() <= LONGEST_PATH
        && !path.chars().any(|c| c == '*' || c.is_control());
    // A request for a resource whose objectRef was lost on the way: the path says too little.
    (nameable && !is_resource_path(&path)).then_some(path)
}

/// `/api/VERSION/...` and `/apis/GROUP/VERSION/...` are for resources.
fn is_resource_path(path: &str) -> bool {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    match parts.next() {
        Some("api") => parts.count() > 1,
        Some("apis") => parts.count() > 2,
        _ => false,
    }
}

/// Undoes percent-encoding, as Go's `net/url` does for a path; `None` where it would fail.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

const fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase()
}

/// A DNS label, which resources, subresources and namespaces are.
pub(super) fn is_label(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A DNS subdomain, which API groups are.
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_as_go_does() {
        assert_eq!(decoded("/a%20b%2Fc").as_deref(), Some("/a b/c"));
        for broken in ["/%", "/%2", "/%zz", "/%ff"] {
            assert_eq!(decoded(broken), None, "{broken}");
        }
    }

    #[test]
    fn resources_are_told_from_paths() {
        for (path, resource) in [
            ("/api", false),
            ("/api/v1", false),
            ("/api/v1/pods", true),
            ("/apis/apps/v1", false),
            ("/apis/apps/v1/deployments", true),
            ("/apiserver/x/y/z", false),
            ("/metrics", false),
        ] {
            assert_eq!(is_resource_path(path), resource, "{path}");
        }
    }

    #[test]
    fn labels_are_labels() {
        for label in ["pods", "a", "0-9", "ephemeralcontainers"] {
            assert!(is_label(label), "{label}");
        }
        for other in ["", "*", "Pods", "-a", "a-", "a.b", "a/b", "\u{fc}", " "] {
            assert!(!is_label(other), "{other}");
        }
        assert!(is_subdomain("rbac.authorization.k8s.io") && !is_subdomain("a..b"));
    }
}
