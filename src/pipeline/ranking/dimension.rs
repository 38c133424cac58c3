//! What requests can be ranked by and filtered on.

use std::borrow::Cow;

use crate::{detect::matches_pattern, event::Event};

/// One thing that every request has, or that some have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// The ServiceAccount, `namespace/name`: requests of others have none.
    Account,
    /// The user name as authenticated; empty for a 401.
    User,
    /// The namespace of the object; empty for cluster-scoped objects, lists over all namespaces and paths.
    Namespace,
    /// `resource/subresource.group` (`pods/exec`, `deployments.apps`); the path for what is no resource.
    Resource,
    /// The verb.
    Verb,
    /// What the client calls itself. Hostile.
    Agent,
    /// The address of the real peer: the last one. Some shippers leave it out.
    Address,
    /// The HTTP status; requests that never got one have none.
    Code,
}

impl Dimension {
    /// All of them, under the names of the command line.
    pub const ALL: [(&'static str, Self); 8] = [
        ("account", Self::Account),
        ("user", Self::User),
        ("namespace", Self::Namespace),
        ("resource", Self::Resource),
        ("verb", Self::Verb),
        ("agent", Self::Agent),
        ("address", Self::Address),
        ("code", Self::Code),
    ];

    /// The name on the command line and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|&(_, each)| each == self);
        found.map_or("", |(name, _)| name)
    }

    /// What `event` has there; `None` where it has nothing.
    #[must_use]
    pub fn value<'a>(self, event: &Event<'a>) -> Option<Cow<'a, str>> {
        match self {
            Self::Account => event
                .service_account()
                .map(|account| format!("{}/{}", account.namespace, account.name).into()),
            Self::User => Some(event.user.name.read()),
            Self::Namespace => Some(
                event
                    .object
                    .map_or(Cow::Borrowed(""), |object| object.namespace.read()),
            ),
            Self::Resource => Some(resource(event)),
            Self::Verb => Some(event.verb.read()),
            Self::Agent => Some(event.user_agent.read()),
            Self::Address => Some(event.peer()?.read()),
            Self::Code => Some(event.code?.to_string().into()),
        }
    }
}

/// As `kubectl` takes it; the path without its query for what is no resource.
fn resource<'a>(event: &Event<'a>) -> Cow<'a, str> {
    let Some(object) = event.object.filter(|object| !object.resource.is_empty()) else {
        return match event.request_uri.read() {
            Cow::Borrowed(uri) => Cow::Borrowed(path(uri)),
            Cow::Owned(uri) => Cow::Owned(path(&uri).to_owned()),
        };
    };
    if object.subresource.is_empty() && object.group.is_empty() {
        return object.resource.read();
    }
    let mut name = object.resource.read().into_owned();
    for (before, part) in [('/', object.subresource), ('.', object.group)] {
        if !part.is_empty() {
            name.push(before);
            name.push_str(&part.read());
        }
    }
    name.into()
}

fn path(uri: &str) -> &str {
    uri.split_once('?').map_or(uri, |(path, _)| path)
}

/// What one dimension has to be: one of the patterns without a `-` before it, if there are any, and none of those
/// with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    dimension: Dimension,
    wanted: Vec<String>,
    unwanted: Vec<String>,
}

impl Filter {
    /// Patterns as written: `kube-*`, `-kube-system`. `None` without patterns.
    #[must_use]
    pub fn new(dimension: Dimension, patterns: &[String]) -> Option<Self> {
        let (unwanted, wanted): (Vec<&str>, Vec<&str>) =
            (patterns.iter().map(String::as_str)).partition(|pattern| pattern.starts_with('-'));
        (!patterns.is_empty()).then(|| Self {
            dimension,
            wanted: wanted.into_iter().map(str::to_owned).collect(),
            unwanted: unwanted.iter().map(|text| text[1..].to_owned()).collect(),
        })
    }

    /// Whether `event` passes. What it does not have is none of anything.
    #[must_use]
    pub fn passes(&self, event: &Event<'_>) -> bool {
        let value = self.dimension.value(event);
        let is_one_of = |patterns: &[String]| {
            value.as_ref().is_some_and(|value| {
                let mut patterns = patterns.iter();
                patterns.any(|pattern| matches_pattern(pattern, value))
            })
        };
        (self.wanted.is_empty() || is_one_of(&self.wanted)) && !is_one_of(&self.unwanted)
    }
}
