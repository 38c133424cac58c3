//! One pod's short watches or full lists of one resource, and when they are too many.

use serde::{Deserialize, Serialize};

use crate::finding::{Attribute, Severity};

use super::{
    EvidenceSet, Merge, Peak, Series,
    sustained::{self, Rate},
    watch_churn::Limits,
};

/// Over so many minutes they are judged.
const MINUTES: u32 = 10;

/// One pod's short watches, or full lists, of one resource.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Stream {
    pub(super) times: Series<12>,
    pub(super) evidence: EvidenceSet,
}

/// A stream that is too fast.
pub(super) struct Fast<'a> {
    pub(super) request: &'a str,
    pub(super) by: &'a str,
    pub(super) stream: &'a Stream,
    pub(super) window: Peak,
    pub(super) severity: Severity,
}

impl<'a> Fast<'a> {
    /// Judges what `name`, request and pod, did.
    pub(super) fn find(name: &'a str, stream: &'a Stream, limits: &Limits) -> Option<Self> {
        let (request, by) = name.split_once('\0')?;
        let limit = if request.starts_with("watch ") {
            limits.short_watches
        } else {
            limits.full_lists
        };
        let rate = Rate {
            per_minute: f64::from(limit.get()) / f64::from(MINUTES),
            minutes: MINUTES,
        };
        let window = rate.exceeded(&stream.times, |_| true)?;
        let medium = rate.per_minute * f64::from(limits.medium_factor.get());
        Some(Self {
            request,
            by,
            stream,
            window,
            severity: if window.rate() * 60.0 >= medium {
                Severity::Medium
            } else {
                Severity::Low
            },
        })
    }

    pub(super) fn is_watch(&self) -> bool {
        self.request.starts_with("watch ")
    }

    pub(super) fn attribute(&self) -> Attribute {
        let what = if self.is_watch() {
            "short_watches"
        } else {
            "full_lists"
        };
        let fields: [(&str, Attribute); 4] = [
            ("request", self.request.into()),
            ("by", self.by.into()),
            (what, self.stream.times.total().into()),
            ("window", sustained::attribute(&self.window)),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

impl Merge for Stream {
    fn merge(&mut self, other: Self) {
        self.times.merge(other.times);
        self.evidence.merge(other.evidence);
    }
}
