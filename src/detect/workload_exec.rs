//! Ways into pods and nodes that ServiceAccounts go.

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Finding, Remediation, Severity, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, PerAccount, Tally,
    advice::step,
    caller::SHOWN,
    entry::{Aim, Entry},
    outcome::{Attempt, Outcome},
    request::Request,
    shell::quote,
    writes::{Writes, shortened},
};

about! {
    /// # What it finds
    ///
    /// Requests by which a ServiceAccount goes into pods or nodes: exec, attach, port-forward, ephemeral containers,
    /// and the proxies of nodes, pods and services. One finding for each account, by subresource and not by verb:
    /// exec is `create` as well as `get`.
    ///
    /// The command line of an exec and the path behind a proxy stand in the request URI and make the severity:
    /// `critical` for a shell that calls home, and for commands by way of a kubelet (`nodes/proxy` to `/run`, `/exec`
    /// and the like, which bypass admission and leave no exec event); `high` for commands that read tokens, keys or a
    /// cloud's metadata service, for a shell at a terminal, attach and ephemeral containers, and for any command in
    /// kube-system by an account from elsewhere; `medium` for other commands, port-forwards and node logs; `low` for
    /// the proxies of pods and services and a kubelet's list of pods; `info` for a kubelet's metrics and health.
    ///
    /// What was authorized and did not happen is one step milder, except that reaching for credentials stays `high`.
    /// A refusal is `low` or `medium`.
    ///
    /// # Why it matters
    ///
    /// In a pod there is its token, and with the kubelet's help there is every token of the node. Few workloads have
    /// business in another one.
    ///
    /// # Known benign causes
    ///
    /// - CI runners (GitLab Runner, Jenkins) exec into the pods that they start: on the allow-list under their own
    ///   user agents.
    /// - Prometheus and metrics agents read `/metrics` and `/stats` through nodes/proxy: `info`.
    /// - Operators of databases and backup tools run commands in their pods: `medium`; an exception with a reason.
    ///
    /// # What to do
    ///
    /// Read `commands`, look at the pods in `targets`, and rotate what could be read there. Then take exec and the
    /// proxies out of the account's role.
    ///
    /// # Attributes
    ///
    /// - `ways`: requests by `exec`, `attach`, `portforward`, `ephemeralcontainers`, `nodes/proxy`, `pods/proxy`,
    ///   `services/proxy`
    /// - `commands`: command lines and paths behind proxies, decoded, with `requests`, `first_seen`, `last_seen`
    /// - `targets`: the pods, nodes and services, likewise
    /// - `entered`, `attempted`, `refused`: requests by what came of them
    /// - `objects`: each target by verb and code, the gravest first: `verb`, `resource`, `subresource`, `namespace`,
    ///   `name`, `code`, `requests`, `first_seen`, `last_seen`, `command`
    /// - `requests`: requests by verb and resource; `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`,
    ///   `credential_ids`, `impersonated`, `distinct_addresses`, `distinct_user_agents`: as for
    ///   `default-serviceaccount`
    /// - `allowed_by`: the bindings that allowed it, as the log names them
    /// - `allowed_as`: why the allow-list takes requests lightly, or null; `not_allow_listed`: how many requests it
    ///   does not cover
    ///
    /// # Example
    ///
    /// ```text
    /// high  workload-exec  ops/intruder  5 requests
    ///   exec: cat /var/run/secrets/kubernetes.io/serviceaccount/token in shop/web-668b46c7cf-kgvjs
    /// ```
    "workload-exec",
    "A ServiceAccount goes into pods or nodes",
    [CONTAINER_COMMAND, ACCESS_TOKEN_STOLEN],
}

/// What the accounts went into, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct WorkloadExec {
    accounts: PerAccount<Entries>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Entries {
    writes: Writes<Grade>,
    ways: Tally,
    commands: Tally,
    targets: Tally,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Grade {
    outcome: Outcome,
    aim: Aim,
    /// In kube-system, by an account from elsewhere.
    system: bool,
}

impl Detector for WorkloadExec {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest =
        Interest::all(Aspects::ACCOUNT).and_any(Aspects::POD_ENTRY.and(Aspects::PROXY));

    fn observe(&mut self, event: &Request<'_>) {
        let Some(account) = event.service_account() else {
            return;
        };
        let (Some(entry), Some(outcome)) = (Entry::of(event), event.outcome()) else {
            return;
        };
        let into = event.object.is_some_and(|o| o.namespace == "kube-system");
        let grade = Grade {
            outcome,
            aim: entry.aim,
            system: into && account.namespace != "kube-system",
        };
        self.accounts
            .note_user(event, |entries| entries.add(grade, &entry, event));
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.accounts();
        accounts
            .map(|(account, entries)| finding(account, entries, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        Coverage {
            evaluated: log.service_account_requests,
            blind: log.blind_to_accounts(),
        }
    }
}

impl Entries {
    fn add(&mut self, grade: Grade, entry: &Entry, event: &Request<'_>) {
        let name = event.object.map(|o| o.name.read()).unwrap_or_default();
        let command = shortened(&entry.command);
        let commands = Some(command).filter(|command| !command.is_empty());
        let facts = vec![("command", commands.map(str::to_owned).into_iter().collect())];
        self.writes.add(grade, &name, &facts, event);
        self.ways.add(&entry.way, event);
        self.targets.add(&entry.target, event);
        if let Some(command) = commands {
            self.commands.add(command, event);
        }
    }
}

impl Attempt for Grade {
    fn outcome(self) -> Outcome {
        self.outcome
    }

    fn severity(self) -> Severity {
        let done = match self.aim {
            Aim::Metrics => Severity::Info,
            Aim::Application => Severity::Low,
            Aim::Port => Severity::Medium,
            Aim::Command if !self.system => Severity::Medium,
            Aim::Command | Aim::Session | Aim::Credentials => Severity::High,
            Aim::Control => Severity::Critical,
        };
        match (self.outcome, self.aim) {
            // Nobody reaches for credentials by mistake.
            (Outcome::Attempted, Aim::Credentials) => done,
            (outcome, _) => outcome.of_severity(done),
        }
    }
}

impl Merge for Entries {
    fn merge(&mut self, other: Self) {
        self.writes.merge(other.writes);
        self.ways.merge(other.ways);
        self.commands.merge(other.commands);
        self.targets.merge(other.targets);
    }
}

fn finding(account: ServiceAccount<'_>, entries: &Entries, context: &Context<'_>) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let (_, mut finding) = entries.writes.draft(&ABOUT, subject, context);
    let fields = [
        ("ways", entries.ways.attribute(SHOWN)),
        ("commands", entries.commands.occurrences(SHOWN)),
        ("targets", entries.targets.occurrences(SHOWN)),
    ];
    let outcomes = entries
        .writes
        .outcomes("entered")
        .map(|(name, n)| (name, n.into()));
    let fields = fields.into_iter().chain(outcomes);
    finding
        .attributes
        .extend(fields.map(|(name, value)| (name.to_owned(), value)));
    Finding {
        summary: summary(&finding.subject, entries, finding.severity),
        remediation: remediation(account, entries),
        ..finding
    }
}

fn summary(subject: &Subject, entries: &Entries, severity: Severity) -> String {
    let ways = entries.ways.ranked();
    let ways: Vec<String> = ways
        .iter()
        .map(|way| format!("{} {}", way.value, way.count))
        .collect();
    let deeds = entries.writes.activity.deeds.total();
    let gravest = deeds.keys().map(|grade| grade.aim).max();
    let what = match gravest {
        Some(Aim::Control) => ", with commands that take a node or call home",
        Some(Aim::Credentials) => ", reaching for credentials",
        Some(Aim::Session) => ", with a session in a container",
        _ => "",
    };
    let targets = match entries.targets.distinct() {
        1 => "1 pod or node".to_owned(),
        n => format!("{n} pods or nodes"),
    };
    let came = [
        (Outcome::Done, "went through"),
        (Outcome::Attempted, "failed"),
        (Outcome::Refused, "refused"),
    ];
    let came = came.map(|(outcome, words)| (entries.writes.count(outcome), words));
    let came: Vec<String> = came
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, words)| format!("{n} {words}"))
        .collect();
    let advice = match severity {
        Severity::Info => "nothing to do",
        Severity::Low => "check that it is meant to",
        _ => "read the commands, and take that right out of its role",
    };
    format!(
        "{subject} went for {targets} ({}){what}; {}; {advice}",
        ways.join(", "),
        came.join(", ")
    )
}

fn remediation(account: ServiceAccount<'_>, entries: &Entries) -> Remediation {
    let user = quote(&account.user_name());
    let mut steps = Vec::new();
    let entered = entries
        .writes
        .named(|g| g.outcome == Outcome::Done && g.aim > Aim::Metrics);
    let pods = entered.iter().filter(|o| o.resource == "pods").take(3);
    for pod in pods {
        let (namespace, name) = (quote(pod.namespace), quote(pod.name));
        steps.push(step(
            "see what the pod is, as which account it runs, and what it mounts: all of that may be known",
            format!("kubectl get pod {name} --namespace {namespace} --output yaml"),
        ));
        steps.push(step(
            "end it, and with it the tokens that are bound to it",
            format!("kubectl delete pod {name} --namespace {namespace}"),
        ));
    }
    for (text, may) in [
        ("after narrowing the role, check exec", "create pods/exec"),
        ("(its other verb)", "get pods/exec"),
        ("and the kubelets", "get nodes/proxy"),
    ] {
        steps.push(step(
            text,
            format!("kubectl auth can-i {may} --all-namespaces --as={user}"),
        ));
    }
    Remediation {
        summary: "find out what was done inside, and take the right to go there away".to_owned(),
        steps,
    }
}
