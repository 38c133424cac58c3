//! Who may do what: bindings, the rules behind them, and how RBAC matches a request against a rule.
//!
//! As kubernetes `pkg/registry/rbac/validation/rule.go` and `pkg/apis/rbac/v1/evaluation_helpers.go` do
//! it: rules only ever allow, a ClusterRoleBinding everywhere, a RoleBinding in its own namespace and no
//! URL that is not a resource.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Binding, Condition, Inventory, Role, Rule, Selector, Subject};

/// The bindings of an inventory, ready to be asked.
#[derive(Debug)]
pub struct Rbac<'a> {
    inventory: &'a Inventory,
    /// What is resolved of each role, in the order of the inventory.
    rules: Vec<Vec<GrantedRule<'a>>>,
    by_subject: BTreeMap<&'a Subject, Vec<&'a Binding>>,
}

/// A rule, and which aggregated ClusterRole it comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrantedRule<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The ClusterRole that it was aggregated from, if that is another one.
    pub from: Option<&'a str>,
}

/// One binding, as far as it concerns one account.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'a> {
    /// The binding.
    pub binding: &'a Binding,
    /// The subject by which it applies: the account, its user name, or one of its groups.
    pub subject: &'a Subject,
    /// The role; `None` if it is not in the dump.
    pub role: Option<&'a Role>,
    /// Its rules, aggregated ones included.
    pub rules: &'a [GrantedRule<'a>],
}

impl Grant<'_> {
    /// Whether the binding names this account, and not a group that it is in.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.subject.kind != "Group"
    }

    /// Whether this grant allows a request on an object of that name (empty: on none in particular).
    #[must_use]
    pub fn allows(&self, action: &Action, name: &str) -> bool {
        self.reaches(action) && self.rules.iter().any(|rule| rule.rule.allows(action, name))
    }

    /// Whether the binding speaks about requests there at all.
    pub(super) fn reaches(&self, action: &Action) -> bool {
        let home = &self.binding.id.namespace;
        home.is_empty() || action.url.is_empty() && *home == action.namespace
    }
}

impl<'a> Rbac<'a> {
    /// Resolves aggregated ClusterRoles and sorts bindings by subject.
    #[must_use]
    pub fn new(inventory: &'a Inventory) -> Self {
        let rules = inventory.roles.iter();
        let rules = rules.map(|role| resolve(role, &inventory.roles)).collect();
        let mut by_subject = BTreeMap::<&Subject, Vec<&Binding>>::new();
        for binding in &inventory.bindings {
            // A subject may stand in a binding twice.
            let subjects: BTreeSet<&Subject> = binding.subjects.iter().collect();
            for subject in subjects {
                by_subject.entry(subject).or_default().push(binding);
            }
        }
        Self {
            inventory,
            rules,
            by_subject,
        }
    }

    /// Every subject of any binding, with its bindings.
    pub fn subjects(&self) -> impl Iterator<Item = (&'a Subject, Vec<Grant<'_>>)> {
        self.by_subject.iter().map(|(subject, bindings)| {
            let grants = bindings.iter().map(|binding| self.grant(binding, subject));
            (*subject, grants.collect())
        })
    }

    /// Everything that the ServiceAccount is given: by its name, its user name, and the groups
    /// `system:serviceaccounts`, `system:serviceaccounts:<namespace>` and `system:authenticated`.
    #[must_use]
    pub fn grants_to(&self, namespace: &str, name: &str) -> Vec<Grant<'_>> {
        let subjects = [
            ("ServiceAccount", namespace, name.to_owned()),
            (
                "User",
                "",
                format!("system:serviceaccount:{namespace}:{name}"),
            ),
            ("Group", "", "system:serviceaccounts".to_owned()),
            ("Group", "", format!("system:serviceaccounts:{namespace}")),
            ("Group", "", "system:authenticated".to_owned()),
        ];
        let mut grants = Vec::new();
        for (kind, namespace, name) in subjects {
            let wanted = Subject {
                kind: kind.to_owned(),
                namespace: namespace.to_owned(),
                name,
            };
            if let Some((subject, bindings)) = self.by_subject.get_key_value(&wanted) {
                grants.extend(bindings.iter().map(|binding| self.grant(binding, subject)));
            }
        }
        grants
    }

    /// Whether the ServiceAccount may do that; `name` is the object's, empty for none in particular.
    #[must_use]
    pub fn allows(&self, namespace: &str, account: &str, action: &Action, name: &str) -> bool {
        let grants = self.grants_to(namespace, account);
        grants.iter().any(|grant| grant.allows(action, name))
    }

    /// The role that a binding gives, if the dump has it.
    #[must_use]
    pub fn role(&self, binding: &Binding) -> Option<&'a Role> {
        self.inventory.roles.get(self.role_at(binding)?)
    }

    fn grant<'b>(&'b self, binding: &'a Binding, subject: &'a Subject) -> Grant<'b> {
        let at = self.role_at(binding);
        Grant {
            binding,
            subject,
            role: at.and_then(|at| self.inventory.roles.get(at)),
            rules: at
                .and_then(|at| self.rules.get(at))
                .map_or(&[], Vec::as_slice),
        }
    }

    /// Where the binding's role stands: a Role in the binding's namespace, or a ClusterRole.
    fn role_at(&self, binding: &Binding) -> Option<usize> {
        let namespace = match binding.role.kind.as_str() {
            "ClusterRole" => "",
            "Role" if !binding.id.namespace.is_empty() => &binding.id.namespace,
            _ => return None,
        };
        let wanted = (namespace, binding.role.name.as_str());
        self.inventory
            .roles
            .binary_search_by(|role| {
                (role.id.namespace.as_str(), role.id.name.as_str()).cmp(&wanted)
            })
            .ok()
    }
}

/// A role's own rules, and those of the ClusterRoles that it aggregates, directly or through others, each
/// rule once.
///
/// The controller (kubernetes `pkg/controller/clusterroleaggregation`) fills the rules in, so that a dump
/// usually has them already: then this says where they come from. Where they are missing or out of date,
/// it adds what the controller is about to.
fn resolve<'a>(role: &'a Role, roles: &'a [Role]) -> Vec<GrantedRule<'a>> {
    let own = |rule| GrantedRule { rule, from: None };
    if role.aggregates.is_none() {
        return role.rules.iter().map(own).collect();
    }
    let mut origin = BTreeMap::<&Rule, Option<&str>>::new();
    for source in sources(role, roles) {
        for rule in &source.rules {
            origin.entry(rule).or_insert(Some(&source.id.name));
        }
    }
    for rule in &role.rules {
        origin.entry(rule).or_insert(None);
    }
    let granted = |(rule, from)| GrantedRule { rule, from };
    origin.into_iter().map(granted).collect()
}

/// The ClusterRoles that flow into one, those that aggregate nothing themselves first: a rule is theirs.
fn sources<'a>(role: &'a Role, roles: &'a [Role]) -> Vec<&'a Role> {
    let mut seen = BTreeSet::from([role.id.name.as_str()]);
    let (mut found, mut open) = (Vec::new(), vec![role]);
    while let Some(role) = open.pop() {
        let selectors = role.aggregates.as_deref().unwrap_or_default();
        let cluster_roles = roles.iter().take_while(|role| role.id.namespace.is_empty());
        for other in cluster_roles {
            let selected = selectors
                .iter()
                .any(|selector| selector.matches(&other.labels));
            if selected && seen.insert(&other.id.name) {
                found.push(other);
                open.push(other);
            }
        }
    }
    found.sort_by_key(|role| (role.aggregates.is_some(), role.id.name.as_str()));
    found
}

impl Selector {
    /// Whether all its conditions hold. An empty one selects everything (apimachinery
    /// `LabelSelectorAsSelector`).
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let equal = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        self.labels.iter().all(equal) && self.expressions.iter().all(|c| c.holds(labels))
    }
}

impl Condition {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}

impl Rule {
    /// Whether the rule allows a request on an object of that name (empty: on none in particular).
    #[must_use]
    pub fn allows(&self, action: &Action, name: &str) -> bool {
        let named =
            || self.resource_names.is_empty() || self.resource_names.iter().any(|n| n == name);
        self.covers(action) && (!action.url.is_empty() || named())
    }

    /// The same, whatever the object's name is.
    #[must_use]
    pub fn covers(&self, action: &Action) -> bool {
        let is = |patterns: &[String], wanted: &str| {
            patterns
                .iter()
                .any(|pattern| pattern == "*" || pattern == wanted)
        };
        if !is(&self.verbs, &action.verb) {
            return false;
        }
        if !action.url.is_empty() {
            return self.non_resource_urls.iter().any(|pattern| {
                let start = pattern
                    .ends_with('*')
                    .then(|| pattern.trim_end_matches('*'));
                *pattern == action.url || start.is_some_and(|start| action.url.starts_with(start))
            });
        }
        let subresource = action.resource.split_once('/').map(|(_, sub)| sub);
        let any_of =
            |pattern: &str| subresource.is_some_and(|sub| pattern.strip_prefix("*/") == Some(sub));
        is(&self.api_groups, &action.group)
            && (is(&self.resources, &action.resource)
                || self.resources.iter().any(|pattern| any_of(pattern)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|&text| text.to_owned()).collect()
    }

    fn rule(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Rule {
        Rule {
            verbs: strings(verbs),
            api_groups: strings(groups),
            resources: strings(resources),
            ..Rule::default()
        }
    }

    fn action(verb: &str, group: &str, resource: &str) -> Action {
        Action {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            ..Action::default()
        }
    }

    #[test]
    fn resources_match_as_in_kubernetes() {
        for (resources, wanted, expected) in [
            (&["pods"][..], "pods", true),
            (&["pods"], "pods/exec", false),
            (&["pods/exec"], "pods/exec", true),
            (&["*/exec"], "pods/exec", true),
            (&["*/exec"], "pods", false),
            (&["pods/*"], "pods/exec", false),
            (&["*"], "pods/exec", true),
            (&[], "pods", false),
        ] {
            let rule = rule(&["get"], &[""], resources);
            assert_eq!(
                rule.allows(&action("get", "", wanted), ""),
                expected,
                "{resources:?} {wanted}"
            );
        }
        assert!(!rule(&["get"], &["apps"], &["*"]).allows(&action("get", "", "pods"), ""));
        assert!(rule(&["*"], &["*"], &["*"]).allows(&action("x", "y", "z"), "n"));
    }

    #[test]
    fn names_and_urls_match_as_in_kubernetes() {
        let named = Rule {
            resource_names: strings(&["db-pass"]),
            ..rule(&["get"], &[""], &["secrets"])
        };
        assert!(named.allows(&action("get", "", "secrets"), "db-pass"));
        assert!(!named.allows(&action("get", "", "secrets"), "other"));
        assert!(!named.allows(&action("get", "", "secrets"), ""));
        let urls = Rule {
            verbs: strings(&["get"]),
            non_resource_urls: strings(&["/healthz", "/api/*"]),
            ..Rule::default()
        };
        let url = |url: &str| Action {
            verb: "get".to_owned(),
            url: url.to_owned(),
            ..Action::default()
        };
        for (path, expected) in [
            ("/healthz", true),
            ("/healthz/x", false),
            ("/api/v1", true),
            ("/apis", false),
        ] {
            assert_eq!(urls.allows(&url(path), ""), expected, "{path}");
        }
    }

    #[test]
    fn aggregation_goes_through_others_and_ends_in_circles() {
        let role = |name: &str, label: &str, wants: Option<&str>, rules: Vec<Rule>| Role {
            id: super::super::Id {
                name: name.to_owned(),
                ..super::super::Id::default()
            },
            labels: BTreeMap::from([(label.to_owned(), "true".to_owned())]),
            rules,
            aggregates: wants.map(|wants| {
                vec![Selector {
                    labels: BTreeMap::from([(wants.to_owned(), "true".to_owned())]),
                    ..Selector::default()
                }]
            }),
        };
        let pods = rule(&["get"], &[""], &["pods"]);
        let roles = vec![
            role("a", "to-b", Some("to-a"), vec![]),
            role("b", "to-a", Some("to-b"), vec![pods.clone()]),
            role("leaf", "to-b", None, vec![pods.clone()]),
        ];
        let resolved = resolve(&roles[0], &roles);
        assert_eq!(
            resolved,
            [GrantedRule {
                rule: &roles[2].rules[0],
                from: Some("leaf")
            }]
        );
    }
}
