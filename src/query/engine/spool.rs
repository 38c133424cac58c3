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

/// Frames are closed at so many rows, or so many bytes of text: a row group of the temporary files. With all columns
/// that is about 10 MB, and Polars' reader decodes about as many row groups at the same time as there are threads, and
/// four more.
const ROWS: usize = 8_192;
const BYTES: usize = 4 << 20;

/// How many bytes of frames are held before they go to files.
pub(super) const BUDGET: usize = 128 << 20;

/// What all workers share.
#[derive(Debug)]
pub(super) struct Spool {
    /// The columns that are taken from each event.
    columns: Vec<&'static EventColumn>,
    needs: Needs,
    directory: PathBuf,
    budget: usize,
    /// The bytes of all frames so far.
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

    /// Whether there is too much to be held.
    fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) > self.budget
    }

    /// A file for frames of this shape.
    fn begin_file(&self, frame: &DataFrame) -> PolarsResult<(PathBuf, BatchedWriter<File>)> {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.join(format!("events-{number}.parquet"));
        let writer = ParquetWriter::new(File::create(&path)?)
            .with_compression(ParquetCompression::Lz4Raw)
            .with_statistics(StatisticsOptions::empty())
            .set_parallel(false)
            .batched(frame.schema())?;
        Ok((path, writer))
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
        if self.spool.is_full()
            && let Err(error) = self.spill()
        {
            self.failed.get_or_insert(error.to_string());
        }
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

    /// Holds a frame, or once there is too much of them writes it with all that were held.
    fn keep(&mut self, frame: DataFrame) -> PolarsResult<()> {
        let size = frame.estimated_size();
        self.spool.held.fetch_add(size, Ordering::Relaxed);
        self.frames.push(frame);
        if self.spool.is_full() {
            self.spill()?;
        }
        Ok(())
    }

    /// Writes what is held.
    fn spill(&mut self) -> PolarsResult<()> {
        for frame in std::mem::take(&mut self.frames) {
            let (_, writer) = match &mut self.file {
                Some(file) => file,
                file @ None => file.insert(self.spool.begin_file(&frame)?),
            };
            writer.write_batch(&frame)?;
        }
        Ok(())
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
