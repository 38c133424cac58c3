//! A counter of one kube-apiserver that rises too fast for a while.

use std::num::NonZeroU32;

use crate::finding::{Attribute, Severity};

use super::counter::{Counter, Interval};

/// The time between two scrapes in which a counter rose fastest, beside what it does usually.
#[derive(Debug, Clone, Copy)]
pub(super) struct Burst {
    pub(super) peak: Interval,
    /// Per second.
    pub(super) usual: f64,
}

impl Burst {
    /// The burst of `counter`, if it has one of `limit` a second or more. One scrape alone shows none.
    pub(super) fn of(counter: &Counter<'_>, limit: NonZeroU32) -> Option<Self> {
        let peak = counter.peak().filter(|_| !counter.is_since_start())?;
        (peak.rate() >= f64::from(limit.get())).then(|| Self {
            peak,
            usual: counter.usual_rate(),
        })
    }

    /// `medium` from so many times the usual rate on; what is less may be the size of the cluster.
    pub(super) fn severity(self, times: f64) -> Severity {
        if self.peak.rate() >= self.usual * times {
            Severity::Medium
        } else {
            Severity::Low
        }
    }

    /// `peak` and `usual_per_second`.
    pub(super) fn attributes(self) -> [(&'static str, Attribute); 2] {
        [
            ("peak", self.peak.attribute()),
            ("usual_per_second", Attribute::rate(self.usual)),
        ]
    }
}
