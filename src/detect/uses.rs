//! What an account uses, by name: when first and when last. Bounded, and still right after the oldest of it has been
//! forgotten.

use serde::{Deserialize, Serialize};

use crate::finding::Timestamp;

use super::{
    Merge,
    batch::Batch,
    by_hash::ByHash,
    evidence::{Entry, Noted},
    memo::Caller,
};

/// How many things of one kind are remembered for one account.
const KEPT: usize = 64;

/// Things by the hash of their names: 64 of them, those with the smallest hashes where there are more.
///
/// What had to be left out once is not taken in again when others have been forgotten: it would look as if it were
/// new. Only when nothing has been left out for so long that it would be forgotten itself, there is room again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Uses {
    kept: ByHash<Use>,
    beyond: Option<Beyond>,
}

/// One thing that is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Use {
    /// What it is called.
    pub(super) name: String,
    /// How often it was used.
    pub(super) requests: u64,
    /// When it was used first.
    pub(super) first: Timestamp,
    /// When it was used last.
    pub(super) last: Timestamp,
    /// The first use itself; gone once its day is forgotten.
    pub(super) witness: Option<Box<Witness>>,
}

/// The event of a first use, in the order of [`Entry`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Witness {
    pub(super) entry: Entry,
    pub(super) address: String,
    pub(super) agent: String,
}

/// What is not kept: everything from a hash on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Beyond {
    hash: u64,
    /// When something of it was used last.
    last: Timestamp,
}

impl Uses {
    /// Takes note of one use of what `hash` stands for; `name` is called if it is new.
    pub(super) fn add(
        &mut self,
        hash: u64,
        time: Timestamp,
        event: &impl Noted,
        name: impl FnOnce() -> String,
    ) {
        if let Some(known) = self.kept.get_mut(hash) {
            return known.again(time, event);
        }
        if self.has_room_for(hash, time) {
            self.kept.entry(hash, || Use {
                name: name(),
                requests: 1,
                first: time,
                last: time,
                witness: Some(Box::new(Witness::of(time, event))),
            });
        }
    }

    /// Takes note of one use by each of the requests of `caller` in `batch`.
    pub(super) fn add_batch(
        &mut self,
        hash: u64,
        (caller, batch): (&Caller, &Batch),
        name: impl FnOnce() -> String,
    ) {
        if let Some(known) = self.kept.get_mut(hash) {
            return known.again_in_batch(caller, batch);
        }
        if self.has_room_for(hash, batch.last()) {
            self.kept.entry(hash, || Use {
                name: name(),
                requests: batch.count(),
                first: batch.first(),
                last: batch.last(),
                witness: Witness::of_batch(caller, batch),
            });
        }
    }

    /// Whether one that is not kept can be.
    fn has_room_for(&mut self, hash: u64, time: Timestamp) -> bool {
        if let Some(beyond) = self.beyond.as_mut().filter(|beyond| hash >= beyond.hash) {
            beyond.last = beyond.last.max(time);
            return false;
        }
        if self.kept.len() < KEPT {
            return true;
        }
        if self.kept.last().is_some_and(|largest| hash > largest) {
            self.leave_out(hash, time);
            return false;
        }
        self.shrink_to(KEPT - 1);
        true
    }

    fn leave_out(&mut self, hash: u64, last: Timestamp) {
        let known = self.beyond.unwrap_or(Beyond { hash, last });
        self.beyond = Some(Beyond {
            hash: known.hash.min(hash),
            last: known.last.max(last),
        });
    }

    fn shrink_to(&mut self, most: usize) {
        while self.kept.len() > most {
            if let Some((hash, dropped)) = self.kept.pop_last() {
                self.leave_out(hash, dropped.last);
            }
        }
    }

    /// Forgets what was not used since `oldest`, and of the rest how it began, if that was before `cutoff`.
    pub(super) fn forget(&mut self, oldest: Timestamp, cutoff: Timestamp) {
        self.kept.retain(|known| {
            known.witness = known.witness.take().filter(|_| known.first >= cutoff);
            known.last >= oldest
        });
        self.beyond = self.beyond.filter(|beyond| beyond.last >= oldest);
    }

    /// The things that are kept, in an order that says nothing.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Use> {
        self.kept.values()
    }

    /// `part` of the things that are kept, as a part of all: an estimate where some are not, from how dense the
    /// hashes lie.
    pub(super) fn scaled(&self, part: usize) -> f64 {
        let whole = u64::MAX as f64 + 1.0;
        let share = |beyond: Beyond| (beyond.hash as f64).max(1.0) / whole;
        part as f64 / self.beyond.map_or(1.0, share)
    }
}

impl Merge for Uses {
    fn merge(&mut self, other: Self) {
        for (hash, theirs) in other.kept {
            match self.kept.get_mut(hash) {
                Some(ours) => ours.join(theirs),
                None => {
                    self.kept.entry(hash, || theirs);
                }
            }
        }
        if let Some(Beyond { hash, last }) = other.beyond {
            self.leave_out(hash, last);
        }
        if let Some(Beyond { hash, .. }) = self.beyond {
            let fits = self.kept.before(hash);
            self.shrink_to(fits);
        }
        self.shrink_to(KEPT);
    }
}

impl Use {
    fn again(&mut self, time: Timestamp, event: &impl Noted) {
        self.requests += 1;
        self.last = self.last.max(time);
        if time > self.first {
            return;
        }
        self.first = time;
        let witness = Box::new(Witness::of(time, event));
        self.witness = earlier(self.witness.take(), Some(witness));
    }

    fn again_in_batch(&mut self, caller: &Caller, batch: &Batch) {
        self.requests += batch.count();
        self.last = self.last.max(batch.last());
        if batch.first() > self.first {
            return;
        }
        self.first = batch.first();
        let witness = Witness::of_batch(caller, batch);
        self.witness = earlier(self.witness.take(), witness);
    }

    fn join(&mut self, other: Self) {
        self.requests += other.requests;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.witness = earlier(self.witness.take(), other.witness);
    }
}

impl Witness {
    fn of_batch(caller: &Caller, batch: &Batch) -> Option<Box<Self>> {
        Some(Box::new(Self {
            entry: batch.firsts().first()?.clone(),
            address: caller.address.as_deref().unwrap_or_default().to_owned(),
            agent: caller.agent.to_string(),
        }))
    }

    fn of(time: Timestamp, noted: &impl Noted) -> Self {
        let event = noted.event();
        Self {
            entry: Entry::at(Some(time), noted),
            address: event.peer().unwrap_or_default().read().into_owned(),
            agent: event.user_agent.read().into_owned(),
        }
    }
}

fn earlier(one: Option<Box<Witness>>, other: Option<Box<Witness>>) -> Option<Box<Witness>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{detect::keyed, event::Parser, source::Origin};

    const EVENT: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a","stage":"ResponseComplete","requestURI":"/api/v1/pods","verb":"list","user":{"username":"u"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-01T00:00:00.000000Z","stageTimestamp":"2026-01-01T00:00:00.000000Z"}"#;

    fn time(minute: u16) -> Timestamp {
        Timestamp::from_micros(i64::from(minute) * 60_000_000)
    }

    /// Thing and minute of each use.
    fn uses(all: &[(u16, u16)]) -> Uses {
        let mut parser = Parser::default();
        let origin = Origin {
            source: 0,
            chunk: 0,
            line: 0,
        };
        let event = parser.parse(EVENT, origin).unwrap();
        let mut uses = Uses::default();
        for &(thing, minute) in all {
            let name = thing.to_string();
            uses.add(keyed::hash(0, &[&name]), time(minute), &event, || {
                name.clone()
            });
        }
        uses
    }

    proptest! {
        #[test]
        fn does_not_depend_on_order_or_split(
            mut all in prop::collection::vec((0_u16..120, 0_u16..500), 0..500), cut: prop::sample::Index,
        ) {
            let whole = uses(&all);
            let at = if all.is_empty() { 0 } else { cut.index(all.len()) };
            let (mut left, right) = (uses(&all[..at]), uses(&all[at..]));
            left.merge(postcard::from_bytes(&postcard::to_stdvec(&right).unwrap()).unwrap());
            prop_assert_eq!(&left, &whole);
            for known in whole.iter() {
                let times = all.iter().filter(|(thing, _)| thing.to_string() == known.name);
                let times: Vec<Timestamp> = times.map(|&(_, minute)| time(minute)).collect();
                prop_assert_eq!(known.requests, times.len() as u64);
                prop_assert_eq!(Some(known.first), times.iter().min().copied());
                prop_assert_eq!(Some(known.last), times.iter().max().copied());
            }
            all.reverse();
            prop_assert_eq!(uses(&all), whole);
        }
    }

    #[test]
    fn what_was_left_out_does_not_come_back_as_new() {
        // A hundred things in the first hour; in the second, half of them and nothing else.
        let early: Vec<(u16, u16)> = (0..100).map(|thing| (thing, 1)).collect();
        let late: Vec<(u16, u16)> = (0..50).map(|thing| (thing, 70)).collect();
        let mut memory = uses(&early);
        memory.merge(uses(&late));
        memory.forget(time(60), time(60));
        let kept: Vec<&Use> = memory.iter().collect();
        assert!((1..50).contains(&kept.len()), "{}", kept.len());
        assert!((35.0..70.0).contains(&memory.scaled(kept.len())));
        memory.merge(uses(&late));
        assert!(memory.iter().all(|known| known.first == time(1)));
        // Long after that, there is room for everything.
        memory.forget(time(200), time(200));
        memory.merge(uses(&[(7, 210)]));
        assert_eq!(memory.iter().count(), 1);
    }
}
