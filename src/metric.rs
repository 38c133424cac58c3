//! Metrics: exposition text or Prometheus API answers -> series of samples over time.
//!
//! Owns the text formats, the API's JSON, what a scrape's file name says, and the arithmetic of
//! counters. Only `read` knows files. Nothing here knows audit events or rules.
//!
//! The text is read by an own line parser and not by the crate `prometheus-parse` (0.2.5), which
//! `tests/metrics.rs` keeps as a second opinion. Its regular expressions end the labels at the first
//! `}`, cut them at every `,` and drop each label with `=` in its value, as in `resource="{name}"` or
//! in a URL (434 of the 505,633 samples in 30 real scrapes are lost or garbled); it decodes no escape,
//! knows no `:` in names and no OpenMetrics, and skips a bad line without a word. It is also slower: 10 MB
//! take it 228 ms, this reader 93 ms, and 20 ms where only a few families are wanted, which is how the
//! detectors read (fastest of 100 rounds on two busy cores; `cargo bench --bench metrics`). The official
//! Python client and a real Prometheus read the same values as this reader from every sample
//! (`tests/metrics.rs`, `tests/prometheus_api.rs`).

mod api;
mod archive;
mod bad;
mod catalogue;
mod exposition;
mod history;
mod kind;
mod labels;
mod line;
mod rate;
mod read;
mod scrape;
mod stored;

pub use api::{ApiError, read_api};
pub use archive::Archive;
pub use bad::{BadLine, BadLines};
pub use catalogue::{Catalogue, Known, LabelValues};
pub use exposition::{Exposition, Family, Sample, read_exposition};
pub use history::{History, Limits, Metric, Point, Series};
pub use kind::Kind;
pub use labels::{Escaped, Labels, Names, Text};
pub use line::Format;
pub use rate::{Semantics, Step, Window, delta, increase, is_stale_marker, rate, steps};
pub use read::{MAX_SCRAPE_BYTES, MetricsFile, ScrapeHints, Scrapes, read_scrapes, read_texts};
pub use scrape::{Scrape, TimeFrom, instance_from_name, scrape_time, time_from_name};

use crate::finding::Timestamp;

/// A time written in seconds with a fraction, rounded to the millisecond that Prometheus keeps;
/// `None` where it is no number or beyond any calendar.
fn seconds(text: f64) -> Option<Timestamp> {
    let millis = (text * 1000.0).round();
    // 9e15 ms are 285,000 years; every such number is a whole i64, also in microseconds.
    #[expect(clippy::cast_possible_truncation, reason = "checked to be within 9e15")]
    (millis.abs() < 9e15).then(|| Timestamp::from_micros(millis as i64 * 1000))
}
