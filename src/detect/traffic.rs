//! When a log was written: how many events over time, where it is silent, and what stands at the edges.

use serde::{Deserialize, Serialize};

use crate::{
    event::Event,
    finding::{Evidence, Timestamp},
};

use super::{Context, Series, evidence::Entry};

/// A silence shorter than this is none, whatever the traffic.
const SHORTEST_SECONDS: i64 = 60;
/// A log with fewer pauses than these is too short to know its usual one.
const FEWEST_PAUSES: usize = 20;
/// A silence is more than this many times longer than a usual pause.
const TIMES_THE_USUAL_PAUSE: i64 = 20;
/// At most so many are shown, the longest first.
const SHOWN: usize = 20;
/// The events of so many buckets share their first and their last one. No silence is shorter, so that the
/// last event before it and the first one after it never stand in one stretch.
const STRETCH: i64 = TIMES_THE_USUAL_PAUSE;
/// So far from all others, a few events at the end of a log are strays.
const STRAY_SECONDS: u64 = 3600;
/// So many events are few, or one ten-thousandth of the log.
const FEW: u64 = 10;

/// The lines of a log over time, by when they were written (`stageTimestamp`): a watch that was opened
/// before a silence and closed after it stands behind it.
///
/// Beside the counts, the first and the last event of every stretch of 20 buckets: at most 2,304 stretches,
/// about half a megabyte.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    written: Series<768>,
    /// Sorted by number: time / bucket width / 20.
    stretches: Vec<(i64, Edges)>,
}

/// The first event of a stretch, and one of its last second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Edges {
    first: Entry,
    /// The first event of the last second: in a log in time order that is one change a second.
    last: Entry,
}

/// A silence out of proportion to the traffic around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// When the last event before it was written, to the second.
    pub from: Timestamp,
    /// When the first event after it was written.
    pub to: Timestamp,
    /// Its length.
    pub seconds: u64,
}

/// A few events at one end of the log, hours away from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strays {
    /// What separates them from the rest.
    pub(super) gap: Gap,
    /// Whether they are later than the rest.
    pub(super) later: bool,
    /// How many there are.
    pub(super) events: u64,
}

impl Traffic {
    /// Takes note of one event of any stage.
    pub(super) fn add(&mut self, event: &Event<'_>) {
        let Some(time) = event.stage_time.or(event.received) else {
            return;
        };
        let width = self.written.width();
        self.written.add(Some(time));
        if self.written.width() != width {
            self.regroup();
        }
        let number = time.seconds().div_euclid(self.stretch_seconds());
        let at = self.place(number);
        match self.stretches.get_mut(at) {
            Some((known, edges)) if *known == number => edges.add(time, event),
            _ => {
                let entry = Entry::at(Some(time), event);
                let edges = Edges {
                    first: entry.clone(),
                    last: entry,
                };
                self.stretches.insert(at, (number, edges));
            }
        }
    }

    /// Adds what another part of the log has.
    pub(super) fn merge(&mut self, other: Self) {
        let width = self.written.width();
        self.written.merge(other.written);
        if self.written.width() != width {
            self.regroup();
        }
        for (_, edges) in other.stretches {
            self.join(edges);
        }
    }

    /// Puts the stretches together anew, after the buckets became wider. Stretches of wider buckets are
    /// made of whole ones of narrower buckets.
    fn regroup(&mut self) {
        for (_, edges) in std::mem::take(&mut self.stretches) {
            self.join(edges);
        }
    }

    fn join(&mut self, edges: Edges) {
        let seconds = edges.first.time.map_or(0, Timestamp::seconds);
        let number = seconds.div_euclid(self.stretch_seconds());
        let at = self.place(number);
        match self.stretches.get_mut(at) {
            Some((known, ours)) if *known == number => ours.merge(edges),
            _ => self.stretches.insert(at, (number, edges)),
        }
    }

    fn stretch_seconds(&self) -> i64 {
        self.written.width() * STRETCH
    }

    /// Where the stretch of that number stands, or belongs. Most logs are in order.
    fn place(&self, number: i64) -> usize {
        match self.stretches.last() {
            Some(last) if last.0 == number => self.stretches.len() - 1,
            Some(last) if last.0 > number => {
                self.stretches.partition_point(|stretch| stretch.0 < number)
            }
            _ => self.stretches.len(),
        }
    }

    /// How many events carry a time.
    pub(super) const fn total(&self) -> u64 {
        self.written.total()
    }

    /// The width of the buckets that silences are told by, in seconds.
    pub(super) fn resolution(&self) -> u64 {
        self.written.width().unsigned_abs()
    }

    /// Whether the log is long enough to know its usual pause.
    pub(super) fn knows_its_pauses(&self) -> bool {
        self.written.buckets().take(FEWEST_PAUSES + 1).count() > FEWEST_PAUSES
    }

    /// How many events were written from `from` on and before `to`, in whole buckets.
    pub(super) fn count(&self, from: Timestamp, to: Timestamp) -> u64 {
        self.written.count_overlapping(from, to)
    }

    /// The silences in the log that strays do not explain, by time.
    pub(super) fn gaps(&self) -> Vec<Gap> {
        let strays = self.strays();
        let mut gaps = self.silences();
        gaps.retain(|gap| strays.iter().all(|strays| strays.gap != *gap));
        gaps
    }

    /// The few events at either end of the log that stand hours apart from all others.
    pub(super) fn strays(&self) -> Vec<Strays> {
        let silences = self.silences();
        let few = (self.total() / 10_000).max(FEW);
        let buckets: Vec<(i64, u32)> = self.written.buckets().collect();
        let sum = |part: &[(i64, u32)]| part.iter().map(|&(_, n)| u64::from(n)).sum::<u64>();
        let split = |gap: &Gap| {
            buckets.partition_point(|&(bucket, _)| self.written.start_of(bucket) <= gap.from)
        };
        let of = |gap: Option<&Gap>, later: bool| {
            let gap = *gap.filter(|gap| gap.seconds > STRAY_SECONDS)?;
            let (before, after) = buckets.split_at(split(&gap));
            let events = sum(if later { after } else { before });
            let strays = Strays { gap, later, events };
            (events <= few && events * 10 < self.total()).then_some(strays)
        };
        let earlier = of(silences.first(), false);
        let later = of(silences.last(), true);
        earlier.into_iter().chain(later).collect()
    }

    /// The silences in the log, by time.
    ///
    /// A pause is usual if nine of ten pauses are no longer: a log in which an hour's pause is usual has no
    /// gap of an hour. A log with few pauses has no usual one, and no gaps are told.
    fn silences(&self) -> Vec<Gap> {
        let buckets: Vec<i64> = self.written.buckets().map(|(bucket, _)| bucket).collect();
        let pauses = buckets
            .windows(2)
            .map(|pair| (pair[1] - pair[0], pair[0], pair[1]));
        let mut pauses: Vec<(i64, i64, i64)> = pauses.collect();
        if pauses.len() < FEWEST_PAUSES {
            return Vec::new();
        }
        pauses.sort_unstable();
        let usual = pauses[pauses.len() * 9 / 10].0;
        let limit = usual
            .saturating_mul(TIMES_THE_USUAL_PAUSE)
            .max(SHORTEST_SECONDS / self.written.width());
        let long = pauses.iter().rev().take_while(|pause| pause.0 > limit);
        let mut gaps: Vec<Gap> = long
            .take(SHOWN)
            .map(|&(_, from, to)| self.gap(from, to))
            .collect();
        gaps.sort_unstable_by_key(|gap| gap.from);
        gaps
    }

    /// The silence from bucket `from` to bucket `to`, as exactly as the events at its edges tell.
    fn gap(&self, from: i64, to: i64) -> Gap {
        let edges = |bucket: i64| {
            let stretch = bucket.div_euclid(STRETCH);
            let at = self.stretches.partition_point(|other| other.0 < stretch);
            self.stretches.get(at).map(|(_, edges)| edges)
        };
        let last = edges(from).and_then(|edges| edges.last.time);
        let first = edges(to).and_then(|edges| edges.first.time);
        let from = last.unwrap_or_else(|| self.written.start_of(from));
        let to = first.unwrap_or_else(|| self.written.start_of(to));
        Gap {
            from,
            to,
            seconds: (to.seconds() - from.seconds()).unsigned_abs(),
        }
    }

    /// The first event and the last one.
    pub(super) fn ends(&self, context: &Context<'_>) -> Vec<Evidence> {
        let first = self.stretches.first().map(|(_, edges)| &edges.first);
        let last = self.stretches.last().map(|(_, edges)| &edges.last);
        let mut ends: Vec<&Entry> = first.into_iter().chain(last).collect();
        ends.dedup();
        ends.into_iter().map(|entry| entry.show(context)).collect()
    }

    /// The events at the edges of `gap`.
    pub(super) fn evidence(&self, gap: &Gap, context: &Context<'_>) -> Vec<Evidence> {
        let entries = self.stretches.iter().flat_map(|(_, edges)| {
            let before = (edges.last.time == Some(gap.from)).then_some(&edges.last);
            let after = (edges.first.time == Some(gap.to)).then_some(&edges.first);
            before.into_iter().chain(after)
        });
        entries.map(|entry| entry.show(context)).collect()
    }
}

impl Edges {
    fn add(&mut self, time: Timestamp, event: &Event<'_>) {
        let late = self.last.time.map_or(i64::MIN, Timestamp::seconds);
        let joins_first = Some(time) <= self.first.time;
        let joins_last =
            time.seconds() > late || time.seconds() == late && Some(time) <= self.last.time;
        if joins_first || joins_last {
            let entry = Entry::at(Some(time), event);
            self.merge(Self {
                first: entry.clone(),
                last: entry,
            });
        }
    }

    fn merge(&mut self, other: Self) {
        self.first = other.first.min(self.first.clone());
        let second = |entry: &Entry| entry.time.map(Timestamp::seconds);
        let (ours, theirs) = (second(&self.last), second(&other.last));
        if theirs > ours || theirs == ours && other.last < self.last {
            self.last = other.last;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{event::Parser, source::Origin};

    fn line(second: i64, id: usize) -> String {
        let time = Timestamp::from_micros(second * 1_000_000);
        format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{id}","stage":"ResponseComplete","requestURI":"/x","verb":"get","user":{{"username":"u"}},"requestReceivedTimestamp":"{time}","stageTimestamp":"{time}"}}"#
        )
    }

    fn traffic(seconds: impl IntoIterator<Item = (usize, i64)>) -> Traffic {
        let mut traffic = Traffic::default();
        let mut parser = Parser::default();
        for (id, second) in seconds {
            let line = line(second, id);
            traffic.add(&parser.parse(&line, Origin::default()).unwrap());
        }
        traffic
    }

    fn gaps(seconds: impl Iterator<Item = i64>) -> Vec<u64> {
        let traffic = traffic(seconds.enumerate());
        traffic.gaps().iter().map(|gap| gap.seconds).collect()
    }

    #[test]
    fn a_silence_in_steady_traffic_is_a_gap() {
        assert_eq!(gaps((0..600).chain(1200..1500)), [601]);
    }

    #[test]
    fn steady_traffic_and_slow_traffic_have_none() {
        assert!(gaps(0..5000).is_empty());
        assert!(gaps((0..100).map(|n| n * 600)).is_empty());
        assert!(gaps(std::iter::empty()).is_empty());
        assert!(gaps(std::iter::once(7)).is_empty());
    }

    #[test]
    fn a_few_events_hours_apart_are_strays_and_no_gap() {
        let traffic = traffic(
            (1_000_000..1_001_000)
                .chain([7_000_000, 7_000_001])
                .enumerate(),
        );
        assert!(traffic.gaps().is_empty());
        let [strays] = traffic.strays()[..] else {
            panic!("{:?}", traffic.strays())
        };
        assert!(strays.later && strays.events == 2 && strays.gap.seconds == 5_999_001);
        assert!(gaps((0..1000).chain(9000..9500)) == [8001]);
    }

    // Long enough to go over to wider buckets.
    #[test]
    fn the_edges_of_a_gap_are_exact_in_wide_buckets() {
        let seconds = (0..60_000).step_by(7).chain((63_003..70_000).step_by(7));
        let traffic = traffic(seconds.enumerate());
        assert!(traffic.resolution() > 1);
        let [gap] = traffic.gaps()[..] else {
            panic!("{:?}", traffic.gaps())
        };
        assert_eq!((gap.from.seconds(), gap.to.seconds()), (59_997, 63_003));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn does_not_depend_on_order_or_split(
            seconds in prop::collection::vec(0_i64..90_000, 0..1500), cut: prop::sample::Index,
        ) {
            let numbered: Vec<(usize, i64)> = seconds.into_iter().enumerate().collect();
            let whole = traffic(numbered.iter().copied());
            let at = if numbered.is_empty() { 0 } else { cut.index(numbered.len()) };
            let (mut left, right) = (traffic(numbered[at..].iter().copied()), traffic(numbered[..at].iter().copied()));
            left.merge(right);
            prop_assert_eq!(&left, &whole);
            prop_assert_eq!(traffic(numbered.into_iter().rev()), whole);
        }
    }
}
