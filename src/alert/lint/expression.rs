//! A walk over an expression: every selector, and what is made of it.

use promql_parser::parser::{BinaryExpr, Call, Expr, VectorSelector};

use super::{Linter, ProblemKind};
use crate::{
    alert::{evaluate::metric_name, rules::Located},
    metric::Known,
};

/// What an expression makes of a selector's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The values themselves.
    Values,
    /// Their rise.
    Rise,
    /// Only whether there are any, or since when.
    Presence,
}

impl Linter<'_> {
    /// Looks at every selector in `expr`; false where one of them cannot select anything.
    pub(super) fn expression(&mut self, expr: &Expr, line: u64) -> bool {
        self.walk(expr, Use::Values, line)
    }

    fn walk(&mut self, expr: &Expr, using: Use, line: u64) -> bool {
        match expr {
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => true,
            Expr::Paren(paren) => self.walk(&paren.expr, using, line),
            Expr::Unary(unary) => self.walk(&unary.expr, using, line),
            Expr::Subquery(subquery) => self.walk(&subquery.expr, using, line),
            Expr::Aggregate(aggregate) => {
                let counts = matches!(
                    &*aggregate.op.to_string(),
                    "count" | "group" | "count_values"
                );
                let using = if counts { Use::Presence } else { using };
                self.walk(&aggregate.expr, using, line)
            }
            Expr::Call(call) => self.call(call, using, line),
            Expr::Binary(binary) => {
                let (left, right) = uses(binary, using);
                let left = self.walk(&binary.lhs, left, line);
                self.walk(&binary.rhs, right, line) && left
            }
            Expr::VectorSelector(selector) => self.selector(selector, using, line),
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs, using, line),
        }
    }

    fn call(&mut self, call: &Call, using: Use, line: u64) -> bool {
        let using = match call.func.name {
            "rate" | "increase" | "irate" | "resets" | "changes" => Use::Rise,
            "absent" | "absent_over_time" | "present_over_time" | "count_over_time"
            | "timestamp" => Use::Presence,
            _ => using,
        };
        let mut sound = true;
        for argument in &call.args.args {
            sound &= self.walk(argument, using, line);
        }
        if using == Use::Rise && matches!(call.func.name, "rate" | "increase" | "irate") {
            self.rate_of(call, line);
        }
        sound
    }

    /// A counter taken raw, unless only its presence is asked for.
    pub(super) fn raw_counter(&mut self, name: &str, known: &Known, using: Use, line: u64) {
        if using != Use::Values || !known.cumulative {
            return;
        }
        let message = format!(
            "{name} is a counter: its value is the total since the process started, which never falls, \
             so an alert on it fires for ever after the first event and is silent again after a restart"
        );
        let shows_value = |(_, text): &(String, Located)| text.text.contains("$value");
        let shown = self.rule.annotations.iter().any(shows_value);
        let shown = if shown {
            ", and $value shows that total"
        } else {
            ""
        };
        let message = message + shown;
        let instead = format!("ask for its increase: increase({name}[1h])");
        self.add(ProblemKind::RawCounter, line, message, Some(instead));
    }

    fn rate_of(&mut self, call: &Call, line: u64) {
        let Some(Expr::MatrixSelector(matrix)) = call.args.args.first().map(|argument| &**argument)
        else {
            return;
        };
        let Some(name) = metric_name(&matrix.vs) else {
            return;
        };
        let known = self.world.catalogue.get(name);
        if known.is_some_and(|known| known.kind == crate::metric::Kind::Gauge) {
            let message = format!(
                "{name} is a gauge: every fall counts as a restart in {}()",
                call.func.name
            );
            let instead = format!("use delta({name}[...]) or its value");
            self.add(ProblemKind::RateOfGauge, line, message, Some(instead));
        }
    }
}

/// What a binary operator makes of its two sides.
fn uses(binary: &BinaryExpr, using: Use) -> (Use, Use) {
    let (left, right) = (bare(&binary.lhs), bare(&binary.rhs));
    match &*binary.op.to_string() {
        "and" | "unless" if right.is_some() => (using, Use::Presence),
        // `x - x offset 1h` is the increase by hand.
        "-" if left.zip(right).is_some_and(|(a, b)| {
            metric_name(a) == metric_name(b) && a.offset.is_some() != b.offset.is_some()
        }) =>
        {
            (Use::Rise, Use::Rise)
        }
        _ => (using, using),
    }
}

fn bare(expr: &Expr) -> Option<&VectorSelector> {
    match expr {
        Expr::Paren(paren) => bare(&paren.expr),
        Expr::VectorSelector(selector) => Some(selector),
        _ => None,
    }
}
