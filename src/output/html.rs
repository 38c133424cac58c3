//! One page that needs nothing else: findings, charts, accounts, coverage. It opens from a disk and asks no network.
//!
//! What does not grow stands in the page as text (`report.html`, filled in and escaped by askama). Lists are drawn by
//! the script from JSON in the page, as they are looked at, so that ten thousand findings open as quickly as ten. The
//! script makes elements and sets their text; it never makes markup out of a string. A Content-Security-Policy allows
//! this script and this style by their hashes, and nothing else.

mod docs;
mod embed;
mod facts;
mod index;
mod portrait;

use std::io::{self, Write};

use askama::Template;
use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};

use crate::pipeline::{Chronicle, Report};

use super::TOOL;
use docs::{Doc, docs};
use embed::{Json, Lines};
use facts::Fact;
use index::{Detail, Index, details};
use portrait::{Portrait, portraits};

const STYLE: &str = include_str!("html/report.css");

/// In one function, so that nothing of it is global.
const SCRIPT: &str = concat!(
    "\"use strict\";(() => {\n",
    include_str!("html/parts.js"),
    include_str!("html/findings.js"),
    include_str!("html/timeline.js"),
    include_str!("html/accounts.js"),
    include_str!("html/page.js"),
    "})();\n"
);

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    version: &'static str,
    policy: String,
    style: &'static str,
    script: &'static str,
    /// What was read, in a few lines.
    read: Vec<Fact>,
    /// How many findings of each severity, the gravest first.
    severities: Vec<(&'static str, String)>,
    coverage: Vec<Fact>,
    exceptions: Vec<Fact>,
    metrics: Vec<Fact>,
    docs: Vec<Doc>,
    has_accounts: bool,
    index: Json<Index<'a>>,
    details: Lines<Detail<'a>>,
    portraits: Lines<Portrait<'a>>,
}

/// Writes the page. Without a chronicle (states that were merged, runs that go on from a state) it has no requests over
/// time and no accounts, and says so.
pub(super) fn write(
    report: &Report,
    chronicle: Option<&Chronicle>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let page = Page {
        version: TOOL.version,
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        read: facts::read(report),
        severities: facts::severities(report),
        coverage: facts::coverage(report),
        exceptions: facts::exceptions(report),
        metrics: facts::metrics(report),
        docs: docs(report),
        has_accounts: chronicle.is_some(),
        index: Json(Index::new(report, chronicle)),
        details: Lines(details(report)),
        portraits: Lines(portraits(chronicle)),
    };
    page.write_into(&mut &mut *out)
}

fn policy() -> String {
    let hash = |text: &str| Base64::encode_string(&Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}
