//! The tables as Parquet files, for any engine: `TABLE/day=2026-11-22/part-0.parquet`.
//!
//! A directory for each day, as Hive lays tables out, so that an engine skips the days that a query does not ask
//! for; zstd inside. The whole export appears at once: it is written beside its place and renamed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Days};
use polars::{
    error::PolarsResult,
    io::parquet::write::BatchedWriter,
    prelude::{DataFrame, LazyFrame, ParquetCompression, ParquetWriter, StatisticsOptions},
};

use crate::{
    pipeline::{Options, Progress, Report, State},
    query::frame::PARTITION,
};

use super::{
    Failure,
    answer::Results,
    tables::{self, stacked},
    wanted::Wanted,
};

/// Days whose files are open at the same time; logs are nearly sorted, so that more are seldom needed.
const OPEN_DAYS: usize = 16;
/// A row group is written at so many rows, or when all days together wait with so many bytes.
const ROWS: usize = 131_072;
const BYTES: usize = 32 << 20;

/// What an export has written.
#[derive(Debug)]
pub struct Exported {
    /// Rows by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// What reading the logs has noted.
    pub report: Report,
}

/// Reads everything once and writes all tables below `directory`, which must not hold anything yet. The columns
/// that `leave_out` names are not written. `whole` is a partial state of logs that these are a part of: which requests
/// never closed, and the findings, are the whole's.
pub fn export(
    options: &Options,
    whole: Option<&Path>,
    directory: &Path,
    leave_out: &[&str],
    progress: &dyn Progress,
) -> Result<Exported, Failure> {
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    vacant(directory)?;
    let whole = whole.map(State::read).transpose()?;
    let home = tempfile::Builder::new()
        .prefix(".satrail-")
        .suffix(".tmp")
        .tempdir_in(parent)
        .map_err(|error| {
            Failure::Other(format!(
                "cannot write into {}: {}",
                parent.display(),
                error.kind()
            ))
        })?;
    let wanted = Wanted::all(leave_out);
    let wanted = if options.metrics.is_empty() {
        wanted.without("samples")
    } else {
        wanted
    };
    let filled = tables::fill(options, &wanted, whole, Some(home.path()), progress)?;
    let place = home.path().join("tables");
    let mut rows = BTreeMap::new();
    for (name, frame) in filled.frames {
        rows.insert(name, write(frame, &place.join(name), name != "findings")?);
    }
    vacant(directory)?;
    fs::rename(&place, directory)?;
    Ok(Exported {
        rows,
        report: filled.report,
    })
}

/// That an export does not mix with what is there.
fn vacant(directory: &Path) -> Result<(), Failure> {
    let empty = match fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if empty {
        return Ok(());
    }
    Err(Failure::Other(format!(
        "{} is there already: an export goes into a directory of its own",
        directory.display()
    )))
}

fn write(mut frame: LazyFrame, folder: &Path, by_day: bool) -> Result<u64, Failure> {
    fs::create_dir_all(folder)?;
    let schema = frame.collect_schema()?;
    let mut parts = Parts {
        folder: folder.to_owned(),
        open: BTreeMap::new(),
        files: 0,
    };
    let mut rows = 0;
    let written = Results::run(frame, schema.clone(), None, None).frames(|frame| {
        rows += frame.height() as u64;
        let added = if by_day {
            parts.add(frame)
        } else {
            parts.add_to(None, frame.clone())
        };
        added.map_err(std::io::Error::other)
    })?;
    written?;
    if rows == 0 {
        // So that engines know the columns of a table without rows.
        parts.add_to(None, DataFrame::empty_with_schema(&schema))?;
    }
    parts.finish()?;
    Ok(rows)
}

/// The files of one table.
struct Parts {
    folder: PathBuf,
    /// By the name of the day's directory; `None` for a table that is not split.
    open: BTreeMap<Option<String>, Part>,
    files: usize,
}

/// A file, and the rows that wait for being a row group of it.
struct Part {
    writer: BatchedWriter<File>,
    waiting: Vec<DataFrame>,
    rows: usize,
    bytes: usize,
}

impl Parts {
    fn add(&mut self, frame: &DataFrame) -> PolarsResult<()> {
        let days = frame.column(PARTITION)?.date()?.physical();
        let mut days = days.iter();
        let first = days.next().flatten();
        if days.all(|day| day == first) {
            return self.add_to(Some(&directory_of(first)), frame.drop(PARTITION)?);
        }
        for part in frame.partition_by_stable([PARTITION], true)? {
            let day = part.column(PARTITION)?.date()?.physical().get(0);
            self.add_to(Some(&directory_of(day)), part.drop(PARTITION)?)?;
        }
        Ok(())
    }

    fn add_to(&mut self, day: Option<&str>, frame: DataFrame) -> PolarsResult<()> {
        let key = day.map(str::to_owned);
        if !self.open.contains_key(&key) {
            if self.open.len() >= OPEN_DAYS
                && let Some((_, oldest)) = self.open.pop_first()
            {
                oldest.finish()?;
            }
            let part = self.begin(day, &frame)?;
            self.open.insert(key.clone(), part);
        }
        if let Some(part) = self.open.get_mut(&key) {
            part.rows += frame.height();
            part.bytes += frame.estimated_size();
            part.waiting.push(frame);
            if part.rows >= ROWS {
                part.write()?;
            }
        }
        let waiting: usize = self.open.values().map(|part| part.bytes).sum();
        if waiting > BYTES
            && let Some(largest) = self.open.values_mut().max_by_key(|part| part.bytes)
        {
            largest.write()?;
        }
        Ok(())
    }

    fn begin(&mut self, day: Option<&str>, frame: &DataFrame) -> PolarsResult<Part> {
        let folder = match day {
            Some(day) => self.folder.join(day),
            None => self.folder.clone(),
        };
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("part-{}.parquet", self.files));
        self.files += 1;
        let writer = ParquetWriter::new(File::create(path)?)
            .with_compression(ParquetCompression::Zstd(None))
            .with_statistics(StatisticsOptions::default())
            .batched(frame.schema())?;
        Ok(Part {
            writer,
            waiting: Vec::new(),
            rows: 0,
            bytes: 0,
        })
    }

    fn finish(self) -> PolarsResult<()> {
        for part in self.open.into_values() {
            part.finish()?;
        }
        Ok(())
    }
}

impl Part {
    /// Makes a row group of what waits.
    fn write(&mut self) -> PolarsResult<()> {
        (self.rows, self.bytes) = (0, 0);
        let Some(mut frame) = stacked(std::mem::take(&mut self.waiting))? else {
            return Ok(());
        };
        frame.rechunk_mut();
        self.writer.write_batch(&frame)
    }

    fn finish(mut self) -> PolarsResult<()> {
        self.write()?;
        self.writer.finish().map(drop)
    }
}

/// As Hive names it, also for rows without a day.
fn directory_of(day: Option<i32>) -> String {
    let start = DateTime::UNIX_EPOCH.date_naive();
    let day = day.and_then(|day| match u64::try_from(day) {
        Ok(days) => start.checked_add_days(Days::new(days)),
        Err(_) => start.checked_sub_days(Days::new(u64::from(day.unsigned_abs()))),
    });
    match day {
        Some(day) => format!("{PARTITION}={day}"),
        None => format!("{PARTITION}=__HIVE_DEFAULT_PARTITION__"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_named_as_hive_names_them() {
        for (day, expected) in [
            (Some(0), "day=1970-01-01"),
            (Some(20_779), "day=2026-11-22"),
            (Some(-1), "day=1969-12-31"),
            (None, "day=__HIVE_DEFAULT_PARTITION__"),
        ] {
            assert_eq!(directory_of(day), expected);
        }
    }
}
