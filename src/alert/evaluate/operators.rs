//! Arithmetic, comparisons and set operators between two outcomes.

use std::collections::BTreeMap;

use promql_parser::parser::{BinModifier, BinaryExpr, LabelModifier, VectorMatchCardinality};

use super::{Outcome, Result, refuse};
use crate::metric::Labels;

type Vector = Vec<(Labels, f64)>;

pub(super) fn binary(expr: &BinaryExpr, left: Outcome, right: Outcome) -> Result<Outcome> {
    let op = expr.op.to_string();
    if let "and" | "or" | "unless" = op.as_str() {
        let (Outcome::Vector(left), Outcome::Vector(right)) = (left, right) else {
            return refuse(format!("`{op}` on a scalar"));
        };
        return Ok(Outcome::Vector(set(
            &op,
            left,
            right,
            expr.modifier.as_ref(),
        )));
    }
    let comparison = is_comparison(&op);
    let as_bool = expr.return_bool();
    let apply = |a: f64, b: f64, kept: f64| -> Result<Option<f64>> {
        Ok(match (compare(&op, a, b), comparison && !as_bool) {
            (Some(true), true) => Some(kept),
            (Some(false), true) => None,
            (Some(holds), false) => Some(f64::from(u8::from(holds))),
            (None, _) => Some(arithmetic(&op, a, b)?),
        })
    };
    let one_sided = |vector: Vector, apply: &dyn Fn(f64) -> Result<Option<f64>>| {
        let mut kept = Vec::with_capacity(vector.len());
        for (labels, value) in vector {
            kept.extend(apply(value)?.map(|value| (labels, value)));
        }
        Ok(Outcome::Vector(kept))
    };
    match (left, right) {
        (Outcome::Scalar(a), Outcome::Scalar(b)) => apply(a, b, a)?.map_or_else(
            || refuse("a comparison of scalars"),
            |v| Ok(Outcome::Scalar(v)),
        ),
        (Outcome::Vector(vector), Outcome::Scalar(b)) => one_sided(vector, &|a| apply(a, b, a)),
        (Outcome::Scalar(a), Outcome::Vector(vector)) => one_sided(vector, &|b| apply(a, b, b)),
        (Outcome::Vector(left), Outcome::Vector(right)) => {
            let keep_labels = comparison && !as_bool;
            matched(expr.modifier.as_ref(), left, right, keep_labels, &apply).map(Outcome::Vector)
        }
    }
}

/// Whether an operator compares.
pub(in crate::alert) fn is_comparison(op: &str) -> bool {
    compare(op, 0.0, 0.0).is_some()
}

/// Whether `a op b` holds; false where `op` does not compare.
pub(in crate::alert) fn holds(op: &str, a: f64, b: f64) -> bool {
    compare(op, a, b) == Some(true)
}

#[expect(clippy::float_cmp, reason = "PromQL's == is exact")]
fn compare(op: &str, a: f64, b: f64) -> Option<bool> {
    Some(match op {
        ">" => a > b,
        "<" => a < b,
        ">=" => a >= b,
        "<=" => a <= b,
        "==" => a == b,
        "!=" => a != b,
        _ => return None,
    })
}

fn arithmetic(op: &str, a: f64, b: f64) -> Result<f64> {
    Ok(match op {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        "%" => a % b,
        "^" => a.powf(b),
        other => return refuse(format!("`{other}`")),
    })
}

/// The labels by which two sides are matched.
fn key(labels: &Labels, modifier: Option<&BinModifier>) -> Labels {
    match modifier.and_then(|modifier| modifier.matching.as_ref()) {
        None => labels.clone(),
        Some(LabelModifier::Include(on)) => {
            labels.filtered(|name| on.labels.iter().any(|l| l == name))
        }
        Some(LabelModifier::Exclude(out)) => {
            labels.filtered(|name| out.labels.iter().all(|l| l != name))
        }
    }
}

fn set(op: &str, left: Vector, right: Vector, modifier: Option<&BinModifier>) -> Vector {
    let keys = |side: &Vector| -> std::collections::BTreeSet<Labels> {
        side.iter()
            .map(|(labels, _)| key(labels, modifier))
            .collect()
    };
    let mut result = match op {
        "and" => {
            let right = keys(&right);
            left.into_iter()
                .filter(|(labels, _)| right.contains(&key(labels, modifier)))
                .collect()
        }
        "unless" => {
            let right = keys(&right);
            left.into_iter()
                .filter(|(labels, _)| !right.contains(&key(labels, modifier)))
                .collect()
        }
        _ => {
            let known = keys(&left);
            let new = right
                .into_iter()
                .filter(|(labels, _)| !known.contains(&key(labels, modifier)));
            left.into_iter().chain(new).collect::<Vector>()
        }
    };
    result.sort_by(|a, b| a.0.cmp(&b.0));
    result
}

/// One to one, as most rules have it; `group_left` and `group_right` are refused.
fn matched(
    modifier: Option<&BinModifier>,
    left: Vector,
    right: Vector,
    keep_labels: bool,
    apply: &dyn Fn(f64, f64, f64) -> Result<Option<f64>>,
) -> Result<Vector> {
    if modifier.is_some_and(|modifier| modifier.card != VectorMatchCardinality::OneToOne) {
        return refuse("`group_left` or `group_right`");
    }
    let mut others: BTreeMap<Labels, f64> = BTreeMap::new();
    for (labels, value) in right {
        if others.insert(key(&labels, modifier), value).is_some() {
            return refuse("a match of many series with one");
        }
    }
    let mut result: BTreeMap<Labels, f64> = BTreeMap::new();
    for (labels, value) in left {
        let key = key(&labels, modifier);
        let Some(&other) = others.get(&key) else {
            continue;
        };
        let labels = if keep_labels && modifier.is_none_or(|m| m.matching.is_none()) {
            labels
        } else {
            key
        };
        if let Some(value) = apply(value, other, value)?
            && result.insert(labels, value).is_some()
        {
            return refuse("a match of many series with one");
        }
    }
    Ok(result.into_iter().collect())
}
