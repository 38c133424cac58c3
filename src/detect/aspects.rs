//! What is notable about a request, found out once for all detectors.
//!
//! Most requests are of no interest to most detectors. Each one says by [`Interest`] which it wants to see,
//! so that a detector more costs next to nothing for the requests that are not its own.

use std::ops::BitOr;

use crate::event::{Event, ObjectRef, Text};

use super::{credential, deed, mark::Mark};

/// Stands in every annotation about tokens (FACTS 2).
static TOKEN: Mark = Mark::new("-token");
static CUT: Mark = Mark::new("audit.k8s.io/truncated");
/// Only an escape by number could hide what is looked for.
static ESCAPE: Mark = Mark::new("\\u");
/// Kubernetes 1.24 and later say so; nothing else tells (FACTS 1.3).
static IMPERSONATE: Mark = Mark::new("impersonate");

/// What is notable about a request: a set of bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Aspects(u32);

/// Which requests a detector wants to see: those with all of one set of aspects, and with at least one of
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest {
    all: Aspects,
    any: Aspects,
}

macro_rules! aspects {
    ($($(#[doc = $doc:literal])+ $name:ident = $bit:literal;)+) => {
        impl Aspects {
            $($(#[doc = $doc])+ pub const $name: Self = Self(1 << $bit);)+
        }
    };
}

aspects! {
    /// By a ServiceAccount, as far as its user name tells.
    ACCOUNT = 0;
    /// By the ServiceAccount `default` of a namespace.
    DEFAULT_ACCOUNT = 1;
    /// By `system:anonymous`.
    ANONYMOUS = 2;
    /// Without a user: a 401, or a malformed timeout.
    UNAUTHENTICATED = 3;
    /// By a kubelet: `system:node:…`.
    NODE = 4;
    /// With an `impersonatedUser`, or refused with a message about impersonation.
    IMPERSONATION = 5;
    /// Refused: 401, 403 or `forbid`.
    REFUSED = 6;
    /// With an HTTP status of 400 or more.
    FAILED = 7;
    /// `get`, `list` or `watch` of a resource.
    READ = 8;
    /// `list` or `watch` of a resource.
    LISTING = 9;
    /// `create`, `update`, `patch`, `delete` or `deletecollection` of a resource.
    WRITE = 10;
    /// On secrets (core group, no subresource).
    SECRETS = 11;
    /// On pods (core group), subresources included.
    PODS = 12;
    /// On ServiceAccounts (core group), subresources included.
    SERVICE_ACCOUNTS = 13;
    /// On `serviceaccounts/token`: a TokenRequest.
    TOKEN_REQUEST = 14;
    /// On `rbac.authorization.k8s.io`.
    RBAC = 15;
    /// On what goes into a pod: exec, attach, port-forward, a written ephemeral container.
    POD_ENTRY = 16;
    /// On the proxy of a node, pod or service.
    PROXY = 17;
    /// On workloads: pods and what holds a pod template.
    WORKLOAD = 18;
    /// On `admissionregistration.k8s.io`.
    ADMISSION = 19;
    /// On `certificates.k8s.io`.
    CERTIFICATES = 20;
    /// A self-subject review: what may I, who am I.
    SELF_REVIEW = 21;
    /// With an annotation about tokens (`…-token…`), or one that escapes could hide.
    TOKEN_MARK = 22;
    /// With the annotation that says that bodies were cut out, with a body that was replaced by a note, or with
    /// a user agent that was cut off.
    TRUNCATED = 23;
    /// For no resource: discovery, health, metrics.
    NO_RESOURCE = 24;
    /// By a ServiceAccount, with a token that names no pod: legacy, unbound, or bound to something else.
    LOOSE_TOKEN = 25;
}

impl Aspects {
    /// What the user, its credential and nothing else make of a request.
    pub(super) fn of_caller(event: &Event<'_>) -> Self {
        let name = event.user.name;
        if name.is_empty() {
            return Self::UNAUTHENTICATED;
        }
        if let Some(account) = event.service_account() {
            let default = Self::if_so(account.name == "default", Self::DEFAULT_ACCOUNT);
            let loose = Self::if_so(!credential::names_pod(event), Self::LOOSE_TOKEN);
            return Self::ACCOUNT | default | loose;
        }
        if name == "system:anonymous" {
            return Self::ANONYMOUS;
        }
        Self::if_so(name.starts_with("system:node:"), Self::NODE)
    }

    /// What verb, resource, group and subresource make of a request.
    pub(super) fn of_kind(event: &Event<'_>) -> Self {
        let Some(object) = event.object else {
            return Self::NO_RESOURCE;
        };
        let entry = Self::if_so(deed::enters_pod(event), Self::POD_ENTRY);
        Self::of_verb(event) | Self::of_object(&object) | entry
    }

    /// What the annotations make of a request, but for `forbid`.
    pub(super) fn of_notes(event: &Event<'_>) -> Self {
        let annotations = event.annotations.json();
        let escaped = ESCAPE.is_in(annotations);
        let cut = escaped || CUT.is_in(annotations);
        let marked = escaped || TOKEN.is_in(annotations);
        Self::if_so(cut, Self::TRUNCATED) | Self::if_so(marked, Self::TOKEN_MARK)
    }

    /// What the rest makes of a request; `forbid` says whether the annotations do.
    #[inline]
    pub(super) fn of_rest(event: &Event<'_>, forbid: impl FnOnce() -> bool) -> Self {
        let failed = event.code.is_some_and(|code| code >= 400);
        let cut = event.has_placeholder() || event.has_cut_user_agent();
        let acting = event.impersonated_user.is_some();
        let mut aspects = Self::if_so(failed, Self::FAILED)
            | Self::if_so(cut, Self::TRUNCATED)
            | Self::if_so(acting, Self::IMPERSONATION);
        if event.refused_if(forbid) {
            aspects = aspects | Self::REFUSED;
            if IMPERSONATE.is_in(event.status.json()) {
                aspects = aspects | Self::IMPERSONATION;
            }
        }
        aspects
    }

    #[inline]
    const fn if_so(so: bool, aspect: Self) -> Self {
        Self(if so { aspect.0 } else { 0 })
    }

    fn of_verb(event: &Event<'_>) -> Self {
        match event.verb {
            verb if verb == "get" => Self::READ,
            verb if verb == "list" || verb == "watch" => Self::READ | Self::LISTING,
            _ if deed::is_write(event) => Self::WRITE,
            _ => Self::default(),
        }
    }

    fn of_object(object: &ObjectRef<'_>) -> Self {
        match object.group {
            group if group.is_empty() => Self::of_core(object),
            group if group == "rbac.authorization.k8s.io" => Self::RBAC,
            group if group == "admissionregistration.k8s.io" => Self::ADMISSION,
            group if group == "certificates.k8s.io" => Self::CERTIFICATES,
            group if group == "apps" || group == "batch" || group == "extensions" => {
                let templates = [
                    "deployments",
                    "daemonsets",
                    "statefulsets",
                    "replicasets",
                    "jobs",
                    "cronjobs",
                ];
                Self::when(Self::WORKLOAD, object.resource, &templates)
            }
            group if group == "authorization.k8s.io" || group == "authentication.k8s.io" => {
                let reviews = [
                    "selfsubjectaccessreviews",
                    "selfsubjectrulesreviews",
                    "selfsubjectreviews",
                ];
                Self::when(Self::SELF_REVIEW, object.resource, &reviews)
            }
            _ => Self::default(),
        }
    }

    fn of_core(object: &ObjectRef<'_>) -> Self {
        let resource = object.resource;
        let proxied = ["nodes", "pods", "services"];
        let mut aspects = if object.subresource == "proxy" {
            Self::when(Self::PROXY, resource, &proxied)
        } else {
            Self::default()
        };
        if resource == "pods" {
            aspects = aspects | Self::PODS | Self::WORKLOAD;
        } else if resource == "secrets" && object.subresource.is_empty() {
            aspects = aspects | Self::SECRETS;
        } else if resource == "serviceaccounts" {
            aspects = aspects | Self::SERVICE_ACCOUNTS;
            if object.subresource == "token" {
                aspects = aspects | Self::TOKEN_REQUEST;
            }
        } else if resource == "replicationcontrollers" || resource == "podtemplates" {
            aspects = aspects | Self::WORKLOAD;
        }
        aspects
    }

    fn when(aspect: Self, text: Text<'_>, names: &[&str]) -> Self {
        if names.iter().any(|name| text == *name) {
            aspect
        } else {
            Self::default()
        }
    }

    /// Whether all of `others` are among these.
    #[must_use]
    #[inline]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether any of `others` is among these.
    #[must_use]
    #[inline]
    pub const fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// One set of both. `|` for constants.
    #[must_use]
    #[inline]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Aspects {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}

impl Interest {
    /// Every request.
    pub const EVERYTHING: Self = Self {
        all: Aspects(0),
        any: Aspects(0),
    };

    /// Requests with all of `aspects`.
    #[must_use]
    pub const fn all(aspects: Aspects) -> Self {
        Self {
            all: aspects,
            any: Aspects(0),
        }
    }

    /// Requests with at least one of `aspects`.
    #[must_use]
    pub const fn any(aspects: Aspects) -> Self {
        Self::EVERYTHING.and_any(aspects)
    }

    /// Of these requests those with at least one of `aspects`.
    #[must_use]
    pub const fn and_any(self, aspects: Aspects) -> Self {
        Self {
            all: self.all,
            any: aspects,
        }
    }

    /// Whether a request with these aspects is wanted.
    #[must_use]
    #[inline]
    pub const fn covers(self, aspects: Aspects) -> bool {
        aspects.has(self.all) && (self.any.0 == 0 || aspects.0 & self.any.0 != 0)
    }
}
