//! `satrail accounts`: one row per ServiceAccount.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::pipeline::{AccountRow, Coverage, Input, Report};

use super::{
    Look, SCHEMA_VERSION, TOOL, Tool, clip, json_line, jsonl,
    paper::{BOLD, DIM, PLAIN, Paper},
    shown, table, units,
};

/// One column: its title, its rank (the highest ranks give way first on a narrow terminal), whether it
/// holds a number, and what it says of a row.
struct Column {
    title: &'static str,
    rank: u8,
    number: bool,
    cell: fn(&AccountRow) -> String,
}

const fn column(
    title: &'static str,
    rank: u8,
    number: bool,
    cell: fn(&AccountRow) -> String,
) -> Column {
    Column {
        title,
        rank,
        number,
        cell,
    }
}

/// From left to right.
static COLUMNS: [Column; 12] = [
    column("ACCOUNT", 0, false, |row| {
        let name = format!("{}/{}", row.namespace, row.name);
        shown(&clip(&name, 80)).into_owned()
    }),
    column("REQUESTS", 0, true, |row| units::thousands(row.requests)),
    column("PEAK/S", 1, true, |row| units::rate(row.peak_rate)),
    column("DENIED", 1, true, |row| match row.denied {
        0 => "0".to_owned(),
        n => format!("{} ({:.1} %)", units::thousands(n), row.denied_percent),
    }),
    column("SECRETS", 2, true, |row| {
        units::thousands(row.secrets.distinct)
    }),
    column("ADDRS", 4, true, |row| {
        units::thousands(row.addresses.distinct)
    }),
    column("AGENTS", 4, true, |row| {
        units::thousands(row.user_agents.distinct)
    }),
    column("PODS", 4, true, |row| units::thousands(row.pods.distinct)),
    column("VERBS", 6, false, |row| most(&row.verbs)),
    column("TOKENS", 7, false, |row| most(&row.token_kinds)),
    column("FIRST SEEN", 5, false, |row| units::time(row.first_seen)),
    column("LAST SEEN", 3, false, |row| units::time(row.last_seen)),
];

pub(super) fn table(
    report: &Report,
    rows: &[AccountRow],
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut paper = Paper::new(out, look);
    table::head(&report.input, None, &mut paper)?;
    let shown = units::thousands(rows.len() as u64);
    paper.line(&[(BOLD, "Accounts  "), (PLAIN, &shown)])?;
    if rows.is_empty() {
        return Ok(());
    }
    paper.blank()?;
    let columns = fitting(rows, look.width);
    let grid = grid(&columns, rows);
    for (i, line) in grid.lines().enumerate() {
        let style = if i == 0 { BOLD } else { PLAIN };
        paper.line(&[(style, line.trim_end())])?;
    }
    let missing = COLUMNS
        .iter()
        .filter(|c| !columns.iter().any(|d| d.title == c.title));
    let missing: Vec<_> = missing.map(|c| c.title.to_lowercase()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    paper.blank()?;
    let text = format!(
        "On a wider terminal, in a pipe and with --format json: {}.",
        missing.join(", ")
    );
    paper.entry((DIM, ""), 0, (DIM, &text))
}

/// The columns for which there is room, in their order.
fn fitting(rows: &[AccountRow], room: Option<usize>) -> Vec<&'static Column> {
    let mut columns: Vec<_> = COLUMNS.iter().collect();
    let Some(room) = room else {
        return columns;
    };
    let width = |column: &Column| {
        let cells = rows.iter().map(|row| (column.cell)(row).width());
        cells.chain([column.title.len()]).max().unwrap_or(0) + 2
    };
    while columns.iter().map(|c| width(c)).sum::<usize>() > room + 2 {
        // The last one of the highest rank; what has rank 0 stays, however narrow it gets.
        let Some(last) = (0..columns.len()).max_by_key(|&i| columns[i].rank) else {
            break;
        };
        if columns[last].rank == 0 {
            break;
        }
        columns.remove(last);
    }
    columns
}

/// Aligned columns without lines, which are easy to cut and to grep.
fn grid(columns: &[&Column], rows: &[AccountRow]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(columns.iter().map(|column| column.title));
    for row in rows {
        table.add_row(columns.iter().map(|column| (column.cell)(row)));
    }
    for (shown, column) in table.column_iter_mut().zip(columns) {
        shown.set_padding((0, 2));
        if column.number {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

/// The most frequent three: `get 120, list 30, watch 4, +2`.
fn most(counts: &[(String, u64)]) -> String {
    let mut texts: Vec<_> = (counts.iter().take(3))
        .map(|(name, n)| format!("{} {}", shown(&clip(name, 30)), units::thousands(*n)))
        .collect();
    if counts.len() > 3 {
        texts.push(format!("+{}", counts.len() - 3));
    }
    texts.join(", ")
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: &'static str,
    tool: Tool,
    input: &'a Input,
    coverage: &'a Coverage,
    accounts: &'a [AccountRow],
}

pub(super) fn json(report: &Report, rows: &[AccountRow], out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        tool: TOOL,
        input: &report.input,
        coverage: &report.coverage,
        accounts: rows,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// `input` first, then each `account`, then `coverage`.
pub(super) fn jsonl(report: &Report, rows: &[AccountRow], out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(tag = "type", rename_all = "lowercase")]
    enum Line<'a> {
        Account(&'a AccountRow),
    }
    jsonl::head(&report.input, out)?;
    for row in rows {
        json_line(&Line::Account(row), out)?;
    }
    jsonl::tail(&report.coverage, out)
}
