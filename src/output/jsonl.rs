//! JSON Lines, for whatever reads a stream: one finding per line, as in the JSON document.
//!
//! Each line says its `type`. First comes `input` (with the schema version and the tool), then every
//! `finding`, every `story` that they tell, then `exceptions`, the `reconciliation` with metrics if there were any, and `coverage` last: a stream without it was cut short.

use std::io::{self, Write};

use serde::Serialize;

use crate::{
    finding::{Finding, Story},
    pipeline::{Coverage, Exceptions, Input, Reconciliation, Report},
};

use super::{SCHEMA_VERSION, TOOL, Tool, json_line};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Input {
        schema_version: &'static str,
        tool: Tool,
        input: &'a Input,
    },
    Finding(&'a Finding),
    Story(&'a Story),
    Exceptions {
        exceptions: &'a Exceptions,
    },
    Reconciliation {
        reconciliation: &'a Reconciliation,
    },
    Coverage {
        coverage: &'a Coverage,
    },
}

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    head(&report.input, out)?;
    for finding in &report.findings {
        json_line(&Line::Finding(finding), out)?;
    }
    for story in &report.stories {
        json_line(&Line::Story(story), out)?;
    }
    let exceptions = &report.exceptions;
    json_line(&Line::Exceptions { exceptions }, out)?;
    if let Some(reconciliation) = &report.reconciliation {
        json_line(&Line::Reconciliation { reconciliation }, out)?;
    }
    tail(&report.coverage, out)
}

/// Writes findings alone, one a line, as in the stream.
pub fn write_findings(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        json_line(&Line::Finding(finding), out)?;
    }
    Ok(())
}

/// The first line, of any stream.
pub(super) fn head(input: &Input, out: &mut dyn Write) -> io::Result<()> {
    let line = Line::Input {
        schema_version: SCHEMA_VERSION,
        tool: TOOL,
        input,
    };
    json_line(&line, out)
}

/// The last line, of any stream.
pub(super) fn tail(coverage: &Coverage, out: &mut dyn Write) -> io::Result<()> {
    json_line(&Line::Coverage { coverage }, out)
}
