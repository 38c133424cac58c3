//! Counts as small bars.

/// One character a count: a dot for nothing, bars in eight heights.
pub(super) fn spark(counts: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let peak = counts.iter().max().copied().unwrap_or(0).max(1);
    let bar = |count: u64| {
        let height = count.saturating_mul(8).div_ceil(peak).min(8);
        let at = usize::try_from(height)
            .ok()
            .and_then(|height| height.checked_sub(1));
        at.map_or('·', |at| BARS[at])
    };
    counts.iter().map(|&count| bar(count)).collect()
}
