//! Pods and their tokens: default accounts, tokens that nobody uses, unusual lifetimes.

use std::collections::BTreeMap;

use crate::finding::{Severity, Step, quote};

use super::super::{
    Owner, Pod,
    issue::{Check, Evidence, Issue, Object, by_hand, count, fix, step},
    world::World,
};

/// Longer lifetimes of an explicit token are worth a look: a day. Kubernetes caps them at
/// `--service-account-max-token-expiration`, if that is set.
const LONG: i64 = 86_400;

/// Kubernetes refuses less (kubernetes `pkg/apis/core/validation` `validateProjectedVolumeSource`).
const SHORTEST: i64 = 600;

/// Pods that one controller made, as one account.
pub(in super::super) struct Workload<'a> {
    pub(in super::super) namespace: &'a str,
    pub(in super::super) account: &'a str,
    /// The controller; `None` for a pod of its own.
    pub(in super::super) owner: Option<&'a Owner>,
    pub(in super::super) pods: Vec<&'a Pod>,
}

impl Workload<'_> {
    /// `Deployment web`, or `Pod web-1`.
    pub(in super::super) fn object(&self) -> Object {
        let pod = self.pods.first().map(|pod| Object::of("Pod", &pod.id));
        match self.owner {
            Some(owner) => Object {
                namespace: Some(self.namespace.to_owned()),
                ..Object::named(&owner.kind, &owner.name)
            },
            None => pod.unwrap_or_default(),
        }
    }

    /// Whether its template can be patched.
    pub(in super::super) fn has_template(&self) -> bool {
        let kinds = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"];
        self.owner
            .is_some_and(|owner| kinds.contains(&owner.kind.as_str()))
    }

    fn evidence(&self, says: &str) -> Vec<Evidence> {
        let pods = self.pods.iter().take(5);
        pods.map(|pod| Evidence {
            object: Object::of("Pod", &pod.id),
            says: if pod.node.is_empty() {
                says.to_owned()
            } else {
                format!("{says}, on node {}", pod.node)
            },
        })
        .collect()
    }
}

/// All pods, by who made them. Pods that have ended count no more.
pub(in super::super) fn workloads<'a>(world: &World<'a>) -> Vec<Workload<'a>> {
    let mut workloads = BTreeMap::<_, Workload<'a>>::new();
    for pod in &world.inventory.pods {
        if matches!(pod.phase.as_str(), "Succeeded" | "Failed") {
            continue;
        }
        let alone = if pod.owner.is_none() {
            pod.id.name.as_str()
        } else {
            ""
        };
        let key = (
            pod.id.namespace.as_str(),
            pod.owner.as_ref(),
            alone,
            pod.account.as_str(),
        );
        let new = || Workload {
            namespace: &pod.id.namespace,
            account: &pod.account,
            owner: pod.owner.as_ref(),
            pods: Vec::new(),
        };
        workloads.entry(key).or_insert_with(new).pods.push(pod);
    }
    workloads.into_values().collect()
}

pub(in super::super) fn check(world: &World<'_>) -> Vec<Issue> {
    let workloads = workloads(world);
    let mut issues = Vec::new();
    let mut on_default = BTreeMap::<&str, Vec<&Workload<'_>>>::new();
    for workload in &workloads {
        if workload.account == "default" {
            on_default
                .entry(workload.namespace)
                .or_default()
                .push(workload);
        }
        issues.extend(unused_token(workload, world));
        issues.extend(lifetimes(workload));
    }
    for (namespace, workloads) in on_default {
        issues.push(shared_default(namespace, &workloads, world));
    }
    issues
}

fn unused_token(workload: &Workload<'_>, world: &World<'_>) -> Option<Issue> {
    let usage = world.usage.filter(|_| world.knows_pods())?;
    let (_, end) = usage.period?;
    // A pod that is younger than the log had no time to call.
    let old = |pod: &&Pod| pod.id.created.is_none_or(|created| created < end);
    let judged = workload.pods.iter().copied().filter(old).count();
    let quiet = workload
        .pods
        .iter()
        .all(|pod| usage.pod(&pod.id.uid) == 0 && !pod.id.uid.is_empty());
    let mounts = workload
        .pods
        .iter()
        .any(|pod| world.inventory.automounts(pod));
    if judged == 0 || !quiet || !mounts {
        return None;
    }
    Some(Issue {
        check: Check::UnusedToken,
        severity: Severity::Low,
        subject: workload.object(),
        summary: format!(
            "{} of {} {} a token of {}/{} and did not call the API with it in the log's period",
            count(workload.pods.len(), "pod"),
            workload.object(),
            if workload.pods.len() == 1 {
                "has"
            } else {
                "have"
            },
            workload.namespace,
            workload.account
        ),
        evidence: workload.evidence("has the token mounted and made no request"),
        remediation: fix("stop mounting the token", stop_mounting(workload)),
    })
}

/// The patch of a workload's template; a pod of its own cannot be changed.
fn stop_mounting(workload: &Workload<'_>) -> Vec<Step> {
    let Some(owner) = workload.owner.filter(|_| workload.has_template()) else {
        return vec![by_hand(
            "set automountServiceAccountToken: false in the pod's template (or, for a pod of its own, in its manifest), and make it anew",
        )];
    };
    let patch = r#"{"spec":{"template":{"spec":{"automountServiceAccountToken":false}}}}"#;
    let command = format!(
        "kubectl patch {} --namespace {} {} --patch '{patch}'",
        owner.kind.to_lowercase(),
        quote(workload.namespace),
        quote(&owner.name)
    );
    vec![step("restarts the pods without a token", command)]
}

fn shared_default(namespace: &str, workloads: &[&Workload<'_>], world: &World<'_>) -> Issue {
    let person = world.person(namespace, "default");
    let bound = person.is_some_and(|person| !person.grants.is_empty());
    let pods: usize = workloads.iter().map(|workload| workload.pods.len()).sum();
    let mounting = workloads
        .iter()
        .flat_map(|w| &w.pods)
        .filter(|pod| world.inventory.automounts(pod))
        .count();
    Issue {
        check: Check::DefaultAccountPods,
        severity: if bound && mounting > 0 {
            Severity::Medium
        } else {
            Severity::Low
        },
        subject: Object {
            namespace: Some(namespace.to_owned()),
            ..Object::named("ServiceAccount", "default")
        },
        summary: format!(
            "{} of {} run as the default account of {namespace}, {mounting} of them with its token{}",
            count(pods, "pod"),
            count(workloads.len(), "workload"),
            if bound {
                ", which has rights by bindings"
            } else {
                ""
            }
        ),
        evidence: workloads
            .iter()
            .take(5)
            .flat_map(|workload| workload.evidence("runs as default"))
            .take(10)
            .collect(),
        remediation: fix(
            "give each workload an account of its own",
            own_accounts(namespace, workloads),
        ),
    }
}

fn own_accounts(namespace: &str, workloads: &[&Workload<'_>]) -> Vec<Step> {
    let account = quote(namespace);
    let first = workloads.first();
    let mut steps = Vec::new();
    if let Some(workload) = first.filter(|workload| workload.has_template()) {
        let object = workload.object();
        steps.push(step(
            "for each workload: an account of its own",
            format!(
                "kubectl create serviceaccount --namespace {account} {}",
                quote(&object.name)
            ),
        ));
        steps.push(step(
            "and let the workload use it",
            format!(
                "kubectl set serviceaccount {} --namespace {account} {} {}",
                object.kind.to_lowercase(),
                quote(&object.name),
                quote(&object.name)
            ),
        ));
    } else {
        steps.push(by_hand(
            "give each workload an account of its own (serviceAccountName in its template)",
        ));
    }
    steps.push(step(
        "stop mounting the default one's token",
        format!("kubectl patch serviceaccount --namespace {account} default --patch '{{\"automountServiceAccountToken\":false}}'"),
    ));
    steps
}

/// Explicit tokens that live too long, or shorter than Kubernetes allows.
fn lifetimes(workload: &Workload<'_>) -> Option<Issue> {
    let pod = workload
        .pods
        .iter()
        .find(|pod| pod.tokens.iter().any(odd_lifetime))?;
    let odd: Vec<_> = pod
        .tokens
        .iter()
        .filter(|token| odd_lifetime(token))
        .collect();
    let said: Vec<_> = odd
        .iter()
        .map(|token| {
            let seconds = token.expiration_seconds.unwrap_or(3600);
            let audience = if token.audience.is_empty() {
                "the API server"
            } else {
                &token.audience
            };
            let odd = if seconds < SHORTEST {
                "which Kubernetes refuses: 600 s at least"
            } else {
                "more than a day"
            };
            format!("{seconds} s for {audience} ({odd})")
        })
        .collect();
    Some(Issue {
        check: Check::ProjectedToken,
        severity: if odd
            .iter()
            .any(|t| t.expiration_seconds.is_some_and(|s| s > 7 * LONG))
        {
            Severity::Medium
        } else {
            Severity::Low
        },
        subject: workload.object(),
        summary: format!(
            "{} asks for tokens of an unusual lifetime: {}",
            workload.object(),
            said.join(", ")
        ),
        evidence: odd
            .iter()
            .map(|token| Evidence {
                object: Object::of("Pod", &pod.id),
                says: format!(
                    "volume {}: expirationSeconds {}",
                    token.volume,
                    token.expiration_seconds.unwrap_or(3600)
                ),
            })
            .collect(),
        remediation: fix(
            "set expirationSeconds to what the application needs, 3600 or less where it reads the file again",
            vec![by_hand(
                "change expirationSeconds in the workload's template",
            )],
        ),
    })
}

fn odd_lifetime(token: &super::super::ProjectedToken) -> bool {
    token
        .expiration_seconds
        .is_some_and(|seconds| !(SHORTEST..=LONG).contains(&seconds))
        && !token.automatic
}
