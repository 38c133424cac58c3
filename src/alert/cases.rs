//! The unit tests of one alert: when it fires, with which words, and when it is silent.

use std::{collections::BTreeSet, time::Duration};

use promql_parser::parser::Expr;

use super::{
    evaluate::parse_expression,
    fit::Study,
    generate::AlertRule,
    quote::Words,
    replay::{Replay, later},
    template::{Template, spans, window},
};
use crate::{
    finding::Timestamp,
    metric::{History, Labels, Semantics, Text},
};

/// How many steps one test has at most.
const MOST_TICKS: usize = 700;

/// How many moments of normal hours are tested.
const SILENCES: usize = 4;

/// One unit test.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case {
    /// What it shows.
    pub(super) name: String,
    /// The alert's name.
    pub(super) alert: String,
    /// The series.
    pub(super) replay: Replay,
    /// What fires at which step.
    pub(super) moments: Vec<(usize, Vec<Expected>)>,
}

/// An alert as Prometheus sends it.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub(super) struct Expected {
    pub(super) labels: Labels,
    pub(super) annotations: Vec<(String, String)>,
}

/// All rules of one alert, understood.
pub(super) struct Alert<'a> {
    template: &'a Template,
    rules: Vec<Understood<'a>>,
}

struct Understood<'a> {
    rule: &'a AlertRule,
    expr: Expr,
    hold: Duration,
    labels: Vec<(&'a str, Words)>,
    annotations: Vec<(&'a str, Words)>,
}

/// Tests, and whose rules fire on what was recorded.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) cases: Vec<Case>,
    pub(super) recorded: BTreeSet<Labels>,
}

impl<'a> Alert<'a> {
    /// Understands the rules of one template.
    pub(super) fn of(template: &'a Template, rules: &'a [AlertRule]) -> Result<Self, String> {
        let words = |pairs: &'a [(String, String)]| -> Result<Vec<(&'a str, Words)>, String> {
            let parse = |(name, text): &'a (String, String)| Ok((&**name, Words::parse(text)?));
            pairs.iter().map(parse).collect()
        };
        let understand = |rule: &'a AlertRule| {
            Ok(Understood {
                rule,
                expr: parse_expression(&rule.expr)?,
                hold: rule.hold(),
                labels: words(&rule.labels)?,
                annotations: words(&rule.annotations)?,
            })
        };
        let rules = rules
            .iter()
            .map(understand)
            .collect::<Result<_, String>>()?;
        Ok(Self { template, rules })
    }

    /// What fires at each step; `None` where Prometheus 2 and 3 would not say the same. With each step,
    /// the accounts whose rules fire.
    fn expected(
        &self,
        replay: &Replay,
    ) -> Result<Vec<Option<(Vec<Expected>, Vec<Labels>)>>, String> {
        let all = |semantics| -> Result<Vec<(Vec<Expected>, Vec<Labels>)>, String> {
            let mut all = vec![(Vec::new(), Vec::new()); replay.ticks];
            for rule in &self.rules {
                let firing = replay.firing(&rule.expr, rule.hold, semantics);
                let firing = firing.map_err(|error| error.to_string())?;
                for (at, alerts) in firing.iter().enumerate() {
                    for (labels, value) in alerts {
                        all[at].0.push(rule.expected(labels, *value));
                        all[at].1.push(rule.rule.account.clone());
                    }
                }
            }
            Ok(all)
        };
        let older = all(Semantics::Prometheus2)?;
        let newer = all(Semantics::Prometheus3)?;
        Ok(newer
            .into_iter()
            .zip(older)
            .map(|(new, old)| (new == old).then_some(new))
            .collect())
    }

    fn expr(&self) -> Option<&Expr> {
        self.rules.first().map(|rule| &rule.expr)
    }

    /// How many steps an alert needs before it: its window and its `for`, with room.
    fn lead(&self, step: u64) -> u64 {
        let Some(expr) = self.expr() else { return 0 };
        let hold = self.template.hold().as_secs();
        (window(expr).as_secs() + hold).div_ceil(step) + 12
    }
}

impl Understood<'_> {
    fn expected(&self, labels: &Labels, value: f64) -> Expected {
        let render = |words: &Words| words.render(labels, value);
        let own = self
            .labels
            .iter()
            .map(|(name, words)| (Text::from(*name), Text::from(render(words))));
        let names: Vec<&str> = self.labels.iter().map(|(name, _)| *name).collect();
        let kept = labels.filtered(|name| !names.contains(&name));
        let kept = kept
            .iter()
            .map(|(name, value)| (Text::from(name), Text::from(value)));
        let annotations = self.annotations.iter();
        Expected {
            labels: Labels::new(own.chain(kept).collect()),
            annotations: annotations
                .map(|(name, words)| ((*name).to_owned(), render(words)))
                .collect(),
        }
    }
}

/// The tests of one alert.
pub(super) fn make(
    alert: &Alert<'_>,
    history: &History,
    study: &Study,
    step: u64,
) -> Result<Made, String> {
    let mut made = Made::default();
    recorded(alert, history, study, step, &mut made)?;
    if made.recorded.is_empty() {
        made.cases.push(synthesised(alert, step)?);
    }
    silent(alert, history, study, step, &mut made)?;
    Ok(made)
}

/// Fires where the recording has its highest value, if that is high enough.
fn recorded(
    alert: &Alert<'_>,
    history: &History,
    study: &Study,
    step: u64,
    made: &mut Made,
) -> Result<(), String> {
    let (Some((start, end)), Some(peak), Some(expr)) = (study.span, study.peak(), alert.expr())
    else {
        return Ok(());
    };
    let lead = alert.lead(step);
    let from = peak.before(Duration::from_secs(lead * step)).max(start);
    let before = peak.micros().saturating_sub(from.micros()).unsigned_abs() / 1_000_000 / step;
    let hold = alert.template.hold().as_secs().div_ceil(step);
    let ticks = usize::try_from(before + hold + 12)
        .unwrap_or(MOST_TICKS)
        .min(MOST_TICKS);
    let replay = Replay::cut(history, expr, (from, end), step, ticks);
    let expected = alert.expected(&replay)?;
    let sure = expected
        .iter()
        .enumerate()
        .filter_map(|(at, what)| Some((at, what.as_ref()?)));
    let most = sure.max_by(|a, b| a.1.0.len().cmp(&b.1.0.len()).then(b.0.cmp(&a.0)));
    if let Some((at, (alerts, accounts))) = most.filter(|(_, (alerts, _))| !alerts.is_empty()) {
        made.recorded.extend(accounts.iter().cloned());
        let mut alerts = alerts.clone();
        alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
        made.cases.push(Case {
            name: format!(
                "{} fires on what was recorded from {} on",
                alert.template.alert, from
            ),
            alert: alert.template.alert.clone(),
            replay,
            moments: vec![(at, alerts)],
        });
    }
    Ok(())
}

/// Fires on the template's example, made steep enough.
fn synthesised(alert: &Alert<'_>, step: u64) -> Result<Case, String> {
    let template = alert.template;
    let expr = alert.expr().ok_or("no rule")?;
    let longest = spans(expr).into_iter().max().unwrap_or(0).min(7200);
    let threshold = template.with_threshold("0") == template.expr;
    debug_assert!(!threshold, "checked when the template was read");
    let fixed = alert
        .rules
        .first()
        .and_then(|rule| rule.rule.threshold.parse::<f64>().ok());
    let idle = if template.example_grows {
        longest.min(3600)
    } else {
        fixed.map_or(0, whole)
    };
    let ticks = idle.div_ceil(step) + alert.lead(step);
    let ticks = usize::try_from(ticks).unwrap_or(MOST_TICKS).min(MOST_TICKS);
    let mut slope = 1.0;
    for _ in 0..40 {
        let value = |tick: usize| {
            if template.example_grows {
                slope * tick as f64
            } else {
                0.0
            }
        };
        let values: Vec<Option<f64>> = (0..ticks).map(|tick| Some(value(tick))).collect();
        let series = template.example.iter();
        let series =
            series.map(|(name, labels)| (Text::from(&**name), labels.clone(), values.clone()));
        let replay = Replay {
            step,
            ticks,
            series: series.collect(),
        };
        let expected = alert.expected(&replay)?;
        let last = expected
            .into_iter()
            .enumerate()
            .rev()
            .find_map(|(at, what)| Some((at, what?.0)));
        if let Some((at, alerts)) = last.filter(|(_, alerts)| !alerts.is_empty()) {
            return Ok(Case {
                name: format!(
                    "{} fires on a synthesised series, derived from its threshold",
                    template.alert
                ),
                alert: template.alert.clone(),
                replay,
                moments: vec![(at, alerts)],
            });
        }
        slope *= 2.0;
    }
    Err("its example does not make it fire".to_owned())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a threshold in seconds"
)]
fn whole(number: f64) -> u64 {
    number.clamp(0.0, 1e6) as u64
}

/// Silent at some moments of the last long stretch of normal hours.
fn silent(
    alert: &Alert<'_>,
    history: &History,
    study: &Study,
    step: u64,
    made: &mut Made,
) -> Result<(), String> {
    let (Some((start, end)), Some(expr)) = (study.span, alert.expr()) else {
        return Ok(());
    };
    let normal = study.normal();
    let Some(&last) = normal.last() else {
        return Ok(());
    };
    let lead = alert.lead(step) * step;
    let from = last.before(Duration::from_secs(2 * lead)).max(start);
    let ticks = last.micros().saturating_sub(from.micros()).unsigned_abs() / 1_000_000 / step + 1;
    let ticks = usize::try_from(ticks).unwrap_or(MOST_TICKS).min(MOST_TICKS);
    let replay = Replay::cut(history, expr, (from, end), step, ticks);
    let expected = alert.expected(&replay)?;
    let is_normal = |at: usize| {
        let time = later(from, step * at as u64);
        nearest(&normal, time)
            .is_some_and(|near| near.micros().abs_diff(time.micros()) <= 1_000_000 * step)
    };
    let quiet = |(at, what): (usize, &Option<_>)| {
        let silent = matches!(what, Some((alerts, _)) if Vec::<Expected>::is_empty(alerts));
        (silent && is_normal(at)).then_some(at)
    };
    let quiet: Vec<usize> = expected.iter().enumerate().filter_map(quiet).collect();
    let every = quiet.len().div_ceil(SILENCES).max(1);
    let moments: Vec<_> = quiet
        .iter()
        .rev()
        .step_by(every)
        .rev()
        .map(|at| (*at, Vec::new()))
        .collect();
    if !moments.is_empty() {
        made.cases.push(Case {
            name: format!(
                "{} is silent in normal hours recorded from {from} on",
                alert.template.alert
            ),
            alert: alert.template.alert.clone(),
            replay,
            moments,
        });
    }
    Ok(())
}

fn nearest(sorted: &[Timestamp], time: Timestamp) -> Option<Timestamp> {
    let at = sorted.partition_point(|each| *each < time);
    let around = sorted
        .get(at.saturating_sub(1))
        .into_iter()
        .chain(sorted.get(at));
    around
        .copied()
        .min_by_key(|each| each.micros().abs_diff(time.micros()))
}
