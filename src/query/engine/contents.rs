//! What an expression or a SELECT holds: aggregates, window functions, columns; and where in the SQL.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{
        Expr, Function, GroupByExpr, Query, Select, SelectItem, Spanned, Statement, TableFactor,
        Visit, Visitor,
    },
    tokenizer::Location,
};

use crate::query::{Error, frame::tables};

use super::parse::{self, Word};

/// Something in the SQL that does not work here, and what does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Construct {
    why: String,
    instead: String,
    /// The first word of it.
    place: Option<Word>,
}

impl Construct {
    /// What is wrong, what to write instead, and its first word `word`, at a place or behind it.
    pub(super) fn new(
        (why, instead): (&str, &str),
        word: &str,
        from: Location,
        words: &[Word],
    ) -> Self {
        let after = |w: &&Word| (w.line as u64, w.column as u64) >= (from.line, from.column);
        let mut words = words.iter().filter(after);
        Self {
            why: why.to_owned(),
            instead: instead.to_owned(),
            place: words.find(|w| w.text.eq_ignore_ascii_case(word)).cloned(),
        }
    }

    /// The same as the refusal of `sql`.
    pub(super) fn error(self, sql: &str) -> Error {
        let error = Error::new(self.why).hint(self.instead);
        match self.place {
            Some(word) => error.at(sql, word.line, word.column, word.width),
            None => error,
        }
    }
}

/// Functions that make one value of many rows, as Polars knows them.
const AGGREGATES: [&str; 22] = [
    "COUNT",
    "SUM",
    "MIN",
    "MAX",
    "AVG",
    "MEAN",
    "MEDIAN",
    "STDDEV",
    "STDDEV_SAMP",
    "STDEV",
    "STDEV_SAMP",
    "VARIANCE",
    "VAR",
    "VAR_SAMP",
    "FIRST",
    "LAST",
    "QUANTILE_CONT",
    "QUANTILE_DISC",
    "CORR",
    "COVAR_SAMP",
    "ARRAY_AGG",
    "STRING_AGG",
];

/// A function, by its name in the SQL and where it stands.
pub(super) type Named = (String, Location);

/// What an expression holds, subqueries not looked into.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The first aggregate that is no window function, nor in one.
    pub(super) aggregate: Option<Named>,
    /// The first function with OVER.
    pub(super) window: Option<Named>,
    /// The first column outside of them.
    pub(super) column: Option<Named>,
    /// Whether there is any column, wherever it stands.
    pub(super) any_column: bool,
    queries: usize,
    functions: usize,
}

impl Contents {
    /// Of one or several expressions.
    pub(super) fn of(expressions: &impl Visit) -> Self {
        let mut contents = Self::default();
        // Nothing breaks off.
        let _: ControlFlow<()> = expressions.visit(&mut contents);
        contents
    }
}

impl Visitor for Contents {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.queries > 0 {
            return ControlFlow::Continue(());
        }
        let start = expr.span().start;
        match expr {
            Expr::Function(function) => {
                let named = (name(function), start);
                let outside = self.functions == 0;
                if function.over.is_some() {
                    self.functions += 1;
                    self.window.get_or_insert(named);
                } else if is_aggregate(function) {
                    self.functions += 1;
                    if outside {
                        self.aggregate.get_or_insert(named);
                    }
                }
            }
            Expr::Identifier(ident) => self.column(&ident.value, start),
            Expr::CompoundIdentifier(parts) => {
                let last = parts.last().map_or("", |part| &part.value);
                self.column(last, start);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.queries == 0
            && let Expr::Function(function) = expr
            && (function.over.is_some() || is_aggregate(function))
        {
            self.functions -= 1;
        }
        ControlFlow::Continue(())
    }
}

impl Contents {
    fn column(&mut self, name: &str, start: Location) {
        self.any_column = true;
        if self.functions == 0 {
            self.column.get_or_insert((name.to_owned(), start));
        }
    }
}

/// The name of a function as the SQL writes it.
pub(super) fn name(function: &Function) -> String {
    function.name.to_string()
}

fn is_aggregate(function: &Function) -> bool {
    AGGREGATES.contains(&name(function).to_uppercase().as_str())
}

/// Whether a SELECT says GROUP BY.
pub(super) fn is_grouped(select: &Select) -> bool {
    !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty())
}

/// Whether any SELECT wants all columns.
pub(super) fn has_wildcard(statements: &[Statement]) -> bool {
    let wildcard = |select: &Select| {
        let all = |item: &SelectItem| {
            matches!(
                item,
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
            )
        };
        select.projection.iter().any(all)
    };
    any_select(statements, &|select, _| wildcard(select))
}

/// Whether a SELECT makes one row of a join, a union or a subquery without looking at a column of it, or is itself
/// a subquery that makes one row.
pub(super) fn counts_bare_rows(statements: &[Statement]) -> bool {
    let tables = tables();
    let is_table = |select: &Select| match select.from.as_slice() {
        [] => true,
        [from] if from.joins.is_empty() => match &from.relation {
            TableFactor::Table { name, .. } => {
                let name = name.to_string();
                tables.iter().any(|table| table.name == name)
            }
            _ => false,
        },
        _ => false,
    };
    any_select(statements, &|select, depth| {
        let contents = Contents::of(&select.projection);
        let one_row = contents.aggregate.is_some() && !is_grouped(select);
        one_row && (depth > 1 || !contents.any_column && !is_table(select))
    })
}

/// Whether any SELECT is such; told with it is in how many queries it stands.
fn any_select(statements: &[Statement], is_such: &dyn Fn(&Select, usize) -> bool) -> bool {
    struct Any<'a> {
        depth: usize,
        is_such: &'a dyn Fn(&Select, usize) -> bool,
    }

    impl Visitor for Any<'_> {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            if (self.is_such)(select, self.depth) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }

    let mut any = Any { depth: 0, is_such };
    statements
        .iter()
        .any(|statement| statement.visit(&mut any).is_break())
}

/// The words of `sql`, for [`Construct::new`].
pub(super) fn words(sql: &str) -> Vec<Word> {
    parse::words(sql)
}
