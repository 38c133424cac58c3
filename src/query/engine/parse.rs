//! The SQL, parsed as Polars parses it: for places in it, and for what Polars lacks.

use std::ops::ControlFlow;

use sqlparser::{
    ast::{Expr, Query, Spanned, Statement, Visit, Visitor, WindowFrameUnits, WindowType},
    dialect::GenericDialect,
    parser::{Parser, ParserError, ParserOptions},
    tokenizer::{Location, Token, Tokenizer},
};

use crate::query::Error;

/// A word of the SQL, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Something that Polars lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Construct {
    pub(super) what: &'static str,
    pub(super) instead: &'static str,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) width: usize,
}

/// That the SQL is one query, and nothing that changes anything.
pub(super) fn check(sql: &str) -> Result<(), Error> {
    match statements(sql) {
        Err(error) => Err(syntax(&error, sql)),
        Ok(statements) => match statements.as_slice() {
            [Statement::Query(_)] => Ok(()),
            _ => Err(Error::new(
                "a query is one SELECT (WITH ... before it is fine)",
            )),
        },
    }
}

fn statements(sql: &str) -> Result<Vec<Statement>, ParserError> {
    let options = ParserOptions {
        trailing_commas: true,
        ..ParserOptions::default()
    };
    let mut parser = Parser::new(&GenericDialect)
        .with_options(options)
        .try_with_sql(sql)?;
    parser.parse_statements()
}

/// The parser's message without its place, and the place.
fn syntax(error: &ParserError, sql: &str) -> Error {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => "nested too deeply",
    };
    let Some((why, place)) = text.rsplit_once(" at Line: ") else {
        let error = Error::new(format!("not SQL: {text}"));
        let last = sql.lines().count();
        let width = sql.lines().last().map_or(0, |line| line.chars().count());
        return error.at(sql, last, width + 1, 1);
    };
    let mut numbers = place
        .split(", Column: ")
        .map(|number| number.trim().parse().unwrap_or(1));
    let (line, column) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(1));
    let width = words(sql)
        .iter()
        .find(|word| (word.line, word.column) == (line, column))
        .map_or(1, |word| word.text.chars().count());
    Error::new(format!("not SQL: {why}")).at(sql, line, column, width)
}

/// Every word of the SQL; none if it cannot be cut into words.
pub(super) fn words(sql: &str) -> Vec<Word> {
    let tokens = Tokenizer::new(&GenericDialect, sql).tokenize_with_location();
    let word = |token: sqlparser::tokenizer::TokenWithSpan| {
        let Token::Word(word) = token.token else {
            return None;
        };
        let Location { line, column } = token.span.start;
        Some(Word {
            text: word.value,
            line: usize::try_from(line).ok()?,
            column: usize::try_from(column).ok()?,
        })
    };
    tokens
        .unwrap_or_default()
        .into_iter()
        .filter_map(word)
        .collect()
}

/// The first construct in the SQL that Polars lacks.
pub(super) fn construct(sql: &str) -> Option<Construct> {
    let statements = statements(sql).ok()?;
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
    fn found(
        &self,
        what: &'static str,
        instead: &'static str,
        word: &str,
        from: Location,
    ) -> ControlFlow<Construct> {
        let after = |w: &&Word| (w.line as u64, w.column as u64) >= (from.line, from.column);
        let mut words = self.words.iter().filter(after);
        let place = words.find(|w| w.text.eq_ignore_ascii_case(word));
        let (line, column) = place.map_or((1, 1), |w| (w.line, w.column));
        ControlFlow::Break(Construct {
            what,
            instead,
            line,
            column,
            width: word.len(),
        })
    }
}

const JOIN_INSTEAD: &str = "write it as a JOIN with a subquery, or as IN (SELECT ...)";

impl Visitor for Seeker {
    type Break = Construct;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Construct> {
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            let instead = "write out the steps, each as a JOIN with the one before";
            return self.found("WITH RECURSIVE", instead, "RECURSIVE", query.span().start);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Construct> {
        let start = expr.span().start;
        match expr {
            Expr::Function(function) => {
                let name = function.name.to_string();
                if name.eq_ignore_ascii_case("date_trunc") {
                    let instead = "the tables have the columns minute, hour and day";
                    return self.found("DATE_TRUNC", instead, "date_trunc", start);
                }
                let framed = match &function.over {
                    Some(WindowType::WindowSpec(window)) => window.window_frame.as_ref(),
                    _ => None,
                };
                if framed.is_some_and(|frame| frame.units == WindowFrameUnits::Rows) {
                    let instead = "sum up by minute, hour or day, or leave the frame out: \
                                   SUM(x) OVER (ORDER BY y) runs from the start";
                    return self.found("ROWS frames", instead, "rows", start);
                }
            }
            Expr::Exists { .. } => return self.found("EXISTS here", JOIN_INSTEAD, "exists", start),
            Expr::Subquery(_) => {
                return self.found("a subquery as a value here", JOIN_INSTEAD, "select", start);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
