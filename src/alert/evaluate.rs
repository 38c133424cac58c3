//! A useful part of PromQL, evaluated over a history of scrapes.
//!
//! Enough for the thresholds of alerts: selectors, `rate` and its kin, aggregations, arithmetic,
//! comparisons and set operators. What lies outside is refused by name and never guessed at.

mod functions;
mod operators;

pub(super) use operators::{holds, is_comparison};

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use promql_parser::{
    label::{Matcher, Matchers},
    parser::{self, AggregateExpr, Expr, LabelModifier, MatrixSelector, Offset, VectorSelector},
};

use crate::{
    finding::Timestamp,
    metric::{History, Labels, Semantics, Series, Window},
};

/// How far back an instant selector looks; Prometheus' default.
pub const LOOKBACK: Duration = Duration::from_secs(300);

/// The moment and the Prometheus that an expression is evaluated for.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation<'a> {
    /// The series.
    pub history: &'a History,
    /// The time of evaluation.
    pub time: Timestamp,
    /// Which Prometheus to follow.
    pub semantics: Semantics,
    /// Labels that scrape files cannot show because Prometheus adds them (`job`, ...): a matcher on one
    /// of them accepts a series that lacks it. Empty for a history that came from a Prometheus.
    pub unseen_labels: &'a [&'a str],
}

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// One number.
    Scalar(f64),
    /// A number for each label set, sorted by labels, without the metric's name.
    Vector(Vec<(Labels, f64)>),
}

/// An expression lies outside of what is evaluated here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not evaluated here")]
pub struct NotEvaluated(pub String);

pub(super) type Result<T> = std::result::Result<T, NotEvaluated>;

fn refuse<T>(what: impl Into<String>) -> Result<T> {
    Err(NotEvaluated(what.into()))
}

impl<'a> Evaluation<'a> {
    /// What `expr` comes to at this moment.
    pub fn evaluate(&self, expr: &Expr) -> Result<Outcome> {
        match expr {
            Expr::NumberLiteral(number) => Ok(Outcome::Scalar(number.val)),
            Expr::Paren(paren) => self.evaluate(&paren.expr),
            Expr::Unary(unary) => Ok(match self.evaluate(&unary.expr)? {
                Outcome::Scalar(value) => Outcome::Scalar(-value),
                Outcome::Vector(vector) => Outcome::Vector(
                    vector
                        .into_iter()
                        .map(|(labels, value)| (labels, -value))
                        .collect(),
                ),
            }),
            Expr::VectorSelector(selector) => self.instant(selector).map(Outcome::Vector),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate).map(Outcome::Vector),
            Expr::Call(call) => self.call(call),
            Expr::Binary(binary) => {
                let (left, right) = (self.evaluate(&binary.lhs)?, self.evaluate(&binary.rhs)?);
                operators::binary(binary, left, right)
            }
            Expr::MatrixSelector(_) => refuse("a bare range"),
            Expr::Subquery(_) => refuse("a subquery"),
            Expr::StringLiteral(_) => refuse("a string"),
            Expr::Extension(_) => refuse("an extension"),
        }
    }

    fn instant(&self, selector: &VectorSelector) -> Result<Vec<(Labels, f64)>> {
        let lookback = Window {
            end: self.shifted(selector)?,
            range: LOOKBACK,
            semantics: self.semantics,
        };
        let history = self.history;
        let value = move |(labels, series): (&Labels, &Series)| {
            Some((labels.clone(), history.instant(labels, series, lookback)?))
        };
        Ok(self.select(selector)?.filter_map(value).collect())
    }

    /// `function` over every series in a range, where it has an outcome.
    fn range(
        &self,
        matrix: &MatrixSelector,
        function: fn(&Series, Window) -> Option<f64>,
    ) -> Result<Vec<(Labels, f64)>> {
        let end = self.shifted(&matrix.vs)?;
        let window = Window {
            end,
            range: matrix.range,
            semantics: self.semantics,
        };
        let value = |(labels, series): (&Labels, &Series)| {
            Some((labels.clone(), function(series, window)?))
        };
        Ok(self.select(&matrix.vs)?.filter_map(value).collect())
    }

    /// The series of the one metric that a selector names, and that all its matchers accept.
    fn select(
        &self,
        selector: &VectorSelector,
    ) -> Result<impl Iterator<Item = (&'a Labels, &'a Series)> + use<'a>> {
        let Some(name) = metric_name(selector) else {
            return refuse("a selector without one metric's name");
        };
        if !selector.matchers.or_matchers.is_empty() {
            return refuse("`or` between matchers");
        }
        let (matchers, unseen) = (selector.matchers.clone(), self.unseen_labels);
        let series = self.history.metric(name).map(|metric| metric.series.iter());
        Ok(series
            .into_iter()
            .flatten()
            .filter(move |(labels, _)| accepts(&matchers, labels, unseen)))
    }

    fn shifted(&self, selector: &VectorSelector) -> Result<Timestamp> {
        if selector.at.is_some() {
            return refuse("@");
        }
        Ok(match selector.offset {
            None => self.time,
            Some(Offset::Pos(back)) => self.time.before(back),
            Some(Offset::Neg(_)) => return refuse("a negative offset"),
        })
    }

    fn aggregate(&self, aggregate: &AggregateExpr) -> Result<Vec<(Labels, f64)>> {
        let Outcome::Vector(vector) = self.evaluate(&aggregate.expr)? else {
            return refuse("an aggregation of a scalar");
        };
        let combine: fn(&[f64]) -> f64 = match aggregate.op.to_string().as_str() {
            "sum" => |values| values.iter().sum(),
            "min" => |values| values.iter().copied().fold(f64::NAN, f64::min),
            "max" => |values| values.iter().copied().fold(f64::NAN, f64::max),
            "avg" => |values| values.iter().sum::<f64>() / values.len() as f64,
            "count" => |values| values.len() as f64,
            "group" => |_| 1.0,
            other => return refuse(other),
        };
        let mut groups: BTreeMap<Labels, Vec<f64>> = BTreeMap::new();
        for (labels, value) in vector {
            groups
                .entry(grouped(&labels, aggregate.modifier.as_ref()))
                .or_default()
                .push(value);
        }
        Ok(groups
            .into_iter()
            .map(|(labels, values)| (labels, combine(&values)))
            .collect())
    }
}

/// The labels that an aggregation keeps.
fn grouped(labels: &Labels, modifier: Option<&LabelModifier>) -> Labels {
    match modifier {
        None => Labels::default(),
        Some(LabelModifier::Include(by)) => {
            labels.filtered(|name| by.labels.iter().any(|l| l == name))
        }
        Some(LabelModifier::Exclude(out)) => {
            labels.filtered(|name| out.labels.iter().all(|l| l != name))
        }
    }
}

/// The metric that a selector names, as `name{...}` or as `{__name__="name"}`.
pub(super) fn metric_name(selector: &VectorSelector) -> Option<&str> {
    let is_name = |m: &&Matcher| m.name == "__name__" && m.op.to_string() == "=";
    let by_label = || {
        selector
            .matchers
            .matchers
            .iter()
            .find(is_name)
            .map(|m| &*m.value)
    };
    selector.name.as_deref().or_else(by_label)
}

/// Whether every matcher accepts a series; one on its name has been dealt with.
pub(super) fn accepts(matchers: &Matchers, labels: &Labels, unseen: &[&str]) -> bool {
    matchers.matchers.iter().all(|matcher| {
        let value = labels.get(&matcher.name);
        matcher.name == "__name__"
            || matcher.is_match(value)
            || value.is_empty() && unseen.contains(&&*matcher.name)
    })
}

/// Parses PromQL; the error says why it is none, or that it is so long or nested that walking it could
/// exhaust the stack.
pub fn parse_expression(text: &str) -> std::result::Result<Expr, String> {
    const MOST_OPERATORS: usize = 1000;
    let symbols = text.matches(|c: char| "([{+-*/%^<>=!".contains(c)).count();
    let words = ["and", "or", "unless", "atan2"].map(|word| text.matches(word).count());
    if text.len() > 65_536 || symbols + words.iter().sum::<usize>() > MOST_OPERATORS {
        return Err("too long".to_owned());
    }
    parser::parse(text)
}

/// The metrics that an expression asks for, each once.
#[must_use]
pub fn metric_names(expr: &Expr) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Aggregate(aggregate) => open.extend([&*aggregate.expr]),
            Expr::Unary(unary) => open.push(&unary.expr),
            Expr::Paren(paren) => open.push(&paren.expr),
            Expr::Subquery(subquery) => open.push(&subquery.expr),
            Expr::Binary(binary) => open.extend([&*binary.lhs, &*binary.rhs]),
            Expr::Call(call) => open.extend(call.args.args.iter().map(|argument| &**argument)),
            Expr::VectorSelector(selector) => names.extend(metric_name(selector)),
            Expr::MatrixSelector(matrix) => names.extend(metric_name(&matrix.vs)),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
        }
    }
    names
}
