//! Roles and bindings.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    super::{
        Binding, Condition, Id, Role, RoleRef, Rule, Selector, Subject,
        parse::{Raw, list, part, string},
    },
    Meta,
};

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

pub(super) fn role(raw: &Raw, meta: &Meta, id: Id) -> Result<Role, String> {
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

pub(super) fn binding(raw: &Raw, meta: &Meta, id: Id) -> Result<Binding, String> {
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
