//! Runbook 5: permissions that are too wide.

use crate::pipeline::Scope;

use crate::output::account::in_sum;

use super::{Applies, NAMED, Runbook, Walk, by_hand, run, some};

impl Walk<'_> {
    pub(super) fn excessive(&self) -> Runbook {
        let (ns, name, dossier) = (&self.namespace, &self.name, self.dossier);
        let (applies, why) = self.width();
        let mut steps = vec![
            run(
                "What it may do",
                format!("kubectl auth can-i --list --as={} -n {ns}", self.user),
            ),
            run(
                "The bindings that give it that, those of its groups included",
                format!(
                    "kubectl get rolebindings,clusterrolebindings -A -o json | jq -r --arg ns {ns} \
                     --arg sa {name} '.items[] | select(any(.subjects[]?; \
                     (.kind == \"ServiceAccount\" and .name == $sa and .namespace == $ns) or \
                     (.kind == \"Group\" and (.name | IN(\"system:serviceaccounts\", \
                     \"system:serviceaccounts:\" + $ns, \"system:authenticated\"))))) | \
                     [.kind, .metadata.namespace // \"*\", .metadata.name, .roleRef.name] | @tsv'"
                ),
            ),
        ];
        if !dossier.grants.is_empty() {
            let grants = some(&dossier.grants);
            steps.push(by_hand(format!(
                "Of them, those that this log names: {grants}"
            )));
        }
        steps.push(run(
            "The smallest roles that allow what it did in this log",
            format!(
                "satrail rbac --account {ns}/{name} {} > roles.yaml",
                self.log
            ),
        ));
        steps.push(run(
            "Give it those first, then take the wide bindings away, and watch for refusals",
            "kubectl diff -f roles.yaml; kubectl apply -f roles.yaml".to_owned(),
        ));
        let bindings = self.standing.map_or(&[][..], |s| &s.take_away);
        steps.extend(bindings.iter().take(NAMED).cloned());
        Runbook {
            number: 5,
            title: "Permissions that are too wide",
            applies,
            why,
            steps,
        }
    }

    /// Whether the account has more than it used, as far as that is known.
    fn width(&self) -> (Applies, String) {
        let dossier = self.dossier;
        let used = dossier.used.iter();
        let wide = used.filter(|p| matches!(p.scope, Scope::Cluster | Scope::ManyNamespaces));
        let used = format!(
            "Permissions that it used: {}, {} of them on the whole cluster.",
            dossier.used.len(),
            wide.count()
        );
        match self.standing.and_then(|s| s.unused.as_ref()) {
            None => {
                let more = "What else it may do stands in no log: the first two commands tell.";
                (Applies::Unknown, format!("{used} {more}"))
            }
            Some(unused) => {
                let worst = unused.powers.first().map_or_else(String::new, |power| {
                    let words = power.power.words();
                    format!(" It may {words} by {} and did not.", power.binding)
                });
                let idle = unused.unused_rules + unused.partly_used_rules > 0;
                let applies = if idle { Applies::Yes } else { Applies::No };
                (
                    applies,
                    format!(
                        "{used} Rules that it did not use: {}.{worst}",
                        in_sum(unused)
                    ),
                )
            }
        }
    }
}
