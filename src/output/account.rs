//! `satrail account`: the life of one ServiceAccount on one page.

mod page;
mod runbooks;

use std::io::{self, Write};

use serde::Serialize;

use crate::{
    finding::{Attribute, Finding},
    inventory::Standing,
    pipeline::{Coverage, Dossier, Input, Report},
    rbac::Roles,
};

pub(in crate::output) use page::in_sum;

use super::{Format, Look, SCHEMA_VERSION, TOOL, Tool, json_line, jsonl};
use runbooks::Runbook;

/// One account: what it did, what was found, what to do.
#[derive(Debug, Serialize)]
pub struct AccountPage<'a> {
    /// What it did.
    #[serde(flatten)]
    dossier: &'a Dossier,
    /// The roles that would allow what it was refused.
    denied_roles: Roles,
    /// Findings about it.
    findings_about: Vec<&'a Finding>,
    /// Findings about others that name it: who minted, impersonated, bound.
    findings_naming: Vec<&'a Finding>,
    /// What a dump of the cluster says of it; left out without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    inventory: Option<Standing>,
    /// The runbooks of ServiceAccounts, with its own names filled in.
    runbooks: Vec<Runbook>,
}

impl<'a> AccountPage<'a> {
    /// `denied` are the roles that would allow what was refused; `log` is how the log is named on a
    /// command line, quoted for a shell; `standing` is what a dump says, if there is one.
    #[must_use]
    pub fn new(
        dossier: &'a Dossier,
        denied: Roles,
        findings: &'a [Finding],
        log: &str,
        standing: Option<Standing>,
    ) -> Self {
        let is_about = |finding: &&Finding| {
            finding.subject.namespace.as_deref() == Some(&dossier.namespace)
                && finding.subject.name == dossier.name
        };
        let account = format!("{}/{}", dossier.namespace, dossier.name);
        let user = format!(
            "system:serviceaccount:{}:{}",
            dossier.namespace, dossier.name
        );
        let (about, others): (Vec<_>, Vec<_>) = findings.iter().partition(is_about);
        let named = |finding: &&Finding| {
            let mut values = finding.attributes.iter();
            values.any(|(key, value)| {
                [&account, &user].contains(&key) || names(value, [&account, &user])
            })
        };
        Self {
            dossier,
            denied_roles: denied,
            findings_about: about,
            findings_naming: others.into_iter().filter(named).collect(),
            runbooks: runbooks::walk(dossier, log, standing.as_ref()),
            inventory: standing,
        }
    }
}

/// Whether one of `wanted` stands anywhere in `value`. Attributes are a small tree of the detectors' own.
fn names(value: &Attribute, wanted: [&String; 2]) -> bool {
    match value {
        Attribute::Text(text) => wanted.contains(&text),
        Attribute::List(items) => items.iter().any(|item| names(item, wanted)),
        Attribute::Map(map) => {
            let mut entries = map.iter();
            entries.any(|(key, value)| wanted.contains(&key) || names(value, wanted))
        }
        _ => false,
    }
}

/// Writes the pages, with the same head as a report. `absent` is what was asked for and is not there.
pub fn write_pages(
    report: &Report,
    pages: &[AccountPage<'_>],
    absent: &[String],
    (format, look): (Format, Look),
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Table => page::write(report, pages, absent, look, out),
        Format::Json => json(report, pages, absent, out),
        Format::Jsonl => lines(report, pages, absent, out),
    }
}

fn json(
    report: &Report,
    pages: &[AccountPage<'_>],
    absent: &[String],
    out: &mut dyn Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema_version: &'static str,
        tool: Tool,
        input: &'a Input,
        coverage: &'a Coverage,
        accounts: &'a [AccountPage<'a>],
        absent: &'a [String],
    }
    let document = Document {
        schema_version: SCHEMA_VERSION,
        tool: TOOL,
        input: &report.input,
        coverage: &report.coverage,
        accounts: pages,
        absent,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// `input` first, then each `account`, then what is `absent`, then `coverage`.
fn lines(
    report: &Report,
    pages: &[AccountPage<'_>],
    absent: &[String],
    out: &mut dyn Write,
) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(tag = "type", rename_all = "lowercase")]
    enum Line<'a> {
        Account(&'a AccountPage<'a>),
        Absent { account: &'a str },
    }
    jsonl::head(&report.input, out)?;
    for page in pages {
        json_line(&Line::Account(page), out)?;
    }
    for account in absent {
        json_line(&Line::Absent { account }, out)?;
    }
    jsonl::tail(&report.coverage, out)
}
