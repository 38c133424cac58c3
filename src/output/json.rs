//! One JSON document: `schema/report.schema.json` describes it.

use std::io::{self, Write};

use serde::Serialize;

use crate::{
    finding::{Finding, Story},
    pipeline::{Coverage, Exceptions, Input, Reconciliation, Report},
};

use super::{SCHEMA_VERSION, TOOL, Tool};

/// The document, in the order in which it is written.
#[derive(Serialize)]
struct Document<'a> {
    schema_version: &'static str,
    tool: Tool,
    input: &'a Input,
    coverage: &'a Coverage,
    findings: &'a [Finding],
    stories: &'a [Story],
    exceptions: &'a Exceptions,
    reconciliation: Option<&'a Reconciliation>,
}

/// Writes nothing that depends on the run: no clock, no elapsed time, no number of threads.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        tool: TOOL,
        input: &report.input,
        coverage: &report.coverage,
        findings: &report.findings,
        stories: &report.stories,
        exceptions: &report.exceptions,
        reconciliation: report.reconciliation.as_ref(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}
