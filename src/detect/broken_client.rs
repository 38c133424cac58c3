//! Clients that are answered with 401, judged and put into words: the second half of `authentication-failing`.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{
    Attribute, Attributes, Finding, Involved, Remediation, Severity, Step, Subject, SubjectKind,
    Timestamp,
};

use super::{
    Context, EvidenceSet, Series, Tally,
    authentication_failing::{ABOUT, Failing, Limits, Working},
    caller::{self, SHOWN},
    draft::draft,
    matches_pattern,
    shell::quote,
};

/// Clients that stop working within so many microseconds stop for one reason: five minutes, by when every client of a
/// cluster has asked for something.
const TOGETHER: i64 = 300_000_000;

/// The length of a burst, in seconds.
const BURST: u64 = 600;

/// A client with 401s.
pub(super) struct Client<'a> {
    pub(super) failing: &'a Failing,
    /// What it was recognised in, if that is known.
    pub(super) working: Option<&'a Working>,
    /// Requests from its address that went through, under user agents that have no 401s.
    pub(super) other_successes: u64,
}

/// What became of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Stopped,
    Recovered,
    NeverWorked,
}

/// What there is to say about `clients`.
pub(super) fn findings(mut clients: Vec<Client<'_>>, context: &Context<'_>) -> Vec<Finding> {
    let limits = &context.settings.authentication_failing;
    clients.sort_by(|a, b| a.order().cmp(&b.order()));
    let mut findings = Vec::new();
    let mass = stopped_together(&clients, limits);
    let (together, alone): (Vec<_>, Vec<_>) = clients
        .into_iter()
        .partition(|client| mass.is_some_and(|window| client.stopped_in(window)));
    if !together.is_empty() {
        let subject = Subject::audit_log();
        findings.push(finding(subject, Severity::High, &together, context));
    }
    let mut groups: BTreeMap<Subject, Vec<Client<'_>>> = BTreeMap::new();
    for client in alone {
        groups.entry(client.subject()).or_default().push(client);
    }
    for (subject, clients) in groups {
        if let Some(severity) = severity(&clients, limits) {
            findings.push(finding(subject, severity, &clients, context));
        }
    }
    findings
}

/// When clients of several accounts stopped working together, if so many did: the fullest five minutes.
fn stopped_together(clients: &[Client<'_>], limits: &Limits) -> Option<(i64, i64)> {
    let stopped = clients
        .iter()
        .filter(|client| client.verdict() == Verdict::Stopped);
    let mut stopped: Vec<(i64, &Client<'_>)> = stopped
        .filter_map(|client| Some((client.failing.evidence.first_seen()?.micros(), client)))
        .collect();
    stopped.sort_by_key(|(at, client)| (*at, client.order()));
    let windows = stopped.iter().enumerate().map(|(first, (start, _))| {
        let end = start.saturating_add(TOGETHER);
        let after = stopped.partition_point(|(at, _)| *at <= end);
        (after - first, first, after)
    });
    // The earliest of the fullest.
    let (count, first, after) = windows.rev().max_by_key(|(count, ..)| *count)?;
    let inside = &stopped[first..after];
    let users: BTreeSet<&str> = inside
        .iter()
        .flat_map(|(_, client)| client.users())
        .collect();
    let enough = count as u64 >= u64::from(limits.mass_clients) && users.len() >= 3;
    let (start, end) = (inside.first()?.0, inside.last()?.0);
    enough.then_some((start, end))
}

/// How bad the 401s of `clients` are; `None` if they are a hiccup.
fn severity(clients: &[Client<'_>], limits: &Limits) -> Option<Severity> {
    let least = u64::from(limits.requests);
    let all: u64 = clients.iter().map(Client::requests).sum();
    let is = |verdict| clients.iter().any(|client| client.verdict() == verdict);
    let scanner = clients.iter().any(|client| client.is_scanner(limits));
    if all < least {
        return None;
    }
    if is(Verdict::Stopped) {
        return Some(Severity::Medium);
    }
    if is(Verdict::NeverWorked) {
        return Some(if scanner {
            Severity::Medium
        } else {
            Severity::Low
        });
    }
    (peak(clients) >= least).then_some(Severity::Low)
}

fn peak(clients: &[Client<'_>]) -> u64 {
    let mut series: Series<8> = Series::default();
    for client in clients {
        series.merge(client.failing.series.clone());
    }
    series.peak(BURST).map_or(0, |peak| peak.count)
}

impl<'a> Client<'a> {
    fn order(&self) -> (std::cmp::Reverse<u64>, &'a str, &'a str) {
        let Failing { address, agent, .. } = self.failing;
        (std::cmp::Reverse(self.requests()), address, agent)
    }

    fn requests(&self) -> u64 {
        self.failing.evidence.count()
    }

    fn users(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let users = self
            .working
            .into_iter()
            .flat_map(|working| working.users.iter());
        users.map(|user| user.0.as_str())
    }

    fn verdict(&self) -> Verdict {
        let failing = &self.failing.evidence;
        match self.working {
            Some(working) if working.seen.last > failing.last_seen() => Verdict::Recovered,
            Some(_) => Verdict::Stopped,
            None => Verdict::NeverWorked,
        }
    }

    fn stopped_in(&self, (start, end): (i64, i64)) -> bool {
        let first = self.failing.evidence.first_seen().map(Timestamp::micros);
        self.verdict() == Verdict::Stopped && first.is_some_and(|at| (start..=end).contains(&at))
    }

    /// The account that it worked as, if it was one only; otherwise its address.
    fn subject(&self) -> Subject {
        let exact = self.working.is_some_and(|working| working.users.is_exact());
        let mut users = self.users();
        match (users.next(), users.next()) {
            (Some(user), None) if exact => caller::subject(user),
            _ => Subject::client(self.failing.address.clone()),
        }
    }

    fn is_scanner(&self, limits: &Limits) -> bool {
        let agents = limits.scanner_user_agents.iter();
        let mut tools = agents.filter(|tool| matches_pattern(tool, &self.failing.agent));
        tools.next().is_some()
    }

    fn attribute(&self) -> Attribute {
        let Failing {
            address,
            agent,
            evidence,
            ..
        } = self.failing;
        let verdict = match self.verdict() {
            Verdict::Stopped => "stopped working",
            Verdict::Recovered => "works again",
            Verdict::NeverWorked => "never worked",
        };
        let seen = self.working.map(|working| working.seen).unwrap_or_default();
        let users: BTreeSet<&str> = self.users().collect();
        let users = users.into_iter().map(Attribute::from);
        let fields: [(&str, Attribute); 10] = [
            ("address", address.as_str().into()),
            ("user_agent", agent.as_str().into()),
            ("requests", self.requests().into()),
            ("first_seen", evidence.first_seen().into()),
            ("last_seen", evidence.last_seen().into()),
            ("verdict", verdict.into()),
            ("worked_as", Attribute::List(users.collect())),
            ("successes", seen.requests.into()),
            ("first_success", seen.first.into()),
            ("last_success", seen.last.into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

fn finding(
    subject: Subject,
    severity: Severity,
    clients: &[Client<'_>],
    context: &Context<'_>,
) -> Finding {
    let mut evidence = EvidenceSet::default();
    for client in clients {
        evidence.merge(client.failing.evidence.clone());
    }
    let users: BTreeSet<&str> = clients.iter().flat_map(Client::users).collect();
    // What several accounts share is no tie between them.
    let involved = if subject.kind == SubjectKind::Client {
        BTreeSet::new()
    } else {
        users
            .iter()
            .take(2 * SHOWN)
            .map(|user| caller::subject(user))
            .collect()
    };
    Finding {
        severity,
        summary: summary(&subject, clients, evidence.count()),
        attributes: attributes(clients, &users, context),
        involves: Involved {
            subjects: involved,
            credentials: BTreeSet::new(),
        },
        remediation: remediation(&subject, clients),
        ..draft(&ABOUT, subject, &[], &evidence, context)
    }
}

fn attributes(clients: &[Client<'_>], users: &BTreeSet<&str>, context: &Context<'_>) -> Attributes {
    let limits = &context.settings.authentication_failing;
    let is = |verdict| {
        clients
            .iter()
            .filter(|client| client.verdict() == verdict)
            .count() as u64
    };
    let mut requests = Tally::default();
    let mut addresses = BTreeMap::<&str, u64>::new();
    let mut agents = BTreeMap::<&str, u64>::new();
    let mut others = BTreeMap::<&str, u64>::new();
    for client in clients {
        requests.merge(client.failing.requests.clone());
        let (address, agent) = (
            client.failing.address.as_str(),
            client.failing.agent.as_str(),
        );
        *addresses.entry(address).or_default() += client.requests();
        *agents.entry(agent).or_default() += client.requests();
        others.insert(address, client.other_successes);
    }
    let tools = clients.iter().filter(|client| client.is_scanner(limits));
    let tools: BTreeSet<&str> = tools.map(|client| client.failing.agent.as_str()).collect();
    let texts = |list: &BTreeSet<&str>| {
        let list = list
            .iter()
            .take(2 * SHOWN)
            .map(|text| Attribute::from(*text));
        Attribute::List(list.collect())
    };
    let shown = clients.iter().take(SHOWN).map(Client::attribute);
    let fields: [(&str, Attribute); 14] = [
        ("clients", Attribute::List(shown.collect())),
        (
            "other_clients",
            (clients.len().saturating_sub(SHOWN) as u64).into(),
        ),
        ("stopped", is(Verdict::Stopped).into()),
        ("recovered", is(Verdict::Recovered).into()),
        ("never_worked", is(Verdict::NeverWorked).into()),
        ("worked_until", worked_until(clients).into()),
        ("accounts", texts(users)),
        ("distinct_addresses", (addresses.len() as u64).into()),
        ("addresses", most_frequent(addresses)),
        ("user_agents", most_frequent(agents)),
        ("requests", requests.attribute(SHOWN)),
        ("peak_10_min", peak(clients).into()),
        ("tools", texts(&tools)),
        ("other_successes", others.values().sum::<u64>().into()),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The last success of those that have stopped.
fn worked_until(clients: &[Client<'_>]) -> Option<Timestamp> {
    let stopped = clients
        .iter()
        .filter(|client| client.verdict() == Verdict::Stopped);
    stopped.filter_map(|client| client.working?.seen.last).max()
}

fn most_frequent(counts: BTreeMap<&str, u64>) -> Attribute {
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let shown = counts.into_iter().take(SHOWN);
    let entry = |(name, n): (&str, u64)| {
        let requests = [("requests".to_owned(), n.into())];
        (name.to_owned(), Attribute::Map(requests.into()))
    };
    Attribute::Map(shown.map(entry).collect())
}

fn summary(subject: &Subject, clients: &[Client<'_>], requests: u64) -> String {
    let first = clients
        .iter()
        .filter_map(|client| client.failing.evidence.first_seen())
        .min();
    let first = first.map(|at| format!(" from {at} on")).unwrap_or_default();
    let until = worked_until(clients).map(|at| format!("worked until {at}"));
    let users: BTreeSet<&str> = clients.iter().flat_map(Client::users).collect();
    let who = match clients {
        [client] => format!(
            "the client at {} ({})",
            client.failing.address, client.failing.agent
        ),
        _ => format!("{} clients", clients.len()),
    };
    if subject.kind == SubjectKind::AuditLog {
        return format!(
            "{who} of {} accounts and users stopped working at one time: {requests} x 401{first}; see whether the \
             signing key or the issuer of tokens was changed",
            users.len()
        );
    }
    let whose = match subject.kind {
        SubjectKind::ServiceAccount | SubjectKind::User => format!(" of {subject}"),
        _ if clients.len() > 1 => format!(" at {subject}"),
        _ => String::new(),
    };
    let recovered = clients
        .iter()
        .all(|client| client.verdict() == Verdict::Recovered);
    match until {
        Some(until) => format!(
            "{who}{whose} {until}, then {requests} x 401{first}; see what was deleted or rotated then, and give it a new \
             token"
        ),
        None if recovered => format!(
            "{who}{whose} got {requests} x 401{first} and works again; see whether it reads its token file again in time"
        ),
        None => format!(
            "{who}{whose} never got in: {requests} x 401{first}; find out who it is, and mend its credentials or keep it away"
        ),
    }
}

fn remediation(subject: &Subject, clients: &[Client<'_>]) -> Remediation {
    let step = |text: &str, command: String| Step {
        text: text.to_owned(),
        command: Some(command),
    };
    let mut steps = Vec::new();
    if subject.kind == SubjectKind::AuditLog {
        steps.push(step(
            "see which issuer and which keys the server has now: tokens of another issuer or key are refused",
            "kubectl get --raw /.well-known/openid-configuration && kubectl get --raw /openid/v1/jwks".to_owned(),
        ));
        steps.push(step(
            "pods get new tokens when they are restarted (put namespace and name for NAMESPACE and NAME); add the old \
             public key with --service-account-key-file and the old issuer with --service-account-issuer until all have one",
            "kubectl rollout restart deployment/NAME --namespace NAMESPACE".to_owned(),
        ));
    }
    let addresses: BTreeSet<&str> = clients.iter().map(|c| c.failing.address.as_str()).collect();
    for address in addresses.into_iter().take(3) {
        steps.push(step(
            "see whether a pod or a node of the cluster is at that address",
            format!(
                "kubectl get pods,nodes --all-namespaces --output wide | grep --fixed-strings --word-regexp -- {}",
                quote(address)
            ),
        ));
    }
    if let Some(namespace) = &subject.namespace {
        let (name, namespace) = (quote(&subject.name), quote(namespace));
        steps.push(step(
            "see whether the account is there",
            format!("kubectl get serviceaccount {name} --namespace {namespace}"),
        ));
        steps.push(step(
            "and whether the Secret of a token that it used is",
            format!(
                "kubectl get secrets --namespace {namespace} --field-selector type=kubernetes.io/service-account-token"
            ),
        ));
        steps.push(step(
            "give a client outside the cluster a new token that ends; a pod gets one when it is restarted",
            format!("kubectl create token {name} --namespace {namespace} --duration=1h"),
        ));
    }
    Remediation {
        summary:
            "see what was deleted, rotated or upgraded when it began, and renew the credentials"
                .to_owned(),
        steps,
    }
}
