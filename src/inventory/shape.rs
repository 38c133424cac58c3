//! The shapes that Kubernetes gives its objects, as far as they are read, and what is kept of them.

mod pod;
mod rbac;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::finding::Timestamp;

use super::{
    Account, Binding, Id, Owner, Pod, Role, TokenSecret,
    parse::{Raw, list, part, string},
};

/// An object, by its kind.
#[derive(Debug)]
pub(super) enum Object {
    Account(Account),
    Pod(Box<Pod>),
    Token(TokenSecret, bool),
    /// A Secret of another type, and whether its data was there.
    Secret(bool),
    Role(Role),
    Binding(Binding),
    /// Something that is of no use here.
    Other(String),
}

const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// Annotations by which clouds tie an identity to a ServiceAccount.
const CLOUD_IDENTITIES: [&str; 3] = [
    "eks.amazonaws.com/role-arn",
    "iam.gke.io/gcp-service-account",
    "azure.workload.identity/client-id",
];

/// Longer names are none: Kubernetes' own end at 253 characters (RFC 1123 subdomains), and RBAC's names
/// end at what a path segment takes.
const LONGEST_NAME: usize = 1024;

/// What is kept of an object, or why nothing is.
pub(super) fn object(raw: &Raw) -> Result<Object, String> {
    let kind = raw.kind.as_deref().unwrap_or_default();
    if kind.is_empty() {
        return Err("an object without kind".to_owned());
    }
    let meta: Meta = match kind {
        "ServiceAccount" | "Pod" | "Secret" | "Role" | "ClusterRole" | "RoleBinding"
        | "ClusterRoleBinding" => {
            part(raw.metadata.as_deref(), "metadata").map_err(|why| format!("a {kind}: {why}"))?
        }
        _ => return Ok(Object::Other(kind.chars().take(100).collect())),
    };
    let mut id = meta.id();
    if kind.starts_with("Cluster") {
        id.namespace.clear();
    } else if id.namespace.is_empty() {
        return Err(format!(
            "a {kind} without a namespace: take the dump with -A"
        ));
    }
    if id.name.is_empty() || id.name.len() > LONGEST_NAME || id.namespace.len() > LONGEST_NAME {
        return Err(format!(
            "a {kind} without a name, or with an impossible one"
        ));
    }
    let name = format!("{kind} {id}");
    let object = match kind {
        "ServiceAccount" => account(raw, &meta, id).map(Object::Account),
        "Pod" => pod::pod(raw, &meta, id).map(|pod| Object::Pod(Box::new(pod))),
        "Secret" if raw.type_.as_deref() == Some(TOKEN_TYPE) => {
            Ok(Object::Token(token(&meta, id), raw.has_data))
        }
        "Secret" => Ok(Object::Secret(raw.has_data)),
        "Role" | "ClusterRole" => rbac::role(raw, &meta, id).map(Object::Role),
        _ => rbac::binding(raw, &meta, id).map(Object::Binding),
    };
    object.map_err(|why| format!("{name}: {why}"))
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Meta {
    #[serde(default, deserialize_with = "string")]
    name: String,
    #[serde(default, deserialize_with = "string")]
    namespace: String,
    #[serde(default, deserialize_with = "string")]
    uid: String,
    #[serde(default, deserialize_with = "string")]
    creation_timestamp: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    annotations: Annotations,
    #[serde(default, deserialize_with = "list")]
    owner_references: Vec<OwnerReference>,
}

/// The annotations that are read: others may hold the whole object again, data and all.
#[derive(Deserialize, Default)]
#[serde(default, from = "Option<NamedAnnotations>")]
struct Annotations(NamedAnnotations);

impl From<Option<NamedAnnotations>> for Annotations {
    fn from(named: Option<NamedAnnotations>) -> Self {
        Self(named.unwrap_or_default())
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NamedAnnotations {
    #[serde(
        rename = "kubernetes.io/service-account.name",
        deserialize_with = "string"
    )]
    account: String,
    #[serde(
        rename = "kubernetes.io/service-account.uid",
        deserialize_with = "string"
    )]
    account_uid: String,
    #[serde(rename = "eks.amazonaws.com/role-arn", deserialize_with = "string")]
    eks: String,
    #[serde(rename = "iam.gke.io/gcp-service-account", deserialize_with = "string")]
    gke: String,
    #[serde(
        rename = "azure.workload.identity/client-id",
        deserialize_with = "string"
    )]
    azure: String,
}

#[derive(Deserialize, Default)]
struct OwnerReference {
    #[serde(default, deserialize_with = "string")]
    kind: String,
    #[serde(default, deserialize_with = "string")]
    name: String,
    #[serde(default)]
    controller: Option<bool>,
}

impl Meta {
    fn id(&self) -> Id {
        Id {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            created: Timestamp::parse(&self.creation_timestamp),
        }
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.labels.as_ref()?.get(key).map(String::as_str)
    }

    /// The controller; a ReplicaSet called `<deployment>-<pod-template-hash>` is a Deployment's
    /// (kubernetes `pkg/controller/deployment/sync.go`).
    fn owner(&self) -> Option<Owner> {
        let owners = self.owner_references.iter();
        let owner = owners
            .clone()
            .find(|owner| owner.controller == Some(true))?;
        let deployment = self
            .label("pod-template-hash")
            .filter(|_| owner.kind == "ReplicaSet")
            .and_then(|hash| owner.name.strip_suffix(hash)?.strip_suffix('-'));
        let (kind, name) = match deployment {
            Some(name) => ("Deployment", name),
            None => (owner.kind.as_str(), owner.name.as_str()),
        };
        Some(Owner {
            kind: kind.to_owned(),
            name: name.to_owned(),
        })
    }
}

#[derive(Deserialize, Default)]
struct Named {
    #[serde(default, deserialize_with = "string")]
    name: String,
}

fn account(raw: &Raw, meta: &Meta, id: Id) -> Result<Account, String> {
    let secrets: Vec<Named> = part(raw.secrets.as_deref(), "secrets")?;
    let named = &meta.annotations.0;
    let values = [&named.eks, &named.gke, &named.azure];
    Ok(Account {
        id,
        automount: part(raw.automount.as_deref(), "automountServiceAccountToken")?,
        secrets: secrets.into_iter().map(|secret| secret.name).collect(),
        cloud_identities: CLOUD_IDENTITIES
            .into_iter()
            .zip(values)
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect(),
    })
}

fn token(meta: &Meta, id: Id) -> TokenSecret {
    let label = |key| meta.label(key).map(str::to_owned);
    TokenSecret {
        id,
        account: meta.annotations.0.account.clone(),
        account_uid: meta.annotations.0.account_uid.clone(),
        last_used: label("kubernetes.io/legacy-token-last-used"),
        invalid_since: label("kubernetes.io/legacy-token-invalid-since"),
    }
}
