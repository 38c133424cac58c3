//! Columns of equal width that several series fit into.

use serde::Serialize;

use crate::{detect::Series, finding::Timestamp};

/// Widths that people think in, in seconds; each holds the buckets of any finer [`Series`] whole.
const WIDTHS: [i64; 12] = [
    1, 10, 60, 300, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
];

const HOUR: i64 = 3600;

/// Shorter logs than this are not shown by the hour: there would be next to nothing to see.
const FEW_HOURS: i64 = 6 * HOUR;

/// How many columns there are instead of those few hours, at most.
const FINE_COLUMNS: u64 = 120;

/// Columns of equal width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Columns {
    /// When the first one begins.
    pub from: Timestamp,
    /// Their width in seconds.
    pub seconds: u64,
    /// How many there are.
    pub count: u64,
}

/// From when to when a series has something in it, in seconds, and how wide its buckets are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    from: i64,
    /// The end of the last bucket.
    to: i64,
    width: i64,
}

/// The reach of `series`; `None` if nothing in it has a time.
pub(super) fn reach<const N: usize>(series: &Series<N>) -> Option<Reach> {
    let (mut first, mut last) = (None, None);
    for (bucket, _) in series.buckets() {
        first = first.or(Some(bucket));
        last = Some(bucket);
    }
    Some(Reach {
        from: series.start_of(first?).seconds(),
        to: series.start_of(last?.saturating_add(1)).seconds(),
        width: series.width(),
    })
}

impl Columns {
    /// The finest columns that hold all of it and are at most `most`.
    pub(super) fn finest(all: impl Iterator<Item = Option<Reach>>, most: u64) -> Option<Self> {
        Some(Self::fit(whole(all)?, 1, most))
    }

    /// Hours, unless they are more than `most`, or fewer than make a picture.
    pub(super) fn by_hour(all: impl Iterator<Item = Option<Reach>>, most: u64) -> Option<Self> {
        let whole = whole(all)?;
        let (least, most) = if whole.to - whole.from < FEW_HOURS {
            (1, most.min(FINE_COLUMNS))
        } else {
            (HOUR, most)
        };
        Some(Self::fit(whole, least, most))
    }

    fn fit(whole: Reach, least: i64, most: u64) -> Self {
        let longest = WIDTHS[WIDTHS.len() - 1];
        // Times from outside may lie thousands of years apart.
        let doubled = std::iter::successors(Some(longest * 2), |width| width.checked_mul(2));
        let widths = WIDTHS.into_iter().chain(doubled);
        let mut fitting = widths
            .filter(|&width| width >= whole.width.max(least))
            .map(|width| Self::of_width(whole, width));
        let found = fitting.find(|columns| columns.count <= most);
        found.unwrap_or_else(|| Self::of_width(whole, i64::MAX))
    }

    fn of_width(whole: Reach, width: i64) -> Self {
        let (first, last) = (
            whole.from.div_euclid(width),
            (whole.to - 1).div_euclid(width),
        );
        Self {
            from: Timestamp::from_micros(first.saturating_mul(width).saturating_mul(1_000_000)),
            seconds: width.unsigned_abs(),
            count: (last - first + 1).unsigned_abs(),
        }
    }

    /// What `series` counted in each column.
    pub(super) fn counts<const N: usize>(&self, series: &Series<N>) -> Vec<u64> {
        let count = usize::try_from(self.count).unwrap_or(0);
        let mut counts = vec![0; count];
        for (bucket, n) in series.buckets() {
            let offset = series.start_of(bucket).seconds() - self.from.seconds();
            let at = usize::try_from(offset.div_euclid(self.seconds.cast_signed()));
            if let Some(place) = at.ok().and_then(|at| counts.get_mut(at)) {
                *place += u64::from(n);
            }
        }
        counts
    }
}

/// All of them together; `None` if nothing has a time.
fn whole(all: impl Iterator<Item = Option<Reach>>) -> Option<Reach> {
    all.flatten().reduce(|a, b| Reach {
        from: a.from.min(b.from),
        to: a.to.max(b.to),
        width: a.width.max(b.width),
    })
}
