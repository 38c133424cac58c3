//! What Polars says against a query -> what a person can do about it, and where.

use polars::error::PolarsError;

use crate::query::{Error, frame::tables};

use super::parse::{self, Word};

/// What an engine says, on one line and without its own advice on environment variables.
pub(super) fn message(error: &PolarsError) -> String {
    let text = error.to_string();
    let text = text
        .split("\n\nResolved plan until failure")
        .next()
        .unwrap_or_default();
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ")
}

/// The refusal of `sql`, in this program's words where the reason is known.
pub(super) fn explain(error: &PolarsError, sql: &str) -> Error {
    let said = message(error);
    if let Some(found) = parse::construct(sql) {
        let why = format!("this engine does not know {}", found.what);
        return Error::new(why)
            .at(sql, found.line, found.column, found.width)
            .hint(found.instead);
    }
    if said.contains("mixed asc/desc") {
        return Error::new("this engine does not know mixed directions in OVER (ORDER BY ...)")
            .hint("order by the negative: a subquery with 0 - CAST(n AS BIGINT) AS fewest, then ORDER BY fewest, name");
    }
    let words = parse::words(sql);
    match error {
        PolarsError::ColumnNotFound(_) | PolarsError::SchemaFieldNotFound(_) => {
            column(&said, sql, &words)
        }
        _ => other(&said, sql, &words),
    }
}

fn column(said: &str, sql: &str, words: &[Word]) -> Error {
    let Some(name) = quoted(said) else {
        return Error::new(said);
    };
    let known: Vec<_> = tables()
        .into_iter()
        .flat_map(|table| table.columns)
        .map(|column| column.name)
        .collect();
    let error = place(
        Error::new(format!("there is no column '{name}'")),
        sql,
        words,
        &name,
    );
    match nearest(&name, &known) {
        Some(near) if near != name => error.hint(format!(
            "did you mean {near}? (satrail schema lists all columns)"
        )),
        _ => error.hint("satrail schema lists the tables and their columns"),
    }
}

fn other(said: &str, sql: &str, words: &[Word]) -> Error {
    let error = Error::new(said);
    let Some(name) = quoted(said) else {
        return error;
    };
    let error = place(error, sql, words, &name);
    if said.contains("relation") {
        return error.hint("the tables are events, findings and samples");
    }
    if said.contains("unsupported function") || said.contains("function") {
        return error.hint("docs/queries.md says what works in every engine");
    }
    error
}

fn place(error: Error, sql: &str, words: &[Word], name: &str) -> Error {
    let found = words
        .iter()
        .find(|word| word.text.eq_ignore_ascii_case(name));
    match found {
        Some(word) => error.at(sql, word.line, word.column, word.text.chars().count()),
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
    use crate::query::engine::tables::dry_run;

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

    #[test]
    fn constructs_that_polars_lacks_are_named_with_what_to_write_instead() {
        for (sql, what, instead) in [
            (
                "SELECT DATE_TRUNC('hour', time) AS h FROM events",
                "DATE_TRUNC",
                "hour",
            ),
            (
                "WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM a) SELECT * FROM a",
                "RECURSIVE",
                "JOIN",
            ),
            (
                "SELECT SUM(code) OVER (ORDER BY time ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM events",
                "ROWS",
                "minute",
            ),
        ] {
            let (why, at, hint) = refused(sql);
            assert!(why.contains(what), "{sql}: {why}");
            assert!(at.is_some() && hint.contains(instead), "{sql}: {hint}");
        }
    }
}
