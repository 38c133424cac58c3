//! Reports on their way out: one pure function per format, and files that appear whole.
//!
//! Every writer takes a [`Report`] and an `io::Write`. Writers know findings and no detector by name;
//! they look at no clock, no environment and no terminal: what depends on those comes in as [`Look`]
//! and [`Pace`].

mod units;
mod hostile;
mod paper;
mod json;
mod jsonl;
mod html;
mod sarif;
mod ocsf;
mod markdown;
mod csv;
mod junit;
mod changes;
mod table;
mod grid;
mod spark;
mod accounts;
mod top;
mod account;
mod metrics;
mod alertmanager;
mod rbac;
mod inventory;
mod catalogue;
mod rows;
mod pager;
mod atomic;
mod report_format;

pub use account::{AccountPage, write_pages};
pub use alertmanager::{ALERT_NAME, AlertSettings, HOLD, alert_batches};
pub use atomic::{Destination, deliver};
pub use catalogue::{write_catalogue, write_explanation};
pub use changes::write_changes;
pub use hostile::{clip, shown};
pub use inventory::write_inventory;
pub use jsonl::write_findings;
pub use metrics::{LastRun, Moment, Present, write_metrics, write_openmetrics};
pub use pager::Pager;
pub use paper::Look;
pub use rbac::{
    AccountRoles, ManifestFormat, RoleSheet, write_account_roles, write_role_files, write_roles,
};
pub use report_format::ReportFormat;
pub use rows::{RowFormat, Rows};
pub use units::thousands;

use std::{
    io::{self, Write},
    time::Duration,
};

use serde::Serialize;

use crate::pipeline::{AccountRow, Chronicle, Ranked, Report};

/// The shape of JSON and JSON Lines. Grows when a field is renamed, removed or changes its meaning;
/// new fields may come without.
pub const SCHEMA_VERSION: &str = "1";

/// How a list is written; for reports there is [`ReportFormat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object per line: what was read, each finding, exceptions, coverage.
    Jsonl,
}

impl Format {
    /// All formats, under the names of the command line.
    pub const ALL: [(&'static str, Self); 3] = [
        ("table", Self::Table),
        ("json", Self::Json),
        ("jsonl", Self::Jsonl),
    ];
}

/// How long the run took. Not part of the report, which is the same on every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From the first byte asked for to the last finding.
    pub elapsed: Duration,
}

/// Writes a report. `look` and `pace` matter to the table only; HTML has more to show with [`write_html`].
pub fn write_report(
    report: &Report,
    format: ReportFormat,
    look: Look,
    pace: Option<Pace>,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        ReportFormat::Table => table::write(report, look, pace, out),
        ReportFormat::Json => json::write(report, out),
        ReportFormat::Jsonl => jsonl::write(report, out),
        ReportFormat::Html => html::write(report, None, out),
        ReportFormat::Sarif => sarif::write(report, out),
        ReportFormat::Ocsf => ocsf::write(report, out),
        ReportFormat::Markdown => markdown::write(report, out),
        ReportFormat::Csv => csv::write(report, out),
        ReportFormat::Junit => junit::write(report, out),
    }
}

/// Writes a report as a page, with requests over time and a page for each account if there is a chronicle.
pub fn write_html(
    report: &Report,
    chronicle: Option<&Chronicle>,
    out: &mut dyn Write,
) -> io::Result<()> {
    html::write(report, chronicle, out)
}

/// Writes one row per ServiceAccount, with the same head as a report.
pub fn write_accounts(
    report: &Report,
    rows: &[AccountRow],
    format: Format,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Table => accounts::table(report, rows, look, out),
        Format::Json => accounts::json(report, rows, out),
        Format::Jsonl => accounts::jsonl(report, rows, out),
    }
}

/// Writes ranked requests, with the same head as a report.
pub fn write_top(
    report: &Report,
    ranked: &Ranked,
    format: Format,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Table => top::table(report, ranked, look, out),
        Format::Json => top::json(report, ranked, out),
        Format::Jsonl => top::jsonl(report, ranked, out),
    }
}

/// Who wrote a document.
#[derive(Debug, Clone, Copy, Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

const TOOL: Tool = Tool {
    name: env!("CARGO_PKG_NAME"),
    version: env!("CARGO_PKG_VERSION"),
};

/// One line of JSON Lines.
fn json_line(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests;
