//! Values -> a column of a frame.

use polars::prelude::{
    BooleanChunkedBuilder, ChunkedBuilder, Column, DataType, Field, Float64Type, Int32Type,
    Int64Type, IntoColumn, PlSmallStr, PrimitiveChunkedBuilder, Schema, StringChunkedBuilder,
    TimeUnit,
};

use crate::query::frame::{self, Cell, Kind};

/// A column in the making.
pub(super) enum Builder {
    Text(StringChunkedBuilder),
    Integer(PrimitiveChunkedBuilder<Int64Type>),
    Number(PrimitiveChunkedBuilder<Float64Type>),
    Flag(BooleanChunkedBuilder),
    Time(PrimitiveChunkedBuilder<Int64Type>),
    Day(PrimitiveChunkedBuilder<Int32Type>),
}

impl Builder {
    pub(super) fn new(name: &'static str, kind: Kind, capacity: usize) -> Self {
        let name = PlSmallStr::from_static(name);
        match kind {
            Kind::Text => Self::Text(StringChunkedBuilder::new(name, capacity)),
            Kind::Integer => Self::Integer(PrimitiveChunkedBuilder::new(name, capacity)),
            Kind::Number => Self::Number(PrimitiveChunkedBuilder::new(name, capacity)),
            Kind::Flag => Self::Flag(BooleanChunkedBuilder::new(name, capacity)),
            Kind::Time => Self::Time(PrimitiveChunkedBuilder::new(name, capacity)),
            Kind::Day => Self::Day(PrimitiveChunkedBuilder::new(name, capacity)),
        }
    }

    /// Appends a text; says how many bytes that took.
    pub(super) fn text(&mut self, text: &str) -> usize {
        if let Self::Text(builder) = self {
            builder.append_value(text);
        }
        text.len()
    }

    /// Appends a number: a whole one, or a time in microseconds.
    pub(super) fn integer(&mut self, value: Option<i64>) {
        if let Self::Integer(builder) | Self::Time(builder) = self {
            builder.append_option(value);
        }
    }

    pub(super) fn flag(&mut self, value: Option<bool>) {
        if let Self::Flag(builder) = self {
            builder.append_option(value);
        }
    }

    pub(super) fn day(&mut self, value: Option<i32>) {
        if let Self::Day(builder) = self {
            builder.append_option(value);
        }
    }

    /// Appends a cell of the column's own kind.
    pub(super) fn cell(&mut self, cell: &Cell) {
        match cell {
            Cell::Text(text) => {
                self.text(text);
            }
            Cell::Integer(value) | Cell::Time(value) => self.integer(*value),
            Cell::Number(value) => {
                if let Self::Number(builder) = self {
                    builder.append_option(*value);
                }
            }
            Cell::Flag(value) => self.flag(*value),
            Cell::Day(value) => self.day(*value),
        }
    }

    pub(super) fn finish(self) -> Column {
        match self {
            Self::Text(builder) => builder.finish().into_column(),
            Self::Integer(builder) => builder.finish().into_column(),
            Self::Number(builder) => builder.finish().into_column(),
            Self::Flag(builder) => builder.finish().into_column(),
            Self::Time(builder) => {
                let times = builder.finish().into_datetime(TimeUnit::Microseconds, None);
                times.into_column()
            }
            Self::Day(builder) => builder.finish().into_date().into_column(),
        }
    }
}

/// The type of a kind.
pub(super) fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::String,
        Kind::Integer => DataType::Int64,
        Kind::Number => DataType::Float64,
        Kind::Flag => DataType::Boolean,
        Kind::Time => DataType::Datetime(TimeUnit::Microseconds, None),
        Kind::Day => DataType::Date,
    }
}

/// The schema of columns.
pub(super) fn schema<'a>(columns: impl IntoIterator<Item = &'a frame::Column>) -> Schema {
    let fields = columns
        .into_iter()
        .map(|column| Field::new(PlSmallStr::from_static(column.name), data_type(column.kind)));
    fields.collect()
}
