//! A written pod or pod template: as which account it runs, and what lets it out of its container.

mod gravity;

use serde::{Deserialize, Serialize};

use crate::event::Event;

use super::{
    body::{self, Body, nullable},
    mark::Mark,
};

pub(super) use gravity::Gravity;
use gravity::{of_capability, of_host_path, of_violations};

/// What Pod Security admission has against a pod.
static VIOLATIONS: Mark = Mark::new("pod-security.kubernetes.io/audit-violations");

/// A written pod, or pod template of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodWrite {
    /// Its name; empty if the log does not know it (`generateName`).
    pub(super) name: String,
    /// As which account it runs, if the log says.
    pub(super) account: Option<String>,
    /// What lets it out of its container, if the log says: each in words.
    pub(super) dangers: Vec<String>,
    /// The gravest of these.
    pub(super) gravity: Option<Gravity>,
    /// The images, if the log says.
    pub(super) images: Vec<String>,
    /// Where that is known from.
    pub(super) source: Source,
}

/// Where the contents of a pod are known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Source {
    /// Nowhere: the log has neither a body nor a verdict.
    Nowhere,
    /// The annotations of pod security admission.
    Annotation,
    /// The body.
    Body,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Stored {
    #[serde(deserialize_with = "nullable")]
    metadata: Metadata,
    #[serde(deserialize_with = "nullable")]
    spec: Spec,
    /// A PodTemplate has its template at the top.
    #[serde(deserialize_with = "nullable")]
    template: Option<Template>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "nullable")]
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Template {
    #[serde(deserialize_with = "nullable")]
    spec: Spec,
}

/// The spec of a pod, or of what has a template of one, or (CronJob) a template of that.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    template: Option<Box<Template>>,
    job_template: Option<Box<Template>>,
    service_account_name: Option<String>,
    /// The old name of the same field.
    service_account: Option<String>,
    #[serde(deserialize_with = "nullable")]
    containers: Vec<Container>,
    #[serde(deserialize_with = "nullable")]
    init_containers: Vec<Container>,
    #[serde(deserialize_with = "nullable")]
    ephemeral_containers: Vec<Container>,
    #[serde(deserialize_with = "nullable")]
    volumes: Vec<Volume>,
    #[serde(deserialize_with = "nullable")]
    host_network: bool,
    #[serde(rename = "hostPID", deserialize_with = "nullable")]
    host_pid: bool,
    #[serde(rename = "hostIPC", deserialize_with = "nullable")]
    host_ipc: bool,
    #[serde(deserialize_with = "nullable")]
    security_context: Context,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    #[serde(deserialize_with = "nullable")]
    image: String,
    #[serde(deserialize_with = "nullable")]
    security_context: Context,
}

/// The security context of a container, or of a pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Context {
    #[serde(deserialize_with = "nullable")]
    privileged: bool,
    #[serde(deserialize_with = "nullable")]
    capabilities: Capabilities,
    #[serde(deserialize_with = "nullable")]
    proc_mount: String,
    #[serde(deserialize_with = "nullable")]
    windows_options: WindowsOptions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Capabilities {
    #[serde(deserialize_with = "nullable")]
    add: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WindowsOptions {
    #[serde(deserialize_with = "nullable")]
    host_process: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Volume {
    host_path: Option<HostPath>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HostPath {
    #[serde(deserialize_with = "nullable")]
    path: String,
}

impl PodWrite {
    /// What `event` writes; `None` if it writes no pod and no template. A pod that exists is left out: nothing
    /// of this can change any more, but for ephemeral containers.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        let object = event.object?;
        let (group, resource) = (object.group.read(), object.resource.read());
        let templates = match &*group {
            "" => &["pods", "replicationcontrollers", "podtemplates"][..],
            "apps" | "batch" | "extensions" => TEMPLATES,
            _ => return None,
        };
        let creates = event.verb == "create";
        let changes = event.verb == "update" || event.verb == "patch";
        let ephemeral = object.subresource == "ephemeralcontainers";
        let whole = object.subresource.is_empty() && (creates || changes && resource != "pods");
        if !templates.contains(&&*resource) || !(whole || ephemeral && changes) {
            return None;
        }
        // The answer to a patch has much that the patch is not about.
        let body = if event.verb == "patch" {
            body::requested::<Stored>(event)
        } else {
            body::stored::<Stored>(event)
        };
        let violations = VIOLATIONS
            .may_be_in(event.annotations.json())
            .then(|| event.annotation(VIOLATIONS.word()))
            .flatten();
        let (stored, source) = match (body, violations) {
            (Body::Said(stored), _) => (stored, Source::Body),
            (_, Some(_)) => (Stored::default(), Source::Annotation),
            _ => (Stored::default(), Source::Nowhere),
        };
        let name = match object.name.read() {
            name if name.is_empty() => stored.metadata.name.clone(),
            name => name.into_owned(),
        };
        let spec = stored.innermost();
        let mut dangers = match (source, violations) {
            (Source::Annotation, Some(text)) => of_violations(&text.read()),
            _ => spec.dangers(),
        };
        dangers.sort_by(|a, b| b.cmp(a));
        dangers.dedup();
        let images = spec.all_containers().map(|c| c.image.clone());
        Some(Self {
            name,
            images: images.filter(|image| !image.is_empty()).collect(),
            gravity: dangers.first().map(|(gravity, _)| *gravity),
            dangers: dangers.into_iter().map(|(_, words)| words).collect(),
            account: spec.service_account_name.or(spec.service_account),
            source,
        })
    }
}

/// What of `apps`, `batch` and the old `extensions` has a pod template.
const TEMPLATES: &[&str] = &[
    "deployments",
    "daemonsets",
    "statefulsets",
    "replicasets",
    "jobs",
    "cronjobs",
];

impl Stored {
    /// The pod's spec: the innermost one.
    fn innermost(self) -> Spec {
        let mut spec = self.template.map_or(self.spec, |template| template.spec);
        while let Some(template) = spec.template.take().or(spec.job_template.take()) {
            spec = template.spec;
        }
        spec
    }
}

impl Spec {
    fn all_containers(&self) -> impl Iterator<Item = &Container> {
        let init = self.init_containers.iter();
        init.chain(&self.containers)
            .chain(&self.ephemeral_containers)
    }

    fn dangers(&self) -> Vec<(Gravity, String)> {
        let mut found = Vec::new();
        let mut note = |is: bool, gravity, words: &str| {
            if is {
                found.push((gravity, words.to_owned()));
            }
        };
        note(self.host_network, Gravity::Shares, "hostNetwork");
        note(self.host_pid, Gravity::Reaches, "hostPID");
        note(self.host_ipc, Gravity::Reaches, "hostIPC");
        let contexts = self.all_containers().map(|c| &c.security_context);
        for context in contexts.chain([&self.security_context]) {
            note(context.privileged, Gravity::Owns, "privileged");
            let process = context.windows_options.host_process;
            note(process, Gravity::Owns, "hostProcess");
            let unmasked = context.proc_mount == "Unmasked";
            note(unmasked, Gravity::Reaches, "procMount Unmasked");
            for capability in &context.capabilities.add {
                let name = capability.strip_prefix("CAP_").unwrap_or(capability);
                if let Some(gravity) = of_capability(name) {
                    note(true, gravity, &format!("capability {name}"));
                }
            }
        }
        for path in self
            .volumes
            .iter()
            .filter_map(|volume| volume.host_path.as_ref())
        {
            let gravity = of_host_path(&path.path);
            note(true, gravity, &format!("hostPath {}", path.path));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dangers(body: &str) -> Vec<String> {
        let stored: Stored = serde_json::from_str(body).unwrap();
        let mut dangers = stored.innermost().dangers();
        dangers.sort_by(|a, b| b.cmp(a));
        dangers.into_iter().map(|(_, words)| words).collect()
    }

    #[test]
    fn finds_the_pod_in_whatever_holds_it() {
        let pod = r#"{"hostPID":true,"containers":[{"image":"x","securityContext":{"privileged":true}}]}"#;
        for body in [
            format!(r#"{{"kind":"Pod","spec":{pod}}}"#),
            format!(
                r#"{{"kind":"Deployment","spec":{{"replicas":1,"template":{{"spec":{pod}}}}}}}"#
            ),
            format!(
                r#"{{"kind":"CronJob","spec":{{"jobTemplate":{{"spec":{{"template":{{"spec":{pod}}}}}}}}}}}"#
            ),
            format!(r#"{{"kind":"PodTemplate","template":{{"spec":{pod}}}}}"#),
        ] {
            assert_eq!(dangers(&body), ["privileged", "hostPID"], "{body}");
        }
        assert!(dangers(r#"{"spec":{"containers":null,"securityContext":null}}"#).is_empty());
    }
}
