//! The functions that are evaluated.

use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{Call, Expr},
};

use super::{Evaluation, Outcome, Result, refuse};
use crate::metric::{Labels, Series, Text, Window, delta, increase, rate};

type OverTime = fn(&Series, Window) -> Option<f64>;
type OfValue = fn(f64) -> f64;

impl Evaluation<'_> {
    pub(super) fn call(&self, call: &Call) -> Result<Outcome> {
        let name = call.func.name;
        let arguments = &call.args.args;
        match (
            over_time(name),
            arguments.first().map(|argument| unwrapped(argument)),
        ) {
            (Some(function), Some(Expr::MatrixSelector(matrix))) => {
                return self.range(matrix, function).map(Outcome::Vector);
            }
            (Some(_), Some(Expr::Subquery(_))) => return refuse("a subquery"),
            _ => {}
        }
        match (name, arguments.as_slice()) {
            ("time", []) => Ok(Outcome::Scalar(self.time.micros() as f64 / 1e6)),
            ("vector", [argument]) => Ok(match self.evaluate(argument)? {
                Outcome::Scalar(value) => Outcome::Vector(vec![(Labels::default(), value)]),
                vector @ Outcome::Vector(_) => vector,
            }),
            ("scalar", [argument]) => Ok(Outcome::Scalar(match self.evaluate(argument)? {
                Outcome::Vector(vector) if vector.len() == 1 => vector[0].1,
                Outcome::Vector(_) => f64::NAN,
                Outcome::Scalar(value) => value,
            })),
            ("absent", [argument]) => match self.evaluate(argument)? {
                Outcome::Vector(vector) if vector.is_empty() => {
                    Ok(Outcome::Vector(vec![(absent_labels(argument), 1.0)]))
                }
                _ => Ok(Outcome::Vector(Vec::new())),
            },
            ("clamp_min" | "clamp_max", [argument, limit]) => {
                let Outcome::Scalar(limit) = self.evaluate(limit)? else {
                    return refuse(name);
                };
                let clamp = if name == "clamp_min" {
                    f64::max
                } else {
                    f64::min
                };
                Ok(mapped(self.evaluate(argument)?, |value| {
                    clamp(value, limit)
                }))
            }
            (_, [argument]) => match of_value(name) {
                Some(function) => Ok(mapped(self.evaluate(argument)?, function)),
                None => refuse(name),
            },
            _ => refuse(name),
        }
    }
}

/// What `absent` can say of a series that is not there: the labels that its selector demands.
fn absent_labels(expr: &Expr) -> Labels {
    let Expr::VectorSelector(selector) = unwrapped(expr) else {
        return Labels::default();
    };
    let matchers = &selector.matchers.matchers;
    let once = |name: &str| matchers.iter().filter(|m| m.name == name).count() == 1;
    let demanded =
        |m: &&Matcher| matches!(m.op, MatchOp::Equal) && m.name != "__name__" && once(&m.name);
    let pairs = matchers.iter().filter(demanded);
    Labels::new(
        pairs
            .map(|m| (Text::from(&*m.name), Text::from(&*m.value)))
            .collect(),
    )
}

fn mapped(outcome: Outcome, function: impl Fn(f64) -> f64) -> Outcome {
    match outcome {
        Outcome::Scalar(value) => Outcome::Scalar(function(value)),
        Outcome::Vector(vector) => Outcome::Vector(
            vector
                .into_iter()
                .map(|(labels, value)| (labels, function(value)))
                .collect(),
        ),
    }
}

fn unwrapped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(paren) => unwrapped(&paren.expr),
        other => other,
    }
}

fn of_value(name: &str) -> Option<OfValue> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "sqrt" => f64::sqrt,
        "exp" => f64::exp,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sort" | "sort_desc" => |value| value,
        // Halves go up, also below zero.
        "round" => |value| (value + 0.5).floor(),
        _ => return None,
    })
}

fn over_time(name: &str) -> Option<OverTime> {
    Some(match name {
        "rate" => |series, window| rate(series.points(), window),
        "increase" => |series, window| increase(series.points(), window),
        "delta" => |series, window| delta(series.points(), window),
        "irate" => irate,
        "changes" => |series, window| {
            steps(series, window, |a, b| {
                a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan())
            })
        },
        "resets" => |series, window| steps(series, window, |a, b| b < a),
        "max_over_time" => |series, window| fold(series, window, f64::max),
        "min_over_time" => |series, window| fold(series, window, f64::min),
        "sum_over_time" => |series, window| fold(series, window, |a, b| a + b),
        "avg_over_time" => |series, window| {
            let count = window.select(series.points()).count();
            fold(series, window, |a, b| a + b).map(|sum| sum / count as f64)
        },
        "last_over_time" => |series, window| fold(series, window, |_, b| b),
        "count_over_time" => |series, window| {
            fold(series, window, |_, b| b).map(|_| window.select(series.points()).count() as f64)
        },
        "present_over_time" => |series, window| fold(series, window, |_, b| b).map(|_| 1.0),
        _ => return None,
    })
}

fn fold(series: &Series, window: Window, combine: fn(f64, f64) -> f64) -> Option<f64> {
    window
        .select(series.points())
        .map(|point| point.value)
        .reduce(combine)
}

fn steps(series: &Series, window: Window, counts: fn(f64, f64) -> bool) -> Option<f64> {
    let mut values = window.select(series.points()).map(|point| point.value);
    let mut last = values.next()?;
    let mut count = 0.0;
    for value in values {
        count += f64::from(u8::from(counts(last, value)));
        last = value;
    }
    Some(count)
}

/// The rise per second between the last two points; after a reset the last value is all there is.
fn irate(series: &Series, window: Window) -> Option<f64> {
    let mut points = window.select(series.points());
    let (last, before) = (points.next_back()?, points.next_back()?);
    let rise = if last.value < before.value {
        last.value
    } else {
        last.value - before.value
    };
    let millis = (last.time.micros() - before.time.micros()) / 1000;
    (millis > 0).then(|| rise / (millis as f64 / 1000.0))
}
