//! Rules of an audit policy (audit.k8s.io/v1) that fill the gaps of another one.

/// One rule, and the blind spots that it fills.
struct Rule {
    fills: &'static [&'static str],
    yaml: &'static str,
}

/// In the order in which they must stand: the first rule that matches decides, so that what must never be
/// logged with its body comes first.
const RULES: [Rule; 5] = [
    Rule {
        fills: &["secrets", "token-requests", "exposed", "reads"],
        yaml: "# Who touches secrets and tokens; never their contents.
- level: Metadata
  resources:
  - group: \"\"
    resources: [\"secrets\", \"serviceaccounts/token\"]
  - group: authentication.k8s.io
    resources: [\"tokenreviews\"]
",
    },
    Rule {
        fills: &["role-bodies"],
        yaml: "# What is granted, and to whom.
- level: Request
  verbs: [\"create\", \"update\", \"patch\", \"delete\", \"deletecollection\"]
  resources:
  - group: rbac.authorization.k8s.io
",
    },
    Rule {
        fills: &["workload-bodies"],
        yaml: "# What pods may do.
- level: Request
  verbs: [\"create\", \"update\", \"patch\"]
  resources:
  - group: \"\"
    resources: [\"pods\", \"pods/ephemeralcontainers\", \"replicationcontrollers\", \"podtemplates\"]
  - group: apps
    resources: [\"deployments\", \"daemonsets\", \"statefulsets\", \"replicasets\"]
  - group: batch
    resources: [\"jobs\", \"cronjobs\"]
",
    },
    Rule {
        fills: &["admission-bodies"],
        yaml: "# Who is let through by admission.
- level: Request
  verbs: [\"create\", \"update\", \"patch\", \"delete\", \"deletecollection\"]
  resources:
  - group: admissionregistration.k8s.io
",
    },
    Rule {
        fills: &["reads", "accounts"],
        yaml: "# What ServiceAccounts do, reads included.
- level: Metadata
  userGroups: [\"system:serviceaccounts\"]
",
    },
];

/// A policy with the rules that fill `spots`; `None` where no rule can.
pub(super) fn policy(spots: &[&str]) -> Option<String> {
    let fills = |rule: &&Rule| rule.fills.iter().any(|filled| spots.contains(filled));
    let rules: String = RULES.iter().filter(fills).map(|rule| rule.yaml).collect();
    // A stage that is left out cannot be brought back by a rule: it is omitStages that must go.
    let stages = spots.contains(&"responses-started");
    (!rules.is_empty() || stages).then(|| {
        let rules = if rules.is_empty() {
            "- level: Metadata\n"
        } else {
            &rules
        };
        format!(
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [\"RequestReceived\"]\nrules:\n{rules}"
        )
    })
}
