//! A write of an admission configuration: what it does to the requests of others.

use serde::{Deserialize, Serialize};

use super::{
    body::{self, Body, nullable},
    deed,
    request::Request,
};

/// A write of an admission configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AdmissionWrite {
    /// Its name; empty if the log does not know it.
    pub(super) name: String,
    /// What it does to the requests of others.
    pub(super) effect: Effect,
    /// What the log says of it, each in words.
    pub(super) marks: Vec<String>,
    /// Where the webhooks are.
    pub(super) endpoints: Vec<String>,
    /// Whether the log should have a body and does not.
    pub(super) is_untold: bool,
}

/// What a write does to the requests of others, the gravest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Effect {
    /// The certificate of a webhook is renewed, labels change.
    Upkeep,
    /// Something looks at requests that did not before, or at others.
    Looks,
    /// The log does not say.
    Unknown,
    /// A webhook sees secrets, pods or everything, or may change them.
    SeesMuch,
    /// A check is switched to letting through what it cannot see.
    Weakens,
    /// A check is gone.
    Removes,
    /// A webhook outside the cluster sees secrets, pods or everything.
    SendsOut,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stored {
    #[serde(deserialize_with = "nullable")]
    metadata: Metadata,
    webhooks: Option<Vec<Webhook>>,
    spec: Option<Spec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "nullable")]
    name: String,
}

/// One webhook, or of a patch what it changes in one.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Webhook {
    #[serde(deserialize_with = "nullable")]
    client_config: ClientConfig,
    rules: Option<Vec<Rule>>,
    failure_policy: Option<String>,
    namespace_selector: Option<serde::de::IgnoredAny>,
    object_selector: Option<serde::de::IgnoredAny>,
    match_conditions: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ClientConfig {
    url: Option<String>,
    service: Option<Service>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Service {
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[serde(deserialize_with = "nullable")]
    namespace: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rule {
    #[serde(deserialize_with = "nullable")]
    resources: Vec<String>,
}

/// The spec of an admission policy, or of a binding of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    failure_policy: Option<String>,
    validation_actions: Option<Vec<String>>,
}

impl AdmissionWrite {
    /// What `event` writes; `None` if it writes no admission configuration, or only its status.
    pub(super) fn of(event: &Request<'_>) -> Option<Self> {
        let object = event.object?;
        let group = object.group == "admissionregistration.k8s.io";
        if !group || !deed::is_write(event) || !object.subresource.is_empty() {
            return None;
        }
        let removes = event.verb == "delete" || event.verb == "deletecollection";
        let patches = event.verb == "patch";
        let body = match () {
            () if removes => Body::Unlogged,
            () if patches => body::requested::<Stored>(event),
            () => body::stored::<Stored>(event),
        };
        let is_untold = !removes && !matches!(body, Body::Said(_));
        let stored = body.said().unwrap_or_default();
        let logged = object.name.read();
        let name = match &*logged {
            "" => stored.metadata.name.clone(),
            name => name.to_owned(),
        };
        let mutates = object.resource.starts_with("mutating");
        let marks = stored.marks();
        let effect = match () {
            () if removes => Effect::Removes,
            () if is_untold => Effect::Unknown,
            () => stored.effect(event.verb == "create", mutates),
        };
        Some(Self {
            name,
            effect,
            marks,
            endpoints: stored.endpoints(),
            is_untold,
        })
    }
}

impl Stored {
    fn webhooks(&self) -> &[Webhook] {
        self.webhooks.as_deref().unwrap_or_default()
    }

    fn effect(&self, creates: bool, mutates: bool) -> Effect {
        let webhooks = self.webhooks();
        let much = |webhook: &&Webhook| webhook.sees_much();
        let out = |webhook: &Webhook| webhook.client_config.is_outside();
        let policy = self.spec.as_ref();
        let ignores = |policy: &Option<String>| policy.as_deref() == Some("Ignore");
        let no_deny = policy
            .and_then(|spec| spec.validation_actions.as_ref())
            .is_some_and(|actions| !actions.iter().any(|action| action == "Deny"));
        // Of something new, or of a whole object that may always have been like that, it is no news.
        let weakens = webhooks
            .iter()
            .any(|webhook| ignores(&webhook.failure_policy))
            || policy.is_some_and(|spec| ignores(&spec.failure_policy))
            || no_deny;
        let nothing = webhooks.iter().all(Webhook::is_upkeep) && policy.is_none();
        match () {
            () if webhooks.iter().filter(much).any(out) => Effect::SendsOut,
            () if weakens && !creates => Effect::Weakens,
            () if webhooks
                .iter()
                .any(|webhook| webhook.sees_much() && (mutates || webhook.sees_secrets())) =>
            {
                Effect::SeesMuch
            }
            () if nothing && !creates => Effect::Upkeep,
            () => Effect::Looks,
        }
    }

    fn marks(&self) -> Vec<String> {
        let mut marks = Vec::new();
        for webhook in self.webhooks() {
            if let Some(policy) = &webhook.failure_policy {
                marks.push(format!("failurePolicy {policy}"));
            }
            let resources = webhook
                .rules
                .iter()
                .flatten()
                .flat_map(|rule| &rule.resources);
            marks.extend(resources.map(|resource| format!("sees {resource}")));
        }
        if let Some(spec) = &self.spec {
            marks.extend(
                spec.failure_policy
                    .iter()
                    .map(|policy| format!("failurePolicy {policy}")),
            );
            let actions = spec.validation_actions.iter().flatten();
            marks.extend(actions.map(|action| format!("action {action}")));
        }
        marks.sort();
        marks.dedup();
        marks
    }

    fn endpoints(&self) -> Vec<String> {
        let configs = self.webhooks().iter().map(|webhook| &webhook.client_config);
        let endpoints = configs.filter_map(|config| match (&config.url, &config.service) {
            (Some(url), _) => Some(url.clone()),
            (None, Some(service)) => Some(format!("{}/{}", service.namespace, service.name)),
            (None, None) => None,
        });
        let mut endpoints: Vec<String> = endpoints.collect();
        endpoints.sort();
        endpoints.dedup();
        endpoints
    }
}

impl Webhook {
    fn sees(&self, wanted: &[&str]) -> bool {
        let mut resources = self.rules.iter().flatten().flat_map(|rule| &rule.resources);
        resources.any(|resource| wanted.contains(&resource.as_str()))
    }

    fn sees_secrets(&self) -> bool {
        self.sees(&["*", "*/*", "secrets"])
    }

    fn sees_much(&self) -> bool {
        self.sees_secrets()
            || self.sees(&["pods", "pods/*", "serviceaccounts", "serviceaccounts/token"])
    }

    /// Whether nothing of it says which requests it sees, or what becomes of them.
    const fn is_upkeep(&self) -> bool {
        self.rules.is_none()
            && self.failure_policy.is_none()
            && self.namespace_selector.is_none()
            && self.object_selector.is_none()
            && self.match_conditions.is_none()
            && self.client_config.url.is_none()
            && self.client_config.service.is_none()
    }
}

impl ClientConfig {
    /// A URL that is no name of a Service: those should be called by `service`, and a URL on the node itself is
    /// how control planes without a network call theirs.
    fn is_outside(&self) -> bool {
        let Some(url) = &self.url else { return false };
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let inside = [".svc", ".svc.cluster.local", ".cluster.local"];
        let local = ["localhost", "::1"];
        !(inside.iter().any(|end| host.ends_with(end))
            || local.contains(&host)
            || host.starts_with("127."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(body: &str, creates: bool, mutates: bool) -> Effect {
        serde_json::from_str::<Stored>(body)
            .unwrap()
            .effect(creates, mutates)
    }

    #[test]
    fn effects_follow_from_what_is_written() {
        for (body, creates, mutates, expected) in [
            (
                r#"{"webhooks":[{"name":"a","clientConfig":{"caBundle":"Zm9v"}}]}"#.to_owned(),
                false,
                false,
                Effect::Upkeep,
            ),
            (
                r#"{"metadata":{"labels":{"a":"b"}}}"#.to_owned(),
                false,
                true,
                Effect::Upkeep,
            ),
            (
                r#"{"webhooks":[{"failurePolicy":"Ignore"}]}"#.to_owned(),
                false,
                false,
                Effect::Weakens,
            ),
            (
                r#"{"webhooks":[{"failurePolicy":"Ignore","rules":[{"resources":["issuers"]}]}]}"#
                    .to_owned(),
                true,
                false,
                Effect::Looks,
            ),
            (
                r#"{"spec":{"validationActions":["Warn"]}}"#.to_owned(),
                false,
                false,
                Effect::Weakens,
            ),
            (
                r#"{"spec":{"validationActions":["Warn"]}}"#.to_owned(),
                true,
                false,
                Effect::Looks,
            ),
        ] {
            assert_eq!(effect(&body, creates, mutates), expected, "{body}");
        }
    }

    #[test]
    fn webhooks_are_judged_by_what_they_see_and_where_they_are() {
        let hook = |url: &str, resource: &str| {
            format!(
                r#"{{"webhooks":[{{"clientConfig":{{"url":"{url}"}},"rules":[{{"resources":["{resource}"]}}]}}]}}"#
            )
        };
        for (body, creates, mutates, expected) in [
            (
                hook("https://evil.example/x", "secrets"),
                true,
                false,
                Effect::SendsOut,
            ),
            (
                hook("https://hook.shop.svc:443/x", "secrets"),
                true,
                false,
                Effect::SeesMuch,
            ),
            (
                hook("https://127.0.0.1:8443/", "pods"),
                true,
                true,
                Effect::SeesMuch,
            ),
            (
                hook("https://127.0.0.1:8443/", "pods"),
                true,
                false,
                Effect::Looks,
            ),
            (
                hook("https://u@[2001:db8::1]:8443/", "*"),
                true,
                true,
                Effect::SendsOut,
            ),
        ] {
            assert_eq!(effect(&body, creates, mutates), expected, "{body}");
        }
    }
}
