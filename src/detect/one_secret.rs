//! Requests for secrets one by one, by ServiceAccounts: which secret, and what an account did with how many.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    event::Event,
    finding::{Attribute, Attributes},
};

use super::{
    Coverage, LogFacts, Merge, activity::Activity, distinct::Distinct, grants::Grants,
    judge::Graded, request::Request,
};

/// The secret that a request is about.
pub(super) struct OneSecret<'a> {
    /// Empty if the request named none.
    pub(super) namespace: Cow<'a, str>,
    /// Empty for a new one, whose name stands in the body alone.
    pub(super) name: Cow<'a, str>,
    pub(super) place: Place,
}

/// Where a secret lies, seen from the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Place {
    Own,
    Other,
    KubeSystem,
}

/// What secrets an account asked for one by one, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked<G: Ord> {
    pub(super) activity: Activity<G>,
    /// By `namespace/name`.
    pub(super) secrets: Distinct<G>,
    pub(super) grants: Grants,
}

impl<'a> OneSecret<'a> {
    /// The secret that a ServiceAccount's request is about. Requests that it made as somebody else are left
    /// out: whose secrets these are depends on the other one, and `impersonation` judges them.
    pub(super) fn of(event: &Event<'a>) -> Option<Self> {
        if !event.is_core("secrets") || event.impersonated_user.is_some() {
            return None;
        }
        let account = event.service_account()?;
        let object = event.object?;
        let namespace = object.namespace.read();
        let place = match namespace.as_ref() {
            own if own == account.namespace => Place::Own,
            "kube-system" => Place::KubeSystem,
            _ => Place::Other,
        };
        Some(Self {
            name: object.name.read(),
            namespace,
            place,
        })
    }

    /// The secret that is read by name: by `get`, or by `list` or `watch` with
    /// `fieldSelector=metadata.name=`, which names it in `objectRef` too (FACTS 1.1).
    pub(super) fn read_by(event: &Event<'a>) -> Option<Self> {
        let reads = ["get", "list", "watch"].iter().any(|v| event.verb == *v);
        Self::of(event).filter(|secret| reads && !secret.name.is_empty())
    }
}

impl<G: Graded> Asked<G> {
    /// Takes note of a request for `secret`.
    pub(super) fn add(&mut self, grade: G, secret: &OneSecret<'_>, event: &Request<'_>) {
        self.activity.add(grade, event);
        self.grants.add(event);
        self.add_secret(grade, secret, event);
    }

    /// Takes note of the secret alone.
    pub(super) fn add_secret(&mut self, grade: G, secret: &OneSecret<'_>, event: &Request<'_>) {
        let name = if secret.name.is_empty() {
            "*"
        } else {
            &secret.name
        };
        self.secrets
            .add(&[&secret.namespace, "/", name], grade, event);
    }

    /// What [`Activity`] has, and `allowed_by`.
    pub(super) fn write(&self, attributes: &mut Attributes) {
        self.activity.write(attributes);
        attributes.insert("allowed_by".to_owned(), self.grants.attribute());
    }
}

impl<G: Ord> Default for Asked<G> {
    fn default() -> Self {
        Self {
            activity: Activity::default(),
            secrets: Distinct::default(),
            grants: Grants::default(),
        }
    }
}

impl<G: Ord> Merge for Asked<G> {
    fn merge(&mut self, other: Self) {
        self.activity.merge(other.activity);
        self.secrets.merge(other.secrets);
        self.grants.merge(other.grants);
    }
}

/// Whether `namespace/name` is a release that Helm keeps: `sh.helm.release.v1.<release>.v<revision>`.
pub(super) fn is_helm_release(secret: &str) -> bool {
    name_of(secret).starts_with("sh.helm.release.v1.")
}

/// What the name of `namespace/name` tells of its contents.
pub(super) fn kind(secret: &str) -> &'static str {
    let name = name_of(secret);
    // As kube-controller-manager and OpenShift name what they make: `<account>-token-<5 characters>`.
    let generated = |mark: &str| {
        let suffix = name.rsplit_once(mark).map(|(_, suffix)| suffix);
        suffix.is_some_and(|s| s.len() == 5 && s.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    match () {
        () if is_helm_release(secret) => "helm-release",
        () if generated("-token-") => "serviceaccount-token",
        () if generated("-dockercfg-") => "image-pull",
        () => "other",
    }
}

/// The namespace of `namespace/name`.
pub(super) fn namespace_of(secret: &str) -> &str {
    secret
        .split_once('/')
        .map_or("", |(namespace, _)| namespace)
}

fn name_of(secret: &str) -> &str {
    secret.split_once('/').map_or(secret, |(_, name)| name)
}

/// How many secrets `names` are of each kind.
pub(super) fn kinds<'a>(names: impl Iterator<Item = &'a str>) -> Attribute {
    let mut kinds = std::collections::BTreeMap::<&str, u64>::new();
    for name in names {
        *kinds.entry(kind(name)).or_default() += 1;
    }
    let kinds = kinds.into_iter();
    Attribute::Map(kinds.map(|(kind, n)| (kind.to_owned(), n.into())).collect())
}

/// What detectors of secrets that are read one by one can see.
pub(super) fn coverage(log: &LogFacts) -> Coverage {
    let unread = || (log.reads == 0).then(|| log.reads_left_out());
    let unseen = || {
        (log.secret_requests == 0).then(|| {
            "the log has no request on secrets by anybody: its policy may leave them out".to_owned()
        })
    };
    Coverage {
        evaluated: log.service_account_requests,
        blind: log.blind_to_accounts().or_else(unread).or_else(unseen),
    }
}
