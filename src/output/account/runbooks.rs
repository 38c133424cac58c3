//! The five runbooks of ServiceAccounts, walked with what the log knows of one account.
//!
//! They follow the ones that are handed around for ServiceAccounts, corrected where Kubernetes does
//! otherwise: a stolen pod token lives for up to a year, not an hour; last use is a label, not an
//! annotation; `spec.serviceAccountName` is never empty on a running pod.

use serde::Serialize;

use crate::{
    detect::quote,
    finding::Step,
    pipeline::{Credential, Dossier, Scope, Values},
};

/// One runbook, walked for one account.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Runbook {
    /// 1 to 5.
    pub(super) number: u8,
    pub(super) title: &'static str,
    /// Whether the log gives a reason to follow it.
    pub(super) applies: Applies,
    /// Which.
    pub(super) why: String,
    /// What to do, in order.
    pub(super) steps: Vec<Step>,
}

/// Whether the log gives a reason to follow a runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Applies {
    Yes,
    No,
    /// The log cannot tell.
    Unknown,
}

/// How many names a command lists.
const NAMED: usize = 10;

/// The account's names, quoted for a shell, and its dossier.
struct Walk<'a> {
    dossier: &'a Dossier,
    namespace: String,
    name: String,
    user: String,
    log: &'a str,
}

/// All five; `log` names the log on a command line.
pub(super) fn walk(dossier: &Dossier, log: &str) -> Vec<Runbook> {
    let user = format!(
        "system:serviceaccount:{}:{}",
        dossier.namespace, dossier.name
    );
    let walk = Walk {
        dossier,
        namespace: quote(&dossier.namespace),
        name: quote(&dossier.name),
        user: quote(&user),
        log,
    };
    vec![
        walk.legacy_token(),
        walk.default_account(),
        walk.stolen(),
        walk.cannot_mount(),
        walk.excessive(),
    ]
}

fn step(text: impl Into<String>, command: Option<String>) -> Step {
    let text = text.into();
    Step { text, command }
}

/// The first values, for a sentence.
fn some(values: &Values) -> String {
    let names: Vec<_> = values
        .values
        .iter()
        .take(3)
        .map(|v| v.value.as_str())
        .collect();
    let more = match values.distinct.saturating_sub(3) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!("{}{more}", names.join(", "))
}

/// The first values as words of a shell command, those aside that no object can be called.
fn words(values: &Values) -> Vec<String> {
    let names = values.values.iter().map(|v| v.value.as_str());
    let possible = |name: &&str| !name.is_empty() && name.len() <= 253 && !name.starts_with('-');
    names.filter(possible).take(NAMED).map(quote).collect()
}

impl Walk<'_> {
    fn legacy_token(&self) -> Runbook {
        let (ns, dossier) = (&self.namespace, self.dossier);
        let legacy = |v: &&crate::detect::Tallied| v.value.starts_with("legacy");
        let requests: u64 = dossier
            .token_kinds
            .values
            .iter()
            .filter(legacy)
            .map(|v| v.count)
            .sum();
        let secrets = words(&dossier.legacy_secrets);
        let mut steps = Vec::new();
        for secret in &secrets {
            steps.push(step(
                "When it was last used, by Kubernetes' own book: a label, not an annotation, with the day only",
                Some(format!(
                    "kubectl -n {ns} get secret {secret} --show-labels -o custom-columns=NAME:.metadata.name,\
                     USED:'.metadata.labels.kubernetes\\.io/legacy-token-last-used'"
                )),
            ));
            steps.push(step(
                "Pods that mount the Secret or read it into their environment",
                Some(format!(
                    "kubectl -n {ns} get pods -o json | jq -r --arg s {secret} '.items[] | \
                     select([.spec.volumes[]?.secret.secretName, \
                     (.spec.containers + (.spec.initContainers // []))[].env[]?.valueFrom.secretKeyRef.name, \
                     (.spec.containers + (.spec.initContainers // []))[].envFrom[]?.secretRef.name] | index($s)) | \
                     .metadata.name'"
                )),
            ));
        }
        if secrets.is_empty() {
            steps.push(step(
                "Which Secret it is from: the server did not log it (Kubernetes before 1.29)",
                Some(format!("kubectl -n {ns} get secrets --field-selector type=kubernetes.io/service-account-token")),
            ));
        }
        steps.push(step(
            format!(
                "Who uses it: a legacy token names no pod. In this log it came from {} as {}",
                some(&dossier.addresses),
                some(&dossier.user_agents)
            ),
            None,
        ));
        steps.push(step(
            "In a pod: let it use the projected token, which every pod has that does not forbid it. Outside: ask for \
             tokens that expire",
            Some(format!("kubectl -n {ns} create token {} --duration=1h", self.name)),
        ));
        for secret in secrets {
            steps.push(step(
                "When nothing uses it any more, delete the Secret: the token is invalid from then on",
                Some(format!("kubectl -n {ns} delete secret {secret}")),
            ));
        }
        Runbook {
            number: 1,
            title: "Legacy token still in use",
            applies: if requests > 0 {
                Applies::Yes
            } else {
                Applies::No
            },
            why: match requests {
                0 => "No request in this log came with a token that never expires.".to_owned(),
                n => format!("{n} requests came with a token that never expires."),
            },
            steps,
        }
    }

    fn default_account(&self) -> Runbook {
        let (ns, dossier) = (&self.namespace, self.dossier);
        let applies = dossier.name == "default" && dossier.requests.count > 0;
        let writes = dossier
            .used
            .iter()
            .filter(|p| !["get", "list", "watch"].contains(&p.verb.as_str()));
        let why = if !applies {
            "It is not a namespace's default account.".to_owned()
        } else if writes.count() > 0 || !dossier.secrets_read.is_empty() {
            "It is a default account that may change things or read secrets: every pod of the namespace may. Escalate."
                .to_owned()
        } else {
            "It is a default account: every pod of the namespace that names no other is this one."
                .to_owned()
        };
        let mut steps = vec![step(
            "Pods that run as it (the field is filled in on every pod, so none is without)",
            Some(format!(
                "kubectl -n {ns} get pods --field-selector spec.serviceAccountName={}",
                self.name
            )),
        )];
        if !dossier.pods.is_empty() {
            let text = format!(
                "Of them, those that called the API in this log: {}",
                some(&dossier.pods)
            );
            steps.push(step(text, None));
        }
        steps.push(step(
            "For each workload that needs the API: an account of its own, with the role that it needs",
            Some(format!("satrail rbac --account {}/{} {}", self.namespace, self.name, self.log)),
        ));
        steps.push(step(
            "Stop giving its token to pods that do not ask for it (those that run keep theirs until they restart)",
            Some(format!(
                "kubectl -n {ns} patch serviceaccount {} -p '{{\"automountServiceAccountToken\":false}}'",
                self.name
            )),
        ));
        Runbook {
            number: 2,
            title: "Default ServiceAccount makes API calls",
            applies: if applies { Applies::Yes } else { Applies::No },
            why,
            steps,
        }
    }

    fn stolen(&self) -> Runbook {
        let (ns, name, dossier) = (&self.namespace, &self.name, self.dossier);
        let travelled = |c: &&Credential| c.addresses.distinct > 1;
        let travelled: Vec<_> = dossier.credentials.iter().filter(travelled).collect();
        let why = match travelled.first() {
            None => "Every token ID in this log came from one address; tokens without an ID cannot be told apart.".to_owned(),
            Some(first) => format!(
                "{} of its tokens came from more than one address, {} from {}: several may be one pod behind several \
                 addresses, or a copy.",
                travelled.len(),
                first.id,
                some(&first.addresses)
            ),
        };
        let mut steps = Vec::new();
        let pods = words(&dossier.pods);
        if !pods.is_empty() {
            steps.push(step(
                "Tokens of pods die with their pod, and not within the hour: kube-apiserver lets them live for a year by \
                 default",
                Some(format!("kubectl -n {ns} delete pod {}", pods.join(" "))),
            ));
        }
        let secrets = words(&dossier.legacy_secrets);
        if !secrets.is_empty() {
            steps.push(step(
                "Legacy tokens die with their Secret",
                Some(format!(
                    "kubectl -n {ns} delete secret {}",
                    secrets.join(" ")
                )),
            ));
        }
        steps.push(step(
            "Tokens that were asked for (kubectl create token) die when they expire, or with the account: its pods need a \
             restart then",
            Some(format!(
                "kubectl -n {ns} get sa {name} -o json | jq 'del(.metadata.uid, .metadata.resourceVersion, .secrets)' > \
                 sa.json && kubectl -n {ns} delete sa {name} && kubectl create -f sa.json"
            )),
        ));
        steps.push(step(
            "Every call made as it",
            Some(format!(
                "jq -c 'select(.user.username == \"{}\" and .stage == \"ResponseComplete\") | [.requestReceivedTimestamp, \
                 .verb, .requestURI, .responseStatus.code, .sourceIPs[-1]]' AUDIT_LOG",
                self.user
            )),
        ));
        steps.push(step(
            match dossier.rbac_written.is_empty() {
                true => "Roles and bindings that it changed: none in this log".to_owned(),
                false => format!("Undo what it changed: {}", some(&dossier.rbac_written)),
            },
            None,
        ));
        steps.push(step(
            match dossier.minted_for.is_empty() {
                true => "Tokens that it made of other accounts: none in this log".to_owned(),
                false => format!(
                    "Walk this runbook for the accounts whose tokens it made: {}",
                    some(&dossier.minted_for)
                ),
            },
            None,
        ));
        steps.push(step(
            match dossier.secrets_read.is_empty() {
                true => "Secrets that it read: none in this log".to_owned(),
                false => format!(
                    "Rotate the secrets that it read: {}",
                    some(&dossier.secrets_read)
                ),
            },
            None,
        ));
        Runbook {
            number: 3,
            title: "Token stolen",
            applies: if travelled.is_empty() {
                Applies::Unknown
            } else {
                Applies::Yes
            },
            why,
            steps,
        }
    }

    fn cannot_mount(&self) -> Runbook {
        let (ns, dossier) = (&self.namespace, self.dossier);
        let failed = &dossier.mintings_failed;
        let requests: u64 = failed.values.iter().map(|v| v.count).sum();
        let steps = vec![
            step(
                format!("What was asked for in vain, and by whom: {}", some(failed)),
                None,
            ),
            step(
                "What the kubelet says: an event FailedMount names the reason",
                Some(format!(
                    "kubectl -n {ns} get events --field-selector reason=FailedMount"
                )),
            ),
            step(
                "404: the account does not exist (any more). 403 for a node: it asked for an account of no pod of its own. \
                 422: an expirationSeconds under 600 in the pod's projected volume",
                Some(format!("kubectl -n {ns} get sa {}", self.name)),
            ),
            step(
                "The pod's own automountServiceAccountToken wins over the account's",
                Some(format!(
                    "kubectl -n {ns} get pods --field-selector spec.serviceAccountName={} -o \
                     custom-columns=POD:.metadata.name,AUTOMOUNT:.spec.automountServiceAccountToken,STATUS:.status.phase",
                    self.name
                )),
            ),
        ];
        Runbook {
            number: 4,
            title: "Pod does not start: its token cannot be mounted",
            applies: if failed.is_empty() {
                Applies::No
            } else {
                Applies::Yes
            },
            why: match requests {
                0 => "No request for a token of it failed in this log.".to_owned(),
                n => format!("{n} requests for a token of it failed."),
            },
            steps,
        }
    }

    fn excessive(&self) -> Runbook {
        let (ns, dossier) = (&self.namespace, self.dossier);
        let wide = dossier
            .used
            .iter()
            .filter(|p| p.scope != Scope::Namespace && p.scope != Scope::Path);
        let why = format!(
            "It used {} permissions, {} of them on the whole cluster or in many namespaces. What it may do beyond \
             that, no log shows.",
            dossier.used.len(),
            wide.count()
        );
        let mut steps = vec![
            step(
                "What it may do",
                Some(format!(
                    "kubectl auth can-i --list --as={} -n {ns}",
                    self.user
                )),
            ),
            step(
                "The bindings that give it that, those of its groups included",
                Some(format!(
                    "kubectl get rolebindings,clusterrolebindings -A -o json | jq -r --arg ns {ns} --arg sa {} '.items[] | \
                     select(any(.subjects[]?; (.kind == \"ServiceAccount\" and .name == $sa and .namespace == $ns) or \
                     (.kind == \"Group\" and (.name | IN(\"system:serviceaccounts\", \"system:serviceaccounts:\" + $ns, \
                     \"system:authenticated\"))))) | [.kind, .metadata.namespace // \"*\", .metadata.name, .roleRef.name] | \
                     @tsv'",
                    self.name
                )),
            ),
        ];
        if !dossier.grants.is_empty() {
            let text = format!(
                "Of them, those that this log names: {}",
                some(&dossier.grants)
            );
            steps.push(step(text, None));
        }
        steps.push(step(
            "The smallest roles that allow what it did in this log",
            Some(format!(
                "satrail rbac --account {ns}/{} {} > roles.yaml",
                self.name, self.log
            )),
        ));
        steps.push(step(
            "Give it those first, then take the wide ones away, and watch for refusals",
            Some("kubectl diff -f roles.yaml; kubectl apply -f roles.yaml".to_owned()),
        ));
        Runbook {
            number: 5,
            title: "Permissions that are too wide",
            applies: Applies::Unknown,
            why,
            steps,
        }
    }
}
