//! A stretch of a recording as promtool plays it: samples at even steps from second 0.
//!
//! The step divides no range and no offset of the rules, so that no sample ever lies on the left edge
//! of a window: there Prometheus 2 and 3 differ, and the tests must pass with both.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use promql_parser::parser::Expr;

use super::{
    evaluate::{Evaluation, LOOKBACK, NotEvaluated, Outcome, accepts, metric_name},
    template::selectors,
};
use crate::{
    finding::Timestamp,
    metric::{Exposition, Family, History, Kind, Labels, Sample, Semantics, Series, Text, Window},
};

/// More series are not written into one test.
const MOST_SERIES: usize = 200;

/// Series at even steps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Replay {
    /// Seconds between two samples, and between two evaluations.
    pub(super) step: u64,
    /// How many steps.
    pub(super) ticks: usize,
    /// The series: metric, labels, one value or gap for each step.
    pub(super) series: Vec<(Text, Labels, Vec<Option<f64>>)>,
}

/// An alert that fires: the result's labels and its value.
pub(super) type Alerts = Vec<(Labels, f64)>;

/// Seconds between the samples of a test: `interval`, or a little more.
pub(super) fn step(interval: u64, spans: &[u64]) -> u64 {
    let fits = |step: &u64| spans.iter().all(|span| !span.is_multiple_of(*step));
    (interval.max(2)..interval.max(2) + 100)
        .find(fits)
        .unwrap_or(interval.max(2))
}

impl Replay {
    /// What `expr` asks for, from `start` on. After `end` every series stands still.
    pub(super) fn cut(
        history: &History,
        expr: &Expr,
        (start, end): (Timestamp, Timestamp),
        step: u64,
        ticks: usize,
    ) -> Self {
        let mut series = BTreeMap::new();
        for (selector, _) in selectors(expr) {
            let name = metric_name(selector).unwrap_or_default();
            for (labels, found) in history.metric(name).into_iter().flat_map(|m| &m.series) {
                if accepts(&selector.matchers, labels, &[]) && series.len() < MOST_SERIES {
                    series.insert((Text::from(name), labels), found);
                }
            }
        }
        let at = |tick: usize| {
            let time = later(start, step * tick as u64);
            Window {
                end: time.min(end),
                range: LOOKBACK,
                semantics: Semantics::Prometheus3,
            }
        };
        let values = |labels: &Labels, found: &Series| -> Vec<Option<f64>> {
            let value = |tick| history.instant(labels, found, at(tick));
            (0..ticks).map(value).collect()
        };
        let all = series.into_iter();
        let all = all.map(|((name, labels), found)| (name, labels.clone(), values(labels, found)));
        Self {
            step,
            ticks,
            series: all
                .filter(|(.., v)| v.iter().any(Option::is_some))
                .collect(),
        }
    }

    /// The same as a history.
    pub(super) fn history(&self) -> History {
        let mut history = History::default();
        let family = |(name, labels, values): &(Text, Labels, Vec<Option<f64>>)| {
            let sample = |(tick, value): (usize, &Option<f64>)| {
                Some(Sample {
                    name: Text::clone(name),
                    labels: labels.clone(),
                    value: (*value)?,
                    timestamp: Some(self.time(tick)),
                })
            };
            Family {
                name: Text::clone(name),
                kind: Kind::Unknown,
                help: String::new(),
                unit: String::new(),
                label_names: Vec::new(),
                samples: values.iter().enumerate().filter_map(sample).collect(),
            }
        };
        let families: Vec<Family> = self.series.iter().map(family).collect();
        history.add_timestamped(&Exposition {
            families,
            ..Exposition::default()
        });
        history
    }

    fn time(&self, tick: usize) -> Timestamp {
        later(Timestamp::from_micros(0), self.step * tick as u64)
    }

    /// What fires at each step, as Prometheus decides: an alert must have been active for `hold`.
    pub(super) fn firing(
        &self,
        expr: &Expr,
        hold: Duration,
        semantics: Semantics,
    ) -> Result<Vec<Alerts>, NotEvaluated> {
        let history = self.history();
        let mut since: BTreeMap<Labels, usize> = BTreeMap::new();
        let mut all = Vec::with_capacity(self.ticks);
        for tick in 0..self.ticks {
            let evaluation = Evaluation {
                history: &history,
                time: self.time(tick),
                semantics,
                unseen_labels: &[],
            };
            let vector = match evaluation.evaluate(expr)? {
                Outcome::Vector(vector) => vector,
                Outcome::Scalar(_) => return Err(NotEvaluated("a scalar".to_owned())),
            };
            since.retain(|labels, _| vector.iter().any(|(active, _)| active == labels));
            for (labels, _) in &vector {
                since.entry(labels.clone()).or_insert(tick);
            }
            let long = |labels: &Labels| {
                let ticks = tick - since.get(labels).copied().unwrap_or(tick);
                self.step * ticks as u64 >= hold.as_secs()
            };
            all.push(
                vector
                    .into_iter()
                    .filter(|(labels, _)| long(labels))
                    .collect(),
            );
        }
        Ok(all)
    }
}

/// `seconds` later.
pub(super) fn later(time: Timestamp, seconds: u64) -> Timestamp {
    let micros = i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000);
    Timestamp::from_micros(time.micros().saturating_add(micros))
}

/// Values in promtool's notation: `1 2+3x4 _x5`, where `2+3x4` is 2, 5, 8, 11, 14.
pub(super) fn notation(values: &[Option<f64>]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while at < values.len() {
        text.push_str(if at == 0 { "" } else { " " });
        let rest = &values[at..];
        let Some(first) = rest[0] else {
            let gap = rest.iter().take_while(|value| value.is_none()).count();
            let _ = write!(text, "_x{gap}");
            at += gap;
            continue;
        };
        let length = run(rest);
        match rest.get(1) {
            Some(Some(second)) if length > 2 => {
                let _ = write!(text, "{first}{:+}x{}", second - first, length - 1);
                at += length;
            }
            _ => {
                let _ = write!(text, "{first}");
                at += 1;
            }
        }
    }
    text
}

/// How many values at the beginning differ by the same whole number: only there is repeated addition
/// exact.
fn run(values: &[Option<f64>]) -> usize {
    let (Some(Some(first)), Some(Some(second))) = (values.first(), values.get(1)) else {
        return 1;
    };
    let step = second - first;
    let whole = |value: f64| value.fract() == 0.0 && value.abs() < 9e15;
    if !whole(*first) || !whole(step) {
        return 1;
    }
    let same = |pair: &&[Option<f64>]| matches!(pair, [Some(a), Some(b)] if (b - a).to_bits() == step.to_bits());
    values.windows(2).take_while(same).count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_values_as_promtool_reads_them() {
        let some = |values: &[f64]| values.iter().map(|v| Some(*v)).collect::<Vec<_>>();
        assert_eq!(notation(&some(&[1.0, 2.0, 3.0, 5.0])), "1+1x2 5");
        assert_eq!(notation(&some(&[4.0, 4.0, 4.0])), "4+0x2");
        assert_eq!(notation(&some(&[9.0, 7.0, 5.0])), "9-2x2");
        assert_eq!(notation(&some(&[0.5, 1.0, 1.5])), "0.5 1 1.5");
        assert_eq!(notation(&[None, None, Some(1.0), None]), "_x2 1 _x1");
        assert_eq!(notation(&[]), "");
    }

    #[test]
    fn no_sample_lies_on_an_edge() {
        assert_eq!(step(30, &[300, 3600, 900]), 31);
        assert_eq!(step(15, &[300, 3600, 900]), 17);
        assert_eq!(step(60, &[300, 3600, 120]), 61);
    }
}
