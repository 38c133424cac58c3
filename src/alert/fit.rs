//! Thresholds from what a recording shows as normal.
//!
//! A window is normal unless a finding (medium or worse, if the template says no other) of its detectors overlaps it, for the
//! same account where the template tells accounts apart; a finding that is high or worse makes its
//! account's windows abnormal for all such templates. Of all normal windows a percentile counts, so
//! that one odd minute does not, times the headroom. A recording shorter than the window is scaled up.

mod group;
mod number;

use std::{collections::BTreeMap, time::Duration};

use promql_parser::parser::Expr;

use super::{
    evaluate::{Evaluation, Outcome},
    replay::later,
    template::{Template, Threshold, ThresholdRule, window},
};
use crate::{
    finding::{Finding, Timestamp},
    metric::{History, Labels, Semantics},
};
use group::{concerns, groups_known};
pub(super) use number::plain;
use number::{at_percentile, minutes, rounded_up, significant};

/// At how many moments a recording is looked at.
const MOMENTS: u64 = 400;

/// How many accounts get a threshold of their own.
const MOST_OVERRIDES: usize = 20;

/// What a template's expression came to over a recording.
#[derive(Debug, Clone, Default)]
pub(super) struct Study {
    /// By group, at each moment: the value, and whether the window is normal.
    groups: BTreeMap<Labels, Vec<Seen>>,
    /// First and last moment of the recording.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    window: Duration,
    /// How many groups there are, those included that the expression says nothing of.
    groups_known: usize,
    /// The first of the template's detectors that found anything: the most telling stands first.
    detector: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    time: Timestamp,
    value: f64,
    /// Seconds of recording before it.
    covered: u64,
    normal: bool,
}

/// A threshold and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fitted {
    /// Whom it is for: label values; empty for everybody else.
    pub(super) group: Labels,
    /// The number, as written into the expression.
    pub(super) number: String,
    /// Where it comes from, in words.
    pub(super) origin: String,
}

/// What one group does in normal hours.
struct Ranked<'a> {
    group: &'a Labels,
    value: f64,
    windows: usize,
}

/// How a threshold is fitted.
#[derive(Debug, Clone, Copy)]
struct Measure {
    percentile: f64,
    headroom: f64,
    floor: f64,
}

impl Study {
    /// Looks at the recording through the template's measure, the left side of its comparison.
    pub(super) fn of(
        template: &Template,
        measure: &Expr,
        history: &History,
        findings: &[Finding],
    ) -> Self {
        let names = super::metric_names(measure);
        let series = names.iter().filter_map(|name| history.metric(name));
        let series = series.flat_map(|metric| metric.series.values());
        let ends = series.filter_map(|s| Some((s.points().first()?.time, s.points().last()?.time)));
        let span = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let mut study = Self {
            span,
            window: window(measure),
            ..Self::default()
        };
        let Some((start, end)) = span else {
            return study;
        };
        let seconds = end.micros().saturating_sub(start.micros()).unsigned_abs() / 1_000_000;
        let step = seconds.div_ceil(MOMENTS).max(5);
        study.groups_known = groups_known(template, history);
        let telling = template.detectors.iter().find(|id| {
            let grave = |f: &&Finding| f.severity >= template.abnormal_from;
            findings.iter().filter(grave).any(|f| f.detector == **id)
        });
        study.detector = telling.cloned();
        for at in (0..=seconds).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
            study.look(template, measure, history, findings, (later(start, at), at));
        }
        study
    }

    fn look(
        &mut self,
        template: &Template,
        measure: &Expr,
        history: &History,
        findings: &[Finding],
        (time, covered): (Timestamp, u64),
    ) {
        let evaluation = Evaluation {
            history,
            time,
            semantics: Semantics::Prometheus3,
            unseen_labels: &[],
        };
        let vector = match evaluation.evaluate(measure) {
            Ok(Outcome::Vector(vector)) => vector,
            Ok(Outcome::Scalar(value)) => vec![(Labels::default(), value)],
            Err(_) => return,
        };
        let from = time.before(self.window);
        for (labels, value) in vector.into_iter().filter(|(_, value)| value.is_finite()) {
            let detector = self.detector.as_deref();
            let own = |finding: &&Finding| concerns(finding, template, detector, &labels);
            let mut about = findings.iter().filter(own);
            let normal = !about.any(|finding| {
                finding.first_seen.is_none_or(|first| first <= time)
                    && finding.last_seen.is_none_or(|last| last >= from)
            });
            let group = labels.filtered(|name| template.per.iter().any(|label| label == name));
            self.groups.entry(group).or_default().push(Seen {
                time,
                value,
                covered,
                normal,
            });
        }
    }

    /// The thresholds: first the one for all, then those of busy groups.
    pub(super) fn thresholds(&self, template: &Template, headroom: Option<f64>) -> Vec<Fitted> {
        let Threshold {
            rule,
            unit,
            because,
        } = &template.threshold;
        match *rule {
            ThresholdRule::Fixed(number) => vec![Fitted {
                group: Labels::default(),
                number: plain(number),
                origin: format!("{} {unit}, fixed: {because}", plain(number)),
            }],
            ThresholdRule::Fitted {
                percentile,
                headroom: own,
                floor,
            } => {
                let mut ranked = self.normal_values(percentile);
                ranked.sort_by(|a, b| {
                    b.value
                        .total_cmp(&a.value)
                        .then_with(|| a.group.cmp(b.group))
                });
                let measure = Measure {
                    percentile,
                    headroom: headroom.unwrap_or(own),
                    floor,
                };
                self.fitted(template, &ranked, measure)
            }
        }
    }

    /// The threshold for all, and those of the busy, the busiest first in `ranked`.
    fn fitted(&self, template: &Template, ranked: &[Ranked<'_>], by: Measure) -> Vec<Fitted> {
        // What a usual group does: the one that three quarters stay below. Who does more has its own.
        let usual = if template.per.is_empty() {
            0
        } else {
            (self.groups_known.max(ranked.len()) / 4).min(MOST_OVERRIDES)
        };
        let typical = ranked.get(usual);
        let number = |ranked: &Ranked<'_>| rounded_up(ranked.value * by.headroom);
        let base = typical.map_or(0.0, number).max(by.floor);
        let origin = if let Some(typical) = typical {
            self.origin(template, typical, by, base)
        } else {
            let why = match (self.groups.is_empty(), ranked.is_empty()) {
                (true, _) => "nothing was recorded",
                (false, true) => "no recorded hour is normal",
                (false, false) => "most do nothing of the kind",
            };
            let Threshold { unit, because, .. } = &template.threshold;
            format!("{} {unit}: {why}; {because}", plain(base))
        };
        let all = Fitted {
            group: Labels::default(),
            number: plain(base),
            origin,
        };
        let busy = ranked
            .iter()
            .filter(|ranked| !ranked.group.is_empty() && ranked.value * by.headroom > base);
        let own = busy.take(MOST_OVERRIDES).map(|ranked| Fitted {
            group: ranked.group.clone(),
            number: plain(number(ranked)),
            origin: self.origin(template, ranked, by, number(ranked)),
        });
        std::iter::once(all).chain(own).collect()
    }

    fn origin(&self, template: &Template, of: &Ranked<'_>, by: Measure, number: f64) -> String {
        let Threshold { unit, because, .. } = &template.threshold;
        format!(
            "{} {unit}: {} times {} (p{} of {} windows of {} in normal hours{}), at least {}: {because}",
            plain(number),
            by.headroom,
            significant(of.value),
            by.percentile,
            of.windows,
            minutes(self.window),
            self.scaled(),
            plain(by.floor)
        )
    }

    /// The percentile of each group's normal windows, and how many those are.
    fn normal_values(&self, percentile: f64) -> Vec<Ranked<'_>> {
        let range = self.window.as_secs().max(1);
        let recorded = self.span.map_or(0, |(from, to)| {
            to.micros().saturating_sub(from.micros()).unsigned_abs() / 1_000_000
        });
        let of = |seen: &[Seen], least: u64| {
            let whole = seen.iter().filter(|s| s.normal && s.covered >= least);
            let scaled = |s: &Seen| s.value * (range as f64 / range.min(s.covered.max(1)) as f64);
            let mut values: Vec<f64> = whole.map(scaled).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        // The first half of a short recording says too little about a whole window: it counts only
        // where there is nothing else.
        let groups = self.groups.iter().filter_map(|(group, seen)| {
            let best = of(seen, range.min(recorded / 2));
            let values = if best.is_empty() {
                of(seen, range.min(60))
            } else {
                best
            };
            Some(Ranked {
                group,
                value: at_percentile(&values, percentile)?,
                windows: values.len(),
            })
        });
        groups.collect()
    }

    fn scaled(&self) -> String {
        let Some((start, end)) = self.span else {
            return String::new();
        };
        let micros = end.micros().saturating_sub(start.micros()).unsigned_abs();
        let recorded = Duration::from_micros(micros);
        if recorded >= self.window {
            return format!(", recorded for {}", minutes(recorded));
        }
        format!(", scaled up from {} of recording", minutes(recorded))
    }

    /// The moment of the highest value, whoever had it.
    pub(super) fn peak(&self) -> Option<Timestamp> {
        let all = self.groups.values().flatten();
        let best = all.max_by(|a, b| a.value.total_cmp(&b.value).then(b.time.cmp(&a.time)))?;
        Some(best.time)
    }

    /// Moments that are normal for everybody, in order.
    pub(super) fn normal(&self) -> Vec<Timestamp> {
        let mut times: BTreeMap<Timestamp, bool> = BTreeMap::new();
        for seen in self.groups.values().flatten() {
            *times.entry(seen.time).or_insert(true) &= seen.normal;
        }
        times
            .into_iter()
            .filter(|(_, normal)| *normal)
            .map(|(time, _)| time)
            .collect()
    }
}
