//! Events -> frames: in memory as long as they fit, then in Parquet files of a temporary directory.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use polars::{
    io::parquet::write::BatchedWriter,
    prelude::{DataFrame, ParquetCompression, ParquetWriter, PolarsResult, StatisticsOptions},
};

use crate::{
    event::{Event, Standing},
    pipeline::Taker,
    query::frame::{EventColumn, Kind, Source, stands_alone},
};

use super::{
    builder::Builder,
    virtuals::{COUNTS, Needs, OPENING, ORIGIN, OriginKey},
};

/// Frames are closed at so many rows, or so many bytes of text: a row group of the temporary files.
const ROWS: usize = 65_536;
const BYTES: usize = 24 << 20;

/// How many bytes of frames are held before files are begun.
pub(super) const BUDGET: usize = 256 << 20;

/// What all workers share.
#[derive(Debug)]
pub(super) struct Spool {
    /// The columns that are taken from each event.
    columns: Vec<&'static EventColumn>,
    needs: Needs,
    directory: PathBuf,
    budget: usize,
    held: AtomicUsize,
    files: AtomicUsize,
    /// Every chunk that had events, as source and offset: its number is its place.
    chunks: Mutex<Vec<(u64, u64)>>,
}

impl Spool {
    /// For these columns; files go into `directory`.
    pub(super) fn new(
        columns: Vec<&'static EventColumn>,
        needs: Needs,
        directory: &Path,
        budget: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            columns,
            needs,
            directory: directory.to_owned(),
            budget,
            held: AtomicUsize::new(0),
            files: AtomicUsize::new(0),
            chunks: Mutex::default(),
        })
    }

    /// The chunks, by number.
    pub(super) fn chunks(&self) -> Vec<(u64, u64)> {
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut chunks)
    }

    fn number(&self, chunk: (u64, u64)) -> usize {
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        chunks.push(chunk);
        chunks.len() - 1
    }
}

/// One worker's frames.
pub(super) struct Filler {
    spool: Arc<Spool>,
    builders: Vec<Builder>,
    rows: usize,
    bytes: usize,
    /// The chunk that the last event came from, and its number.
    chunk: Option<((u64, u64), usize)>,
    frames: Vec<DataFrame>,
    file: Option<(PathBuf, BatchedWriter<File>)>,
    failed: Option<String>,
}

/// What a worker leaves behind.
pub(super) struct Filled {
    /// In memory.
    pub(super) frames: Vec<DataFrame>,
    /// On disk.
    pub(super) file: Option<PathBuf>,
}

impl Filler {
    pub(super) fn new(spool: &Arc<Spool>) -> Self {
        Self {
            builders: Vec::new(),
            rows: 0,
            bytes: 0,
            chunk: None,
            frames: Vec::new(),
            file: None,
            failed: None,
            spool: Arc::clone(spool),
        }
    }

    /// Closes what is open.
    pub(super) fn finish(mut self) -> Result<Filled, String> {
        self.close();
        let mut path = None;
        if let Some((name, writer)) = self.file.take() {
            if let Err(error) = writer.finish() {
                self.failed.get_or_insert(error.to_string());
            }
            path = Some(name);
        }
        match self.failed {
            Some(why) => Err(format!(
                "cannot write temporary files into {}: {why} (TMPDIR names another place)",
                self.spool.directory.display()
            )),
            None => Ok(Filled {
                frames: self.frames,
                file: path,
            }),
        }
    }

    fn begin(&mut self) {
        let columns = self.spool.columns.iter();
        let mut builders: Vec<_> = columns
            .map(|column| Builder::new(column.name, column.about().kind, 4096))
            .collect();
        let needs = self.spool.needs;
        if needs.origin {
            builders.push(Builder::new(ORIGIN, Kind::Integer, 4096));
        }
        if needs.counts {
            builders.push(Builder::new(COUNTS, Kind::Flag, 4096));
            builders.push(Builder::new(OPENING, Kind::Integer, 4096));
        }
        self.builders = builders;
    }

    /// The open frame joins the others.
    fn close(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let builders = std::mem::take(&mut self.builders);
        if rows == 0 {
            return;
        }
        let columns = builders.into_iter().map(Builder::finish).collect();
        if let Err(error) = DataFrame::new(rows, columns).and_then(|frame| self.keep(frame)) {
            self.failed.get_or_insert(error.to_string());
        }
    }

    fn keep(&mut self, frame: DataFrame) -> PolarsResult<()> {
        let size = frame.estimated_size();
        let held = self.spool.held.fetch_add(size, Ordering::Relaxed);
        if held + size <= self.spool.budget {
            self.frames.push(frame);
            return Ok(());
        }
        let (_, writer) = match &mut self.file {
            Some(file) => file,
            file @ None => {
                let number = self.spool.files.fetch_add(1, Ordering::Relaxed);
                let path = self
                    .spool
                    .directory
                    .join(format!("events-{number}.parquet"));
                let writer = ParquetWriter::new(File::create(&path)?)
                    .with_compression(ParquetCompression::Lz4Raw)
                    .with_statistics(StatisticsOptions::empty())
                    .set_parallel(false)
                    .batched(frame.schema())?;
                file.insert((path, writer))
            }
        };
        writer.write_batch(&frame)
    }

    fn origin(&mut self, event: &Event<'_>) -> OriginKey {
        let chunk = (event.origin.source, event.origin.chunk);
        let number = match self.chunk {
            Some((known, number)) if known == chunk => number,
            _ => {
                let number = self.spool.number(chunk);
                self.chunk = Some((chunk, number));
                number
            }
        };
        OriginKey::new(number, event.origin.line)
    }
}

/// Frames that were held join the temporary files.
pub(super) fn write_held(frame: &DataFrame, directory: &Path) -> PolarsResult<()> {
    let path = directory.join("events-held.parquet");
    temporary(&path)?.finish(&mut frame.clone()).map(drop)
}

fn temporary(path: &Path) -> PolarsResult<ParquetWriter<File>> {
    Ok(ParquetWriter::new(File::create(path)?)
        .with_compression(ParquetCompression::Lz4Raw)
        .with_statistics(StatisticsOptions::empty())
        .with_row_group_size(Some(ROWS))
        .set_parallel(false))
}

impl Taker for Filler {
    fn take(&mut self, event: &Event<'_>) {
        if self.failed.is_some() {
            return;
        }
        if self.builders.is_empty() {
            self.begin();
        }
        let needs = self.spool.needs;
        let origin = needs.origin.then(|| self.origin(event));
        let mut builders = self.builders.iter_mut();
        for (column, builder) in self.spool.columns.iter().zip(&mut builders) {
            match column.source {
                Source::Text(text) => self.bytes += builder.text(&text(event)),
                Source::Integer(number) => builder.integer(number(event)),
                Source::Flag(flag) => builder.flag(flag(event)),
                Source::Time(time) => builder.integer(time(event)),
                Source::Day(day) => builder.day(day(event)),
                Source::Input(_) => {}
            }
        }
        if let (Some(origin), Some(builder)) = (origin, builders.next()) {
            builder.integer(Some(origin.0));
        }
        if needs.counts
            && let (Some(counts), Some(opening)) = (builders.next(), builders.next())
        {
            counts.flag(Some(stands_alone(event)));
            let opens = event.standing() == Standing::Opens;
            opening.integer(opens.then(|| event.key().0.cast_signed()));
        }
        self.rows += 1;
        if self.rows >= ROWS || self.bytes >= BYTES {
            self.close();
        }
    }
}
