//! What an account does for the first time after a learning period.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, ServiceAccount},
    finding::{
        Attribute, Attributes, Evidence, Finding, Remediation, Severity, Subject, Timestamp,
    },
};

use super::{
    About, AllowEntry, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts,
    Merge, PerAccount, Settings,
    advice::{end_tokens, pods_of, rights_of, times},
    caller::SHOWN,
    draft::draft,
    habits::{Habits, Hours, Kind, Network},
    tally::earliest,
    uses::{Use, Uses},
};

about! {
    /// # What it finds
    ///
    /// What a ServiceAccount does for the first time, once it has been watched for a learning period (seven days): one
    /// finding for each account, with everything that is new since then. What is looked at:
    ///
    /// - actions: verb, resource and subresource; allowed and refused ones apart
    /// - namespaces that it acts in, or is refused in; `*` for requests that name none
    /// - address ranges that it calls from: /16 of IPv4, /48 of IPv6, of the TCP peer
    /// - user agents, without their versions
    ///
    /// The severity is `low`. It is `info` where new things come on four days or more (sevenths of the learning
    /// period), which is a program that changes, and where the allow-list covers all of them.
    ///
    /// An account has learned if it made at least 50 requests of the kinds that it has learned, on at least three
    /// days of the learning period, and is still there after it. A kind of thing is judged only where the account has a
    /// habit: not where it learned more than 40 actions, 12 namespaces, 6 ranges or 6 user agents, and not where more
    /// than a quarter of what it knows (and more than one thing) came in the last half period before. Besides, these
    /// are not told:
    ///
    /// - its own namespace
    /// - a namespace that no account used until a learning period before: it is new itself, as it seems
    /// - a range that kubelets call from, or at least two other accounts: it is the cluster's own
    ///
    /// # Why it matters
    ///
    /// A program does the same every day. A token that was stolen, or a container that was broken into, does
    /// something else, from somewhere else, with another client. One such thing alone has many
    /// harmless causes; together with another finding it is what tells misuse from routine, so it raises others:
    /// a `low` or `medium` finding about the same account that began after the learning period, and only with what
    /// is new, goes up by one step (its attribute `raised` says by what).
    ///
    /// # Known benign causes
    ///
    /// - A new release that does something new. All its pods do it, from the day of the release on.
    /// - Work that is rarer than the learning period is long: monthly jobs, restores, certificates that are renewed.
    /// - Somebody who looks for a fault in the pod, with kubectl or curl.
    /// - A cluster that got another network, or another load balancer before the API server.
    ///
    /// # What to do
    ///
    /// Compare the times in `new` with the release dates of the workload. If none fits, look at the first events: the
    /// pod and node in `user.extra`, the address, the user agent. What is new for good becomes habit once its day is
    /// forgotten (`satrail cron`: after 30 days).
    ///
    /// Thresholds: `learning-seconds` and `learning-requests` in `[thresholds.first-use]`. Of each kind 64 things are
    /// kept, chosen by hash where there are more. What is done as somebody else, and what was throttled, is
    /// no habit of the account's.
    ///
    /// # Attributes
    ///
    /// - `new`: what is new, by time: `kind` (`action`, `namespace`, `address-range`, `user-agent`), `what`, `refused`,
    ///   `requests`, `first_seen`, `last_seen`, and of the first request `address` and `user_agent`; at most ten of a
    ///   kind. `distinct_new`: how many there are
    /// - `known`: how many things of each kind are habit
    /// - `not_judged`: kinds in which the account has no habit
    /// - `watched_since`: the account's first request; `learned_until`: since when what is new counts
    /// - `allowed_as`: as for `default-serviceaccount`
    ///
    /// `count` is the number of requests that are at least behind it: one request may be new in several ways.
    ///
    /// # Example
    ///
    /// ```text
    /// low  first-use  shop/web  12 requests
    ///   new: action list secrets, namespace kube-system, user-agent curl    learned_until: 2026-11-29T04:24:02Z
    /// ```
    "first-use",
    "A ServiceAccount does what it never did before",
    [VALID_ACCOUNTS],
}

/// The id that first uses are told under: they raise other findings.
#[must_use]
pub fn first_use_id() -> &'static str {
    ABOUT.id
}

/// What is not used for so long is forgotten, from the day on that all else is: 60 days, in microseconds.
const REMEMBERED: i64 = 60 * 86_400 * 1_000_000;
/// An account has learned if it was there in so many sevenths of the learning period.
const ACTIVE_PARTS: usize = 3;
/// New things in so many sevenths of a learning period are a program that changes.
const RESTLESS_PARTS: usize = 4;
/// The others who make a range the cluster's own.
const SHARERS: usize = 2;

/// When an account has learned.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// How long an account is watched before anything is new.
    pub learning_seconds: NonZeroU32,
    /// How many requests it takes to have habits.
    pub learning_requests: NonZeroU32,
}

/// A week, so that what happens on one weekday is known; and more requests than a few runs of a script.
impl Default for Limits {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            learning_seconds: number(7 * 86_400),
            learning_requests: number(50),
        }
    }
}

impl Limits {
    /// The learning period, in microseconds.
    fn period(&self) -> i64 {
        i64::from(self.learning_seconds.get()) * 1_000_000
    }
}

/// What accounts usually do, by user name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct FirstUse {
    accounts: PerAccount<Habits>,
    /// Where kubelets call from.
    nodes: Uses,
    /// The first request of all, forgotten days included.
    since: Option<Timestamp>,
    /// What began before has had time to be looked at: its days are forgotten.
    forgotten: Option<Timestamp>,
}

impl FirstUse {
    /// Since when accounts have been watched, forgotten days included.
    pub(super) const fn watching_since(&self) -> Option<Timestamp> {
        self.since
    }
}

impl Detector for FirstUse {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::any(Aspects::ACCOUNT.and(Aspects::NODE));

    fn observe(&mut self, event: &Event<'_>) {
        let Some(time) = event.time() else { return };
        if event.service_account().is_some() {
            let user = event.user.name.read();
            self.accounts.note(&user, |habits| habits.add(time, event));
        } else if event.user.name.starts_with("system:node:") {
            if let Some(range) = event.peer().and_then(|peer| Network::of(&peer.read())) {
                self.nodes
                    .add(range.hash(), time, event, || range.to_string());
            }
        } else {
            return;
        }
        self.since = earliest(self.since, Some(time));
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
        self.nodes.merge(other.nodes);
        self.since = earliest(self.since, other.since);
        self.forgotten = self.forgotten.max(other.forgotten);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let limits = &context.settings.first_use;
        let cluster = Cluster::of(self, limits.period());
        let accounts = self.accounts.sorted().into_iter();
        accounts
            .filter_map(|(user, habits)| {
                let account = ServiceAccount::from_user_name(user)?;
                let novelty = Novelty::of(account, habits, &cluster, self.forgotten, limits)?;
                (!novelty.new.is_empty()).then(|| finding(account, habits, &novelty, context))
            })
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        self.coverage_under(log, &Settings::default())
    }

    fn coverage_under(&self, log: &LogFacts, settings: &Settings) -> Coverage {
        let period = settings.first_use.period();
        let start = earliest(self.since, log.first_event);
        let span = match (start, log.last_event) {
            (Some(start), Some(end)) => end.micros().saturating_sub(start.micros()),
            _ => 0,
        };
        let short = || {
            (span < period).then(|| {
                format!(
                    "{} is not longer than the learning period, {}",
                    in_words(span),
                    in_words(period)
                )
            })
        };
        Coverage {
            evaluated: log.service_account_requests,
            blind: log.blind_to_accounts().or_else(short),
        }
    }

    fn outlive(mut self, cutoff: Timestamp) -> Self {
        let oldest = Timestamp::from_micros(cutoff.micros().saturating_sub(REMEMBERED));
        self.accounts.retain(|habits| {
            habits.forget(oldest);
            habits.last >= Some(oldest)
        });
        self.nodes.forget(oldest);
        self.forgotten = self.forgotten.max(Some(cutoff));
        self
    }
}

/// What all accounts together tell about ranges and namespaces.
struct Cluster<'a> {
    /// How many accounts call from a range.
    ranges: BTreeMap<&'a str, usize>,
    /// The ranges that kubelets call from.
    nodes: BTreeSet<&'a str>,
    /// Until when a namespace is new itself.
    young_until: BTreeMap<&'a str, Timestamp>,
}

impl<'a> Cluster<'a> {
    fn of(state: &'a FirstUse, period: i64) -> Self {
        let mut cluster = Self {
            ranges: BTreeMap::new(),
            nodes: state.nodes.iter().map(|node| node.name.as_str()).collect(),
            young_until: BTreeMap::new(),
        };
        for (_, habits) in state.accounts.sorted() {
            for range in habits.of(Kind::Range).iter() {
                *cluster.ranges.entry(&range.name).or_default() += 1;
            }
            for namespace in habits.of(Kind::Namespace).iter() {
                let until = after(namespace.first, period);
                let known = cluster.young_until.entry(&namespace.name).or_insert(until);
                *known = until.min(*known);
            }
        }
        cluster
    }

    /// Whether the first use of `known` by an account of `own` namespace says nothing about the account.
    fn explains(&self, kind: Kind, known: &Use, own: &str) -> bool {
        let name = known.name.as_str();
        match kind {
            Kind::Action | Kind::RefusedAction | Kind::Agent => false,
            Kind::Range => {
                let others = self.ranges.get(name).map_or(0, |all| all - 1);
                self.nodes.contains(name) || others >= SHARERS
            }
            Kind::Namespace | Kind::RefusedNamespace => {
                let young = self.young_until.get(name);
                let young = name != "*" && young.is_none_or(|&until| known.first < until);
                name == own || young
            }
        }
    }
}

/// What is new about one account.
struct Novelty<'a> {
    learned_until: Timestamp,
    /// By time, then by kind and name.
    new: Vec<(Kind, &'a Use)>,
    known: BTreeMap<&'static str, usize>,
    not_judged: Vec<Kind>,
    restless: bool,
}

impl<'a> Novelty<'a> {
    /// `None` if the account has not learned.
    fn of(
        account: ServiceAccount<'_>,
        habits: &'a Habits,
        cluster: &Cluster<'_>,
        forgotten: Option<Timestamp>,
        limits: &Limits,
    ) -> Option<Self> {
        let period = limits.period();
        let first = habits.hours.first?;
        let until = after(first, period);
        // Beyond the learning period, whatever has had its time in the reports.
        let learned_until = forgotten.map_or(until, |forgotten| forgotten.max(until));
        let learned = Kind::ALL.into_iter().map(|kind| {
            let known = habits.of(kind).iter().filter(|u| u.first < learned_until);
            known.map(|known| known.requests).sum()
        });
        let requests: u64 = learned.max().unwrap_or(0);
        if habits.last < Some(until)
            || requests < u64::from(limits.learning_requests.get())
            || !was_there(&habits.hours, first, period)
        {
            return None;
        }
        let mut novelty = Self {
            learned_until,
            new: Vec::new(),
            known: BTreeMap::new(),
            not_judged: Vec::new(),
            restless: false,
        };
        for kind in Kind::ALL {
            let uses = habits.of(kind);
            let (known, new): (Vec<&Use>, Vec<&Use>) =
                uses.iter().partition(|known| known.first < learned_until);
            *novelty.known.entry(kind.as_str()).or_default() += known.len();
            let allowed = kind.allowed();
            if allowed.is_some_and(|kind| novelty.not_judged.contains(&kind))
                || !is_habit(kind, uses, &known, after(learned_until, -period / 2))
            {
                novelty.not_judged.push(kind);
                continue;
            }
            let familiar = |new: &Use| {
                let allowed = allowed.into_iter().flat_map(|kind| habits.of(kind).iter());
                let mut before = allowed.filter(|known| known.first < learned_until);
                before.any(|known| known.name == new.name)
            };
            let new = new
                .into_iter()
                .filter(|new| !familiar(new) && !cluster.explains(kind, new, account.namespace));
            novelty.new.extend(new.map(|new| (kind, new)));
        }
        novelty
            .new
            .sort_by_key(|(kind, new)| (new.first, *kind, &new.name));
        let part =
            |new: &Use| new.first.micros().saturating_sub(first.micros()) / (period / 7).max(1);
        let parts: BTreeSet<i64> = novelty.new.iter().map(|(_, new)| part(new)).collect();
        novelty.restless = parts.len() >= RESTLESS_PARTS;
        Some(novelty)
    }

    /// The requests that are behind it at least: one has one action, one namespace, one address, one user agent.
    fn requests(&self) -> u64 {
        let of = |kind: Kind| {
            self.new
                .iter()
                .filter(move |(k, _)| k.as_str() == kind.as_str())
        };
        let sum = |kind| of(kind).map(|(_, new)| new.requests).sum();
        Kind::ALL.into_iter().map(sum).max().unwrap_or(0)
    }

    /// Up to ten of each kind.
    fn shown(&self) -> impl Iterator<Item = &(Kind, &'a Use)> {
        let mut of: BTreeMap<&str, usize> = BTreeMap::new();
        self.new.iter().filter(move |(kind, _)| {
            let shown = of.entry(kind.as_str()).or_default();
            *shown += 1;
            *shown <= SHOWN
        })
    }
}

/// Whether the account was there for more than a moment of the learning period.
fn was_there(hours: &Hours, first: Timestamp, period: i64) -> bool {
    let hour = 3600 * 1_000_000;
    let unit = (period / 7).max(1);
    let counted = period.min(Hours::COUNTED * hour);
    // Hours are as fine as it is known, and the first one has begun before the account.
    let possible = usize::try_from(counted / unit.max(hour)).unwrap_or(usize::MAX);
    let into_the_hour = first.micros().rem_euclid(hour);
    let starts = hours.active().map(|at| (at * hour - into_the_hour).max(0));
    let parts: BTreeSet<i64> = starts
        .filter(|&at| at < counted)
        .map(|at| at / unit)
        .collect();
    parts.len() >= ACTIVE_PARTS.min(possible)
}

/// Whether what is `known` of a kind is a habit: not too much, and most of it known before `late`.
fn is_habit(kind: Kind, uses: &Uses, known: &[&Use], late: Timestamp) -> bool {
    let most = match kind {
        Kind::Action | Kind::RefusedAction => 40.0,
        Kind::Namespace | Kind::RefusedNamespace => 12.0,
        Kind::Range | Kind::Agent => 6.0,
    };
    let recent = known.iter().filter(|known| known.first >= late).count();
    let something = !known.is_empty() || kind.allowed().is_some();
    something && uses.scaled(known.len()) <= most && (recent <= 1 || recent * 4 <= known.len())
}

fn after(time: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(time.micros().saturating_add(micros))
}

fn finding(
    account: ServiceAccount<'_>,
    habits: &Habits,
    novelty: &Novelty<'_>,
    context: &Context<'_>,
) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let covered: Vec<Option<&AllowEntry>> = novelty
        .new
        .iter()
        .map(|(kind, new)| {
            let agent = new.witness.as_ref().map(|witness| witness.agent.as_str());
            let agent = agent.filter(|_| kind.allowed().is_none())?;
            context.settings.allow.expects(ABOUT.id, &subject, agent)
        })
        .collect();
    let explained = covered.iter().all(Option::is_some) || novelty.restless;
    let severity = if explained {
        Severity::Info
    } else {
        Severity::Low
    };
    let allowed = covered.into_iter().flatten().next();
    let mut witnesses: Vec<_> = novelty
        .new
        .iter()
        .filter_map(|(_, new)| new.witness.as_ref())
        .collect();
    witnesses.sort_unstable();
    let mut evidence: Vec<Evidence> = Vec::new();
    for witness in witnesses {
        let event = witness.entry.show(context);
        if evidence.len() < SHOWN && !evidence.contains(&event) {
            evidence.push(event);
        }
    }
    Finding {
        severity,
        count: novelty.requests(),
        first_seen: novelty.new.iter().map(|(_, new)| new.first).min(),
        last_seen: novelty.new.iter().map(|(_, new)| new.last).max(),
        summary: summary(&subject, novelty, severity),
        attributes: attributes(habits, novelty, allowed),
        evidence,
        remediation: remediation(account),
        ..draft(&ABOUT, subject, &[], &EvidenceSet::default(), context)
    }
}

fn attributes(habits: &Habits, novelty: &Novelty<'_>, allowed: Option<&AllowEntry>) -> Attributes {
    let new = novelty.shown().map(|(kind, new)| {
        let witness = new.witness.as_ref();
        let fields: [(&str, Attribute); 8] = [
            ("kind", kind.as_str().into()),
            ("what", new.name.as_str().into()),
            ("refused", kind.allowed().is_some().into()),
            ("requests", new.requests.into()),
            ("first_seen", new.first.into()),
            ("last_seen", new.last.into()),
            ("address", witness.map(|w| w.address.as_str()).into()),
            ("user_agent", witness.map(|w| w.agent.as_str()).into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    });
    let known = novelty.known.iter();
    let known = known.map(|(kind, &count)| ((*kind).to_owned(), (count as u64).into()));
    let not_judged: BTreeSet<&str> = novelty
        .not_judged
        .iter()
        .map(|kind| kind.as_str())
        .collect();
    let fields: [(&str, Attribute); 7] = [
        ("new", Attribute::List(new.collect())),
        ("distinct_new", (novelty.new.len() as u64).into()),
        ("known", Attribute::Map(known.collect())),
        (
            "not_judged",
            not_judged.into_iter().collect::<Vec<_>>().into(),
        ),
        ("watched_since", habits.hours.first.into()),
        ("learned_until", novelty.learned_until.into()),
        (
            "allowed_as",
            allowed.map(|entry| entry.reason.as_str()).into(),
        ),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into()
}

fn summary(subject: &Subject, novelty: &Novelty<'_>, severity: Severity) -> String {
    let mut things: Vec<String> = novelty
        .new
        .iter()
        .take(4)
        .map(|(kind, new)| named(*kind, new))
        .collect();
    if let more @ 1.. = novelty.new.len() - things.len() {
        things.push(format!("and {more} more"));
    }
    let things = things.join(", ");
    let advice = match severity {
        Severity::Info => "nothing to do",
        _ => "see whether a new release explains it",
    };
    format!("{subject} does what it never did before: {things}; {advice}")
}

fn named(kind: Kind, new: &Use) -> String {
    let (name, count) = (&new.name, times(new.requests));
    match kind {
        Kind::Action => format!("{name} ({count})"),
        Kind::RefusedAction => format!("{name} (refused, {count})"),
        Kind::Namespace if name == "*" => format!("requests over all namespaces ({count})"),
        Kind::Namespace => format!("requests in {name} ({count})"),
        Kind::RefusedNamespace if name == "*" => {
            format!("requests over all namespaces (refused, {count})")
        }
        Kind::RefusedNamespace => format!("requests in {name} (refused, {count})"),
        Kind::Range => format!("requests from {name} ({count})"),
        Kind::Agent => format!("requests by {name} ({count})"),
    }
}

fn remediation(account: ServiceAccount<'_>) -> Remediation {
    Remediation {
        summary:
            "find out whether a new release does this; if none does, take the token for stolen"
                .to_owned(),
        steps: vec![
            pods_of(account),
            rights_of(&account.user_name(), account.namespace),
            end_tokens(account),
        ],
    }
}

/// `6 d 4 h`, `3 h 20 min`, `81 s`.
fn in_words(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let (large, small) = match seconds {
        86_400.. => ((86_400, "d"), (3600, "h")),
        3600..86_400 => ((3600, "h"), (60, "min")),
        60..3600 => ((60, "min"), (1, "s")),
        _ => return format!("{seconds} s"),
    };
    let rest = seconds % large.0 / small.0;
    match rest {
        0 => format!("{} {}", seconds / large.0, large.1),
        rest => format!("{} {} {rest} {}", seconds / large.0, large.1, small.1),
    }
}
