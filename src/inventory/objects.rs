//! What is kept of a dump: the objects, and of each what a report or a join needs.
//!
//! Never kept: the data of Secrets, and any annotation but those that are named here.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::finding::Timestamp;

/// Names an object: what kind, where, and which of those that ever had the name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Id {
    /// Its namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Its name. Hostile, as everything in a dump may be.
    pub name: String,
    /// Its uid; empty where the dump does not say.
    pub uid: String,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// `namespace/name`, or the name alone.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// A ServiceAccount.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    /// Which one.
    pub id: Id,
    /// Its `automountServiceAccountToken`; `None` where it is not set, which means true.
    pub automount: Option<bool>,
    /// Its `secrets`: what Kubernetes lists there, and what people put there.
    pub secrets: Vec<String>,
    /// The identities in a cloud that its annotations name, by annotation.
    pub cloud_identities: BTreeMap<String, String>,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pod {
    /// Which one.
    pub id: Id,
    /// The name of its ServiceAccount, in its namespace.
    pub account: String,
    /// The node that it was bound to; empty for none.
    pub node: String,
    /// `Running`, `Succeeded`, ...
    pub phase: String,
    /// Its `automountServiceAccountToken`.
    pub automount: Option<bool>,
    /// Who made it, if it has a controller.
    pub owner: Option<Owner>,
    /// The tokens in its projected volumes.
    pub tokens: Vec<ProjectedToken>,
    /// Whether a container mounts something where a token is usually mounted.
    pub mounts_at_default_path: bool,
    /// The Secrets that it mounts or reads into its environment.
    pub secrets: Vec<SecretUse>,
    /// Environment variables that usually hold the key to a cloud.
    pub cloud_keys: Vec<String>,
}

/// The controller of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Owner {
    /// `ReplicaSet`, `Job`, ...; `Deployment` where the name of a ReplicaSet says so.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A token in a projected volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProjectedToken {
    /// The volume.
    pub volume: String,
    /// Whom it is for; empty for the API server.
    pub audience: String,
    /// How long it is asked to be valid, in seconds; Kubernetes asks for 3600 where nothing is said
    /// (api `core/v1` `ServiceAccountTokenProjection`).
    pub expiration_seconds: Option<i64>,
    /// Whether Kubernetes put it there, by its volume's name `kube-api-access-...`.
    pub automatic: bool,
}

/// How a pod reads a Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SecretUse {
    /// The Secret's name, in the pod's namespace.
    pub secret: String,
    /// `volume`, `env`, `envFrom` or `imagePullSecret`.
    pub through: &'static str,
}

/// A Secret that holds a ServiceAccount's token (`kubernetes.io/service-account-token`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenSecret {
    /// Which one.
    pub id: Id,
    /// The account that it is a token of, in its namespace.
    pub account: String,
    /// The account's uid, as the Secret remembers it.
    pub account_uid: String,
    /// The label `kubernetes.io/legacy-token-last-used`, a day.
    pub last_used: Option<String>,
    /// The label `kubernetes.io/legacy-token-invalid-since`, a day.
    pub invalid_since: Option<String>,
}

/// A Role or a ClusterRole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Role {
    /// Which one; without a namespace: a ClusterRole.
    pub id: Id,
    /// Its labels, by which others aggregate it.
    pub labels: BTreeMap<String, String>,
    /// The rules, as the dump has them.
    pub rules: Vec<Rule>,
    /// What it aggregates; `None` if it is a plain one.
    pub aggregates: Option<Vec<Selector>>,
}

/// One rule of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Rule {
    /// Verbs.
    pub verbs: Vec<String>,
    /// API groups; the core group is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// Resources, with their subresources: `pods/exec`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Only objects of these names; empty: of any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// URLs that are no resources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
}

/// A selector of labels; all parts must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// Labels with exactly these values.
    pub labels: BTreeMap<String, String>,
    /// Conditions.
    pub expressions: Vec<Condition>,
}

/// One condition of a selector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
    pub operator: String,
    /// The values.
    pub values: Vec<String>,
}

/// A RoleBinding or a ClusterRoleBinding.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Binding {
    /// Which one; without a namespace: a ClusterRoleBinding.
    pub id: Id,
    /// Its label `kubernetes.io/bootstrapping`, which kube-apiserver's own have.
    pub bootstrapped: bool,
    /// The role that it gives.
    pub role: RoleRef,
    /// To whom.
    pub subjects: Vec<Subject>,
}

impl Binding {
    /// `ClusterRoleBinding` or `RoleBinding`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        if self.id.namespace.is_empty() {
            "ClusterRoleBinding"
        } else {
            "RoleBinding"
        }
    }
}

impl Role {
    /// `ClusterRole` or `Role`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        if self.id.namespace.is_empty() {
            "ClusterRole"
        } else {
            "Role"
        }
    }
}

/// The role that a binding gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RoleRef {
    /// `Role` or `ClusterRole`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// To whom a binding gives its role.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Subject {
    /// `ServiceAccount`, `Group` or `User`.
    pub kind: String,
    /// The namespace of a ServiceAccount; a RoleBinding's own where it does not say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == "ServiceAccount" {
            write!(f, "{}/{}", self.namespace, self.name)
        } else {
            write!(f, "{} {}", self.kind, self.name)
        }
    }
}

/// Everything that was read, each sort sorted by namespace and name, each object once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inventory {
    /// ServiceAccounts.
    pub accounts: Vec<Account>,
    /// Pods.
    pub pods: Vec<Pod>,
    /// Secrets with tokens of ServiceAccounts.
    pub token_secrets: Vec<TokenSecret>,
    /// How many Secrets of other types there are.
    pub other_secrets: u64,
    /// Roles and ClusterRoles.
    pub roles: Vec<Role>,
    /// RoleBindings and ClusterRoleBindings.
    pub bindings: Vec<Binding>,
    /// How many objects of other kinds there are, which are of no use here.
    pub other_objects: BTreeMap<String, u64>,
    /// Which kinds the dump is about, also where a typed list of them was empty.
    pub kinds: std::collections::BTreeSet<&'static str>,
    /// How many Secrets came with their data, which was not looked at.
    pub secrets_with_data: u64,
}

impl Inventory {
    /// Whether the dump is about objects of that kind: without, nothing can be said of them.
    #[must_use]
    pub fn has(&self, kind: &str) -> bool {
        self.kinds.contains(kind)
    }

    /// The account of that name.
    #[must_use]
    pub fn account(&self, namespace: &str, name: &str) -> Option<&Account> {
        let at = self.accounts.binary_search_by(|account| {
            (account.id.namespace.as_str(), account.id.name.as_str()).cmp(&(namespace, name))
        });
        self.accounts.get(at.ok()?)
    }

    /// The pods that run as that account.
    pub fn pods_of<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a Pod> + 'a {
        let pods = in_namespace(&self.pods, namespace, |pod| &pod.id);
        pods.iter().filter(move |pod| pod.account == name)
    }

    /// The Secrets with tokens of that account.
    pub fn token_secrets_of<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a TokenSecret> + 'a {
        let secrets = in_namespace(&self.token_secrets, namespace, |secret| &secret.id);
        secrets.iter().filter(move |secret| secret.account == name)
    }

    /// Whether a token is mounted into the pod: its own `automountServiceAccountToken` has the last word,
    /// then the account's, and where neither says anything it is.
    #[must_use]
    pub fn automounts(&self, pod: &Pod) -> bool {
        let account = self.account(&pod.id.namespace, &pod.account);
        automounts(pod.automount, account.and_then(|account| account.automount))
    }
}

/// Whether a token is mounted, by what the pod and its account say of it (kubernetes
/// `plugin/pkg/admission/serviceaccount` `shouldAutomount`).
#[must_use]
pub fn automounts(pod: Option<bool>, account: Option<bool>) -> bool {
    pod.or(account).unwrap_or(true)
}

/// What of a sorted list is in a namespace.
pub(super) fn in_namespace<'a, T>(
    sorted: &'a [T],
    namespace: &str,
    id: impl Fn(&T) -> &Id,
) -> &'a [T] {
    let from = sorted.partition_point(|object| id(object).namespace.as_str() < namespace);
    let rest = sorted.get(from..).unwrap_or_default();
    let to = rest.partition_point(|object| id(object).namespace == namespace);
    rest.get(..to).unwrap_or_default()
}
