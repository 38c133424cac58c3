//! What kind of metric a family is, and what follows for its samples.

use serde::{Deserialize, Serialize};

/// What kind of metric a family is, as its `# TYPE` line says.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Kind {
    /// Only rises, and restarts at zero with its process.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Cumulative counts in buckets by upper bound (`le`).
    Histogram,
    /// Quantiles, with a cumulative sum and count.
    Summary,
    /// OpenMetrics: buckets that may also shrink.
    GaugeHistogram,
    /// OpenMetrics: facts in labels.
    Info,
    /// OpenMetrics: one boolean for each state.
    StateSet,
    /// `untyped`, `unknown`, or no `# TYPE` line.
    #[default]
    Unknown,
}

impl Kind {
    /// All kinds and their names in `# TYPE` lines.
    pub const NAMES: [(Self, &'static str); 8] = [
        (Self::Counter, "counter"),
        (Self::Gauge, "gauge"),
        (Self::Histogram, "histogram"),
        (Self::Summary, "summary"),
        (Self::GaugeHistogram, "gaugehistogram"),
        (Self::Info, "info"),
        (Self::StateSet, "stateset"),
        (Self::Unknown, "unknown"),
    ];

    /// The name in `# TYPE` lines.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("unknown", |(_, name)| name)
    }

    /// From the name in a `# TYPE` line, in any case; `unknown` for `untyped` and other words.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let known = |(_, name): &&(Self, &str)| name.eq_ignore_ascii_case(text);
        Self::NAMES
            .iter()
            .find(known)
            .map_or(Self::Unknown, |(kind, _)| *kind)
    }

    /// Everything that may follow a family's name.
    pub(super) const SUFFIXES: [&'static str; 9] = [
        "", "_total", "_created", "_bucket", "_sum", "_count", "_gsum", "_gcount", "_info",
    ];

    /// What may follow the family's name in its samples' names.
    pub(super) const fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter => &["", "_total", "_created"],
            Self::Histogram => &["_bucket", "_sum", "_count", "_created"],
            Self::Summary => &["", "_sum", "_count", "_created"],
            Self::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
            Self::Info => &["_info", ""],
            Self::Gauge | Self::StateSet | Self::Unknown => &[""],
        }
    }

    /// Whether samples of this name only rise until a restart, so that only their increase says
    /// anything. Without a type the name decides, by Prometheus' naming conventions.
    #[must_use]
    pub fn is_cumulative(self, sample: &str) -> bool {
        let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| sample.ends_with(suffix));
        match self {
            Self::Counter => !sample.ends_with("_created"),
            Self::Histogram | Self::Summary => ends(&["_bucket", "_sum", "_count"]),
            Self::Unknown => ends(&["_total", "_bucket", "_sum", "_count"]),
            Self::Gauge | Self::GaugeHistogram | Self::Info | Self::StateSet => false,
        }
    }
}
