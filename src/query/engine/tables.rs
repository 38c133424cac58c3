//! The tables that a query asks for, as lazy frames.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use polars::{
    prelude::{
        AnonymousScan, AnonymousScanArgs, DataFrame, Engine, HiveOptions, IntoLazy, LazyFrame,
        PlRefPath, PolarsResult, ScanArgsAnonymous, ScanArgsParquet, SchemaRef, col,
    },
    sql::SQLContext,
};
use tempfile::TempDir;

use crate::{
    finding::{Finding, Timestamp},
    metric::{self, History},
    pipeline::{self, Bound, Options, Progress, Report, State},
    query::{
        Error,
        frame::{
            Cell, Column, EVENTS, EventColumn, FINDINGS, PARTITION, SAMPLES, SampleRow, Source,
            tables,
        },
    },
};

use super::{
    Failure,
    builder::{Builder, schema},
    parse, refusal,
    spool::{BUDGET, Filled, Filler, Spool, write_held},
    virtuals::{Known, Needs},
};

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

    /// Without what only scrapes and dumps tell.
    pub(super) fn without(mut self, table: &str) -> Self {
        self.0.remove(table);
        self
    }

    fn events(&self) -> Option<Vec<&'static EventColumn>> {
        let names = self.0.get("events")?;
        let wanted = EVENTS.iter().filter(|column| names.contains(column.name));
        Some(wanted.collect())
    }
}

/// The tables of logs, and what else the run has noted.
pub(super) struct Tables {
    pub(super) frames: BTreeMap<&'static str, LazyFrame>,
    pub(super) report: Report,
    /// Lines of scrapes that could not be read are in the report; files are here.
    pub(super) directory: Option<TempDir>,
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
    // Whatever fails on no rows at all may well work on some: what matters is which columns were asked for.
    let ran = frame.collect_with_engine(Engine::InMemory).is_ok();
    let mut wanted = Wanted::default();
    for (table, seen) in watchers {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        match seen {
            Some(columns) => {
                wanted.0.insert(table, columns);
            }
            None if !ran => {
                let all = Wanted::all(&[]).0.remove(table);
                wanted.0.extend(all.map(|columns| (table, columns)));
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
        Ok(frame)
    });
    planned.map_err(|error| refusal::explain(&error, sql))
}

/// Fills the columns that are wanted from logs and scrapes. Temporary files go below `beside`, or to where the
/// system wants them.
pub(super) fn fill(
    options: &Options,
    wanted: &Wanted,
    beside: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Tables, Failure> {
    let detect = wanted.0.contains_key("findings");
    let mut frames = BTreeMap::new();
    let mut directory = None;
    let state = if let Some(columns) = wanted.events() {
        let home = match beside {
            Some(path) => tempfile::tempdir_in(path)?,
            None => tempfile::tempdir()?,
        };
        let (frame, state) = events(options, &columns, detect, home.path(), progress)?;
        frames.insert("events", frame);
        directory = Some(home);
        state
    } else if detect {
        pipeline::scan(options, progress)?
    } else {
        State::default()
    };
    let mut report = state.report(options);
    if detect {
        frames.insert("findings", findings(&report.findings)?.lazy());
    }
    if wanted.0.contains_key("samples") {
        let read = metric::read_scrapes(&options.metrics, &options.scrape_hints, &|_| true);
        if !detect {
            report.coverage.troubles.extend(read.troubles);
        }
        frames.insert("samples", samples(read.history, options)?.lazy());
    }
    Ok(Tables {
        frames,
        report,
        directory,
    })
}

/// The tables that an export has written, with all their columns.
pub(super) fn exported(directory: &Path) -> Result<SQLContext, Failure> {
    let context = SQLContext::new();
    let mut found = false;
    for table in tables() {
        let folder = directory.join(table.name);
        if !folder.is_dir() {
            continue;
        }
        found = true;
        let partition = table.columns.iter().find(|column| column.name == PARTITION);
        let hive = partition.map(schema_of);
        let args = ScanArgsParquet {
            hive_options: HiveOptions {
                enabled: Some(true),
                hive_start_idx: 0,
                schema: hive.map(Arc::new),
                try_parse_dates: true,
            },
            ..ScanArgsParquet::default()
        };
        let path = PlRefPath::try_from_path(&folder)?;
        context.register(table.name, LazyFrame::scan_parquet(path, args)?);
    }
    if !found {
        return Err(Failure::Other(format!(
            "{} holds no exported tables: satrail export PATH... --output DIR writes them",
            directory.display()
        )));
    }
    Ok(context)
}

fn schema_of(column: &Column) -> polars::prelude::Schema {
    schema([column])
}

fn events(
    options: &Options,
    columns: &[&'static EventColumn],
    detect: bool,
    home: &Path,
    progress: &dyn Progress,
) -> Result<(LazyFrame, State), Failure> {
    let mut needs = Needs::default();
    let (mut taken, mut looked_up) = (Vec::new(), Vec::new());
    for &column in columns {
        match column.source {
            Source::Input(wanted) => {
                needs.add(wanted);
                looked_up.push((column.name, wanted));
            }
            _ => taken.push(column),
        }
    }
    // A frame has rows only if it has columns.
    needs.origin |= taken.is_empty();
    let spool = Spool::new(taken, needs, home, BUDGET);
    let read = pipeline::rows(options, detect, progress, &|| Filler::new(&spool))?;
    let (mut frames, mut on_disk) = (Vec::new(), false);
    for filler in read.takers {
        let Filled { frames: held, file } = filler.finish().map_err(Failure::Other)?;
        frames.extend(held);
        on_disk |= file.is_some();
    }
    // One source and no union of two, for whose rows Polars' streaming engine has no COUNT(*).
    let held = stacked(frames)?;
    let whole = match held {
        Some(frame) if on_disk => {
            write_held(&frame, home)?;
            Some(scan(home)?)
        }
        Some(frame) => Some(frame.lazy()),
        None if on_disk => Some(scan(home)?),
        None => None,
    };
    let names: Vec<_> = columns.iter().map(|column| col(column.name)).collect();
    let frame = match whole {
        None => {
            let about: Vec<_> = columns.iter().map(|column| column.about()).collect();
            DataFrame::empty_with_schema(&schema(&about)).lazy()
        }
        Some(whole) => {
            let known = Known::new(spool.chunks(), read.places, read.open);
            let looked_up = looked_up.into_iter();
            let looked_up: Vec<_> = looked_up
                .map(|(name, wanted)| known.column(wanted, name))
                .collect();
            whole.with_columns(looked_up).select(names)
        }
    };
    Ok((frame, read.state))
}

/// The temporary files of a run, as one table.
fn scan(home: &Path) -> PolarsResult<LazyFrame> {
    let args = ScanArgsParquet {
        hive_options: HiveOptions::new_disabled(),
        ..ScanArgsParquet::default()
    };
    LazyFrame::scan_parquet(PlRefPath::try_from_path(home)?, args)
}

fn stacked(frames: Vec<DataFrame>) -> PolarsResult<Option<DataFrame>> {
    let mut frames = frames.into_iter();
    let Some(mut whole) = frames.next() else {
        return Ok(None);
    };
    for frame in frames {
        whole.vstack_mut_owned(frame)?;
    }
    Ok(Some(whole))
}

fn findings(findings: &[Finding]) -> PolarsResult<DataFrame> {
    let columns: Vec<_> = FINDINGS.iter().map(|column| column.about).collect();
    let rows = findings
        .iter()
        .map(|finding| FINDINGS.iter().map(move |column| (column.cell)(finding)));
    frame_of(&columns, rows)
}

fn samples(mut history: History, options: &Options) -> PolarsResult<DataFrame> {
    let newest = history.times().last().copied();
    let at = |bound: Bound| match bound {
        Bound::At(time) | Bound::Horizon(time) => Some(time),
        Bound::BeforeNewest(span) => newest.map(|newest| newest.before(span)),
    };
    let since = options.window.since.and_then(at);
    let until = options.window.until.and_then(at);
    history.retain(|time: Timestamp| {
        since.is_none_or(|since| time >= since) && until.is_none_or(|until| time < until)
    });
    let columns: Vec<_> = SAMPLES.iter().map(|column| column.about).collect();
    let rows = history.metrics().flat_map(|(name, metric)| {
        metric.series.iter().flat_map(move |(labels, series)| {
            let points = series.points();
            points.iter().enumerate().map(move |(at, point)| {
                let before = at.checked_sub(1).and_then(|at| points.get(at));
                let row = SampleRow {
                    metric: name,
                    kind: metric.kind,
                    cumulative: metric.cumulative,
                    labels,
                    time: point.time,
                    value: point.value,
                    before: before.map(|point| point.value),
                };
                SAMPLES.iter().map(move |column| (column.cell)(&row))
            })
        })
    });
    frame_of(&columns, rows)
}

fn frame_of(
    columns: &[Column],
    rows: impl Iterator<Item = impl Iterator<Item = Cell>>,
) -> PolarsResult<DataFrame> {
    let new = |column: &Column| Builder::new(column.name, column.kind, 64);
    let mut builders: Vec<_> = columns.iter().map(new).collect();
    let mut height = 0;
    for row in rows {
        height += 1;
        for (builder, cell) in builders.iter_mut().zip(row) {
            builder.cell(&cell);
        }
    }
    let columns = builders.into_iter().map(Builder::finish).collect();
    DataFrame::new(height, columns)
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
    use crate::query::{engine::builder::data_type, frame::Kind};

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
    fn kinds_and_types_agree() {
        let kinds = [
            Kind::Text,
            Kind::Integer,
            Kind::Number,
            Kind::Flag,
            Kind::Time,
            Kind::Day,
        ];
        for kind in kinds {
            let column = Builder::new("x", kind, 1).finish();
            assert_eq!(column.dtype(), &data_type(kind));
        }
    }
}
