//! What every piece of a detector's state can do.

use super::{EvidenceSet, Keyed, Series, Tally};

/// Adding up partial counts. Associative and commutative, with the default as the neutral element.
pub trait Merge: Default {
    /// Adds what another part has counted.
    fn merge(&mut self, other: Self);
}

impl Merge for Tally {
    fn merge(&mut self, other: Self) {
        Self::merge(self, other);
    }
}

impl Merge for EvidenceSet {
    fn merge(&mut self, other: Self) {
        Self::merge(self, other);
    }
}

impl<const MAX_BLOCKS: usize> Merge for Series<MAX_BLOCKS> {
    fn merge(&mut self, other: Self) {
        Self::merge(self, other);
    }
}

impl<V: Merge, const KEPT: usize> Merge for Keyed<V, KEPT>
where
    Self: Default,
{
    fn merge(&mut self, other: Self) {
        Self::merge(self, other);
    }
}
