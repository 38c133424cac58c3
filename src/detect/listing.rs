//! A list or watch of secrets by a ServiceAccount: what it covers, and what came of it.

use serde::{Deserialize, Serialize};

use crate::{event::Event, finding::Severity};

use super::judge::Graded;

/// What a list or watch of secrets covers, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Listing {
    pub(super) reach: Reach,
    pub(super) outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Reach {
    Single,
    OwnNamespace,
    OtherNamespace,
    KubeSystem,
    ClusterWide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Outcome {
    Failed,
    Denied,
    Allowed,
}

impl Listing {
    /// What `event` is as a listing of secrets; `None` if it is none, or not by a ServiceAccount.
    #[must_use]
    pub fn of(event: &Event<'_>) -> Option<Self> {
        if !(event.verb == "list" || event.verb == "watch") || !event.is_core("secrets") {
            return None;
        }
        let account = event.service_account()?;
        let object = event.object.unwrap_or_default();
        let reach = if !object.name.is_empty() {
            Reach::Single
        } else if object.namespace.is_empty() {
            Reach::ClusterWide
        } else if object.namespace == account.namespace {
            Reach::OwnNamespace
        } else if object.namespace == "kube-system" {
            Reach::KubeSystem
        } else {
            Reach::OtherNamespace
        };
        let outcome = match () {
            () if event.refused() => Outcome::Denied,
            () if event.succeeded() => Outcome::Allowed,
            () => Outcome::Failed,
        };
        Some(Self { reach, outcome })
    }

    /// `cluster`, `namespace`, or `resource` for a list or watch of one secret: the words of the label
    /// `scope` of `apiserver_request_total` (apiserver `pkg/endpoints/metrics/metrics.go`, `CleanScope`).
    #[must_use]
    pub const fn scope(self) -> &'static str {
        match self.reach {
            Reach::Single => "resource",
            Reach::OwnNamespace | Reach::OtherNamespace | Reach::KubeSystem => "namespace",
            Reach::ClusterWide => "cluster",
        }
    }

    /// `allowed`, `denied`, or `failed` for what was neither refused nor answered.
    #[must_use]
    pub const fn outcome(self) -> &'static str {
        match self.outcome {
            Outcome::Failed => "failed",
            Outcome::Denied => "denied",
            Outcome::Allowed => "allowed",
        }
    }

    pub(super) const fn severity(self) -> Severity {
        match (self.outcome, self.reach) {
            (Outcome::Allowed, Reach::ClusterWide | Reach::KubeSystem) => Severity::High,
            (Outcome::Allowed, Reach::OtherNamespace)
            | (Outcome::Denied, Reach::ClusterWide | Reach::KubeSystem | Reach::OtherNamespace) => {
                Severity::Medium
            }
            (Outcome::Allowed, Reach::Single)
            | (Outcome::Failed, Reach::Single | Reach::OwnNamespace) => Severity::Info,
            _ => Severity::Low,
        }
    }
}

impl Graded for Listing {
    fn is_denial(self) -> bool {
        self.outcome == Outcome::Denied
    }
}
