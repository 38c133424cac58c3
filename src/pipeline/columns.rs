//! Counts over time, cut into columns of equal width.

use crate::{detect::Series, finding::Timestamp};

/// How many columns a row's timeline has.
pub(super) const COLUMNS: usize = 24;

/// How many were counted in each of [`COLUMNS`] parts of the time from `first` to `last`. A bucket counts where it
/// begins. Nothing if there is no such time.
pub(super) fn columns<const BLOCKS: usize>(
    times: &Series<BLOCKS>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
) -> Vec<u64> {
    let (Some(first), Some(last)) = (first, last) else {
        return Vec::new();
    };
    let span = last.micros().saturating_sub(first.micros()).max(1);
    let mut counts = vec![0; COLUMNS];
    for (bucket, count) in times.buckets() {
        let begin = times.start_of(bucket).micros();
        // A bucket begins at a whole second, which may be before the first request.
        let since = begin.saturating_sub(first.micros()).clamp(0, span - 1);
        let column = i128::from(since) * COLUMNS as i128 / i128::from(span);
        let column = usize::try_from(column).ok();
        if let Some(place) = column.and_then(|column| counts.get_mut(column)) {
            *place += u64::from(count);
        }
    }
    counts
}
