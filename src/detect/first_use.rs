//! What an account does for the first time after a learning period.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{
        Attribute, Attributes, Evidence, Finding, Remediation, Severity, Subject, Timestamp,
    },
};

use super::{
    About, Aspects, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts, Merge,
    PerAccount, Presence, Request, Run, Settings,
    advice::{end_tokens, pods_of, rights_of, times},
    caller::SHOWN,
    draft::draft,
    habits::{Habits, Kind},
    novelty::{Cluster, New, Novelty},
    tally::earliest,
    uses::{Use, Uses},
};

about! {
    /// # What it finds
    ///
    /// What a ServiceAccount does for the first time, once it has been watched for a learning period (seven days): one
    /// finding for each account, with everything that is new since then. What is looked at:
    ///
    /// - actions: verb, resource and subresource; allowed and refused ones apart, and `watch` as `list`, since informers
    ///   list only when they start
    /// - namespaces that it acts in, or is refused in; `*` for requests that name none
    /// - address ranges that it calls from: /16 of IPv4, /48 of IPv6, of the TCP peer
    /// - user agents, without their versions
    ///
    /// The severity is `low`, and `info` where everything new is expected: covered by the allow-list (never a refusal),
    /// or of a kind of which there is something new on four days or more (sevenths of the learning period), which
    /// is a program that changes.
    ///
    /// An account has learned if it made at least 50 requests of the kinds that it has learned, on at least three
    /// days of the learning period, and is still there after it. A kind of thing is judged only where the account has a
    /// habit: not where it learned more than 40 actions, 12 namespaces, 6 ranges or 6 user agents, and not where more
    /// than a quarter of what it knows (and more than one thing) came in the last half period before. Besides, these
    /// are not told:
    ///
    /// - its own namespace, and Events that it records
    /// - refusals of what it is allowed elsewhere (`secret-denied` and `denied-probing` tell of those)
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
    ///   `expected`, `requests`, `first_seen`, `last_seen`, and of the first request `address` and `user_agent`; at most ten of a
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
    const TAKES_RUNS: bool = true;

    fn observe(&mut self, event: &Request<'_>) {
        let Some(time) = event.time() else { return };
        if event.service_account().is_some() {
            self.accounts
                .note_user(event, |habits| habits.add(time, event));
        } else if event.user.name.starts_with("system:node:") {
            if let Some((range, hash)) = event.caller.range {
                self.nodes.add(hash, time, event, || range.to_string());
            }
        } else {
            return;
        }
        self.since = earliest(self.since, Some(time));
    }

    fn observe_presence(&mut self, presence: &Presence) {
        let (caller, batch) = (&presence.caller, &presence.batch);
        if caller.account().is_some() {
            self.accounts
                .note_caller(caller, |habits| habits.add_presence(presence));
        } else if caller.aspects.has(Aspects::NODE) {
            if let Some((range, hash)) = caller.range {
                self.nodes
                    .add_batch(hash, (&**caller, batch), || range.to_string());
            }
        } else {
            return;
        }
        self.since = earliest(self.since, Some(batch.first()));
    }

    fn observe_run(&mut self, run: &Run) {
        if run.caller.account().is_some() {
            self.accounts
                .note_caller(&run.caller, |habits| habits.add_run(run));
        }
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
        self.nodes.merge(other.nodes);
        self.since = earliest(self.since, other.since);
        self.forgotten = self.forgotten.max(other.forgotten);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let period = context.settings.first_use.period();
        let cluster = Cluster::of(&self.accounts, &self.nodes, period);
        let accounts = self.accounts.sorted().into_iter();
        accounts
            .filter_map(|(user, habits)| {
                let account = ServiceAccount::from_user_name(user)?;
                let novelty = Novelty::of(account, habits, &cluster, self.forgotten, context)?;
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
            habits.forget(oldest, cutoff);
            habits.last >= Some(oldest)
        });
        self.nodes.forget(oldest, cutoff);
        self.forgotten = self.forgotten.max(Some(cutoff));
        self
    }
}

fn finding(
    account: ServiceAccount<'_>,
    habits: &Habits,
    novelty: &Novelty<'_>,
    context: &Context<'_>,
) -> Finding {
    let subject = Subject::service_account(account.namespace, account.name);
    let severity = if novelty.new.iter().all(New::is_expected) {
        Severity::Info
    } else {
        Severity::Low
    };
    let mut witnesses: Vec<_> = novelty
        .new
        .iter()
        .filter_map(|new| new.seen.witness.as_ref())
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
        first_seen: novelty.new.iter().map(|new| new.seen.first).min(),
        last_seen: novelty.new.iter().map(|new| new.seen.last).max(),
        summary: summary(&subject, novelty, severity),
        attributes: attributes(habits, novelty),
        evidence,
        remediation: remediation(account),
        ..draft(&ABOUT, subject, &[], &EvidenceSet::default(), context)
    }
}

fn attributes(habits: &Habits, novelty: &Novelty<'_>) -> Attributes {
    let new = novelty.shown(SHOWN).map(|new| {
        let (kind, seen) = (new.kind, new.seen);
        let witness = seen.witness.as_ref();
        let fields: [(&str, Attribute); 9] = [
            ("kind", kind.as_str().into()),
            ("what", seen.name.as_str().into()),
            ("refused", kind.allowed().is_some().into()),
            ("expected", new.is_expected().into()),
            ("requests", seen.requests.into()),
            ("first_seen", seen.first.into()),
            ("last_seen", seen.last.into()),
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
    let allowed = novelty.new.iter().find_map(|new| new.allowed);
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
        .map(|new| named(new.kind, new.seen))
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
        Kind::Namespace if name == "*" => format!("requests that name no namespace ({count})"),
        Kind::Namespace => format!("requests in {name} ({count})"),
        Kind::RefusedNamespace if name == "*" => {
            format!("requests that name no namespace (refused, {count})")
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
