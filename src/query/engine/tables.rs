//! The tables that a query asks for, as lazy frames.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use polars::{
    prelude::{
        DataFrame, HiveOptions, IntoLazy, LazyFrame, PlRefPath, PolarsResult, ScanArgsParquet, col,
    },
    sql::SQLContext,
};
use tempfile::TempDir;

use crate::{
    finding::{Finding, Timestamp},
    metric::{self, History},
    pipeline::{self, Bound, Options, Progress, Report, State, Taken},
    query::frame::{
        Cell, Column, EventColumn, FINDINGS, PARTITION, SAMPLES, SampleRow, Source, tables,
    },
};

use super::{
    Failure,
    builder::{Builder, schema},
    spool::{BUDGET, Filled, Filler, Spool},
    virtuals::{Known, Needs},
    wanted::Wanted,
};

/// The tables of logs, and what else the run has noted.
pub(super) struct Tables {
    pub(super) frames: BTreeMap<&'static str, LazyFrame>,
    pub(super) report: Report,
    /// Lines of scrapes that could not be read are in the report; files are here.
    pub(super) directory: Option<TempDir>,
}

/// Fills the columns that are wanted from logs and scrapes. If they are a part of what `whole` has seen, requests and
/// findings are those of the whole. Temporary files go below `beside`, or to where the system wants them.
pub(super) fn fill(
    options: &Options,
    wanted: &Wanted,
    whole: Option<State>,
    beside: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Tables, Failure> {
    let findings_wanted = wanted.contains("findings");
    let detect = findings_wanted && whole.is_none();
    let mut frames = BTreeMap::new();
    let mut directory = None;
    let state = if let Some(columns) = wanted.events() {
        let home = match beside {
            Some(path) => tempfile::tempdir_in(path)?,
            None => tempfile::tempdir()?,
        };
        let read = Read {
            options,
            detect,
            whole: whole.as_ref(),
        };
        let (frame, state) = events(&read, &columns, home.path(), progress)?;
        frames.insert("events", frame);
        directory = Some(home);
        state
    } else if detect {
        pipeline::scan(options, progress)?
    } else {
        State::default()
    };
    let mut report = state.report(options);
    if findings_wanted {
        let of_whole = whole.map(|state| state.report(options));
        let reported = of_whole.as_ref().unwrap_or(&report);
        frames.insert("findings", findings(&reported.findings)?.lazy());
    }
    if wanted.contains("samples") {
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

/// What is read, and as what.
struct Read<'a> {
    options: &'a Options,
    detect: bool,
    whole: Option<&'a State>,
}

fn events(
    read: &Read<'_>,
    columns: &[&'static EventColumn],
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
    let new = || Filler::new(&spool);
    let mut run = pipeline::rows(read.options, read.detect, progress, &new)?;
    if let Some(whole) = read.whole {
        run.join(whole).map_err(Failure::Other)?;
    }
    let Taken {
        takers,
        places,
        open,
        state,
    } = run;
    let (mut frames, mut on_disk) = (Vec::new(), false);
    for filler in takers {
        let Filled { frames: held, file } = filler.finish().map_err(Failure::Other)?;
        frames.extend(held);
        on_disk |= file.is_some();
    }
    // All is held or all is in files.
    let whole = if on_disk {
        Some(scan(home)?)
    } else {
        stacked(frames)?.map(IntoLazy::lazy)
    };
    let names: Vec<_> = columns.iter().map(|column| col(column.name)).collect();
    let frame = match whole {
        None => {
            let about: Vec<_> = columns.iter().map(|column| column.about()).collect();
            DataFrame::empty_with_schema(&schema(&about)).lazy()
        }
        Some(whole) => {
            let known = Known::new(spool.chunks(), places, open);
            let looked_up = looked_up.into_iter();
            let looked_up: Vec<_> = looked_up
                .map(|(name, wanted)| known.column(wanted, name))
                .collect();
            whole.with_columns(looked_up).select(names)
        }
    };
    Ok((frame, state))
}

/// The temporary files of a run, as one table.
fn scan(home: &Path) -> PolarsResult<LazyFrame> {
    let args = ScanArgsParquet {
        hive_options: HiveOptions::new_disabled(),
        ..ScanArgsParquet::default()
    };
    LazyFrame::scan_parquet(PlRefPath::try_from_path(home)?, args)
}

/// The frames as one.
pub(super) fn stacked(frames: Vec<DataFrame>) -> PolarsResult<Option<DataFrame>> {
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

#[cfg(test)]
mod tests {
    use crate::query::{engine::builder::data_type, frame::Kind};

    use super::*;

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
