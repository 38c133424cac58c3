//! Columns that are known only when everything has been read: `file`, `line`, `is_request`.
//!
//! While reading, a row notes where it stands as (chunk, line in the chunk) and what it means for its request;
//! the rest is looked up as the query runs.

use std::{collections::BTreeMap, sync::Arc};

use polars::prelude::{
    BooleanChunked, Column, DataType, Expr, Field, Int64Chunked, IntoColumn, NewChunkedArray,
    PlSmallStr, PolarsResult, StringChunkedBuilder, col, map_multiple,
};

use crate::{
    event::Key,
    query::frame::FromInput,
    source::{Origin, Places},
};

/// Where a row stands, as an [`OriginKey`].
pub(super) const ORIGIN: &str = "#origin";
/// Whether the event stands for its request whatever else is in the log.
pub(super) const COUNTS: &str = "#counts";
/// The key of the request that the event opens; NULL for all others.
pub(super) const OPENING: &str = "#opening";

/// What rows must note beside their columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// [`ORIGIN`]
    pub(super) origin: bool,
    /// [`COUNTS`] and [`OPENING`]
    pub(super) counts: bool,
}

impl Needs {
    /// What a column that comes from the whole input needs.
    pub(super) fn add(&mut self, wanted: FromInput) {
        self.origin = true;
        self.counts |= wanted == FromInput::IsRequest;
    }
}

/// The number of a chunk, and the line in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OriginKey(pub(super) i64);

impl OriginKey {
    /// There is room for two billion chunks: half a petabyte of log.
    pub(super) fn new(chunk: usize, line: u32) -> Self {
        let chunk = i64::from(i32::try_from(chunk).unwrap_or(i32::MAX));
        Self(chunk << 32 | i64::from(line))
    }

    fn chunk(self) -> usize {
        usize::try_from(self.0 >> 32).unwrap_or(usize::MAX)
    }

    fn line(self) -> u32 {
        u32::try_from(self.0 & 0xffff_ffff).unwrap_or(0)
    }
}

/// What looks the values of a column up.
type Lookup = fn(&Known, &[Column]) -> PolarsResult<Column>;

/// What is known when everything has been read.
#[derive(Debug)]
pub(super) struct Known {
    /// By the number of the chunk: source, offset, and lines before it.
    chunks: Vec<(u64, u64, u64)>,
    places: Places,
    open: BTreeMap<Key, Origin>,
}

impl Known {
    pub(super) fn new(
        chunks: Vec<(u64, u64)>,
        places: Places,
        open: BTreeMap<Key, Origin>,
    ) -> Arc<Self> {
        let starts: BTreeMap<(u64, u64), u64> = places
            .chunks()
            .map(|(source, chunk, before)| ((source, chunk), before))
            .collect();
        let start = |(source, chunk)| {
            let before = starts.get(&(source, chunk)).copied().unwrap_or_default();
            (source, chunk, before)
        };
        Arc::new(Self {
            chunks: chunks.into_iter().map(start).collect(),
            places,
            open,
        })
    }

    /// The expression for a column.
    pub(super) fn column(self: &Arc<Self>, wanted: FromInput, name: &'static str) -> Expr {
        let known = Arc::clone(self);
        let (inputs, data_type, function): (_, _, Lookup) = match wanted {
            FromInput::File => (vec![col(ORIGIN)], DataType::String, Self::files),
            FromInput::Line => (vec![col(ORIGIN)], DataType::Int64, Self::lines),
            // Nothing is open: the event itself knows.
            FromInput::IsRequest if self.open.is_empty() => return col(COUNTS).alias(name),
            FromInput::IsRequest => (
                vec![col(COUNTS), col(OPENING), col(ORIGIN)],
                DataType::Boolean,
                Self::requests,
            ),
        };
        map_multiple(
            move |columns| function(&known, columns),
            inputs,
            move |_, _| Ok(Field::new(PlSmallStr::from_static(name), data_type.clone())),
        )
        .alias(name)
    }

    fn files(&self, columns: &[Column]) -> PolarsResult<Column> {
        let origins = columns[0].i64()?;
        let mut files = StringChunkedBuilder::new(PlSmallStr::EMPTY, origins.len());
        for origin in origins.iter() {
            let chunk = origin.and_then(|key| self.chunks.get(OriginKey(key).chunk()));
            files.append_value(chunk.map_or("?", |&(source, ..)| self.places.name(source)));
        }
        Ok(files.finish().into_column())
    }

    fn lines(&self, columns: &[Column]) -> PolarsResult<Column> {
        let line = |key: Option<i64>| {
            let key = OriginKey(key?);
            let (.., before) = self.chunks.get(key.chunk())?;
            i64::try_from(before + u64::from(key.line()) + 1).ok()
        };
        let origins = columns[0].i64()?;
        let lines = origins.iter().map(line);
        Ok(Int64Chunked::from_iter_options(PlSmallStr::EMPTY, lines).into_column())
    }

    fn requests(&self, columns: &[Column]) -> PolarsResult<Column> {
        let (counts, openings) = (columns[0].bool()?, columns[1].i64()?);
        let origins = columns[2].i64()?;
        let rows = counts.iter().zip(openings.iter()).zip(origins.iter());
        let stands = rows.map(|((counts, opening), origin)| {
            let opens = || self.is_open(Key(opening?.cast_unsigned()), OriginKey(origin?));
            Some(counts == Some(true) || opens() == Some(true))
        });
        Ok(BooleanChunked::from_iter_options(PlSmallStr::EMPTY, stands).into_column())
    }

    /// Whether the event there stands for the request, which never closed. The same opening may stand in two
    /// copies of a file: one of them counts.
    fn is_open(&self, key: Key, origin: OriginKey) -> Option<bool> {
        let open = self.open.get(&key)?;
        let &(source, chunk, _) = self.chunks.get(origin.chunk())?;
        let line = origin.line();
        Some(
            *open
                == Origin {
                    source,
                    chunk,
                    line,
                },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_fit_into_a_number() {
        for (chunk, line) in [(0, 0), (1, 7), (70_000, u32::MAX), (i32::MAX as usize, 1)] {
            let key = OriginKey::new(chunk, line);
            assert_eq!((key.chunk(), key.line()), (chunk, line));
        }
    }
}
