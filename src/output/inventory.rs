//! `satrail inventory`: what a cluster holds and what is wrong with it.

mod table;

use std::io::{self, Write};

use serde::Serialize;

use crate::inventory::{AccountRow, Holder, Issue, LegacyToken, PodRow, Practice, Read, Report};

use super::{Format, Look, SCHEMA_VERSION, TOOL, Tool, json_line};

/// Writes an inventory. `all` matters to the table only: without, long lists are cut.
pub fn write_inventory(
    report: &Report,
    format: Format,
    look: Look,
    all: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Table => table::write(report, look, all, out),
        Format::Json => json(report, out),
        Format::Jsonl => jsonl(report, out),
    }
}

/// The document: `schema/inventory.schema.json` describes it.
#[derive(Serialize)]
struct Document<'a> {
    schema_version: &'static str,
    tool: Tool,
    #[serde(flatten)]
    report: &'a Report,
}

fn json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        tool: TOOL,
        report,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// `input` first, then a line for each element of each list, under its `type`.
fn jsonl(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Line<'a> {
        Input(&'a Read),
        Issue(&'a Issue),
        Practice(&'a Practice),
        ClusterAdmin(&'a Holder),
        SecretReader(&'a Holder),
        LegacyToken(&'a LegacyToken),
        Account(&'a AccountRow),
        Pod(&'a PodRow),
    }
    let lines = [Line::Input(&report.input)]
        .into_iter()
        .chain(report.issues.iter().map(Line::Issue))
        .chain(report.practices.iter().map(Line::Practice))
        .chain(report.cluster_admins.iter().map(Line::ClusterAdmin))
        .chain(report.secret_readers.iter().map(Line::SecretReader))
        .chain(report.legacy_tokens.iter().map(Line::LegacyToken))
        .chain(report.accounts.iter().map(Line::Account))
        .chain(report.pods.iter().map(Line::Pod));
    for line in lines {
        json_line(&line, out)?;
    }
    Ok(())
}
