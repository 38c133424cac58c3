//! A query and its rows, handed on batch by batch.

use std::{
    io::Write,
    panic::{self, AssertUnwindSafe},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

use chrono::DateTime;
use polars::{
    error::{PolarsError, set_warning_function},
    prelude::{
        AnyValue, DataFrame, Engine, LazyFrame, ParquetCompression, ParquetWriter, PlanCallback,
        SchemaRef, TimeUnit,
    },
    sql::SQLContext,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::pipeline::{Progress, Report};

use super::{
    Failure, Input, parse, refusal, tables,
    wanted::{dry_run, plan},
};

/// What a query comes to.
#[derive(Debug)]
pub struct Answer {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// What reading the logs has noted; nothing for exported tables.
    pub report: Option<Report>,
    /// The rows.
    pub results: Results,
}

/// Rows on their way out.
#[derive(Debug)]
pub struct Results {
    schema: SchemaRef,
    batches: Receiver<DataFrame>,
    worker: JoinHandle<Result<(), Failure>>,
    /// The temporary files go when the rows are out.
    _files: Option<TempDir>,
}

/// Runs `sql` over the tables of `input`.
pub fn ask(sql: &str, input: &Input, progress: &dyn Progress) -> Result<Answer, Failure> {
    // What Polars would have its own users do is no business of ours: they are told on standard error.
    set_warning_function(|_, _| {});
    parse::check(sql)?;
    let (mut frame, report, files) = match input {
        Input::Exported(directory) => (plan(tables::exported(directory)?, sql)?, None, None),
        Input::Logs(options) => {
            let wanted = dry_run(sql)?;
            let filled = tables::fill(options, &wanted, None, None, progress)?;
            let context = SQLContext::new();
            for (name, frame) in filled.frames {
                context.register(name, frame);
            }
            let frame = plan(context, sql)?;
            (frame, Some(filled.report), filled.directory)
        }
    };
    let schema = frame.collect_schema()?;
    let columns = schema.iter_names().map(ToString::to_string).collect();
    Ok(Answer {
        columns,
        report,
        results: Results::run(frame, schema, Some(sql.to_owned()), files),
    })
}

impl Results {
    /// Starts the query; it waits where nobody takes its rows. What goes wrong is explained by `sql`, if it is SQL.
    pub(super) fn run(
        frame: LazyFrame,
        schema: SchemaRef,
        sql: Option<String>,
        files: Option<TempDir>,
    ) -> Self {
        let (send, batches) = sync_channel(1);
        let worker = std::thread::spawn(move || {
            let ran = AssertUnwindSafe(|| collect(frame, send));
            let ran = panic::catch_unwind(ran)
                .unwrap_or_else(|panic| Err(Ended::Other(gave_up(&*panic))));
            ran.map_err(|error| match (sql, &error) {
                (Some(sql), Ended::Refused(error)) => refusal::explain(error, &sql).into(),
                (None, Ended::Refused(error)) => Failure::Other(refusal::message(error)),
                (_, Ended::Other(why)) => Failure::Other(why.clone()),
            })
        });
        Self {
            schema,
            batches,
            worker,
            _files: files,
        }
    }

    /// Hands out the rows, as values of JSON: times and days are strings, what JSON has no number for is one.
    pub fn rows(
        self,
        mut each: impl FnMut(&[Value]) -> std::io::Result<()>,
    ) -> Result<std::io::Result<()>, Failure> {
        let mut row = Vec::new();
        self.frames(|frame| {
            for at in 0..frame.height() {
                row.clear();
                row.extend(frame.columns().iter().map(|column| match column.get(at) {
                    Ok(value) => json(&value),
                    Err(_) => Value::Null,
                }));
                each(&row)?;
            }
            Ok(())
        })
    }

    /// Writes the rows as Parquet; says how many there were.
    pub fn write_parquet(self, out: &mut dyn Write) -> Result<u64, Failure> {
        let schema = self.schema.clone();
        let writer = ParquetWriter::new(out).with_compression(ParquetCompression::Zstd(None));
        let mut writer = writer.batched(&schema)?;
        let mut rows = 0;
        let written = self.frames(|frame| {
            rows += frame.height() as u64;
            writer.write_batch(frame).map_err(std::io::Error::other)
        })?;
        written?;
        writer.finish()?;
        Ok(rows)
    }

    /// Hands out the batches. The outer error is the query's, the inner one `each`'s own.
    pub(super) fn frames(
        self,
        mut each: impl FnMut(&DataFrame) -> std::io::Result<()>,
    ) -> Result<std::io::Result<()>, Failure> {
        let mut outcome = Ok(());
        for frame in &self.batches {
            outcome = each(&frame);
            if outcome.is_err() {
                break;
            }
        }
        // Nobody listens any more: the query ends with its next batch.
        drop(self.batches);
        match self.worker.join() {
            Ok(Ok(())) => Ok(outcome),
            Ok(Err(failure)) => Err(failure),
            Err(panic) => Err(Failure::Other(gave_up(&*panic))),
        }
    }
}

/// How a query came to nothing after it had begun.
enum Ended {
    /// Polars says that something is wrong with it.
    Refused(PolarsError),
    /// No room, no file, a panic.
    Other(String),
}

fn collect(frame: LazyFrame, send: SyncSender<DataFrame>) -> Result<(), Ended> {
    let hand_on = PlanCallback::new(move |frame: DataFrame| Ok(send.send(frame).is_err()));
    let sink = frame.sink_batches(hand_on, true, None);
    let ran = sink.and_then(|frame| frame.collect_with_engine(Engine::Streaming));
    ran.map(drop).map_err(|error| match error {
        PolarsError::IO { .. } => Ended::Other(refusal::message(&error)),
        error => Ended::Refused(error),
    })
}

fn gave_up(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("it does not say why");
    format!("the engine gave up: {text}")
}

fn json(value: &AnyValue<'_>) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(flag) => Value::Bool(*flag),
        AnyValue::String(text) => Value::from(*text),
        AnyValue::StringOwned(text) => Value::from(text.as_str()),
        AnyValue::Date(days) => micros(i64::from(*days) * 86_400_000_000)
            .map_or(Value::Null, |time| {
                time.format("%Y-%m-%d").to_string().into()
            }),
        AnyValue::Datetime(time, unit, _) | AnyValue::DatetimeOwned(time, unit, _) => {
            moment(*time, *unit)
        }
        AnyValue::List(values) => values.iter().map(|value| json(&value)).collect(),
        AnyValue::Float64(number) => float(*number),
        AnyValue::Float32(number) => float(f64::from(*number)),
        other => match (other.extract::<i64>(), other.extract::<u64>()) {
            (Some(number), _) if other.is_integer() => number.into(),
            (_, Some(number)) if other.is_integer() => number.into(),
            _ => other.to_string().into(),
        },
    }
}

/// A number, or its name where JSON has none for it.
fn float(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}

/// All times of the tables are UTC.
fn moment(time: i64, unit: TimeUnit) -> Value {
    let time = match unit {
        TimeUnit::Nanoseconds => time / 1000,
        TimeUnit::Microseconds => time,
        TimeUnit::Milliseconds => time.saturating_mul(1000),
    };
    let text = |time: DateTime<_>| time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    micros(time).map_or(Value::Null, |time| text(time).into())
}

fn micros(time: i64) -> Option<DateTime<chrono::Utc>> {
    DateTime::from_timestamp_micros(time)
}
