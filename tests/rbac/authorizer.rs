//! RBAC, a second time: what roles and bindings allow.
//!
//! After kubernetes `plugin/pkg/auth/authorizer/rbac/rbac.go` (`RulesAllow`, `RuleAllows`),
//! `pkg/registry/rbac/validation/rule.go` (`VisitRulesFor`, `appliesTo`) and
//! `pkg/apis/rbac/v1/evaluation_helpers.go` (`VerbMatches` and the like).

use serde_json::{Value, json};

/// What the authorizer is asked (apiserver `pkg/authorization/authorizer` Attributes).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attributes {
    /// `namespace/name` of the ServiceAccount.
    pub(crate) account: String,
    pub(crate) verb: String,
    pub(crate) group: String,
    /// With its subresource; empty for a path.
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// For what is no resource.
    pub(crate) path: String,
}

impl Attributes {
    /// What kube-apiserver could ask: a path has neither group nor namespace, a resource has no path.
    pub(crate) fn sound(mut self) -> Self {
        if self.resource.is_empty() {
            (self.group, self.namespace, self.name) = Default::default();
        } else {
            self.path.clear();
        }
        self
    }

    pub(crate) fn without_name(&self) -> Self {
        Self {
            name: String::new(),
            ..self.clone()
        }
    }

    pub(crate) fn without_namespace(&self) -> Self {
        Self {
            namespace: String::new(),
            ..self.clone()
        }
    }

    /// The name, where RBAC could tell objects apart by it.
    pub(crate) fn name_that_counts(&self) -> Option<&str> {
        let top_level_create = self.verb == "create" && !self.resource.contains('/');
        let named = !self.name.is_empty() && !top_level_create && self.verb != "deletecollection";
        named.then_some(self.name.as_str())
    }
}

/// All manifests there are.
pub(crate) struct Authorizer {
    manifests: Vec<Value>,
}

fn words(list: &Value) -> Vec<&str> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| item.as_str().unwrap()).collect()
}

fn rule_allows(rule: &Value, request: &Attributes) -> bool {
    let has = |key: &str, wanted: &str| {
        let words = words(&rule[key]);
        words.contains(&"*") || words.contains(&wanted)
    };
    if !has("verbs", &request.verb) {
        return false;
    }
    if request.resource.is_empty() {
        return words(&rule["nonResourceURLs"]).into_iter().any(|url| {
            url == "*"
                || url == request.path
                || url
                    .strip_suffix('*')
                    .is_some_and(|head| request.path.starts_with(head))
        });
    }
    let any_sub = request
        .resource
        .split_once('/')
        .map(|(_, sub)| format!("*/{sub}"));
    let resource = has("resources", &request.resource)
        || any_sub.is_some_and(|any| words(&rule["resources"]).contains(&any.as_str()));
    let names = words(&rule["resourceNames"]);
    let fits = names.is_empty() || names.contains(&request.name.as_str());
    has("apiGroups", &request.group) && resource && fits
}

fn text<'a>(manifest: &'a Value, pointer: &str) -> &'a str {
    manifest
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

impl Authorizer {
    pub(crate) fn of(manifests: &[Value]) -> Self {
        let manifests = manifests.to_vec();
        Self { manifests }
    }

    /// With what every cluster gives to every account.
    pub(crate) fn allows(&self, request: &Attributes) -> bool {
        Self::allows_everybody(request) || self.manifests.iter().any(|m| self.binds(m, request))
    }

    /// As `kubectl get clusterroles` shows them on a cluster of version 1.36.
    pub(crate) fn allows_everybody(request: &Attributes) -> bool {
        let rules = [
            json!({"apiGroups": ["authorization.k8s.io"], "verbs": ["create"],
                   "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]}),
            json!({"apiGroups": ["authentication.k8s.io"], "verbs": ["create"], "resources": ["selfsubjectreviews"]}),
            json!({"verbs": ["get"], "nonResourceURLs": [
                "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz",
                "/version", "/version/", "/.well-known/openid-configuration",
                "/.well-known/openid-configuration/", "/openid/v1/jwks", "/openid/v1/jwks/"]}),
        ];
        rules.iter().any(|rule| rule_allows(rule, request))
    }

    fn binds(&self, binding: &Value, request: &Attributes) -> bool {
        let kind = text(binding, "/kind");
        let namespace = text(binding, "/metadata/namespace");
        let here = match kind {
            "ClusterRoleBinding" => true,
            "RoleBinding" => !request.namespace.is_empty() && namespace == request.namespace,
            _ => false,
        };
        let subject = |subject: &Value| {
            let account = format!("{}/{}", text(subject, "/namespace"), text(subject, "/name"));
            subject["kind"] == "ServiceAccount" && account == request.account
        };
        if !here || !binding["subjects"].as_array().unwrap().iter().any(subject) {
            return false;
        }
        let wanted = &binding["roleRef"];
        let role = self.manifests.iter().find(|role| {
            role["kind"] == wanted["kind"]
                && role["metadata"]["name"] == wanted["name"]
                && (role["kind"] == "ClusterRole" || text(role, "/metadata/namespace") == namespace)
        });
        let rules = role.and_then(|role| role["rules"].as_array());
        rules.unwrap().iter().any(|rule| rule_allows(rule, request))
    }
}

/// A rule as single permissions of the role it stands in.
pub(crate) fn atoms(manifest: &Value, rule: &Value) -> Vec<[String; 7]> {
    let or_none = |key: &str| match words(&rule[key]) {
        words if words.is_empty() => vec!["-"],
        words => words,
    };
    let (owner, namespace) = (
        text(manifest, "/metadata/name"),
        text(manifest, "/metadata/namespace"),
    );
    let mut atoms = Vec::new();
    for verb in words(&rule["verbs"]) {
        for group in or_none("apiGroups") {
            for resource in or_none("resources") {
                for name in or_none("resourceNames") {
                    for url in or_none("nonResourceURLs") {
                        atoms.push(
                            [owner, namespace, verb, group, resource, name, url].map(str::to_owned),
                        );
                    }
                }
            }
        }
    }
    atoms
}
