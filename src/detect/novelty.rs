//! What is new about an account: its habits held against a learning period, and against what others do.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use serde::{Deserialize, Serialize};

use crate::{
    event::ServiceAccount,
    finding::{Subject, Timestamp},
};

use super::{
    AllowEntry, Context, PerAccount,
    habits::{Habits, Hours, Kind},
    uses::{Use, Uses},
};

/// An account has learned if it was there in so many sevenths of the learning period.
const ACTIVE_PARTS: usize = 3;
/// New things of one kind in so many sevenths of a learning period are a program that changes.
const RESTLESS_PARTS: usize = 4;
/// The others who make a range the cluster's own.
const SHARERS: usize = 2;

/// When an account has learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub(super) fn period(&self) -> i64 {
        i64::from(self.learning_seconds.get()) * 1_000_000
    }
}

/// What all accounts together tell about ranges and namespaces.
pub(super) struct Cluster<'a> {
    /// How many accounts call from a range.
    ranges: BTreeMap<&'a str, usize>,
    /// The ranges that kubelets call from.
    nodes: BTreeSet<&'a str>,
    /// Until when a namespace is new itself.
    young_until: BTreeMap<&'a str, Timestamp>,
}

/// What is new about one account.
pub(super) struct Novelty<'a> {
    /// What is first seen from here on is new.
    pub(super) learned_until: Timestamp,
    /// By time, then by kind and name.
    pub(super) new: Vec<New<'a>>,
    /// How many things of each kind are habit.
    pub(super) known: BTreeMap<&'static str, usize>,
    /// In which kinds the account has no habit.
    pub(super) not_judged: Vec<Kind>,
}

/// One thing that an account never did before.
pub(super) struct New<'a> {
    pub(super) kind: Kind,
    pub(super) seen: &'a Use,
    /// Why it is taken lightly, if an entry of the allow-list covers it.
    pub(super) allowed: Option<&'a AllowEntry>,
    /// Whether such things are new every few days.
    restless: bool,
}

impl<'a> Cluster<'a> {
    /// What `accounts` and the kubelets' ranges tell.
    pub(super) fn of(accounts: &'a PerAccount<Habits>, nodes: &'a Uses, period: i64) -> Self {
        let mut cluster = Self {
            ranges: BTreeMap::new(),
            nodes: nodes.iter().map(|node| node.name.as_str()).collect(),
            young_until: BTreeMap::new(),
        };
        for (_, habits) in accounts.sorted() {
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

    /// Whether the first use of `known` by an account of the namespace `own` says nothing about the account.
    fn explains(&self, kind: Kind, known: &Use, own: &str) -> bool {
        let name = known.name.as_str();
        match kind {
            Kind::Action | Kind::RefusedAction | Kind::Agent => false,
            Kind::Range => {
                let others = self.ranges.get(name).map_or(0, |all| all.saturating_sub(1));
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

impl<'a> Novelty<'a> {
    /// `None` if the account has not learned. What began before `forgotten` is habit.
    pub(super) fn of(
        account: ServiceAccount<'_>,
        habits: &'a Habits,
        cluster: &Cluster<'_>,
        forgotten: Option<Timestamp>,
        context: &Context<'a>,
    ) -> Option<Self> {
        let limits = &context.settings.first_use;
        let first = habits.hours.first?;
        let until = after(first, limits.period());
        let learned_until = forgotten.map_or(until, |forgotten| forgotten.max(until));
        if habits.last < Some(until) || !has_learned(habits, first, learned_until, limits) {
            return None;
        }
        let mut novelty = Self {
            learned_until,
            new: Vec::new(),
            known: BTreeMap::new(),
            not_judged: Vec::new(),
        };
        for kind in Kind::ALL {
            let new = novelty.learn(kind, habits, limits.period());
            let familiar = |new: &Use| {
                let allowed = kind.allowed().into_iter();
                let allowed = allowed.flat_map(|kind| habits.of(kind).iter());
                let mut before = allowed.filter(|known| known.first < learned_until);
                before.any(|known| known.name == new.name)
            };
            let new = new
                .into_iter()
                .filter(|new| !familiar(new) && !cluster.explains(kind, new, account.namespace));
            let new: Vec<&Use> = new.collect();
            let part = |new: &&Use| {
                let since = new.first.micros().saturating_sub(first.micros());
                since / (limits.period() / 7).max(1)
            };
            let parts: BTreeSet<i64> = new.iter().map(part).collect();
            novelty.new.extend(new.into_iter().map(|seen| New {
                kind,
                seen,
                allowed: allowed(account, kind, seen, context),
                restless: parts.len() >= RESTLESS_PARTS,
            }));
        }
        let order = |new: &New<'a>| (new.seen.first, new.kind, &new.seen.name);
        novelty.new.sort_by_key(order);
        Some(novelty)
    }

    /// Takes note of what is known of `kind`; what is not, if that is a habit.
    fn learn(&mut self, kind: Kind, habits: &'a Habits, period: i64) -> Vec<&'a Use> {
        let uses = habits.of(kind);
        let (known, new): (Vec<&Use>, Vec<&Use>) = uses
            .iter()
            .partition(|known| known.first < self.learned_until);
        *self.known.entry(kind.as_str()).or_default() += known.len();
        let allowed = kind.allowed();
        let unknown = allowed.is_some_and(|kind| self.not_judged.contains(&kind));
        if unknown || !is_habit(kind, uses, &known, after(self.learned_until, -period / 2)) {
            self.not_judged.push(kind);
            return Vec::new();
        }
        new
    }

    /// The requests that are behind it at least: one has one action, one namespace, one address, one user agent.
    pub(super) fn requests(&self) -> u64 {
        let sum = |kind: Kind| {
            let of = self
                .new
                .iter()
                .filter(|new| new.kind.as_str() == kind.as_str());
            of.map(|new| new.seen.requests).sum()
        };
        Kind::ALL.into_iter().map(sum).max().unwrap_or(0)
    }

    /// Up to `most` of each kind.
    pub(super) fn shown(&self, most: usize) -> impl Iterator<Item = &New<'a>> {
        let mut of: BTreeMap<&str, usize> = BTreeMap::new();
        self.new.iter().filter(move |new| {
            let shown = of.entry(new.kind.as_str()).or_default();
            *shown += 1;
            *shown <= most
        })
    }
}

impl New<'_> {
    /// Whether there is an explanation.
    pub(super) const fn is_expected(&self) -> bool {
        self.allowed.is_some() || self.restless
    }
}

/// The entry of the allow-list that covers the first of these requests. A refusal is never covered.
fn allowed<'a>(
    account: ServiceAccount<'_>,
    kind: Kind,
    seen: &Use,
    context: &Context<'a>,
) -> Option<&'a AllowEntry> {
    let witness = seen.witness.as_ref().filter(|_| kind.allowed().is_none())?;
    let subject = Subject::service_account(account.namespace, account.name);
    let list = &context.settings.allow;
    list.expects(super::first_use_id(), &subject, &witness.agent)
}

/// Whether the account made enough requests of what it knows, and for more than a moment of the learning period.
fn has_learned(
    habits: &Habits,
    first: Timestamp,
    learned_until: Timestamp,
    limits: &Limits,
) -> bool {
    let requests = Kind::ALL.into_iter().map(|kind| {
        let known = habits
            .of(kind)
            .iter()
            .filter(|known| known.first < learned_until);
        known.map(|known| known.requests).sum::<u64>()
    });
    let enough = u64::from(limits.learning_requests.get());
    requests.max() >= Some(enough) && was_there(&habits.hours, first, limits.period())
}

fn was_there(hours: &Hours, first: Timestamp, period: i64) -> bool {
    let hour = 3600 * 1_000_000;
    let unit = (period / 7).max(1);
    let counted = period.min(Hours::COUNTED * hour);
    // Hours are as fine as it is known.
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
