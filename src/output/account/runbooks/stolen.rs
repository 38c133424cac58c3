//! Runbook 3: a token was stolen.

use crate::{
    finding::Step,
    pipeline::{Credential, Values},
};

use super::{Applies, NAMED, Runbook, Walk, by_hand, possible, run, some, words};

impl Walk<'_> {
    pub(super) fn stolen(&self) -> Runbook {
        let tokens = self.dossier.credentials.iter();
        let travelled: Vec<&Credential> = tokens.filter(|t| t.addresses.distinct > 1).collect();
        let why = match travelled.first() {
            None => {
                "No token ID in this log came from more than one address; tokens without an ID \
                     cannot be told apart."
                    .to_owned()
            }
            Some(first) => format!(
                "Token IDs that came from more than one address: {}. {} came from {}: a pod has one \
                 address, its node may be another; a third is a copy.",
                travelled.len(),
                first.id,
                some(&first.addresses)
            ),
        };
        let mut steps = self.make_invalid();
        steps.extend(self.trace());
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

    fn make_invalid(&self) -> Vec<Step> {
        let (ns, name, dossier) = (&self.namespace, &self.name, self.dossier);
        let mut steps = Vec::new();
        let pods = words(&dossier.pods);
        if !pods.is_empty() {
            steps.push(run(
                "A pod's token dies with the pod, and not within the hour: kube-apiserver lets it live \
                 for up to a year by default",
                format!("kubectl -n {ns} delete pod {}", pods.join(" ")),
            ));
        }
        let targets: Vec<_> = (self.workloads().into_iter()).map(|(_, t)| t).collect();
        if !targets.is_empty() {
            steps.push(run(
                "All its pods of today: new ones get new tokens, the old tokens die with the old pods",
                format!("kubectl -n {ns} rollout restart {}", targets.join(" ")),
            ));
        }
        let mut secrets = words(&dossier.legacy_secrets);
        for token in self.standing.map_or(&[][..], |s| &s.legacy_tokens) {
            let name = &token.secret.name;
            if possible(name) && !secrets.contains(name) && secrets.len() < NAMED {
                secrets.push(name.clone());
            }
        }
        if !secrets.is_empty() {
            steps.push(run(
                "A legacy token dies with its Secret",
                format!("kubectl -n {ns} delete secret {}", secrets.join(" ")),
            ));
        }
        steps.push(run(
            "A token that was asked for (kubectl create token) dies when it expires, or with the account: \
             make that anew, and restart its pods",
            format!(
                "kubectl -n {ns} get sa {name} -o json | jq 'del(.metadata.uid, \
                 .metadata.resourceVersion, .metadata.creationTimestamp, .secrets)' > sa.json && \
                 kubectl -n {ns} delete sa {name} && kubectl create -f sa.json"
            ),
        ));
        steps
    }

    /// What was done with it.
    fn trace(&self) -> Vec<Step> {
        let dossier = self.dossier;
        let found = |what: &str, values: &Values| {
            let values = if values.is_empty() {
                "nothing in this log".to_owned()
            } else {
                some(values)
            };
            by_hand(format!("{what}: {values}"))
        };
        vec![
            run(
                "Every call that was made as it",
                format!(
                    "zcat -f AUDIT_LOG | jq -c --arg user {} 'select(.user.username == $user and .stage != \
                     \"RequestReceived\") | [.requestReceivedTimestamp, .verb, .requestURI, \
                     .responseStatus.code, .sourceIPs[-1], .userAgent]'",
                    self.user
                ),
            ),
            found(
                "Roles and bindings that it changed, to be undone",
                &dossier.rbac_written,
            ),
            found(
                "Tokens that it made of others: walk this runbook for them",
                &dossier.minted_for,
            ),
            found(
                "Whom it acted as: walk this runbook for them",
                &dossier.acted_as,
            ),
            found("Secrets that it read, to be rotated", &dossier.secrets_read),
        ]
    }
}
