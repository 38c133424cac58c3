//! Who acts as whom, what came of it, and how grave that is: what `impersonation` tells requests apart by.

use serde::{Deserialize, Serialize};

use crate::{
    event::{ServiceAccount, User},
    finding::Severity,
};

use super::{deed::Deed, grant::Grant, judge::Graded, refusal::Refusal, request::Request};

/// Whom somebody acts as, or wants to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Target {
    /// An ordinary user, or one of whom nothing is known.
    User,
    /// A ServiceAccount or a node.
    Machine,
    Admin,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// The impersonation itself was refused.
    Denied,
    /// The other one's request was refused.
    Refused,
    Failed,
    Read,
    /// Read secrets, or changed something.
    Grave,
}

/// One request that was made as somebody else, or was meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Act {
    pub(super) outcome: Outcome,
    pub(super) target: Target,
}

impl Graded for Act {
    fn is_denial(self) -> bool {
        self.outcome == Outcome::Denied
    }
}

/// Who impersonates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// In `system:masters`.
    Master,
    User,
    /// A ServiceAccount or a node.
    Machine,
}

impl Outcome {
    pub(super) fn of(event: &Request<'_>) -> Self {
        match event.deed() {
            Deed::Refused => Self::Refused,
            Deed::Failed | Deed::Attempted => Self::Failed,
            Deed::Discovered | Deed::Read => Self::Read,
            Deed::Changed | Deed::ReadSecrets | Deed::Entered | Deed::Minted | Deed::WroteRbac => {
                Self::Grave
            }
        }
    }

    /// The name used in the attribute `outcomes`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "impersonation-refused",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Read => "read",
            Self::Grave => "grave",
        }
    }
}

/// Groups that the API server adds, and nobody asks for.
fn is_added(group: &str) -> bool {
    group == "system:authenticated" || group.starts_with("system:serviceaccounts")
}

fn is_admin_group(group: &str) -> bool {
    ["system:masters", "kubeadm:cluster-admins"].contains(&group)
}

/// The user name, with the groups that were asked for.
pub(super) fn in_words(user: &User<'_>) -> String {
    let groups: Vec<String> = user.groups().map(|group| group.to_string()).collect();
    let mut asked: Vec<&str> = groups.iter().map(String::as_str).collect();
    asked.retain(|group| !is_added(group));
    asked.sort_unstable();
    if asked.is_empty() {
        return user.name.to_string();
    }
    format!("{} ({})", user.name, asked.join(", "))
}

impl Target {
    pub(super) fn of(user: &User<'_>, event: &Request<'_>) -> Self {
        let reason = event.annotation("authorization.k8s.io/reason");
        // The reason speaks of the impersonated user (FACTS 1.3).
        let grant = reason.and_then(|reason| Grant::parse(&reason.read()));
        let admin = grant.is_some_and(|g| g.role == "cluster-admin" && g.namespace.is_none())
            || user.groups().any(|group| is_admin_group(&group.read()));
        if admin {
            return Self::Admin;
        }
        Self::by_name(&user.name.read())
    }

    fn by_name(name: &str) -> Self {
        match name {
            "system:anonymous" => Self::User,
            _ if name.starts_with("system:node:") => Self::Machine,
            _ if ServiceAccount::from_user_name(name).is_some() => Self::Machine,
            _ if name.starts_with("system:") => Self::Admin,
            _ => Self::User,
        }
    }
}

/// Whom somebody wanted to be, as the refusal tells.
pub(super) struct Wish {
    pub(super) target: Target,
    /// For people.
    pub(super) words: String,
    /// The user name, where it is known.
    pub(super) user: Option<String>,
}

impl Wish {
    pub(super) fn of(refusal: &Refusal) -> Self {
        // With constrained impersonation the message names what was to be done, and the sort of user
        // (FACTS 10; KEP-5284): `impersonate-on:serviceaccount:list`.
        if let Some(rest) = refusal.verb.strip_prefix("impersonate-on:") {
            let mode = rest.split(':').next().unwrap_or(rest);
            let (target, words) = match mode {
                "serviceaccount" => (Target::Machine, "a ServiceAccount"),
                "arbitrary-node" | "associated-node" => (Target::Machine, "a node"),
                _ => (Target::User, "a user"),
            };
            let words = format!("{words} that the message does not name");
            return Self {
                target,
                words,
                user: None,
            };
        }
        let name = refusal.name.as_deref().unwrap_or("?");
        let user = match refusal.resource.as_str() {
            "users" => Some(name.to_owned()),
            "nodes" => Some(format!("system:node:{name}")),
            "serviceaccounts" => {
                let namespace = refusal.namespace.as_deref().unwrap_or_default();
                Some(ServiceAccount { namespace, name }.user_name())
            }
            _ => None,
        };
        let target = match (&user, refusal.resource.as_str()) {
            (Some(user), _) => Target::by_name(user),
            (None, "groups") if is_admin_group(name) => Target::Admin,
            (None, _) => Target::User,
        };
        Self {
            target,
            words: format!("{} {name}", refusal.resource),
            user: user.filter(|_| refusal.name.is_some()),
        }
    }
}

pub(super) fn severity(caller: Caller, act: Act) -> Severity {
    match (caller, act.outcome, act.target) {
        (Caller::Master, ..)
        | (Caller::User, Outcome::Denied, _)
        | (Caller::User, Outcome::Refused | Outcome::Failed | Outcome::Read, Target::User) => {
            Severity::Low
        }
        (Caller::User, ..)
        | (Caller::Machine, Outcome::Denied, _)
        | (Caller::Machine, Outcome::Refused | Outcome::Failed, Target::User | Target::Machine)
        | (Caller::Machine, Outcome::Read, Target::User) => Severity::Medium,
        (Caller::Machine, Outcome::Refused | Outcome::Failed, Target::Admin)
        | (Caller::Machine, Outcome::Read | Outcome::Grave, Target::Machine)
        | (Caller::Machine, Outcome::Grave, Target::User) => Severity::High,
        (Caller::Machine, Outcome::Read | Outcome::Grave, Target::Admin) => Severity::Critical,
    }
}
