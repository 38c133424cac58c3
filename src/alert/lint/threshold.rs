//! Thresholds, held against the whole history.

use std::collections::BTreeSet;

use promql_parser::parser::Expr;

use super::{Linter, ProblemKind};
use crate::{
    alert::{
        evaluate::{Evaluation, NotEvaluated, Outcome, holds, is_comparison, metric_names},
        rules::Located,
    },
    finding::Timestamp,
};

/// More moments than this show no more.
const MOST_MOMENTS: usize = 300;

/// `expression > number`, with the number on the right.
struct Threshold<'a> {
    expr: &'a Expr,
    op: &'static str,
    number: f64,
}

/// The values seen over the history.
struct Seen {
    lowest: f64,
    highest: f64,
    values: usize,
    firing: usize,
}

impl Linter<'_> {
    pub(super) fn thresholds(&mut self, expr: &Expr, located: &Located) {
        let times = self.world.history.times();
        let (Some(&first), Some(&last)) = (times.first(), times.last()) else {
            return;
        };
        let mut thresholds = Vec::new();
        collect(expr, &mut thresholds);
        for threshold in thresholds {
            match self.seen(&threshold, &times) {
                Err(why) => {
                    let message = format!("threshold not held against the history: {why}");
                    self.add(ProblemKind::NotEvaluated, located.line, message, None);
                }
                Ok(seen) => self.judge(&threshold, &seen, located.line, first, last),
            }
        }
    }

    fn judge(
        &mut self,
        at: &Threshold<'_>,
        seen: &Seen,
        line: u64,
        first: Timestamp,
        last: Timestamp,
    ) {
        let span = format!("from {first} to {last}");
        let (op, number) = (at.op, at.number);
        if seen.values == 0 {
            let mut missing = metric_names(at.expr).into_iter();
            let missing = missing.find(|name| self.world.history.metric(name).is_none());
            let why = missing.map_or_else(
                || "too few scrapes for the window".to_owned(),
                |name| format!("the history has no {name}"),
            );
            let message = format!("threshold not held against the history: no value {span}: {why}");
            return self.add(ProblemKind::NotEvaluated, line, message, None);
        }
        let range = if seen.lowest.is_nan() {
            "no value is a number".to_owned()
        } else {
            format!(
                "the values stay between {} and {}",
                seen.lowest, seen.highest
            )
        };
        if seen.firing == 0 {
            let message = format!("never {op} {number} {span}: {range}");
            self.add(ProblemKind::NeverReached, line, message, None);
        } else if seen.firing == seen.values {
            let message = format!("always {op} {number} {span}: {range}");
            self.add(ProblemKind::AlwaysReached, line, message, None);
        }
    }

    fn seen(
        &self,
        threshold: &Threshold<'_>,
        times: &BTreeSet<Timestamp>,
    ) -> Result<Seen, NotEvaluated> {
        let mut seen = Seen {
            lowest: f64::NAN,
            highest: f64::NAN,
            values: 0,
            firing: 0,
        };
        let step = times.len().div_ceil(MOST_MOMENTS).max(1);
        // From the end, so that the last moment is one of those that are looked at.
        for &time in times.iter().rev().step_by(step) {
            let (history, semantics) = (self.world.history, self.world.semantics);
            let evaluation = Evaluation {
                history,
                time,
                semantics,
                unseen_labels: self.world.unseen_labels(),
            };
            let values: Vec<f64> = match evaluation.evaluate(threshold.expr)? {
                Outcome::Scalar(value) => vec![value],
                Outcome::Vector(vector) => vector.into_iter().map(|(_, value)| value).collect(),
            };
            for value in values {
                seen.lowest = seen.lowest.min(value);
                seen.highest = seen.highest.max(value);
                seen.values += 1;
                seen.firing += usize::from(holds(threshold.op, value, threshold.number));
            }
        }
        Ok(seen)
    }
}

/// Every comparison with a number that decides whether the whole expression has a result.
fn collect<'a>(expr: &'a Expr, found: &mut Vec<Threshold<'a>>) {
    match expr {
        Expr::Paren(paren) => collect(&paren.expr, found),
        Expr::Binary(binary) => {
            let op = binary.op.to_string();
            if matches!(&*op, "and" | "or" | "unless") {
                collect(&binary.lhs, found);
                collect(&binary.rhs, found);
            } else if is_comparison(&op) && !binary.return_bool() {
                let right =
                    number(&binary.rhs).map(|number| (&*binary.lhs, number, canonical(&op)));
                let left =
                    || number(&binary.lhs).map(|number| (&*binary.rhs, number, mirrored(&op)));
                if let Some((expr, number, op)) = right.or_else(left) {
                    found.push(Threshold { expr, op, number });
                }
            }
        }
        _ => {}
    }
}

fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::NumberLiteral(number) => Some(number.val),
        Expr::Paren(paren) => number(&paren.expr),
        Expr::Unary(unary) => number(&unary.expr).map(|number| -number),
        Expr::Binary(binary) => {
            let (a, b) = (number(&binary.lhs)?, number(&binary.rhs)?);
            match &*binary.op.to_string() {
                "+" => Some(a + b),
                "-" => Some(a - b),
                "*" => Some(a * b),
                "/" => Some(a / b),
                _ => None,
            }
        }
        _ => None,
    }
}

fn canonical(op: &str) -> &'static str {
    ["<", ">=", "<=", "==", "!="]
        .into_iter()
        .find(|known| *known == op)
        .unwrap_or(">")
}

fn mirrored(op: &str) -> &'static str {
    match op {
        ">" => "<",
        "<" => ">",
        ">=" => "<=",
        "<=" => ">=",
        other => canonical(other),
    }
}
