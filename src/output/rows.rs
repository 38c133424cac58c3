//! Rows of any columns: answers of queries, lists.
//!
//! JSON has every value as it is. The others are for eyes and for spreadsheets: what a terminal would act on is
//! spelled out ([`shown`]), and in CSV a text that a spreadsheet would take for a formula gets a `'` before it.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

use super::{Look, clip, shown, units};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// For people.
    Table,
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// One JSON array of objects.
    Json,
    /// One JSON object per line.
    Jsonl,
    /// A file for other engines, which only the engine itself can write.
    Parquet,
}

impl RowFormat {
    /// All formats, under the names of the command line.
    pub const ALL: [(&'static str, Self); 5] = [
        ("table", Self::Table),
        ("csv", Self::Csv),
        ("json", Self::Json),
        ("jsonl", Self::Jsonl),
        ("parquet", Self::Parquet),
    ];
}

/// More rows than these are counted and not shown in a table, which must be held to be aligned.
const MOST_ROWS: usize = 10_000;
/// Longer cells of a table are cut.
const LONGEST: usize = 300;

/// A sheet that rows are written on one by one.
pub struct Rows<'a> {
    columns: &'a [String],
    format: RowFormat,
    look: Look,
    out: &'a mut dyn Write,
    count: usize,
    /// For a table: the cells so far, and which columns hold numbers.
    held: Vec<Vec<String>>,
    numbers: Vec<bool>,
}

impl<'a> Rows<'a> {
    /// Begins a sheet with these columns.
    pub fn begin(
        columns: &'a [String],
        format: RowFormat,
        look: Look,
        out: &'a mut dyn Write,
    ) -> io::Result<Self> {
        match format {
            RowFormat::Csv => {
                let names: Vec<_> = columns.iter().map(|name| quoted(name)).collect();
                write!(out, "{}\r\n", names.join(","))?;
            }
            RowFormat::Json => out.write_all(b"[")?,
            RowFormat::Table | RowFormat::Jsonl | RowFormat::Parquet => {}
        }
        Ok(Self {
            columns,
            format,
            look,
            out,
            count: 0,
            held: Vec::new(),
            numbers: vec![true; columns.len()],
        })
    }

    /// Writes one row, a value for each column.
    pub fn row(&mut self, values: &[Value]) -> io::Result<()> {
        match self.format {
            RowFormat::Table if self.count < MOST_ROWS => {
                for (number, value) in self.numbers.iter_mut().zip(values) {
                    *number &= value.is_number() || value.is_null();
                }
                self.held.push(values.iter().map(shown_cell).collect());
            }
            RowFormat::Table => {}
            RowFormat::Csv => {
                let cells: Vec<_> = values.iter().map(csv_cell).collect();
                write!(self.out, "{}\r\n", cells.join(","))?;
            }
            RowFormat::Json => {
                let before = if self.count == 0 { "\n  " } else { ",\n  " };
                self.out.write_all(before.as_bytes())?;
                self.object(values)?;
            }
            RowFormat::Jsonl => {
                self.object(values)?;
                self.out.write_all(b"\n")?;
            }
            RowFormat::Parquet => {
                return Err(io::Error::other("Parquet is written by the engine"));
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Ends the sheet.
    pub fn end(self) -> io::Result<()> {
        match self.format {
            RowFormat::Table => self.table(),
            RowFormat::Json if self.count == 0 => self.out.write_all(b"]\n"),
            RowFormat::Json => self.out.write_all(b"\n]\n"),
            RowFormat::Csv | RowFormat::Jsonl | RowFormat::Parquet => Ok(()),
        }
    }

    fn object(&mut self, values: &[Value]) -> io::Result<()> {
        let mut before = '{';
        for (name, value) in self.columns.iter().zip(values) {
            write!(self.out, "{before}")?;
            serde_json::to_writer(&mut *self.out, name)?;
            self.out.write_all(b":")?;
            serde_json::to_writer(&mut *self.out, value)?;
            before = ',';
        }
        if self.columns.is_empty() {
            self.out.write_all(b"{")?;
        }
        self.out.write_all(b"}")
    }

    fn table(self) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        match self.look.width {
            Some(width) => table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(u16::try_from(width).unwrap_or(u16::MAX)),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        table.set_header(self.columns.iter().map(|name| shown(name).to_uppercase()));
        let shown_rows = self.held.len();
        for row in self.held {
            table.add_row(row);
        }
        for (column, number) in table.column_iter_mut().zip(&self.numbers) {
            column.set_padding((0, 2));
            if *number && shown_rows > 0 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in table.lines() {
            writeln!(self.out, "{}", line.trim_end())?;
        }
        if self.count > shown_rows {
            let more = units::thousands((self.count - shown_rows) as u64);
            writeln!(
                self.out,
                "... and {more} more rows: --format csv, json, jsonl or parquet has them all"
            )?;
        }
        Ok(())
    }
}

fn shown_cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => shown(&clip(text, LONGEST)).into_owned(),
        other => other.to_string(),
    }
}

fn csv_cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => {
            let text = shown(text);
            if text.starts_with(['=', '+', '-', '@']) {
                quoted(&format!("'{text}"))
            } else {
                quoted(&text)
            }
        }
        other => other.to_string(),
    }
}

/// A field as RFC 4180 wants it; an empty text is told from nothing.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:@*()[]{}'".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(format: RowFormat, rows: &[Vec<Value>]) -> String {
        let columns = ["name".to_owned(), "n".to_owned()];
        let mut out = Vec::new();
        let mut sheet = Rows::begin(&columns, format, Look::default(), &mut out).unwrap();
        for row in rows {
            sheet.row(row).unwrap();
        }
        sheet.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_format_is_what_its_readers_expect() {
        let rows = [
            vec![json!("shop/web"), json!(12)],
            vec![json!("a,\"b\"\n\u{1b}[31m"), json!(null)],
            vec![json!("=HYPERLINK(\"x\")"), json!(-1.5)],
            vec![json!(""), json!(true)],
        ];
        assert_eq!(
            written(RowFormat::Csv, &rows),
            "name,n\r\nshop/web,12\r\n\"a,\"\"b\"\"\\u{a}\\u{1b}[31m\",\r\n\"'=HYPERLINK(\"\"x\"\")\",-1.5\r\n\"\",true\r\n"
        );
        let parsed: Value = serde_json::from_str(&written(RowFormat::Json, &rows)).unwrap();
        assert_eq!(parsed[1], json!({"name": "a,\"b\"\n\u{1b}[31m", "n": null}));
        assert_eq!(written(RowFormat::Json, &[]), "[]\n");
        assert_eq!(
            written(RowFormat::Jsonl, &rows[..1]),
            "{\"name\":\"shop/web\",\"n\":12}\n"
        );
        let table = written(RowFormat::Table, &rows[..2]);
        assert_eq!(
            table,
            "NAME                   N\nshop/web              12\na,\"b\"\\u{a}\\u{1b}[31m   -\n"
        );
    }

    #[test]
    fn a_table_is_cut_and_says_so() {
        let rows: Vec<_> = (0..MOST_ROWS + 5)
            .map(|n| vec![json!("x"), json!(n)])
            .collect();
        let table = written(RowFormat::Table, &rows);
        assert_eq!(table.lines().count(), MOST_ROWS + 2);
        assert!(table.contains("... and 5 more rows"));
        assert_eq!(
            written(RowFormat::Csv, &rows).lines().count(),
            MOST_ROWS + 6
        );
    }
}
