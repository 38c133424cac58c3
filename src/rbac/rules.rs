//! Few rules that grant exactly what is to be granted.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::grants::{Grants, Objects};

/// A rule (`rbac.authorization.k8s.io/v1` `PolicyRule`): every verb on every resource of every group.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// API groups; the core group is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// Resources, with their subresource behind a slash.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Names of objects; none means any. Hostile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Paths, in a ClusterRole only. Hostile.
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
    /// Verbs.
    pub verbs: Vec<String>,
}

type Set = BTreeSet<String>;

/// The rules for `grants`, sorted.
///
/// A rule is a product, so what is merged must be equal in all but one respect: verbs of one resource
/// for the same objects first, then resources of one group, then groups.
pub(super) fn rules(grants: &Grants) -> Vec<Rule> {
    let mut by_objects: BTreeMap<(&str, &str, &Objects), Set> = BTreeMap::new();
    for ((group, resource), verbs) in &grants.resources {
        for (verb, objects) in verbs {
            let place = by_objects.entry((group, resource, objects)).or_default();
            place.insert(verb.clone());
        }
    }
    let mut by_resources: BTreeMap<(&str, &Objects, Set), Set> = BTreeMap::new();
    for ((group, resource, objects), verbs) in by_objects {
        let place = by_resources.entry((group, objects, verbs)).or_default();
        place.insert(resource.to_owned());
    }
    let mut by_groups: BTreeMap<(Set, &Objects, Set), Set> = BTreeMap::new();
    for ((group, objects, verbs), resources) in by_resources {
        let place = by_groups.entry((resources, objects, verbs)).or_default();
        place.insert(group.to_owned());
    }
    let resource_rules = by_groups
        .into_iter()
        .map(|((resources, objects, verbs), groups)| Rule {
            api_groups: listed(groups),
            resources: listed(resources),
            resource_names: match objects {
                Objects::Any => Vec::new(),
                Objects::Named(names) => names.iter().cloned().collect(),
            },
            verbs: listed(verbs),
            ..Rule::default()
        });
    let mut rules: Vec<_> = resource_rules.collect();
    rules.sort();
    rules.extend(path_rules(grants));
    rules
}

fn path_rules(grants: &Grants) -> impl Iterator<Item = Rule> {
    let mut by_methods: BTreeMap<Set, Set> = BTreeMap::new();
    for (path, methods) in &grants.paths {
        let place = by_methods.entry(methods.clone()).or_default();
        place.insert(path.clone());
    }
    by_methods.into_iter().map(|(methods, paths)| Rule {
        non_resource_urls: listed(paths),
        verbs: listed(methods),
        ..Rule::default()
    })
}

fn listed(set: Set) -> Vec<String> {
    set.into_iter().collect()
}
