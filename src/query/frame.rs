//! The tables: what their columns are called, hold and mean.
//!
//! Written for people who type SQL, and for engines that read the exported Parquet. A text that the log does not
//! have is empty and not NULL, as in Kubernetes itself, whose JSON leaves out empty strings: comparisons then
//! say what they seem to say. Numbers, times and flags that the log does not have are NULL. All times are UTC,
//! without a time zone in their type, so that no engine shifts them.

mod events;
mod findings;
mod reason;
mod samples;

pub use events::{BODIES, EVENTS, EventColumn, FromInput, Source, stands_alone};
pub use findings::{FINDINGS, FindingColumn};
pub use samples::{SAMPLES, SampleColumn, SampleRow};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string, never NULL.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A floating-point number.
    Number,
    /// True or false.
    Flag,
    /// Microseconds, UTC.
    Time,
    /// A day, UTC.
    Day,
}

impl Kind {
    /// The type as `CREATE TABLE` writes it, in DuckDB and Spark alike.
    #[must_use]
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Text => "VARCHAR",
            Self::Integer => "BIGINT",
            Self::Number => "DOUBLE",
            Self::Flag => "BOOLEAN",
            Self::Time => "TIMESTAMP",
            Self::Day => "DATE",
        }
    }
}

/// A value of any kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// [`Kind::Text`]
    Text(String),
    /// [`Kind::Integer`]
    Integer(Option<i64>),
    /// [`Kind::Number`]
    Number(Option<f64>),
    /// [`Kind::Flag`]
    Flag(Option<bool>),
    /// [`Kind::Time`], in microseconds since 1970.
    Time(Option<i64>),
    /// [`Kind::Day`], in days since 1970.
    Day(Option<i32>),
}

/// What there is to say about a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name: a word that no engine reserves.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it means.
    pub meaning: &'static str,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// What one row is.
    pub row: &'static str,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// All tables.
#[must_use]
pub fn tables() -> Vec<Table> {
    let events = EVENTS.iter().map(EventColumn::about).collect();
    let findings = FINDINGS.iter().map(|column| column.about).collect();
    let samples = SAMPLES.iter().map(|column| column.about).collect();
    vec![
        Table {
            name: "events",
            row: "One event of the audit log: one stage of one request. Requests are the rows with is_request.",
            columns: events,
        },
        Table {
            name: "findings",
            row: "One finding, as satrail scan reports it.",
            columns: findings,
        },
        Table {
            name: "samples",
            row: "One sample of a scrape (--metrics): the value of one series at one time.",
            columns: samples,
        },
    ]
}

/// The column that the files of an export are split by.
pub const PARTITION: &str = "day";

/// A second, in microseconds.
const SECOND: i64 = 1_000_000;

/// The start of the span of `seconds` that a time lies in.
const fn start_of(micros: i64, seconds: i64) -> i64 {
    let span = seconds * SECOND;
    micros.div_euclid(span) * span
}

/// The day of a time, in days since 1970.
fn day_of(micros: i64) -> Option<i32> {
    i32::try_from(micros.div_euclid(86_400 * SECOND)).ok()
}
