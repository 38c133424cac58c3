//! Silences out of proportion to the traffic around them.

use crate::{detect::Series, finding::Timestamp};

use super::Gap;

/// A silence shorter than this is none, whatever the traffic.
const SHORTEST_SECONDS: i64 = 60;
/// A log with fewer pauses than these is too short to know its usual one.
const FEWEST_PAUSES: usize = 20;
/// A silence is this many times longer than a usual pause.
const TIMES_THE_USUAL_PAUSE: i64 = 20;
/// At most so many are shown, the longest first.
const SHOWN: usize = 20;

/// The silences in a log's traffic, by time.
///
/// A pause is usual if nine of ten pauses are no longer: a log in which an hour's pause is usual has no
/// gap of an hour. A log with few pauses has no usual one, and no gaps are told.
pub(super) fn find<const N: usize>(traffic: &Series<N>) -> Vec<Gap> {
    let buckets: Vec<i64> = traffic.buckets().map(|(bucket, _)| bucket).collect();
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
        .max(SHORTEST_SECONDS / traffic.width());
    let long = pauses
        .iter()
        .rev()
        .take_while(|pause| pause.0 > limit)
        .take(SHOWN);
    let mut gaps: Vec<Gap> = long
        .map(|&(_, from, to)| gap(traffic.start_of(from), traffic.start_of(to)))
        .collect();
    gaps.sort_unstable_by_key(|gap| gap.from);
    gaps
}

fn gap(from: Timestamp, to: Timestamp) -> Gap {
    Gap {
        from,
        to,
        seconds: (to.seconds() - from.seconds()).unsigned_abs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(seconds: impl Iterator<Item = i64>) -> Vec<u64> {
        let mut traffic = Series::<768>::default();
        for second in seconds {
            traffic.add(Some(Timestamp::from_micros(second * 1_000_000)));
        }
        find(&traffic).iter().map(|gap| gap.seconds).collect()
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
}
