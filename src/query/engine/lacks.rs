//! What Polars' SQL (0.55) lacks, and what to write instead: asked when it has refused a query.

use std::{collections::BTreeSet, ops::ControlFlow};

use sqlparser::{
    ast::{
        BinaryOperator, Expr, GroupByExpr, JoinConstraint, JoinOperator, Query, Select, Spanned,
        Visit, Visitor, WindowFrameUnits, WindowType,
    },
    tokenizer::Location,
};

use super::{
    contents::{Construct, name, words},
    parse::{self, Word},
};

/// Functions that people know from elsewhere, and what does the same here.
const FUNCTIONS: &[(&str, &str)] = &[
    (
        "DATE_TRUNC",
        "the tables have the columns minute, hour and day",
    ),
    (
        "TIME_BUCKET",
        "the tables have the columns minute, hour and day",
    ),
    (
        "DATE",
        "the tables have the column day; CAST(stage_time AS DATE) is that of another time",
    ),
    ("YEAR", "EXTRACT(YEAR FROM time)"),
    ("MONTH", "EXTRACT(MONTH FROM time)"),
    ("HOUR", "EXTRACT(HOUR FROM time), or the column hour"),
    ("MINUTE", "EXTRACT(MINUTE FROM time), or the column minute"),
    (
        "DATE_DIFF",
        "time_us counts microseconds: (MAX(time_us) - MIN(time_us)) / 1000000",
    ),
    (
        "DATEDIFF",
        "time_us counts microseconds: (MAX(time_us) - MIN(time_us)) / 1000000",
    ),
    ("EPOCH", "time_us / 1000000"),
    ("UNIX_TIMESTAMP", "time_us / 1000000"),
    (
        "NOW",
        "write the time, as TIMESTAMP '2026-01-02 03:04:05', or give --since 24h",
    ),
    (
        "CURRENT_TIMESTAMP",
        "write the time, as TIMESTAMP '2026-01-02 03:04:05', or give --since 24h",
    ),
    (
        "CURRENT_DATE",
        "write the day, as DATE '2026-01-02', or give --since 24h",
    ),
    ("CONTAINS", "x LIKE '%text%'"),
    ("INSTR", "STRPOS(x, 'text')"),
    ("REGEXP_MATCHES", "REGEXP_LIKE(x, '^kubectl')"),
    ("RLIKE", "REGEXP_LIKE(x, '^kubectl')"),
    ("COUNT_IF", "SUM(CASE WHEN refused THEN 1 ELSE 0 END)"),
    ("COUNTIF", "SUM(CASE WHEN refused THEN 1 ELSE 0 END)"),
    ("APPROX_COUNT_DISTINCT", "COUNT(DISTINCT x)"),
    (
        "PERCENTILE_CONT",
        "QUANTILE_CONT(latency_us, 0.99), or MEDIAN(latency_us)",
    ),
    (
        "PERCENTILE",
        "QUANTILE_CONT(latency_us, 0.99), or MEDIAN(latency_us)",
    ),
    (
        "QUANTILE",
        "QUANTILE_CONT(latency_us, 0.99), or MEDIAN(latency_us)",
    ),
    ("NTILE", "ROW_NUMBER(), divided by the size of a part"),
    (
        "ARG_MAX",
        "ROW_NUMBER() OVER (PARTITION BY account ORDER BY time_us DESC) in a subquery, then WHERE place = 1",
    ),
    (
        "MAX_BY",
        "ROW_NUMBER() OVER (PARTITION BY account ORDER BY time_us DESC) in a subquery, then WHERE place = 1",
    ),
    ("JSON_EXTRACT", JSON_INSTEAD),
    ("JSON_EXTRACT_STRING", JSON_INSTEAD),
    ("GET_JSON_OBJECT", JSON_INSTEAD),
    ("USER", "the column is called username"),
    ("CURRENT_USER", "the column is called username"),
];

const JSON_INSTEAD: &str = "annotations LIKE '%...%'; most of what is in them is a column of its own (satrail schema events)";
const JOIN_INSTEAD: &str = "write it as a JOIN with a subquery, or as IN (SELECT ...)";
const RECURSIVE: (&str, &str) = (
    "this engine does not know WITH RECURSIVE",
    "write out the steps, each as a JOIN with the one before",
);
const FRAMES: (&str, &str) = (
    "this engine knows no frames (ROWS, RANGE or GROUPS BETWEEN) but ROWS from the start to the current row",
    "sum up by minute, hour or day, or leave the frame out: SUM(x) OVER (ORDER BY y) runs from the start",
);
const EXISTS: (&str, &str) = ("this engine does not know EXISTS here", JOIN_INSTEAD);
const SUBQUERY: (&str, &str) = (
    "this engine does not know a subquery as a value here",
    "join it: FROM events AS e CROSS JOIN (SELECT AVG(latency_us) AS mean FROM events) AS a WHERE e.latency_us > \
     a.mean; or write IN (SELECT ...)",
);
const ANY: (&str, &str) = (
    "this engine does not know ANY and ALL",
    "IN (SELECT ...), or NOT IN (SELECT ...)",
);
const SIMILAR: (&str, &str) = (
    "this engine does not know SIMILAR TO",
    "REGEXP_LIKE(x, '^(get|list)$')",
);
const TUPLE: (&str, &str) = (
    "this engine does not know several columns in parentheses as one value",
    "compare each: verb = 'list' AND resource = 'secrets'",
);
const ROLLUP: (&str, &str) = (
    "this engine does not know ROLLUP, CUBE and GROUPING SETS",
    "one SELECT with GROUP BY for each, put together with UNION ALL",
);
const JSON: (&str, &str) = ("this engine does not know JSON operators", JSON_INSTEAD);
const RIGHT_JOIN: (&str, &str) = (
    "this engine does not know this RIGHT JOIN",
    "a LEFT JOIN with the tables the other way round",
);
const ONE_SIDED: (&str, &str) = (
    "this engine knows only comparisons of both tables in ON",
    "filter in WHERE, or in a subquery: JOIN (SELECT ... FROM findings WHERE severity = 'high') AS f ON ...",
);

/// The first construct in the SQL that Polars lacks.
pub(super) fn construct(sql: &str) -> Option<Construct> {
    let statements = parse::statements(sql).ok()?;
    let mut seeker = Seeker { words: words(sql) };
    statements
        .iter()
        .find_map(|statement| match statement.visit(&mut seeker) {
            ControlFlow::Break(found) => Some(found),
            ControlFlow::Continue(()) => None,
        })
}

struct Seeker {
    words: Vec<Word>,
}

impl Seeker {
    /// The construct, at the first `word` from `from` on.
    fn found(&self, what: (&str, &str), word: &str, from: Location) -> ControlFlow<Construct> {
        ControlFlow::Break(Construct::new(what, word, from, &self.words))
    }
}

impl Visitor for Seeker {
    type Break = Construct;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Construct> {
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            return self.found(RECURSIVE, "RECURSIVE", query.span().start);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Construct> {
        for join in select.from.iter().flat_map(|from| &from.joins) {
            let start = join.span().start;
            match &join.join_operator {
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => {
                    return self.found(RIGHT_JOIN, "RIGHT", Location::new(0, 0));
                }
                JoinOperator::Join(JoinConstraint::On(on))
                | JoinOperator::Inner(JoinConstraint::On(on))
                    if has_one_sided_part(on) =>
                {
                    return self.found(ONE_SIDED, "ON", start);
                }
                _ => {}
            }
        }
        if let GroupByExpr::Expressions(by, _) = &select.group_by {
            for expr in by {
                let word = match expr {
                    Expr::Rollup(_) => "ROLLUP",
                    Expr::Cube(_) => "CUBE",
                    Expr::GroupingSets(_) => "GROUPING",
                    _ => continue,
                };
                return self.found(ROLLUP, word, Location::new(0, 0));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Construct> {
        let start = expr.span().start;
        match expr {
            Expr::Function(function) => {
                let name = name(function);
                let known = FUNCTIONS
                    .iter()
                    .find(|(known, _)| name.eq_ignore_ascii_case(known));
                if let Some((known, instead)) = known {
                    let why = format!("this engine does not know {known}");
                    return self.found((&why, instead), &name, start);
                }
                let framed = match &function.over {
                    Some(WindowType::WindowSpec(window)) => window.window_frame.as_ref(),
                    _ => None,
                };
                if let Some(frame) = framed {
                    let word = match frame.units {
                        WindowFrameUnits::Rows => "ROWS",
                        WindowFrameUnits::Range => "RANGE",
                        WindowFrameUnits::Groups => "GROUPS",
                    };
                    return self.found(FRAMES, word, start);
                }
                ControlFlow::Continue(())
            }
            Expr::AnyOp { .. } => self.found(ANY, "ANY", start),
            Expr::AllOp { .. } => self.found(ANY, "ALL", start),
            Expr::SimilarTo { .. } => self.found(SIMILAR, "SIMILAR", start),
            Expr::Tuple(_) => self.found(TUPLE, &first_word(&self.words, start), start),
            Expr::BinaryOp {
                op: BinaryOperator::Arrow | BinaryOperator::LongArrow,
                ..
            } => self.found(JSON, &first_word(&self.words, start), start),
            Expr::Exists { .. } => self.found(EXISTS, "exists", Location::new(0, 0)),
            Expr::Subquery(_) => self.found(SUBQUERY, "select", start),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn first_word(words: &[Word], from: Location) -> String {
    let after = |w: &&Word| (w.line as u64, w.column as u64) >= (from.line, from.column);
    words
        .iter()
        .find(after)
        .map(|w| w.text.clone())
        .unwrap_or_default()
}

/// Whether a part of the condition looks at one table alone.
fn has_one_sided_part(on: &Expr) -> bool {
    match on {
        Expr::Nested(inner) => has_one_sided_part(inner),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => has_one_sided_part(left) || has_one_sided_part(right),
        part => {
            let mut tables = Qualifiers::default();
            // Nothing breaks off.
            let _: ControlFlow<()> = part.visit(&mut tables);
            tables.0.len() == 1
        }
    }
}

/// The tables that columns are said to be of.
#[derive(Default)]
struct Qualifiers(BTreeSet<String>);

impl Visitor for Qualifiers {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr {
            self.0.extend(parts.first().map(|part| part.value.clone()));
        }
        ControlFlow::Continue(())
    }
}
