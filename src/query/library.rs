//! The queries that come along: files in `queries/`, each with a head that says what it is for.
//!
//! ```text
//! -- title: Who lists secrets
//! -- purpose: ServiceAccounts that list or watch secrets;
//! --   a line that goes on is indented.
//! -- param top integer = 10: how many; without `=` it must be given
//! -- column account: who asked
//! SELECT ...
//! ```
//!
//! The SQL stays in what Polars, DuckDB and Spark agree on (`docs/queries.md` says what that is).

use super::{Error, placeholder};

macro_rules! library {
    ($($id:literal)*) => {
        /// Every query, in the order of `satrail query --list`: its name and its file.
        const FILES: &[(&str, &str)] = &[$((
            $id,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/queries/", $id, ".sql")),
        ),)*];
    };
}

library! {
    "who-lists-secrets"
    "secret-list-events"
    "default-account-calls"
    "top-talkers"
    "denied-requests"
    "permission-matrix"
    "bindings-used"
    "old-tokens-per-day"
    "token-minted-to-used"
    "first-seen"
    "user-agents"
    "other-clients"
    "unauthorized-bursts"
    "latency-by-account"
    "deprecated-apis"
    "requests-of-account"
    "around-audit-id"
    "findings-by-account"
    "request-metrics"
}

/// What the value of a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// A time in RFC 3339, which the SQL sees as microseconds since 1970.
    Time,
}

impl Type {
    /// The name in the head of a query.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Time => "time",
        }
    }
}

/// What a query asks to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name: `:name` in the SQL, `--param name=value`.
    pub name: &'static str,
    /// What its value is.
    pub kind: Type,
    /// The value if none is given; `None`: one must be given.
    pub default: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
}

/// A query of the library.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Its name.
    pub id: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// What for.
    pub purpose: String,
    /// What it asks to be told.
    pub parameters: Vec<Parameter>,
    /// The columns of the answer, with their meaning.
    pub columns: Vec<(&'static str, &'static str)>,
    /// The SQL, head and all.
    pub sql: &'static str,
}

/// All queries.
#[must_use]
pub fn queries() -> Vec<Query> {
    FILES.iter().map(|(id, sql)| read(id, sql)).collect()
}

/// The query of that name.
#[must_use]
pub fn query(id: &str) -> Option<Query> {
    let (id, sql) = FILES.iter().find(|(name, _)| *name == id)?;
    Some(read(id, sql))
}

/// The SQL with its placeholders filled in, as any engine can run it. `given` are names and values.
pub fn with_parameters(query: &Query, given: &[(String, String)]) -> Result<String, Error> {
    let find = |name: &str| query.parameters.iter().find(|p| p.name == name);
    for (name, _) in given {
        if find(name).is_none() {
            let names: Vec<_> = query.parameters.iter().map(|p| p.name).collect();
            let hint = if names.is_empty() {
                format!("{} has no parameters", query.id)
            } else {
                format!("{} has {}", query.id, names.join(", "))
            };
            return Err(Error::new(format!("no parameter '{name}'")).hint(hint));
        }
    }
    let mut literals = Vec::new();
    for parameter in &query.parameters {
        let name = parameter.name;
        let value = given.iter().rev().find(|(given, _)| given == name);
        let value = value.map(|(_, value)| value.as_str()).or(parameter.default);
        let Some(value) = value else {
            let meaning = parameter.meaning;
            return Err(Error::new(format!(
                "{} needs the parameter {name}: {meaning}",
                query.id
            ))
            .hint(format!("give --param {name}=VALUE")));
        };
        let literal = placeholder::literal(parameter.kind, value);
        let literal = literal.map_err(|why| Error::new(format!("parameter {name}: {why}")))?;
        literals.push((name, literal));
    }
    placeholder::fill(query.sql, |name| {
        let found = literals.iter().find(|(known, _)| *known == name);
        found.map(|(_, literal)| literal.clone())
    })
}

/// SQL that somebody typed, with its placeholders filled in: values are text, or numbers where they are some.
pub fn typed_with_parameters(sql: &str, given: &[(String, String)]) -> Result<String, Error> {
    let names = placeholder::names(sql);
    for (name, value) in given {
        if !names.contains(&name.as_str()) {
            return Err(Error::new(format!(
                "the SQL has no :{name} for --param {name}={value}"
            )));
        }
    }
    let mut wrong = None;
    let filled = placeholder::fill(sql, |name| {
        let (_, value) = given.iter().rev().find(|(given, _)| given == name)?;
        let number = placeholder::literal(Type::Integer, value);
        match number.or_else(|_| placeholder::literal(Type::Text, value)) {
            Ok(literal) => Some(literal),
            Err(why) => {
                wrong = Some(Error::new(format!("parameter {name}: {why}")));
                None
            }
        }
    });
    match wrong {
        Some(error) => Err(error),
        None => filled,
    }
}

fn read(id: &'static str, sql: &'static str) -> Query {
    let mut query = Query {
        id,
        sql,
        ..Query::default()
    };
    let mut in_purpose = false;
    for line in sql.lines().map_while(|line| line.strip_prefix("--")) {
        if let Some(more) = line.strip_prefix("  ").filter(|_| in_purpose) {
            query.purpose.push(' ');
            query.purpose.push_str(more.trim());
            continue;
        }
        in_purpose = false;
        let line = line.trim();
        if let Some(title) = line.strip_prefix("title: ") {
            query.title = title;
        } else if let Some(purpose) = line.strip_prefix("purpose: ") {
            purpose.clone_into(&mut query.purpose);
            in_purpose = true;
        } else if let Some(parameter) = line.strip_prefix("param ") {
            query.parameters.extend(read_parameter(parameter));
        } else if let Some(column) = line.strip_prefix("column ") {
            query.columns.extend(column.split_once(": "));
        }
    }
    query
}

/// `name type = default: meaning`; the default may hold colons, but no `: `.
fn read_parameter(text: &'static str) -> Option<Parameter> {
    let (head, meaning) = text.split_once(": ")?;
    let (head, default) = match head.split_once(" = ") {
        Some((head, default)) => (head, Some(default)),
        None => (head, None),
    };
    let (name, kind) = head.split_once(' ')?;
    let kinds = [Type::Text, Type::Integer, Type::Time];
    let kind = kinds.into_iter().find(|each| each.as_str() == kind)?;
    Some(Parameter {
        name,
        kind,
        default,
        meaning,
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_file_is_listed_and_has_a_head() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
        let files = fs::read_dir(folder).unwrap().map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".sql").unwrap().to_owned()
        });
        let listed = queries();
        let ids = listed.iter().map(|query| query.id.to_owned());
        assert_eq!(ids.collect::<BTreeSet<_>>(), files.collect::<BTreeSet<_>>());
        for query in listed {
            assert!(
                !query.title.is_empty() && query.purpose.ends_with('.'),
                "{}",
                query.id
            );
            assert!(!query.columns.is_empty(), "{}", query.id);
            let heads = query.sql.matches("\n-- param ").count();
            assert_eq!(query.parameters.len(), heads, "{}", query.id);
            let names: Vec<_> = query.parameters.iter().map(|p| p.name).collect();
            let used = placeholder::names(query.sql);
            assert_eq!(
                names.iter().collect::<BTreeSet<_>>(),
                used.iter().collect(),
                "{}",
                query.id
            );
            for parameter in query.parameters {
                let default = parameter
                    .default
                    .map(|value| placeholder::literal(parameter.kind, value));
                assert!(
                    default.is_none_or(|literal| literal.is_ok()),
                    "{}",
                    query.id
                );
            }
        }
    }

    #[test]
    fn parameters_must_be_known_and_given() {
        let given = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let matrix = query("permission-matrix").unwrap();
        assert!(with_parameters(&matrix, &[]).is_err());
        assert!(with_parameters(&matrix, &given("acount", "shop/web")).is_err());
        let sql = with_parameters(&matrix, &given("account", "shop/web")).unwrap();
        assert!(sql.contains("account = 'shop/web'"));
        let talkers = query("top-talkers").unwrap();
        assert!(
            with_parameters(&talkers, &[])
                .unwrap()
                .contains("place <= 3")
        );
        let typed = typed_with_parameters(
            "SELECT :a, :b",
            &[given("a", "1"), given("b", "x'y")].concat(),
        );
        assert_eq!(typed.as_deref(), Ok("SELECT 1, 'x''y'"));
        assert!(typed_with_parameters("SELECT :a", &[]).is_err());
        assert!(typed_with_parameters("SELECT 1", &given("a", "1")).is_err());
    }
}
