//! `satrail top`: requests, ranked.

use std::io::{self, Write};

use serde::Serialize;

use crate::pipeline::{Coverage, Input, Ranked, RankedRow, Report};

use super::{
    Look, SCHEMA_VERSION, TOOL, Tool, clip,
    grid::{Column, Grid, column},
    json_line, jsonl,
    paper::{BOLD, DIM, PLAIN, Paper},
    shown,
    spark::spark,
    table, units,
};

/// Longer values are cut, so that a row stays a row; JSON has more.
const LONGEST: usize = 60;

/// What rows can be made of, from left to right: as many as there are dimensions.
const VALUES: [fn(&RankedRow) -> String; 8] = [
    |row| value(row, 0),
    |row| value(row, 1),
    |row| value(row, 2),
    |row| value(row, 3),
    |row| value(row, 4),
    |row| value(row, 5),
    |row| value(row, 6),
    |row| value(row, 7),
];

const COUNTS: [Column<'static, RankedRow>; 9] = [
    column("REQUESTS", 0, true, |row| units::thousands(row.requests)),
    column("SHARE", 1, true, |row| format!("{:.1} %", row.percent)),
    column("PER S", 2, true, |row| match row.rate {
        few if few < 1.0 => format!("{few:.3}"),
        many => units::rate(many),
    }),
    column("PEAK/S", 1, true, |row| units::rate(row.peak_rate)),
    column("DENIED", 2, true, |row| units::thousands(row.denied)),
    column("FAILED", 3, true, |row| units::thousands(row.failed)),
    column("OVER TIME", 2, false, |row| spark(&row.timeline)),
    column("FIRST SEEN", 5, false, |row| units::time(row.first_seen)),
    column("LAST SEEN", 4, false, |row| units::time(row.last_seen)),
];

/// One of a row's values, for people.
fn value(row: &RankedRow, at: usize) -> String {
    match row.values.get(at).map(String::as_str) {
        None | Some("") => "(none)".to_owned(),
        Some(value) => shown(&clip(value, LONGEST)).into_owned(),
    }
}

pub(super) fn table(
    report: &Report,
    ranked: &Ranked,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut paper = Paper::new(out, look);
    table::head(&report.input, None, &mut paper)?;
    if ranked.requests != report.input.requests {
        let text = format!(
            "{} passed the filters",
            units::count(ranked.requests, "request")
        );
        paper.line(&[(BOLD, "Counted   "), (PLAIN, &text)])?;
    }
    if !ranked.rows.is_empty() {
        paper.blank()?;
        let titles: Vec<_> = ranked.by.iter().map(|by| by.to_uppercase()).collect();
        let columns: Vec<Column<'_, RankedRow>> = (titles.iter().zip(VALUES))
            .map(|(title, cell)| column(title, 0, false, cell))
            .chain(COUNTS)
            .collect();
        let grid = Grid::new(&columns, &ranked.rows, look.width);
        for (i, line) in grid.to_string().lines().enumerate() {
            let style = if i == 0 { BOLD } else { PLAIN };
            paper.line(&[(style, line)])?;
        }
        if let Some(text) = grid.missing() {
            paper.blank()?;
            paper.entry((DIM, ""), 0, (DIM, &text))?;
        }
    }
    rest(ranked, &mut paper)
}

/// What the rows leave out, so that nothing is hidden.
fn rest(ranked: &Ranked, paper: &mut Paper<'_>) -> io::Result<()> {
    let rows = ranked.distinct.saturating_sub(ranked.rows.len() as u64);
    if rows > 0 {
        let text = format!(
            "... and {} with {}: --limit shows more.",
            units::count(rows, "row"),
            units::count(ranked.requests_not_shown, "request")
        );
        paper.entry((DIM, ""), 0, (DIM, &text))?;
    }
    if ranked.requests_without > 0 {
        let text = format!(
            "{} without {} made no row.",
            units::count(ranked.requests_without, "request"),
            ranked.by.join(" and ")
        );
        paper.entry((DIM, ""), 0, (DIM, &text))?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: &'static str,
    tool: Tool,
    input: &'a Input,
    top: &'a Ranked,
    coverage: &'a Coverage,
}

pub(super) fn json(report: &Report, ranked: &Ranked, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        tool: TOOL,
        input: &report.input,
        top: ranked,
        coverage: &report.coverage,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// `input` first, then each `row`, then `coverage`.
pub(super) fn jsonl(report: &Report, ranked: &Ranked, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(tag = "type", rename_all = "lowercase")]
    enum Line<'a> {
        Row(&'a RankedRow),
    }
    jsonl::head(&report.input, out)?;
    for row in &ranked.rows {
        json_line(&Line::Row(row), out)?;
    }
    jsonl::tail(&report.coverage, out)
}
