//! What one account usually does: which actions, where, from where and as what.
//!
//! Knows when each of these was seen first and last, and nothing of learning periods or of findings.

use serde::{Deserialize, Serialize};

use crate::{
    event::{Event, Text},
    finding::Timestamp,
};

use super::{
    Aspects, Merge, Presence, Run,
    deed::Deed,
    memo::{Kind as Asked, Namespace, Notes},
    request::Request,
    tally::earliest,
    uses::Uses,
};

/// What a habit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Verb, resource and subresource, or verb and the first part of another path.
    Action,
    /// An action that was refused.
    RefusedAction,
    /// A namespace that was acted in; `*` for requests that name none.
    Namespace,
    /// A namespace where something was refused.
    RefusedNamespace,
    /// The network of the address: /16 of IPv4, /48 of IPv6.
    Range,
    /// What the client calls itself, without its version.
    Agent,
}

/// What an account usually does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Habits {
    pub(super) last: Option<Timestamp>,
    pub(super) hours: Hours,
    uses: [Uses; Kind::ALL.len()],
}

/// The first request, and in which of the 256 hours from there on there were others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hours {
    pub(super) first: Option<Timestamp>,
    /// Bit n of the 256 stands for the n-th hour after the one of `first`.
    low: u128,
    high: u128,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 6] = [
        Self::Action,
        Self::RefusedAction,
        Self::Namespace,
        Self::RefusedNamespace,
        Self::Range,
        Self::Agent,
    ];

    /// The name in attributes, which does not say whether it was refused.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Action | Self::RefusedAction => "action",
            Self::Namespace | Self::RefusedNamespace => "namespace",
            Self::Range => "address-range",
            Self::Agent => "user-agent",
        }
    }

    /// The kind of the same things that were allowed, if this one is of refusals.
    pub(super) const fn allowed(self) -> Option<Self> {
        match self {
            Self::RefusedAction => Some(Self::Action),
            Self::RefusedNamespace => Some(Self::Namespace),
            Self::Action | Self::Namespace | Self::Range | Self::Agent => None,
        }
    }
}

impl Habits {
    /// Takes note of one request that arrived at `time`.
    pub(super) fn add(&mut self, time: Timestamp, event: &Request<'_>) {
        self.last = self.last.max(Some(time));
        self.hours.add(time);
        self.add_action(time, event);
        let caller = event.caller;
        if let Some((range, hash)) = caller.range {
            let uses = &mut self.uses[Kind::Range as usize];
            uses.add(hash, time, event, || range.to_string());
        }
        if !caller.product.is_empty() {
            let uses = &mut self.uses[Kind::Agent as usize];
            uses.add(caller.product_hash, time, event, || {
                clipped(&caller.product)
            });
        }
    }

    /// Takes note of who made the requests of `presence`, from where and when.
    pub(super) fn add_presence(&mut self, presence: &Presence) {
        let (caller, batch) = (&*presence.caller, &presence.batch);
        self.last = self.last.max(Some(batch.last()));
        for (second, _) in batch.seconds() {
            let start = Timestamp::from_micros(second.saturating_mul(1_000_000));
            self.hours.add(start.max(batch.first()));
        }
        if let Some((range, hash)) = caller.range {
            let uses = &mut self.uses[Kind::Range as usize];
            uses.add_batch(hash, (caller, batch), || range.to_string());
        }
        if !caller.product.is_empty() {
            let uses = &mut self.uses[Kind::Agent as usize];
            uses.add_batch(caller.product_hash, (caller, batch), || {
                clipped(&caller.product)
            });
        }
    }

    /// Takes note of what the requests of `run` did, and where.
    pub(super) fn add_run(&mut self, run: &Run) {
        let refused = run.aspects.has(Aspects::REFUSED);
        let Some((action, namespace)) = shown(&run.kind, &run.notes, run.deed(), refused) else {
            return;
        };
        let (asked, by) = (&run.kind, (&*run.caller, &run.batch));
        let uses = &mut self.uses[action as usize];
        uses.add_batch(asked.habit_hash, by, || clipped(&asked.habit));
        if let Some(Namespace { shown, .. }) = run.namespace.as_deref() {
            let uses = &mut self.uses[namespace as usize];
            uses.add_batch(shown.hash, by, || clipped(&shown.text));
        }
    }

    /// What was done, and where; what was done as somebody else is that somebody's habit.
    fn add_action(&mut self, time: Timestamp, event: &Request<'_>) {
        let asked = event.kind;
        let shown = shown(asked, event.notes, event.deed(), event.refused());
        let Some((action, namespace)) = shown.filter(|_| event.impersonated_user.is_none()) else {
            return;
        };
        let uses = &mut self.uses[action as usize];
        uses.add(asked.habit_hash, time, event, || clipped(&asked.habit));
        if let Some(Namespace { shown, .. }) = event.namespace.map(|name| &**name) {
            let uses = &mut self.uses[namespace as usize];
            uses.add(shown.hash, time, event, || clipped(&shown.text));
        }
    }

    /// What is known of one kind.
    pub(super) const fn of(&self, kind: Kind) -> &Uses {
        &self.uses[kind as usize]
    }

    /// Forgets what was not used since `oldest`, and of the rest how it began, if that was before `cutoff`.
    pub(super) fn forget(&mut self, oldest: Timestamp, cutoff: Timestamp) {
        for uses in &mut self.uses {
            uses.forget(oldest, cutoff);
        }
    }
}

impl Merge for Habits {
    fn merge(&mut self, other: Self) {
        self.last = self.last.max(other.last);
        self.hours.merge(&other.hours);
        for (ours, theirs) in self.uses.iter_mut().zip(other.uses) {
            ours.merge(theirs);
        }
    }
}

impl Hours {
    /// How many hours from the first request on are looked at.
    pub(super) const COUNTED: i64 = 256;

    fn add(&mut self, time: Timestamp) {
        let one = Self {
            first: Some(time),
            low: 1,
            high: 0,
        };
        self.merge(&one);
    }

    fn merge(&mut self, other: &Self) {
        let number = |first: Option<Timestamp>| first.map(|time| time.seconds().div_euclid(3600));
        let (Some(ours), Some(theirs)) = (number(self.first), number(other.first)) else {
            if self.first.is_none() {
                *self = other.clone();
            }
            return;
        };
        let start = ours.min(theirs);
        let mine = self.later(ours - start);
        let others = other.later(theirs - start);
        self.first = earliest(self.first, other.first);
        self.low = mine.0 | others.0;
        self.high = mine.1 | others.1;
    }

    /// The bits as they stand when the count begins so many hours earlier.
    const fn later(&self, hours: i64) -> (u128, u128) {
        match hours {
            0 => (self.low, self.high),
            1..128 => (
                self.low << hours,
                self.high << hours | self.low >> (128 - hours),
            ),
            128..Self::COUNTED => (0, self.low << (hours - 128)),
            _ => (0, 0),
        }
    }

    /// The hours in which there were requests, counted from the first one.
    pub(super) fn active(&self) -> impl Iterator<Item = i64> {
        let (low, high) = (self.low, self.high);
        (0..Self::COUNTED).filter(move |&hour| match hour {
            ..128 => low >> hour & 1 == 1,
            _ => high >> (hour - 128) & 1 == 1,
        })
    }
}

/// What a client calls itself, without version and what follows: `kubectl` of `kubectl/v1.37.1 (linux/amd64) …`,
/// `backup` of `backup-2.4`. Empty if there is nothing else.
#[must_use]
pub fn client_name(agent: &str) -> &str {
    let name = agent.split(['/', '(']).next().unwrap_or("");
    let bytes = name.as_bytes();
    let version = (0..bytes.len()).find(|&at| {
        let separates = matches!(bytes[at], b' ' | b'-' | b'_' | b':');
        let rest = bytes[at + 1..].strip_prefix(b"v");
        let rest = rest.unwrap_or(&bytes[at + 1..]);
        separates && rest.first().is_some_and(u8::is_ascii_digit)
    });
    name.get(..version.unwrap_or(name.len()))
        .unwrap_or(name)
        .trim()
}

/// What first uses call an action that other findings call `described`: a watch is a list.
#[must_use]
pub fn habitual_action(described: &str) -> String {
    let described = match described.strip_prefix("watch ") {
        Some(rest) => format!("list {rest}"),
        None => described.to_owned(),
    };
    clipped(&described)
}

/// Among which habits a request is that was `asked` for and did `deed`; not what everybody may ask, nor what was
/// throttled before authorization.
///
/// What the authorizer allowed may be refused still (403, with the decision `allow`): by admission, as in a namespace that
/// is being deleted. The account has the right then.
fn shown(asked: &Asked, notes: &Notes, deed: Deed, refused: bool) -> Option<(Kind, Kind)> {
    let discovery = !asked.on_object && deed == Deed::Discovered;
    if discovery || asked.code == Some(429) {
        return None;
    }
    if refused && !notes.allow {
        return Some((Kind::RefusedAction, Kind::RefusedNamespace));
    }
    (!asked.records_event).then_some((Kind::Action, Kind::Namespace))
}

/// The same request as a habit: an informer lists only when it starts, and watches all the time.
pub(super) fn habit<'a>(event: &Event<'a>) -> Event<'a> {
    let mut habit = *event;
    if event.verb == "watch" {
        habit.verb = Text::plain("list");
    }
    habit
}

/// Whether it writes down an Event: programs do when something happens at last, however long that takes.
pub(super) fn records_event(event: &Event<'_>) -> bool {
    let recorded = event.object.is_some_and(|object| {
        let group = object.group.is_empty() || object.group == "events.k8s.io";
        group && object.resource == "events"
    });
    recorded && (event.verb == "create" || event.verb == "patch")
}

/// At most 100 characters: names come from clients, and many are kept.
fn clipped(name: &str) -> String {
    name.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_product_has_no_version() {
        for (agent, expected) in [
            (
                "kubectl/v1.37.1 (linux/amd64) kubernetes/f78e722",
                "kubectl",
            ),
            (
                "kube-controller-manager/v1.36.2 (linux/amd64) kubernetes/x/system:serviceaccount:kube-system:job-controller",
                "kube-controller-manager",
            ),
            (
                "Kubernetes Java Client/15.0.0-SNAPSHOT",
                "Kubernetes Java Client",
            ),
            ("backup-2.4", "backup"),
            ("app v1.2", "app"),
            ("shop-web/2.1.0", "shop-web"),
            ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla"),
            ("/1.0", ""),
            ("", ""),
            ("é-1", "é"),
            ("é\u{301}-é", "é\u{301}-é"),
        ] {
            assert_eq!(client_name(agent), expected, "{agent}");
        }
    }

    #[test]
    fn a_watch_is_a_list() {
        assert_eq!(habitual_action("watch secrets"), "list secrets");
        assert_eq!(habitual_action("watchers get"), "watchers get");
        assert_eq!(habitual_action(&"é".repeat(101)), "é".repeat(100));
    }

    proptest! {
        #[test]
        fn hours_do_not_depend_on_the_order(
            mut times in prop::collection::vec(0_i64..500 * 3600, 1..60), cut: prop::sample::Index,
        ) {
            let of = |times: &[i64]| {
                let mut hours = Hours::default();
                for second in times {
                    hours.add(Timestamp::from_micros(second * 1_000_000));
                }
                hours
            };
            let whole = of(&times);
            let at = cut.index(times.len());
            let mut left = of(&times[..at]);
            left.merge(&of(&times[at..]));
            prop_assert_eq!(&left, &whole);
            times.reverse();
            prop_assert_eq!(&of(&times), &whole);
            let start = times.iter().min().unwrap() / 3600;
            let mut expected: Vec<i64> = times.iter().map(|second| second / 3600 - start).collect();
            expected.retain(|&hour| hour < Hours::COUNTED);
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(whole.active().collect::<Vec<_>>(), expected);
        }
    }
}
