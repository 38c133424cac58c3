//! Workloads' accounts in the hands of people and attack tools, told by the user agent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Attribute, Attributes, Finding, Remediation, Severity, Step, Subject},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, PerAccount, Presence,
    Tallied,
    activity::Activity,
    caller::SHOWN,
    clients::{self, Tool, ToolKind},
    deed::{self, Deed},
    draft::draft,
    judge::Graded,
    keyed::Keyed,
    request::Request,
    shell::quote,
};

about! {
    /// # What it finds
    ///
    /// ServiceAccounts whose requests call themselves kubectl, oc, helm, k9s, curl, wget and the like, or a tool
    /// made for breaking in (nuclei, kdigger, Peirates, ...): one finding for each account. Which user agents
    /// these are is data (`src/detect/clients.toml`), each with where it is known from.
    ///
    /// | what was done | by a workload's account | by one that only such tools use | by an attack tool |
    /// |---|---|---|---|
    /// | read secrets, made tokens, went into pods, changed roles | high | low; medium for tokens and pods | high |
    /// | read or changed something, was refused | medium | low | high |
    /// | discovery only, or failed | low | info | high |
    ///
    /// A workload's account is one that other user agents use too, with tokens bound to a pod: its program has a
    /// name of its own, and the tool is what is unusual. Accounts that only kubectl or helm use are those of CI
    /// and of scripts, whose work is to change things.
    ///
    /// # Why it matters
    ///
    /// Programs do not type. kubectl under the account of a web shop is somebody in its container, or somebody
    /// who has taken its token elsewhere (then `token-shared` says from where). It is the first thing to look
    /// at when a pod has been broken into.
    ///
    /// # Known benign causes
    ///
    /// - `kubectl exec` into a pod and kubectl or curl there, to look for a fault: looks the same. Ask who did.
    /// - Start scripts, init containers and CronJobs that wait or patch with curl or kubectl beside the program.
    /// - Operators that call kubectl or helm for part of their work (Rancher, Tekton, Jenkins): allow-listed
    ///   under their own names, or by an entry of your own.
    /// - User agents are chosen by clients: a thief who changes his is not seen here, and python-requests, Go's
    ///   own client and the like are what many programs use, so they say nothing.
    ///
    /// # What to do
    ///
    /// Compare `addresses` with the pods'. From a pod's own address: see who entered the pod (`workload-exec`
    /// and exec requests at that time), and what else ran there. From elsewhere: the token was taken out; delete
    /// the pod, which ends its tokens, and find out how.
    ///
    /// # Attributes
    ///
    /// - `tools`: the user agents that are tools, the most frequent first: `user_agent`, `tool`, `kind`
    ///   (`interactive`, `attack`), `requests`
    /// - `used_by_workload`: whether other user agents use the account too, with tokens bound to a pod;
    ///   `other_user_agents`: their requests, by user agent
    /// - `pod_bound`: how many of the tools' requests came with a token that is bound to a pod
    /// - `did`, `requests`, `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`,
    ///   `credential_ids`, `impersonated`, `distinct_addresses`, `distinct_user_agents`, `allowed_as`,
    ///   `not_allow_listed`: as for `default-serviceaccount`, of the tools' requests alone
    ///
    /// # Example
    ///
    /// ```text
    /// medium  interactive-client  shop/web  30 requests
    ///   tools: curl/7.88.1 18, kubectl/v1.37.1 6, curl/8.5.0 6    did: denied 22, read 7
    /// ```
    "interactive-client",
    "A workload's account is used by kubectl, curl or an attack tool",
    [VALID_ACCOUNTS, CONTAINER_DISCOVERY],
}

/// Who uses accounts, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct InteractiveClient {
    accounts: PerAccount<Users>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Users {
    /// What tools did.
    activity: Activity<Act>,
    /// How many of these came with a pod's token.
    pod_bound: u64,
    /// Requests with a pod's token by what is no tool; at least one is enough to know.
    workload: bool,
    /// All user agents, so that each is looked up once.
    agents: Keyed<Agent>,
}

#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
struct Agent {
    requests: u64,
    seen: Seen,
}

/// Whether a user agent is a tool's. Follows from the user agent alone.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Seen {
    #[default]
    NotLookedUp,
    Workload,
    Tool(ToolKind),
}

/// What a tool did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Act {
    kind: ToolKind,
    deed: Deed,
}

impl Graded for Act {
    fn is_denial(self) -> bool {
        self.deed.is_denial()
    }
}

impl Detector for InteractiveClient {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::ACCOUNT);
    const TAKES_RUNS: bool = true;

    fn observe(&mut self, event: &Request<'_>) {
        if event.service_account().is_some() {
            self.accounts.note_user(event, |users| users.add(event));
        }
    }

    fn observe_presence(&mut self, presence: &Presence) {
        let caller = &presence.caller;
        if caller.is_tool || caller.account().is_none() {
            return;
        }
        self.accounts.note_caller(caller, |users| {
            let agent = users
                .agents
                .slot(caller.agent_hash, || caller.agent.to_string());
            if let Some(known) = agent {
                known.requests += presence.batch.count();
                known.seen = known.seen.max(Seen::Workload);
            }
            users.workload |= caller.pod.is_some();
        });
    }

    fn observe_each(&mut self, event: &Request<'_>) {
        if event.caller.is_tool {
            self.observe(event);
        }
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.sorted().into_iter();
        accounts
            .filter(|(_, users)| users.activity.evidence.count() > 0)
            .filter_map(|(user, users)| {
                let account = ServiceAccount::from_user_name(user)?;
                Some(finding(account, users, context))
            })
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let accounts = self.accounts.sorted();
        let nameless = || {
            let names = accounts.iter().flat_map(|(_, users)| users.agents.sorted());
            let all_nameless =
                names.clone().next().is_some() && names.clone().all(|(n, _)| n.is_empty());
            all_nameless.then(|| "no request of a ServiceAccount has a user agent".to_owned())
        };
        Coverage {
            evaluated: log.service_account_requests,
            blind: log.blind_to_accounts().or_else(nameless),
        }
    }
}

/// Whether `agent` is a tool's.
fn look_up(agent: &str) -> Seen {
    clients::tool(agent).map_or(Seen::Workload, |tool| Seen::Tool(tool.kind))
}

impl Users {
    fn add(&mut self, event: &Request<'_>) {
        let agent = event.agent();
        let seen = match self
            .agents
            .slot(event.caller.agent_hash, || agent.to_owned())
        {
            Some(known) => {
                known.requests += 1;
                if known.seen == Seen::NotLookedUp {
                    known.seen = look_up(agent);
                }
                known.seen
            }
            // More than 64 user agents.
            None => look_up(agent),
        };
        match seen {
            Seen::Tool(kind) => {
                let deed = event.deed();
                self.activity.add(Act { kind, deed }, event);
                self.pod_bound += u64::from(event.caller.pod.is_some());
            }
            _ if !self.workload => self.workload = event.caller.pod.is_some(),
            _ => {}
        }
    }

    /// The tools' user agents, the most frequent first.
    fn tools(&self) -> Vec<(&Tallied, &'static Tool)> {
        let agents = self.activity.callers.user_agents().ranked().into_iter();
        agents
            .filter_map(|agent| Some((agent, clients::tool(&agent.value)?)))
            .collect()
    }

    /// The user agents that are no tools', the most frequent first.
    fn others(&self) -> Vec<(&str, u64)> {
        let mut agents = self.agents.sorted();
        agents.retain(|(_, agent)| !matches!(agent.seen, Seen::Tool(_)));
        agents.sort_by_key(|(_, agent)| std::cmp::Reverse(agent.requests));
        agents
            .into_iter()
            .map(|(name, agent)| (name, agent.requests))
            .collect()
    }

    /// The gravest thing that was done.
    fn worst(&self) -> Option<Act> {
        self.activity.deeds.total().keys().next_back().copied()
    }

    fn severity(&self, act: Act) -> Severity {
        let (grave, idle) = match act.deed {
            Deed::ReadSecrets | Deed::Entered | Deed::Minted | Deed::WroteRbac => (true, false),
            Deed::Discovered | Deed::Failed => (false, true),
            Deed::Refused | Deed::Read | Deed::Attempted | Deed::Changed => (false, false),
        };
        match (act.kind, self.workload) {
            (ToolKind::Attack, _) => Severity::High,
            (_, true) if grave => Severity::High,
            (_, true) if idle => Severity::Low,
            (_, true) => Severity::Medium,
            // What a deployment does not do.
            (_, false) if matches!(act.deed, Deed::Entered | Deed::Minted) => Severity::Medium,
            (_, false) if idle => Severity::Info,
            (_, false) => Severity::Low,
        }
    }
}

impl Merge for Agent {
    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.seen = self.seen.max(other.seen);
    }
}

impl Merge for Users {
    fn merge(&mut self, other: Self) {
        self.activity.merge(other.activity);
        self.pod_bound += other.pod_bound;
        self.workload |= other.workload;
        self.agents.merge(other.agents);
    }
}

fn finding(account: ServiceAccount<'_>, users: &Users, context: &Context<'_>) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let allow = |agent: &str| context.settings.allow.expects(ABOUT.id, &subject, agent);
    let judgement = users.activity.deeds.judge(allow, |act| users.severity(act));
    let mut attributes = attributes(users);
    judgement.write(&mut attributes);
    Finding {
        severity: judgement.severity,
        summary: summary(&subject.to_string(), users, judgement.severity),
        attributes,
        involves: users.activity.callers.involved(),
        remediation: remediation(account, users),
        ..draft(&ABOUT, subject, &[], &users.activity.evidence, context)
    }
}

fn attributes(users: &Users) -> Attributes {
    let tools = users.tools().into_iter().take(SHOWN).map(|(agent, tool)| {
        let fields: [(&str, Attribute); 4] = [
            ("user_agent", agent.value.as_str().into()),
            ("tool", tool.name.as_str().into()),
            ("kind", tool.kind.as_str().into()),
            ("requests", agent.count.into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    });
    let others = users.others().into_iter().take(SHOWN);
    let others: Attributes = others
        .map(|(name, n)| (name.to_owned(), n.into()))
        .collect();
    let did = deeds(users)
        .into_iter()
        .map(|(deed, n)| (deed.as_str().to_owned(), n.into()));
    let fields: [(&str, Attribute); 5] = [
        ("tools", Attribute::List(tools.collect())),
        ("used_by_workload", users.workload.into()),
        ("other_user_agents", Attribute::Map(others)),
        ("pod_bound", users.pod_bound.into()),
        ("did", Attribute::Map(did.collect())),
    ];
    let mut attributes: Attributes = fields.map(|(name, value)| (name.to_owned(), value)).into();
    users.activity.write(&mut attributes);
    attributes
}

/// Requests by what they did, whichever tool it was.
fn deeds(users: &Users) -> BTreeMap<Deed, u64> {
    let mut deeds = BTreeMap::new();
    for (act, n) in users.activity.deeds.total() {
        *deeds.entry(act.deed).or_default() += n;
    }
    deeds
}

fn summary(name: &str, users: &Users, severity: Severity) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (_, tool) in users.tools() {
        if !names.contains(&tool.name.as_str()) {
            names.push(&tool.name);
        }
    }
    names.truncate(3);
    let names = names.join(", ");
    let attack = users
        .worst()
        .is_some_and(|act| act.kind == ToolKind::Attack);
    let did = deed::in_words(&deeds(users));
    let beside = if users.workload {
        ", which its own program does not"
    } else {
        ""
    };
    let advice = match severity {
        Severity::Info => "nothing to do",
        Severity::Low => "a script's or a deployment's account, as it seems",
        _ if attack => "take it for broken into",
        _ => "ask who works in its pods, or has its token",
    };
    format!("{name} is used by {names}{beside}: {did}; {advice}")
}

fn remediation(account: ServiceAccount<'_>, users: &Users) -> Remediation {
    let namespace = quote(account.namespace);
    let step = |text: &str, command: String| Step {
        text: text.to_owned(),
        command: Some(command),
    };
    let columns = quote(
        "POD:.metadata.name,ADDRESS:.status.podIP,NODE:.spec.nodeName,STARTED:.status.startTime",
    );
    let mut steps = vec![step(
        "compare the addresses above with those of the account's pods",
        format!(
            "kubectl get pods --namespace {namespace} --field-selector spec.serviceAccountName={} --output \
             custom-columns={columns}",
            quote(account.name)
        ),
    )];
    for pod in users.activity.callers.pods().ranked().into_iter().take(3) {
        steps.push(step(
            "if nobody owns up to it: keep the pod's log, then delete the pod, which ends its tokens",
            format!(
                "kubectl logs {pod} --namespace {namespace} --all-containers --timestamps && \
                 kubectl delete pod {pod} --namespace {namespace}",
                pod = quote(&pod.value)
            ),
        ));
    }
    steps.push(step(
        "see what the account may do, and take away what its program does not need",
        format!(
            "kubectl auth can-i --list --namespace {namespace} --as={}",
            quote(&account.user_name())
        ),
    ));
    Remediation {
        summary: "find out who it was; if nobody did, delete the pods whose tokens were used"
            .to_owned(),
        steps,
    }
}
