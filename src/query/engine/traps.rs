//! What Polars (0.55) runs and answers wrongly: refused before it runs, with what to write instead.
//!
//! Each of these was found by running it in DuckDB as well (tests/query/typed.rs has them all).

use std::ops::ControlFlow;

use sqlparser::{
    ast::{
        BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, JoinConstraint,
        JoinOperator, OrderByKind, Query, Select, SelectItem, SetExpr, Spanned, Statement,
        TableFactor, UnaryOperator, Value, Visit, Visitor,
    },
    tokenizer::Location,
};

use super::{
    contents::{Construct, Contents, is_grouped, name, words},
    parse::Word,
};

const AGGREGATE_IN_WHERE: (&str, &str) = (
    "an aggregate has no place in WHERE, which looks at single rows",
    "write it behind GROUP BY, as HAVING COUNT(*) > 5",
);
const WINDOW_BESIDE_GROUPS: (&str, &str) = (
    "this engine does not know window functions in a SELECT that groups or aggregates",
    "group in a subquery, and use the window function outside: SELECT account, n, SUM(n) OVER () AS total FROM \
     (SELECT account, COUNT(*) AS n FROM events GROUP BY account) AS a",
);
const NOT_GROUPED: (&str, &str) = (
    "a column stands beside an aggregate, and no GROUP BY says which rows belong together",
    "name it behind GROUP BY, or put it into an aggregate such as MAX(...)",
);
const ORDER_BY_AGGREGATE: (&str, &str) = (
    "this engine does not know ORDER BY with an aggregate",
    "give the aggregate a name in the SELECT list and order by that: SELECT account, COUNT(*) AS n ... ORDER BY n DESC",
);
const TABLE_FUNCTION: (&str, &str) = (
    "a query reads the tables events, findings and samples, and nothing else",
    "--parquet DIR reads what satrail export wrote; for other files there is DuckDB",
);
const NULL_IN_LIST: (&str, &str) = (
    "NULL in the list of NOT IN: by SQL's rules that holds for no row at all",
    "leave NULL out of the list, and write AND x IS NOT NULL",
);
const OUTER_JOIN_CONDITION: (&str, &str) = (
    "this engine knows only columns that are equal (a.x = b.y) as the condition of an outer join",
    "filter each side in a subquery: LEFT JOIN (SELECT ... FROM findings WHERE severity = 'high') AS f ON \
     e.account = f.account",
);
const NEGATIVE_START: (&str, &str) = (
    "engines disagree about what SUBSTR makes of a start below zero",
    "RIGHT(x, 3) is the end of a text",
);

/// The first such thing.
pub(super) fn trap(statements: &[Statement], sql: &str) -> Option<Construct> {
    let mut traps = Traps { words: words(sql) };
    let found = |statement: &Statement| match statement.visit(&mut traps) {
        ControlFlow::Break(found) => Some(found),
        ControlFlow::Continue(()) => None,
    };
    statements.iter().find_map(found)
}

struct Traps {
    words: Vec<Word>,
}

impl Traps {
    fn found(
        &self,
        what: (&str, &str),
        (word, from): &(String, Location),
    ) -> ControlFlow<Construct> {
        ControlFlow::Break(Construct::new(what, word, *from, &self.words))
    }
}

impl Visitor for Traps {
    type Break = Construct;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Construct> {
        let order = query.order_by.as_ref().map(|order| &order.kind);
        if let Some(OrderByKind::Expressions(order)) = order
            && matches!(&*query.body, SetExpr::Select(_))
            && let Some(aggregate) = Contents::of(order).aggregate
        {
            return self.found(ORDER_BY_AGGREGATE, &aggregate);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Construct> {
        let in_where = select.selection.as_ref().map(Contents::of);
        if let Some(aggregate) = in_where.and_then(|contents| contents.aggregate) {
            return self.found(AGGREGATE_IN_WHERE, &aggregate);
        }
        let contents = Contents::of(&select.projection);
        let grouped = is_grouped(select);
        if let Some(window) = &contents.window
            && (grouped || contents.aggregate.is_some())
        {
            return self.found(WINDOW_BESIDE_GROUPS, window);
        }
        if !grouped && let Some(aggregate) = &contents.aggregate {
            if let Some(column) = &contents.column {
                return self.found(NOT_GROUPED, column);
            }
            let wildcard = |item: &SelectItem| {
                matches!(
                    item,
                    SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
                )
            };
            if select.projection.iter().any(wildcard) {
                return self.found(NOT_GROUPED, aggregate);
            }
        }
        for join in select.from.iter().flat_map(|from| &from.joins) {
            if let Some(on) = outer(&join.join_operator)
                && !is_equality_of_columns(on)
            {
                let from = join.span().start;
                return self.found(OUTER_JOIN_CONDITION, &("on".to_owned(), from));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<Construct> {
        match table {
            TableFactor::Table {
                name,
                args: Some(_),
                ..
            } => self.found(TABLE_FUNCTION, &(name.to_string(), table.span().start)),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Construct> {
        let start = expr.span().start;
        match expr {
            Expr::InList {
                list,
                negated: true,
                ..
            } if list.iter().any(is_null) => self.found(NULL_IN_LIST, &("not".to_owned(), start)),
            Expr::Function(function)
                if ["SUBSTR", "SUBSTRING"].contains(&name(function).to_uppercase().as_str())
                    && second(&function.args).is_some_and(is_negative) =>
            {
                self.found(NEGATIVE_START, &(name(function), start))
            }
            Expr::Substring {
                substring_from: Some(from),
                ..
            } if is_negative(from) => {
                let word = self.words.iter().find(|word| {
                    (word.line as u64, word.column as u64) >= (start.line, start.column).min((1, 1))
                        && word.text.to_uppercase().starts_with("SUBSTR")
                });
                let word = word.map_or_else(|| "SUBSTR".to_owned(), |word| word.text.clone());
                self.found(NEGATIVE_START, &(word, Location::new(0, 0)))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// The condition of a join that keeps or drops rows for want of a partner.
fn outer(operator: &JoinOperator) -> Option<&Expr> {
    match operator {
        JoinOperator::Left(JoinConstraint::On(on))
        | JoinOperator::LeftOuter(JoinConstraint::On(on))
        | JoinOperator::Right(JoinConstraint::On(on))
        | JoinOperator::RightOuter(JoinConstraint::On(on))
        | JoinOperator::FullOuter(JoinConstraint::On(on))
        | JoinOperator::Semi(JoinConstraint::On(on))
        | JoinOperator::LeftSemi(JoinConstraint::On(on))
        | JoinOperator::RightSemi(JoinConstraint::On(on))
        | JoinOperator::Anti(JoinConstraint::On(on))
        | JoinOperator::LeftAnti(JoinConstraint::On(on))
        | JoinOperator::RightAnti(JoinConstraint::On(on)) => Some(on),
        _ => None,
    }
}

/// `a.x = b.y AND ...`: sqlparser has bounded how deep that nests.
fn is_equality_of_columns(on: &Expr) -> bool {
    match on {
        Expr::Nested(inner) => is_equality_of_columns(inner),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => is_equality_of_columns(left) && is_equality_of_columns(right),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } => Contents::of(left).any_column && Contents::of(right).any_column,
        _ => false,
    }
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if value.value == Value::Null)
}

fn is_negative(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            ..
        }
    )
}

fn second(arguments: &FunctionArguments) -> Option<&Expr> {
    let FunctionArguments::List(list) = arguments else {
        return None;
    };
    match list.args.get(1)? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}
