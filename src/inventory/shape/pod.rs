//! Pods: which account, which tokens, which Secrets.

use serde::Deserialize;

use super::{
    super::{
        Id, Pod, ProjectedToken, SecretUse,
        parse::{Raw, list, part, string},
    },
    Meta, Named,
};

/// Where a token is usually mounted (kubernetes `plugin/pkg/admission/serviceaccount`).
const DEFAULT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Environment variables that hold the key to a cloud, or the path of one.
const CLOUD_KEYS: [&str; 4] = [
    "AWS_SECRET_ACCESS_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_CLIENT_SECRET",
    "AWS_ACCESS_KEY_ID",
];

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

pub(super) fn pod(raw: &Raw, meta: &Meta, id: Id) -> Result<Pod, String> {
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
