//! Whom a finding is about.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whom a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// What sort of thing it is.
    pub kind: SubjectKind,
    /// The namespace of a ServiceAccount; `None` for everything that has none.
    pub namespace: Option<String>,
    /// The ServiceAccount's name without its namespace, or the user name.
    pub name: String,
}

/// What sort of thing a finding is about. Named as RBAC names its subjects, plus what RBAC cannot name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SubjectKind {
    /// A ServiceAccount, by namespace and name.
    ServiceAccount,
    /// Any other user name.
    User,
    /// The audit log itself.
    AuditLog,
    /// A kube-apiserver, by the instance of its scrapes: its metrics name no account.
    ApiServer,
    /// A client that the server did not recognise anybody in, by its address.
    Client,
}

impl SubjectKind {
    /// The name used in every output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::User => "User",
            Self::AuditLog => "AuditLog",
            Self::ApiServer => "ApiServer",
            Self::Client => "Client",
        }
    }
}

impl Subject {
    /// The ServiceAccount `namespace/name`.
    #[must_use]
    pub fn service_account(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind: SubjectKind::ServiceAccount,
            namespace: Some(namespace.into()),
            name: name.into(),
        }
    }

    /// The user `name`, which is no ServiceAccount's.
    #[must_use]
    pub fn user(name: impl Into<String>) -> Self {
        Self {
            kind: SubjectKind::User,
            namespace: None,
            name: name.into(),
        }
    }

    /// The audit log itself.
    #[must_use]
    pub fn audit_log() -> Self {
        Self {
            kind: SubjectKind::AuditLog,
            namespace: None,
            name: "audit log".to_owned(),
        }
    }

    /// The kube-apiserver that was scraped as `instance`.
    #[must_use]
    pub fn api_server(instance: impl Into<String>) -> Self {
        Self {
            kind: SubjectKind::ApiServer,
            namespace: None,
            name: instance.into(),
        }
    }

    /// The client at `address`, as which the server recognised nobody.
    #[must_use]
    pub fn client(address: impl Into<String>) -> Self {
        Self {
            kind: SubjectKind::Client,
            namespace: None,
            name: address.into(),
        }
    }
}

/// `namespace/name` for a ServiceAccount, the bare name for the others.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
