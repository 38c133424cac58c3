//! `satrail accounts`: one row per ServiceAccount.

use std::io::{self, Write};

use serde::Serialize;

use crate::pipeline::{AccountRow, Coverage, Input, Report};

use super::{
    Look, SCHEMA_VERSION, TOOL, Tool, clip,
    grid::{Column, Grid, column},
    json_line, jsonl,
    paper::{BOLD, DIM, PLAIN, Paper},
    shown,
    spark::spark,
    table, units,
};

/// From left to right.
static COLUMNS: [Column<'static, AccountRow>; 13] = [
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
    column("OVER TIME", 3, false, |row| spark(&row.timeline)),
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
    let grid = Grid::new(&COLUMNS, rows, look.width);
    for (i, line) in grid.to_string().lines().enumerate() {
        let style = if i == 0 { BOLD } else { PLAIN };
        paper.line(&[(style, line)])?;
    }
    match grid.missing() {
        None => Ok(()),
        Some(text) => {
            paper.blank()?;
            paper.entry((DIM, ""), 0, (DIM, &text))
        }
    }
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
