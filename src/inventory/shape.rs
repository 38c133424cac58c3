//! The shapes that Kubernetes gives its objects, as far as they are read, and what is kept of them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::finding::Timestamp;

use super::{
    Account, Binding, Condition, Id, Owner, Pod, ProjectedToken, Role, RoleRef, Rule, SecretUse,
    Selector, Subject, TokenSecret,
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

/// Where a token is usually mounted (kubernetes `plugin/pkg/admission/serviceaccount`).
const DEFAULT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// Annotations by which clouds tie an identity to a ServiceAccount.
const CLOUD_IDENTITIES: [&str; 3] = [
    "eks.amazonaws.com/role-arn",
    "iam.gke.io/gcp-service-account",
    "azure.workload.identity/client-id",
];

/// Environment variables that hold the key to a cloud, or the path of one.
const CLOUD_KEYS: [&str; 4] = [
    "AWS_SECRET_ACCESS_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_CLIENT_SECRET",
    "AWS_ACCESS_KEY_ID",
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
        "Pod" => pod(raw, &meta, id).map(|pod| Object::Pod(Box::new(pod))),
        "Secret" if raw.type_.as_deref() == Some(TOKEN_TYPE) => {
            Ok(Object::Token(token(&meta, id), raw.has_data))
        }
        "Secret" => Ok(Object::Secret(raw.has_data)),
        "Role" | "ClusterRole" => role(raw, &meta, id).map(Object::Role),
        _ => binding(raw, &meta, id).map(Object::Binding),
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

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    #[serde(default, deserialize_with = "string")]
    service_account_name: String,
    /// The old name of the same.
    #[serde(default, deserialize_with = "string")]
    service_account: String,
    #[serde(default, deserialize_with = "string")]
    node_name: String,
    #[serde(default)]
    automount_service_account_token: Option<bool>,
    #[serde(default, deserialize_with = "list")]
    containers: Vec<Container>,
    #[serde(default, deserialize_with = "list")]
    init_containers: Vec<Container>,
    #[serde(default, deserialize_with = "list")]
    ephemeral_containers: Vec<Container>,
    #[serde(default, deserialize_with = "list")]
    volumes: Vec<Volume>,
    #[serde(default, deserialize_with = "list")]
    image_pull_secrets: Vec<Named>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default, deserialize_with = "list")]
    env: Vec<Env>,
    #[serde(default, deserialize_with = "list")]
    env_from: Vec<EnvFrom>,
    #[serde(default, deserialize_with = "list")]
    volume_mounts: Vec<Mount>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Env {
    #[serde(default, deserialize_with = "string")]
    name: String,
    #[serde(default)]
    value_from: Option<EnvSource>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct EnvSource {
    #[serde(default)]
    secret_key_ref: Option<Named>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct EnvFrom {
    #[serde(default)]
    secret_ref: Option<Named>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Mount {
    #[serde(default, deserialize_with = "string")]
    mount_path: String,
}

#[derive(Deserialize, Default)]
struct Volume {
    #[serde(default, deserialize_with = "string")]
    name: String,
    #[serde(default)]
    secret: Option<SecretVolume>,
    #[serde(default)]
    projected: Option<Projected>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct SecretVolume {
    #[serde(default, deserialize_with = "string")]
    secret_name: String,
}

#[derive(Deserialize, Default)]
struct Projected {
    #[serde(default, deserialize_with = "list")]
    sources: Vec<ProjectedSource>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct ProjectedSource {
    #[serde(default)]
    secret: Option<Named>,
    #[serde(default)]
    service_account_token: Option<TokenSource>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct TokenSource {
    #[serde(default, deserialize_with = "string")]
    audience: String,
    #[serde(default)]
    expiration_seconds: Option<i64>,
}

#[derive(Deserialize, Default)]
struct PodStatus {
    #[serde(default, deserialize_with = "string")]
    phase: String,
}

fn pod(raw: &Raw, meta: &Meta, id: Id) -> Result<Pod, String> {
    let spec: PodSpec = part(raw.spec.as_deref(), "spec")?;
    let status: PodStatus = part(raw.status.as_deref(), "status")?;
    let named = [&spec.service_account_name, &spec.service_account];
    let account = named.into_iter().find(|name| !name.is_empty());
    let containers = || {
        let more = spec
            .init_containers
            .iter()
            .chain(&spec.ephemeral_containers);
        spec.containers.iter().chain(more)
    };
    let mounts = containers().flat_map(|container| &container.volume_mounts);
    let mut keys: Vec<String> = containers()
        .flat_map(|container| &container.env)
        .filter(|env| CLOUD_KEYS.contains(&env.name.as_str()))
        .map(|env| env.name.clone())
        .collect();
    keys.sort();
    keys.dedup();
    Ok(Pod {
        id,
        // What the admission plugin fills in where nothing is said.
        account: account.map_or("default", |name| name).to_owned(),
        node: spec.node_name.clone(),
        phase: status.phase,
        automount: spec.automount_service_account_token,
        owner: meta.owner(),
        tokens: tokens(&spec),
        mounts_at_default_path: mounts
            .into_iter()
            .any(|mount| mount.mount_path.trim_end_matches('/') == DEFAULT_PATH),
        secrets: secrets(&spec, containers()),
        cloud_keys: keys,
    })
}

fn tokens(spec: &PodSpec) -> Vec<ProjectedToken> {
    let mut tokens = Vec::new();
    for volume in &spec.volumes {
        let sources = volume.projected.iter().flat_map(|p| &p.sources);
        for token in sources.filter_map(|source| source.service_account_token.as_ref()) {
            tokens.push(ProjectedToken {
                volume: volume.name.clone(),
                audience: token.audience.clone(),
                expiration_seconds: token.expiration_seconds,
                automatic: volume.name.starts_with("kube-api-access-"),
            });
        }
    }
    tokens
}

fn secrets<'a>(
    spec: &'a PodSpec,
    containers: impl Iterator<Item = &'a Container> + Clone,
) -> Vec<SecretUse> {
    let volumes = spec.volumes.iter().flat_map(|volume| {
        let plain = volume.secret.iter().map(|secret| &secret.secret_name);
        let sources = volume.projected.iter().flat_map(|p| &p.sources);
        plain.chain(sources.filter_map(|source| source.secret.as_ref().map(|s| &s.name)))
    });
    let env = containers.clone().flat_map(|c| &c.env).filter_map(|env| {
        let source = env.value_from.as_ref()?;
        source.secret_key_ref.as_ref().map(|secret| &secret.name)
    });
    let env_from = containers
        .flat_map(|c| &c.env_from)
        .filter_map(|from| from.secret_ref.as_ref().map(|secret| &secret.name));
    let pull = spec.image_pull_secrets.iter().map(|secret| &secret.name);
    let through = |through| {
        move |secret: &String| SecretUse {
            secret: secret.clone(),
            through,
        }
    };
    let mut uses: Vec<_> = volumes.map(through("volume")).collect();
    uses.extend(env.map(through("env")));
    uses.extend(env_from.map(through("envFrom")));
    uses.extend(pull.map(through("imagePullSecret")));
    uses.sort();
    uses.dedup();
    uses
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct RawRule {
    #[serde(default, deserialize_with = "list")]
    verbs: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    api_groups: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    resources: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    resource_names: Vec<String>,
    #[serde(default, rename = "nonResourceURLs", deserialize_with = "list")]
    non_resource_urls: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Aggregation {
    #[serde(default, deserialize_with = "list")]
    cluster_role_selectors: Vec<RawSelector>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct RawSelector {
    #[serde(default)]
    match_labels: Option<BTreeMap<String, String>>,
    #[serde(default, deserialize_with = "list")]
    match_expressions: Vec<RawCondition>,
}

#[derive(Deserialize, Default)]
struct RawCondition {
    #[serde(default, deserialize_with = "string")]
    key: String,
    #[serde(default, deserialize_with = "string")]
    operator: String,
    #[serde(default, deserialize_with = "list")]
    values: Vec<String>,
}

fn role(raw: &Raw, meta: &Meta, id: Id) -> Result<Role, String> {
    let rules: Vec<RawRule> = part(raw.rules.as_deref(), "rules")?;
    let aggregation: Option<Aggregation> = part(raw.aggregation.as_deref(), "aggregationRule")?;
    let selector = |selector: RawSelector| Selector {
        labels: selector.match_labels.unwrap_or_default(),
        expressions: selector
            .match_expressions
            .into_iter()
            .map(|raw| Condition {
                key: raw.key,
                operator: raw.operator,
                values: raw.values,
            })
            .collect(),
    };
    Ok(Role {
        id,
        labels: meta.labels.clone().unwrap_or_default(),
        rules: rules
            .into_iter()
            .map(|rule| Rule {
                verbs: rule.verbs,
                api_groups: rule.api_groups,
                resources: rule.resources,
                resource_names: rule.resource_names,
                non_resource_urls: rule.non_resource_urls,
            })
            .collect(),
        aggregates: aggregation.map(|rule| {
            rule.cluster_role_selectors
                .into_iter()
                .map(selector)
                .collect()
        }),
    })
}

#[derive(Deserialize, Default)]
struct RawSubject {
    #[serde(default, deserialize_with = "string")]
    kind: String,
    #[serde(default, deserialize_with = "string")]
    name: String,
    #[serde(default, deserialize_with = "string")]
    namespace: String,
}

fn binding(raw: &Raw, meta: &Meta, id: Id) -> Result<Binding, String> {
    let role: RawSubject = part(raw.role_ref.as_deref(), "roleRef")?;
    let subjects: Vec<RawSubject> = part(raw.subjects.as_deref(), "subjects")?;
    let home = id.namespace.clone();
    Ok(Binding {
        bootstrapped: meta.label("kubernetes.io/bootstrapping").is_some(),
        role: RoleRef {
            kind: role.kind,
            name: role.name,
        },
        subjects: subjects
            .into_iter()
            .map(|subject| Subject {
                // kubernetes `pkg/registry/rbac/validation/rule.go` `appliesToUser`.
                namespace: match subject.kind.as_str() {
                    "ServiceAccount" if subject.namespace.is_empty() => home.clone(),
                    "ServiceAccount" => subject.namespace,
                    _ => String::new(),
                },
                kind: subject.kind,
                name: subject.name,
            })
            .collect(),
        id,
    })
}
