//! What an audit log cannot show about the permissions that an account needs.

use crate::permission::{ACTIONS_KEPT, Action, NAMESPACES_KEPT, Permissions};

use super::grants::{Needs, Objects};

/// Questions that kube-apiserver asks the authorizer beside the request's own, and does not log.
struct Hidden {
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    note: &'static str,
}

/// kubernetes `pkg/registry/rbac`, `plugin/pkg/admission/certificates`, `pkg/kubelet/server`.
const HIDDEN: [Hidden; 5] = [
    Hidden {
        group: "rbac.authorization.k8s.io",
        resources: &["roles", "clusterroles"],
        verbs: &["create", "update", "patch"],
        note: "It writes roles: kube-apiserver then also wants the verb escalate, or every permission \
               that is in those roles, and logs neither.",
    },
    Hidden {
        group: "rbac.authorization.k8s.io",
        resources: &["rolebindings", "clusterrolebindings"],
        verbs: &["create", "update", "patch"],
        note: "It writes bindings: kube-apiserver then also wants the verb bind on the role, or every \
               permission that is in it, and logs neither.",
    },
    Hidden {
        group: "certificates.k8s.io",
        resources: &[
            "certificatesigningrequests/approval",
            "certificatesigningrequests/status",
        ],
        verbs: &["update", "patch"],
        note: "It approves or signs certificates: kube-apiserver then also wants the verb approve or \
               sign on the signer, and logs neither.",
    },
    Hidden {
        group: "",
        resources: &["nodes/proxy"],
        verbs: &["get", "create", "update", "patch", "delete"],
        note: "It reaches kubelets through nodes/proxy. What it asks kubelets for directly stands in no \
               audit log; nodes/metrics, nodes/stats or nodes/log may do instead.",
    },
    Hidden {
        group: "",
        resources: &["users", "groups", "serviceaccounts"],
        verbs: &["impersonate"],
        note: "It impersonates. From Kubernetes 1.36 on, impersonate:user-info and its kin allow that for \
               chosen requests only.",
    },
];

/// One sentence each.
pub(super) fn notes(permissions: &Permissions, needs: &Needs) -> Vec<String> {
    let actions = permissions.sorted();
    let used = |hidden: &Hidden| {
        actions.iter().any(|(action, _)| {
            action.group() == hidden.group
                && hidden.verbs.contains(&action.verb())
                && hidden.resources.contains(&&*action.target())
        })
    };
    let hidden = HIDDEN.iter().filter(|hidden| used(hidden));
    let mut notes: Vec<String> = hidden.map(|hidden| hidden.note.to_owned()).collect();
    if !needs.everywhere.is_empty() {
        notes.push(everywhere(&needs.everywhere));
    }
    if let Some(name) = generated_name(needs) {
        notes.push(format!(
            "It is granted objects whose names look generated, such as {name}: the next one will be called \
             otherwise. satrail rbac --expand-multi-name=0 grants any name.",
        ));
    }
    if actions
        .iter()
        .any(|(action, _)| action.verb().starts_with("impersonate-on:"))
    {
        notes.push(
            "It wanted to act as somebody, and the log does not say as whom: it would also need impersonate \
             on that user, group or ServiceAccount."
                .to_owned(),
        );
    }
    if permissions.overflowed() {
        notes.push(format!(
            "It did more than {ACTIONS_KEPT} different things, of which {ACTIONS_KEPT} are granted here: \
             these roles are not enough.",
        ));
    }
    notes
}

/// A name that a controller made: it ends in five of the characters that Kubernetes draws from (apimachinery
/// `pkg/util/rand`).
fn generated_name(needs: &Needs) -> Option<&str> {
    const DRAWN: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let generated = |name: &&str| {
        let suffix = name.rsplit_once('-').map(|(_, suffix)| suffix.as_bytes());
        suffix.is_some_and(|s| s.len() == 5 && s.iter().all(|byte| DRAWN.contains(byte)))
    };
    let grants = needs.namespaces.values().chain([&needs.cluster]);
    let objects = grants
        .flat_map(|g| g.resources.values())
        .flat_map(|verbs| verbs.values());
    let names = objects.filter_map(|objects| match objects {
        Objects::Named(names) => Some(names.iter().map(String::as_str)),
        Objects::Any => None,
    });
    names.flatten().find(generated)
}

fn everywhere(actions: &[Action]) -> String {
    let shown: Vec<_> = actions.iter().take(5).map(ToString::to_string).collect();
    let more = match actions.len().saturating_sub(shown.len()) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!(
        "Granted in all namespaces, since used in several (--expand-multi-namespace; always beyond \
         {NAMESPACES_KEPT}): {}{more}.",
        shown.join(", ")
    )
}
