//! Rows in columns, as many as there is room for.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use unicode_width::UnicodeWidthStr;

/// One column: its title, its rank (the highest ranks give way first on a narrow terminal), whether it
/// holds a number, and what it says of a row.
#[derive(Clone, Copy)]
pub(super) struct Column<'a, R> {
    title: &'a str,
    rank: u8,
    number: bool,
    cell: fn(&R) -> String,
}

pub(super) const fn column<R>(
    title: &str,
    rank: u8,
    number: bool,
    cell: fn(&R) -> String,
) -> Column<'_, R> {
    Column {
        title,
        rank,
        number,
        cell,
    }
}

/// Rows in those of the columns for which there is room.
pub(super) struct Grid<'a, R> {
    columns: Vec<&'a Column<'a, R>>,
    missing: Vec<&'a str>,
    rows: &'a [R],
}

impl<'a, R> Grid<'a, R> {
    /// `room` is how wide the terminal is, if there is one. What has rank 0 stays, however narrow it gets.
    pub(super) fn new(all: &'a [Column<'a, R>], rows: &'a [R], room: Option<usize>) -> Self {
        let mut columns: Vec<_> = all.iter().collect();
        if let Some(room) = room {
            let width = |column: &Column<'_, R>| {
                let cells = rows.iter().map(|row| (column.cell)(row).width());
                cells.chain([column.title.width()]).max().unwrap_or(0) + 2
            };
            let mut widths: Vec<usize> = all.iter().map(width).collect();
            while widths.iter().sum::<usize>() > room.saturating_add(2) {
                // The last one of the highest rank.
                let last = (0..columns.len()).max_by_key(|&i| columns[i].rank);
                let Some(last) = last.filter(|&last| columns[last].rank > 0) else {
                    break;
                };
                columns.remove(last);
                widths.remove(last);
            }
        }
        let shown = |column: &&Column<'_, R>| columns.iter().any(|each| each.title == column.title);
        let missing = all.iter().filter(|column| !shown(column));
        Self {
            missing: missing.map(|column| column.title).collect(),
            columns,
            rows,
        }
    }

    /// What to say of columns for which there is no room.
    pub(super) fn missing(&self) -> Option<String> {
        let titles: Vec<_> = self.missing.iter().map(|t| t.to_lowercase()).collect();
        (!titles.is_empty()).then(|| {
            format!(
                "On a wider terminal, in a pipe and with --format json: {}.",
                titles.join(", ")
            )
        })
    }
}

/// Aligned columns without lines, which are easy to cut and to grep.
impl<R> std::fmt::Display for Grid<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(self.columns.iter().map(|column| column.title));
        for row in self.rows {
            table.add_row(self.columns.iter().map(|column| (column.cell)(row)));
        }
        for (shown, column) in table.column_iter_mut().zip(&self.columns) {
            shown.set_padding((0, 2));
            if column.number {
                shown.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in table.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
