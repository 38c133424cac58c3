//! Lines that could not be read: data, not errors.

/// A line that could not be read, or may not stand where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BadLine {
    /// Counted from 1; for an answer of the Prometheus API the number of the series in its result.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

/// All bad lines by number, and the first few in full.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BadLines {
    /// How many there are.
    pub count: u64,
    /// The first [`BadLines::SHOWN`] of them.
    pub first: Vec<BadLine>,
}

impl BadLines {
    /// How many bad lines of one text are kept in full.
    pub const SHOWN: usize = 20;

    pub(super) fn push(&mut self, line: u64, why: impl Into<String>) {
        self.count += 1;
        if self.first.len() < Self::SHOWN {
            self.first.push(BadLine {
                line,
                why: why.into(),
            });
        }
    }
}
