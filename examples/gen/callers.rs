//! The accounts, controllers and kubelets of a cluster.

use super::rng::Rng;

/// Who makes requests.
pub(crate) struct Caller {
    /// The `user` object.
    pub(crate) user: String,
    pub(crate) address: String,
    pub(crate) agent: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// An annotation of its token, if any, with the comma before it.
    pub(crate) annotation: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Account,
    Controller,
    Kubelet,
}

pub(crate) const NAMESPACES: [&str; 12] = [
    "shop",
    "billing",
    "search",
    "ci",
    "monitoring",
    "logging",
    "ingress",
    "default",
    "staging",
    "data",
    "auth",
    "kube-system",
];

/// `accounts` ServiceAccounts, some of them `default`, some with legacy tokens; the built-in controllers;
/// twenty kubelets.
pub(crate) fn everybody(rng: &mut Rng, accounts: usize) -> Vec<Caller> {
    let mut callers = self::accounts(rng, accounts);
    callers.extend(CONTROLLERS.iter().map(|name| controller(rng, name)));
    callers.extend((0..20).map(|i| kubelet(rng, i)));
    callers
}

/// So many ServiceAccounts, and one at least.
pub(crate) fn accounts(rng: &mut Rng, count: usize) -> Vec<Caller> {
    (0..count.max(1)).map(|i| account(rng, i)).collect()
}

const CONTROLLERS: [&str; 8] = [
    "deployment-controller",
    "replicaset-controller",
    "endpointslice-controller",
    "job-controller",
    "generic-garbage-collector",
    "namespace-controller",
    "resourcequota-controller",
    "node-controller",
];

fn account(rng: &mut Rng, number: usize) -> Caller {
    let namespace = NAMESPACES[number % NAMESPACES.len()];
    let name = match number {
        7 | 8 => "default".to_owned(),
        _ => format!(
            "{}-{number}",
            rng.pick(&["web", "operator", "agent", "runner", "exporter", "sync"])
        ),
    };
    let (uid, pod_uid, token, pod, node) = (
        rng.uuid(),
        rng.uuid(),
        rng.uuid(),
        rng.hex(10),
        rng.below(20),
    );
    let legacy = number % 25 == 3;
    let extra = if legacy {
        String::new()
    } else {
        format!(
            r#","extra":{{"authentication.kubernetes.io/credential-id":["JTI={token}"],"authentication.kubernetes.io/node-name":["node-{node}"],"authentication.kubernetes.io/node-uid":["{uid}"],"authentication.kubernetes.io/pod-name":["{name}-{pod}"],"authentication.kubernetes.io/pod-uid":["{pod_uid}"]}}"#
        )
    };
    Caller {
        user: format!(
            r#"{{"username":"system:serviceaccount:{namespace}:{name}","uid":"{uid}","groups":["system:serviceaccounts","system:serviceaccounts:{namespace}","system:authenticated"]{extra}}}"#
        ),
        address: format!("10.244.{node}.{}", rng.below(250) + 2),
        agent: format!(
            "{name}/v1.{} (linux/amd64) kubernetes/$Format",
            rng.below(30)
        ),
        namespace: namespace.to_owned(),
        name: name.clone(),
        kind: Kind::Account,
        annotation: if legacy {
            format!(
                r#""authentication.k8s.io/legacy-token":"system:serviceaccount:{namespace}:{name}","authentication.k8s.io/legacy-token-manual-secret":"{name}-token","#
            )
        } else {
            String::new()
        },
    }
}

fn controller(rng: &mut Rng, name: &str) -> Caller {
    let (uid, token) = (rng.uuid(), rng.uuid());
    Caller {
        user: format!(
            r#"{{"username":"system:serviceaccount:kube-system:{name}","uid":"{uid}","groups":["system:serviceaccounts","system:serviceaccounts:kube-system","system:authenticated"],"extra":{{"authentication.kubernetes.io/credential-id":["JTI={token}"]}}}}"#
        ),
        address: "10.0.0.1".to_owned(),
        agent: format!(
            "kube-controller-manager/v1.36.2 (linux/amd64) kubernetes/8e16b12/system:serviceaccount:kube-system:{name}"
        ),
        namespace: "kube-system".to_owned(),
        name: name.to_owned(),
        kind: Kind::Controller,
        annotation: String::new(),
    }
}

fn kubelet(rng: &mut Rng, number: usize) -> Caller {
    let fingerprint = rng.hex(64);
    Caller {
        user: format!(
            r#"{{"username":"system:node:node-{number}","groups":["system:nodes","system:authenticated"],"extra":{{"authentication.kubernetes.io/credential-id":["X509SHA256={fingerprint}"]}}}}"#
        ),
        address: format!("10.0.0.{}", number + 2),
        agent: "kubelet/v1.36.2 (linux/amd64) kubernetes/8e16b12".to_owned(),
        namespace: String::new(),
        name: format!("node-{number}"),
        kind: Kind::Kubelet,
        annotation: String::new(),
    }
}
