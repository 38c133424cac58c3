//! What is wrong with a query, and where in it.

use std::fmt;

/// Why a query could not be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// One line.
    pub why: String,
    /// The place in the SQL that it is about.
    pub at: Option<Excerpt>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A line of the SQL, and the place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The line's number, from 1.
    pub line: usize,
    /// The character in it, from 1.
    pub column: usize,
    /// How many characters it is about.
    pub width: usize,
    /// The line itself.
    pub text: String,
}

impl Error {
    /// An error without a place.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            at: None,
            hint: None,
        }
    }

    /// The same, about `width` characters at a line and a column of `sql`, both from 1.
    #[must_use]
    pub fn at(self, sql: &str, line: usize, column: usize, width: usize) -> Self {
        let text = sql.lines().nth(line.saturating_sub(1));
        let at = text.map(|text| Excerpt {
            line,
            column: column.max(1),
            width: width.max(1),
            // So that one character is one column.
            text: text.replace('\t', " "),
        });
        Self { at, ..self }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Error {}

/// As compilers show it: the line with its number, and a mark below.
impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let mark = "^".repeat(self.width);
        writeln!(f, "{number} | {}", self.text)?;
        let indent = number.len() + 3 + self.column - 1;
        write!(f, "{:indent$}{mark}", "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stands_below_the_place() {
        let error = Error::new("no such column").at("SELECT a,\n  bad\nFROM t", 2, 3, 3);
        let shown = error.at.unwrap().to_string();
        assert_eq!(shown, "2 |   bad\n      ^^^");
        assert_eq!(Error::new("x").at("SELECT", 7, 1, 1).at, None);
    }
}
