//! Runbook 4: a pod does not start, since its token cannot be mounted.

use super::{Applies, Runbook, Walk, by_hand, run, some};

impl Walk<'_> {
    pub(super) fn cannot_mount(&self) -> Runbook {
        let (ns, name) = (&self.namespace, &self.name);
        let failed = &self.dossier.mintings_failed;
        let requests: u64 = failed.values.iter().map(|value| value.count).sum();
        let steps = vec![
            by_hand(format!(
                "What was asked for in vain, and by whom: {}",
                some(failed)
            )),
            run(
                "What the kubelet says: an event FailedMount names the reason",
                format!("kubectl -n {ns} get events --field-selector reason=FailedMount"),
            ),
            run(
                "404: the account does not exist (any more). 403 for a node: none of its pods runs as this \
                 account. 422: an expirationSeconds below 600 in the pod's projected volume",
                format!("kubectl -n {ns} get sa {name}"),
            ),
            run(
                "Whether a token is mounted at all: what the pod says wins over what the account says",
                format!(
                    "kubectl -n {ns} get pods --field-selector spec.serviceAccountName={name} -o \
                     custom-columns=POD:.metadata.name,\
                     AUTOMOUNT:.spec.automountServiceAccountToken,PHASE:.status.phase"
                ),
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
                n => format!("Requests for a token of it that failed: {n}."),
            },
            steps,
        }
    }
}
