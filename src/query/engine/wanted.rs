//! Which columns a query reads: found out on empty tables, before an hour of log is read for it.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError},
};

use polars::{
    prelude::{
        AnonymousScan, AnonymousScanArgs, DataFrame, Engine, LazyFrame, PolarsResult,
        ScanArgsAnonymous, SchemaRef,
    },
    sql::SQLContext,
};

use crate::query::{
    Error,
    frame::{Column, EVENTS, EventColumn, PARTITION, tables},
};

use super::{builder::schema, parse, refusal};

/// A column that all tables have.
const ALWAYS: &str = PARTITION;

/// The columns that a query reads, by table; a table that it does not name is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted(BTreeMap<&'static str, BTreeSet<String>>);

impl Wanted {
    /// Every column of every table, but for those that `leave_out` names.
    pub(super) fn all(leave_out: &[&str]) -> Self {
        let names = |columns: Vec<Column>| {
            let names = columns.iter().map(|column| column.name);
            let kept = names.filter(|name| !leave_out.contains(name));
            kept.map(str::to_owned).collect()
        };
        let tables = tables().into_iter();
        Self(
            tables
                .map(|table| (table.name, names(table.columns)))
                .collect(),
        )
    }

    /// Every column that the SQL names, whatever for, of the tables that it names; all columns if it says `*`.
    fn named(sql: &str) -> Self {
        let (words, everything) = (parse::words(sql), parse::has_wildcard(sql));
        let named = |name: &str| words.iter().any(|word| word.text == name);
        let columns = |columns: Vec<Column>| {
            let names = columns.into_iter().map(|column| column.name);
            // A table of no columns has no rows.
            let wanted = names.filter(|name| everything || *name == ALWAYS || named(name));
            wanted.map(str::to_owned).collect()
        };
        let tables = tables().into_iter().filter(|table| named(table.name));
        Self(
            tables
                .map(|table| (table.name, columns(table.columns)))
                .collect(),
        )
    }

    /// Without what only scrapes and dumps tell.
    pub(super) fn without(mut self, table: &str) -> Self {
        self.0.remove(table);
        self
    }

    /// Whether the table is asked for.
    pub(super) fn contains(&self, table: &str) -> bool {
        self.0.contains_key(table)
    }

    /// The columns of `events`, if it is asked for.
    pub(super) fn events(&self) -> Option<Vec<&'static EventColumn>> {
        let names = self.0.get("events")?;
        let wanted = EVENTS.iter().filter(|column| names.contains(column.name));
        Some(wanted.collect())
    }
}

/// Runs the query on empty tables: finds out what is wrong with it and which columns it reads, before an hour of
/// log is read for it.
pub(super) fn dry_run(sql: &str) -> Result<Wanted, Error> {
    let context = SQLContext::new();
    let mut watchers = Vec::new();
    for table in tables() {
        let schema: SchemaRef = Arc::new(schema(&table.columns));
        let seen = Arc::new(Mutex::new(None));
        let watcher = Watcher {
            schema: Arc::clone(&schema),
            seen: Arc::clone(&seen),
        };
        let args = ScanArgsAnonymous {
            schema: Some(schema),
            name: table.name,
            ..ScanArgsAnonymous::default()
        };
        let frame = LazyFrame::anonymous_scan(Arc::new(watcher), args);
        context.register(
            table.name,
            frame.map_err(|error| refusal::explain(&error, sql))?,
        );
        watchers.push((table.name, seen));
    }
    let frame = plan(context, sql)?;
    if parse::counts_bare_rows(sql) {
        return Ok(Wanted::named(sql));
    }
    // Whatever fails on no rows at all may well work on some: what matters is which columns were asked for.
    let run = AssertUnwindSafe(|| frame.collect_with_engine(Engine::InMemory).is_ok());
    let ran = panic::catch_unwind(run).unwrap_or(false);
    let mut wanted = Wanted::default();
    for (table, seen) in watchers {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        match seen {
            Some(columns) => {
                wanted.0.insert(table, columns);
            }
            None if !ran => {
                let named = Wanted::named(sql).0.remove(table);
                wanted.0.extend(named.map(|columns| (table, columns)));
            }
            None => {}
        }
    }
    Ok(wanted)
}

/// The query over the tables of `context`.
pub(super) fn plan(mut context: SQLContext, sql: &str) -> Result<LazyFrame, Error> {
    parse::check(sql)?;
    let planned = context.execute(sql).and_then(|mut frame| {
        frame.collect_schema()?;
        let frame = frame.with_projection_pushdown(!parse::counts_bare_rows(sql));
        // Types that do not go together are found as the plan is optimized.
        frame.clone().to_alp_optimized()?;
        Ok(frame)
    });
    planned.map_err(|error| refusal::explain(&error, sql))
}

/// An empty table that notes which of its columns are read.
struct Watcher {
    schema: SchemaRef,
    seen: Arc<Mutex<Option<BTreeSet<String>>>>,
}

impl AnonymousScan for Watcher {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn scan(&self, args: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        let names: Vec<String> = match &args.with_columns {
            Some(columns) => columns.iter().map(ToString::to_string).collect(),
            None => self.schema.iter_names().map(ToString::to_string).collect(),
        };
        let empty =
            DataFrame::empty_with_schema(&self.schema).select(names.iter().map(String::as_str));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get_or_insert_default().extend(names);
        empty
    }

    fn allows_projection_pushdown(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::query::frame::SAMPLES;

    use super::*;

    fn columns(sql: &str) -> Vec<String> {
        let wanted = dry_run(sql).unwrap();
        let all = wanted.0.into_iter();
        all.flat_map(|(table, columns)| columns.into_iter().map(move |c| format!("{table}.{c}")))
            .collect()
    }

    #[test]
    fn only_the_columns_that_a_query_reads_are_asked_for() {
        assert_eq!(
            columns("SELECT verb, COUNT(*) AS n FROM events WHERE is_request GROUP BY verb"),
            ["events.is_request", "events.verb"]
        );
        assert_eq!(
            columns("SELECT e.verb FROM events AS e JOIN findings AS f ON e.account = f.account"),
            ["events.account", "events.verb", "findings.account"]
        );
        assert_eq!(
            columns("WITH a AS (SELECT * FROM events) SELECT verb FROM a ORDER BY time"),
            ["events.time", "events.verb"]
        );
        assert_eq!(columns("SELECT * FROM samples").len(), SAMPLES.len());
        assert!(columns("SELECT COUNT(*) AS n FROM events").len() <= 1);
    }

    #[test]
    fn what_counts_bare_rows_has_the_columns_that_it_names() {
        assert_eq!(
            columns(
                "SELECT COUNT(*) AS n FROM (SELECT verb FROM events UNION ALL SELECT name FROM events) AS a"
            ),
            ["events.day", "events.name", "events.verb"]
        );
        let all = columns(
            "SELECT COUNT(*) AS n FROM events AS a JOIN (SELECT * FROM findings) AS f ON a.verb = f.subject",
        );
        assert!(all.len() > EVENTS.len());
    }
}
