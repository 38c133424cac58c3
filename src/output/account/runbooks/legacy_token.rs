//! Runbook 1: a legacy token is still in use.

use crate::finding::Step;

use super::{Applies, NAMED, Runbook, Walk, by_hand, run, some, words};

/// Every container, those that run first included.
const CONTAINERS: &str = "(.spec.containers + (.spec.initContainers // []))[]";

impl Walk<'_> {
    pub(super) fn legacy_token(&self) -> Runbook {
        let kinds = self.dossier.token_kinds.values.iter();
        let legacy = kinds.filter(|kind| kind.value.starts_with("legacy"));
        let requests: u64 = legacy.map(|kind| kind.count).sum();
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
                n => format!("Requests with a token that never expires: {n}."),
            },
            steps: self.away_from_secrets(),
        }
    }

    fn away_from_secrets(&self) -> Vec<Step> {
        let (ns, dossier) = (&self.namespace, self.dossier);
        let secrets = words(&dossier.legacy_secrets);
        let mut steps: Vec<Step> = secrets.iter().flat_map(|s| self.look_at(s)).collect();
        if secrets.is_empty() {
            steps.push(run(
                "Which Secret it is from: the log does not say (Kubernetes before 1.29)",
                format!(
                    "kubectl -n {ns} get secrets --field-selector \
                     type=kubernetes.io/service-account-token"
                ),
            ));
        }
        for token in self
            .standing
            .map_or(&[][..], |s| &s.legacy_tokens)
            .iter()
            .take(NAMED)
        {
            steps.push(by_hand(format!(
                "By the dump, Secret {} is {}: {}",
                token.secret.name,
                token.verdict.words(),
                token.because
            )));
        }
        steps.push(by_hand(format!(
            "Who uses it: a legacy token names no pod. In this log the account came from {} as {}",
            some(&dossier.addresses),
            some(&dossier.user_agents)
        )));
        steps.push(run(
            "In a pod: let it use the projected token, which every pod has that does not forbid it. \
             Outside: ask for tokens that expire",
            format!("kubectl -n {ns} create token {} --duration=1h", self.name),
        ));
        steps.extend(secrets.iter().map(|secret| {
            run(
                "When nothing uses it any more, delete the Secret: the token is invalid then",
                format!("kubectl -n {ns} delete secret {secret}"),
            )
        }));
        steps
    }

    fn look_at(&self, secret: &str) -> [Step; 2] {
        let ns = &self.namespace;
        [
            run(
                "When it was last used, by Kubernetes' own book: a label, not an annotation, and the \
                 day only",
                format!(
                    "kubectl -n {ns} get secret {secret} \
                     -L kubernetes.io/legacy-token-last-used,kubernetes.io/legacy-token-invalid-since"
                ),
            ),
            run(
                "Pods that mount the Secret or read it into their environment",
                format!(
                    "kubectl -n {ns} get pods -o json | jq -r --arg s {secret} '.items[] | \
                     select([.spec.volumes[]?.secret.secretName, \
                     {CONTAINERS}.env[]?.valueFrom.secretKeyRef.name, \
                     {CONTAINERS}.envFrom[]?.secretRef.name] | index($s)) | .metadata.name'"
                ),
            ),
        ]
    }
}
