//! Runbook 2: a namespace's default account makes API calls.

use super::{Applies, Runbook, Walk, by_hand, run, some};

impl Walk<'_> {
    pub(super) fn default_account(&self) -> Runbook {
        let dossier = self.dossier;
        let applies = dossier.name == "default" && dossier.requests.count > 0;
        let reads = ["get", "list", "watch"];
        let writes = (dossier.used.iter()).any(|p| !reads.contains(&p.verb.as_str()));
        let why = match () {
            () if dossier.name != "default" => "It is not a namespace's default account.",
            () if !applies => "It is a default account and made no request.",
            () if writes || !dossier.secrets_read.is_empty() => {
                "It is a default account and changes things or reads secrets, as every pod of the \
                 namespace may that names no other account: escalate."
            }
            () => {
                "It is a default account: every pod of the namespace that names no other is this one."
            }
        };
        let (ns, name) = (&self.namespace, &self.name);
        let mut steps = vec![run(
            "Pods that run as it (the field is filled in on every pod: none is without)",
            format!("kubectl -n {ns} get pods --field-selector spec.serviceAccountName={name}"),
        )];
        if !dossier.pods.is_empty() {
            let pods = some(&dossier.pods);
            steps.push(by_hand(format!(
                "Of them, those that called the API in this log: {pods}"
            )));
        }
        for (name, target) in self.workloads() {
            steps.push(run(
                &format!("{target} runs as it: an account of its own, with the role that it needs"),
                format!(
                    "kubectl -n {ns} create serviceaccount {name} && \
                     kubectl -n {ns} set serviceaccount {target} {name}"
                ),
            ));
        }
        steps.push(run(
            "For each workload that needs the API: an account of its own, with the role that it needs",
            format!("satrail rbac --account {ns}/{name} {}", self.log),
        ));
        steps.push(run(
            "Stop giving its token to pods that do not ask for it; those that run keep theirs until they \
             restart",
            format!(
                "kubectl -n {ns} patch serviceaccount {name} \
                 -p '{{\"automountServiceAccountToken\":false}}'"
            ),
        ));
        Runbook {
            number: 2,
            title: "Default ServiceAccount makes API calls",
            applies: if applies { Applies::Yes } else { Applies::No },
            why: why.to_owned(),
            steps,
        }
    }
}
