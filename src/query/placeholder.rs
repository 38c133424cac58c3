//! `:name` in SQL, and the literals that take its place.
//!
//! What a value may be is decided here, once, so that the text of a query with its values filled in means the same
//! to every engine: text is a literal in single quotes with quotes doubled. Engines disagree about backslashes
//! in it (Spark reads escapes, the others do not), so that a backslash is refused, as are control characters.

use crate::finding::Timestamp;

use super::{Error, library::Type};

/// A piece of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    /// Anything else.
    Sql(&'a str),
    /// `:name`, and where it stands.
    Placeholder(&'a str, usize),
}

/// `sql` with a literal for each placeholder; `literal` says which. Placeholders in strings, quoted names and
/// comments are none.
pub(super) fn fill(
    sql: &str,
    mut literal: impl FnMut(&str) -> Option<String>,
) -> Result<String, Error> {
    let mut filled = String::with_capacity(sql.len());
    for piece in pieces(sql) {
        match piece {
            Piece::Sql(text) => filled.push_str(text),
            Piece::Placeholder(name, at) => match literal(name) {
                Some(text) => filled.push_str(&text),
                None => return Err(unknown(sql, name, at)),
            },
        }
    }
    Ok(filled)
}

/// The names of the placeholders in `sql`, each once, in the order of the text.
pub(super) fn names(sql: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for piece in pieces(sql) {
        if let Piece::Placeholder(name, _) = piece
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

/// A value as a literal that every engine reads alike, or why it is none.
pub(super) fn literal(kind: Type, value: &str) -> Result<String, String> {
    match kind {
        Type::Text => {
            if value.contains(|c: char| c == '\\' || c.is_control()) {
                return Err(
                    "a text without backslashes and control characters is wanted".to_owned(),
                );
            }
            Ok(format!("'{}'", value.replace('\'', "''")))
        }
        Type::Integer => match value.parse::<i64>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) => Err(format!("'{value}' is no whole number")),
        },
        Type::Time => {
            let time = Timestamp::parse(value);
            let time = time.ok_or("a time such as 2026-01-02T03:04:05Z is wanted")?;
            Ok(time.micros().to_string())
        }
    }
}

fn unknown(sql: &str, name: &str, at: usize) -> Error {
    let before = &sql[..at];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before[start..].chars().count() + 1;
    Error::new(format!("nothing says what :{name} is"))
        .at(sql, line, column, name.len() + 1)
        .hint(format!("give --param {name}=VALUE"))
}

fn pieces(sql: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = sql.get(at..).filter(|rest| !rest.is_empty())?;
        let start = at;
        if let Some(name) = placeholder(rest) {
            at += 1 + name.len();
            return Some(Piece::Placeholder(name, start));
        }
        let mut end = token(rest);
        while let Some(next) = rest.get(end..).filter(|next| !next.is_empty()) {
            if placeholder(next).is_some() {
                break;
            }
            end += token(next);
        }
        at += end;
        Some(Piece::Sql(&rest[..end]))
    })
}

/// The name of the placeholder that `text` starts with.
fn placeholder(text: &str) -> Option<&str> {
    let name = text.strip_prefix(':')?;
    let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let end = name.find(|c| !word(c)).unwrap_or(name.len());
    let name = &name[..end];
    name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        .then_some(name)
}

/// How long a string, a quoted name, a comment, `::` or any other character at the start of `text` is.
fn token(text: &str) -> usize {
    let until = |from: usize, end: &str| {
        let found = text.get(from..).and_then(|rest| rest.find(end));
        found.map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with('\'') {
        until(1, "'")
    } else if text.starts_with('"') {
        until(1, "\"")
    } else if text.starts_with('`') {
        until(1, "`")
    } else if text.starts_with("--") {
        until(2, "\n")
    } else if text.starts_with("/*") {
        until(2, "*/")
    } else if text.starts_with("::") {
        2
    } else {
        text.chars().next().map_or(0, char::len_utf8)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn placeholders_are_found_where_they_are_some() {
        let sql = "SELECT ':a', \":b\", x::int -- :c\n, :d /* :e */ FROM t WHERE 'it''s :f' = :g_1 AND :d > 1:";
        assert_eq!(names(sql), ["d", "g_1"]);
        let filled = fill(sql, |name| Some(format!("<{name}>"))).unwrap();
        let expected = sql.replace(":d", "<d>").replace(":g_1", "<g_1>");
        assert_eq!(filled, expected);
        let error = fill("SELECT 1,\n é :nope", |_| None).unwrap_err();
        let at = error.at.unwrap();
        assert_eq!((at.line, at.column, at.width), (2, 4, 5));
    }

    #[test]
    fn values_become_literals_or_are_refused() {
        for (kind, value, expected) in [
            (Type::Text, "shop/web", Some("'shop/web'")),
            (Type::Text, "' OR '1'='1", Some("''' OR ''1''=''1'")),
            (Type::Text, r"\' OR 1=1 --", None),
            (Type::Text, "a\nb", None),
            (Type::Integer, "5", Some("5")),
            (Type::Integer, "-5", Some("-5")),
            (Type::Integer, "5; DROP", None),
            (Type::Time, "1970-01-01T00:00:01Z", Some("1000000")),
            (Type::Time, "yesterday", None),
        ] {
            assert_eq!(literal(kind, value).ok().as_deref(), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_cut_into_itself(sql in r#"[:a'"`\-/*\né ]{0,40}"#) {
            let whole: String = pieces(&sql).map(|piece| match piece {
                Piece::Sql(text) => text.to_owned(),
                Piece::Placeholder(name, _) => format!(":{name}"),
            }).collect();
            prop_assert_eq!(whole, sql);
        }

        #[test]
        fn no_value_gets_out_of_its_quotes(value in r"['\\a;\-]{0,12}") {
            if let Ok(text) = literal(Type::Text, &value) {
                let inside = &text[1..text.len() - 1];
                prop_assert_eq!(inside.replace("''", "").matches('\'').count(), 0);
            }
        }
    }
}
