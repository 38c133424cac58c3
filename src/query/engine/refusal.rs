//! What Polars says against a query -> what a person can do about it, and where.

use polars::error::PolarsError;

use crate::query::{Error, frame::tables};

use super::{
    lacks,
    parse::{self, Word},
};

/// What an engine says, on one line, without its own advice and without dumps of its insides.
pub(super) fn message(error: &PolarsError) -> String {
    let text = error.to_string();
    let ends = [
        "\n\nResolved plan until failure",
        "; valid columns: [",
        "; found:",
        "You might want to try",
        "It's possible that multiple expressions",
    ];
    let end = ends.iter().filter_map(|end| text.find(end)).min();
    let text = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
    if text.contains("Span(Location(") {
        return "this engine does not know an expression in the query".to_owned();
    }
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ")
}

/// The refusal of `sql`, in this program's words where the reason is known.
pub(super) fn explain(error: &PolarsError, sql: &str) -> Error {
    let said = message(error);
    let words = parse::words(sql);
    let column = missing_column(error, &said);
    // A name that is wrong is wrong, whatever else may not work either.
    if let Some(name) = &column
        && words.iter().any(|word| word.text == *name)
        && !columns().contains(&name.as_str())
    {
        return no_column(name, sql, &words);
    }
    if let Some(found) = lacks::construct(sql) {
        return found.error(sql);
    }
    match column {
        Some(name) => out_of_reach(&name, sql, &words),
        None => other(&said, sql, &words),
    }
}

/// The column that is not there, if that is what is wrong.
fn missing_column(error: &PolarsError, said: &str) -> Option<String> {
    let kind = matches!(
        error,
        PolarsError::ColumnNotFound(_) | PolarsError::SchemaFieldNotFound(_)
    );
    let said_so = ["unable to find column", "no column named"]
        .iter()
        .any(|text| said.contains(text));
    if kind || said_so { quoted(said) } else { None }
}

fn columns() -> Vec<&'static str> {
    tables()
        .into_iter()
        .flat_map(|table| table.columns)
        .map(|column| column.name)
        .collect()
}

fn no_column(name: &str, sql: &str, words: &[Word]) -> Error {
    let error = Error::new(format!("there is no column '{name}'"));
    let error = place(error, sql, words, name);
    let in_quotes = words.iter().any(|word| word.quoted && word.text == name);
    match nearest(name, &columns()) {
        Some(near) if near != name => error.hint(format!(
            "did you mean {near}? (satrail schema lists all columns)"
        )),
        _ if in_quotes => {
            error.hint("text stands in single quotes; double quotes are for names of columns")
        }
        _ => error.hint("satrail schema lists the tables and their columns"),
    }
}

/// A column that there is, but not where the query asks for it.
fn out_of_reach(name: &str, sql: &str, words: &[Word]) -> Error {
    let error = Error::new(format!("the column '{name}' is not within reach here"));
    place(error, sql, words, name).hint(
        "what ORDER BY, QUALIFY or an outer query use must stand in the SELECT list as well; an export without \
         --bodies has no bodies",
    )
}

fn other(said: &str, sql: &str, words: &[Word]) -> Error {
    let error = Error::new(said);
    if said.contains("mixed asc/desc") {
        return Error::new("this engine does not know mixed directions in OVER (ORDER BY ...)")
            .hint("order by the negative: a subquery with 0 - CAST(n AS BIGINT) AS fewest, then ORDER BY fewest, name");
    }
    if said.contains("cannot compare 'date/datetime/time' to a string")
        || said.contains("conversion from `str` to")
    {
        let error = error.hint("times are written TIMESTAMP '2026-01-02 03:04:05' (UTC, without T and Z), days DATE '2026-01-02'");
        let texts = parse::texts(sql);
        let time = texts.iter().find(|text| is_like_a_time(&text.text));
        return match time {
            Some(text) => error.at(sql, text.line, text.column, text.width),
            None => error,
        };
    }
    if said.contains("cannot compare string with numeric type") {
        return error.hint(
            "numbers stand without quotes (code = 403), text in single quotes (verb = 'list')",
        );
    }
    if said.contains("expected String type") || said.contains("expected `String`") {
        return error.hint("CAST(code AS VARCHAR) makes text of a number or a time");
    }
    let Some(name) = quoted(said).or_else(|| leading_function(said)) else {
        return error;
    };
    let error = place(error, sql, words, &name);
    if said.contains("relation") {
        let all: Vec<_> = tables().iter().map(|table| table.name).collect();
        return match nearest(&name, &all) {
            Some(near) => error.hint(format!(
                "did you mean {near}? The tables are events, findings and samples, in small letters"
            )),
            None => error.hint("the tables are events, findings and samples"),
        };
    }
    if said.contains("no table or struct column") {
        return error.hint("no table and no alias (FROM events AS e) has that name");
    }
    if said.contains("GROUP BY") {
        return error.hint("every column of the SELECT list stands in GROUP BY or in an aggregate such as MAX(...)");
    }
    if said.contains("duplicate") {
        let why = format!("two columns of the answer have the name '{name}'");
        return Error { why, ..error }.hint("give one of them another: verb AS other");
    }
    if said.contains("function") {
        return error.hint("docs/queries.md says what works in every engine");
    }
    error
}

/// `2026-...`, as far as a mistake needs to be pointed at.
fn is_like_a_time(text: &str) -> bool {
    let mut digits = text.bytes().take(4);
    text.len() >= 10
        && digits.all(|byte| byte.is_ascii_digit())
        && text.as_bytes().get(4) == Some(&b'-')
}

/// The function that a message such as `SUBSTR expects 2-3 arguments` begins with.
fn leading_function(said: &str) -> Option<String> {
    let first = said.split(' ').next()?;
    let loud = |c: char| c.is_ascii_uppercase() || c == '_';
    (first.len() > 2 && first.chars().all(loud)).then(|| first.to_owned())
}

fn place(error: Error, sql: &str, words: &[Word], name: &str) -> Error {
    // Polars names the last of several alike.
    let found = words.iter().rfind(|word| word.text == name).or_else(|| {
        words
            .iter()
            .find(|word| word.text.eq_ignore_ascii_case(name))
    });
    match found {
        Some(word) => error.at(sql, word.line, word.column, word.width),
        None => error,
    }
}

/// The first name in quotes of a message.
fn quoted(text: &str) -> Option<String> {
    let at = text.find(['\'', '"', '`'])?;
    let quote = text[at..].chars().next()?;
    let rest = &text[at + 1..];
    let end = rest.find(quote)?;
    let name = &rest[..end];
    let name = name.split('(').next().unwrap_or(name);
    Some(name.rsplit('.').next().unwrap_or(name).to_owned())
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let scored = known
        .iter()
        .map(|&known| (strsim::jaro_winkler(&name, known), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.75).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use crate::query::engine::wanted::dry_run;

    fn refused(sql: &str) -> (String, Option<(usize, usize, usize)>, String) {
        let error = dry_run(sql).expect_err(sql);
        let at = error.at.map(|at| (at.line, at.column, at.width));
        (error.why, at, error.hint.unwrap_or_default())
    }

    #[test]
    fn errors_point_into_the_sql() {
        let (why, at, _) = refused("SELECT verb\nFORM events");
        assert_eq!(at.map(|at| at.0), Some(2), "{why}");
        let (why, at, hint) = refused("SELECT verb,\n  usernme FROM events");
        assert_eq!(at, Some((2, 3, 7)), "{why}");
        assert!(hint.contains("username"), "{hint}");
        let (why, at, hint) = refused("SELECT verb FROM event");
        assert_eq!(at, Some((1, 18, 5)), "{why}");
        assert!(hint.contains("events"), "{hint}");
        let (why, at, _) = refused("SELECT nonsense(verb) FROM events");
        assert_eq!(at, Some((1, 8, 8)), "{why}");
        for sql in [
            "",
            "  -- nothing",
            "SELECT 1; SELECT 2",
            "DROP TABLE events",
            "DELETE FROM events",
            "CREATE TABLE x AS SELECT * FROM events",
        ] {
            let (why, ..) = refused(sql);
            assert!(why.contains("one SELECT"), "{sql}: {why}");
        }
    }
}
