//! The SQL, parsed as Polars parses it: for places in it, and for what is to be known before it runs.

use sqlparser::{
    ast::Statement,
    dialect::GenericDialect,
    parser::{Parser, ParserError, ParserOptions},
    tokenizer::{Location, Token, Tokenizer},
};

use crate::query::Error;

use super::{contents, traps};

/// A word of the SQL, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) line: usize,
    pub(super) column: usize,
    /// How many characters it takes in the SQL, quotes included.
    pub(super) width: usize,
    /// Whether it is a name in double quotes.
    pub(super) quoted: bool,
}

/// That the SQL is one query, nothing that changes anything, and nothing that Polars is known to answer wrongly.
pub(super) fn check(sql: &str) -> Result<(), Error> {
    let statements = statements(sql).map_err(|error| syntax(&error, sql))?;
    if !matches!(statements.as_slice(), [Statement::Query(_)]) {
        return Err(Error::new(
            "a query is one SELECT (WITH ... before it is fine)",
        ));
    }
    match traps::trap(&statements, sql) {
        Some(found) => Err(found.error(sql)),
        None => Ok(()),
    }
}

/// Whether the query counts rows of which it looks at no column: what Polars' projection pushdown makes of that is
/// wrong, or needs numbers of 128 bits.
pub(super) fn counts_bare_rows(sql: &str) -> bool {
    statements(sql).is_ok_and(|statements| contents::counts_bare_rows(&statements))
}

/// Whether it asks for all columns that there are.
pub(super) fn has_wildcard(sql: &str) -> bool {
    statements(sql).is_ok_and(|statements| contents::has_wildcard(&statements))
}

/// The statements of the SQL.
pub(super) fn statements(sql: &str) -> Result<Vec<Statement>, ParserError> {
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
    let words = words(sql);
    let here = |word: &&Word| (word.line, word.column) == (line, column);
    let width = words.iter().find(here).map_or(1, |word| word.width);
    let error = Error::new(format!("not SQL: {why}")).at(sql, line, column, width);
    // The word there, and one more: GROUP BU fails at GROUP.
    let before = |word: &Word| (word.line, word.column) <= (line, column);
    let read = words.iter().take_while(|word| before(word)).count() + 1;
    match misspelt(words.get(..read).unwrap_or(&words)) {
        Some((word, keyword)) => error.hint(format!("is {word} a misspelt {keyword}?")),
        None => error,
    }
}

/// The words that queries are built of, but for those of two letters, which are like any alias.
const KEYWORDS: [&str; 22] = [
    "SELECT", "DISTINCT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "JOIN",
    "LEFT", "UNION", "WITH", "AND", "NOT", "BETWEEN", "LIKE", "CASE", "WHEN", "THEN", "ELSE",
    "END",
];

/// The last word before an error that is nearly a keyword: a typo makes an alias of it, and the error comes later.
fn misspelt(words: &[Word]) -> Option<(String, &'static str)> {
    let pairs = words.windows(2).rev();
    let by = pairs
        .clone()
        .find(|pair| ["GROUP", "ORDER"].contains(&pair[0].text.to_uppercase().as_str()));
    if let Some(pair) = by
        && !pair[1].text.eq_ignore_ascii_case("by")
        && pair[1].text.len() <= 3
    {
        return Some((pair[1].text.clone(), "BY"));
    }
    words
        .iter()
        .rev()
        .filter(|word| !word.quoted)
        .find_map(|word| {
            let text = word.text.to_uppercase();
            let near = |keyword: &&&str| strsim::osa_distance(&text, keyword) == 1;
            let keyword = KEYWORDS.iter().find(near)?;
            (!KEYWORDS.contains(&text.as_str())).then(|| (word.text.clone(), *keyword))
        })
}

/// Every word of the SQL; none if it cannot be cut into words.
pub(super) fn words(sql: &str) -> Vec<Word> {
    tokens(sql, |token| match token {
        Token::Word(word) => {
            let quoted = word.quote_style.is_some();
            Some((word.value, quoted))
        }
        _ => None,
    })
}

/// Every text in single quotes.
pub(super) fn texts(sql: &str) -> Vec<Word> {
    tokens(sql, |token| match token {
        Token::SingleQuotedString(text) => Some((text, true)),
        _ => None,
    })
}

fn tokens(sql: &str, wanted: impl Fn(Token) -> Option<(String, bool)>) -> Vec<Word> {
    let tokens = Tokenizer::new(&GenericDialect, sql).tokenize_with_location();
    let word = |token: sqlparser::tokenizer::TokenWithSpan| {
        let (text, quoted) = wanted(token.token)?;
        let Location { line, column } = token.span.start;
        let width = text.chars().count() + if quoted { 2 } else { 0 };
        Some(Word {
            line: usize::try_from(line).ok()?,
            column: usize::try_from(column).ok()?,
            text,
            width,
            quoted,
        })
    };
    tokens
        .unwrap_or_default()
        .into_iter()
        .filter_map(word)
        .collect()
}
