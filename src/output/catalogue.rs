//! `satrail detectors` and `satrail explain ID`: the catalogue, and one detector's text.

use std::io::{self, Write};

use serde::Serialize;

use crate::detect::{About, Technique};

use super::{
    Format, Look, json_line,
    paper::{BOLD, DIM, PLAIN, Paper, fill},
};

/// One detector, as data.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    title: &'a str,
    attack: &'a [Technique],
    doc: String,
}

/// Writes the catalogue.
pub fn write_catalogue(
    catalogue: &[&About],
    format: Format,
    look: Look,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut rows = catalogue.iter().map(|about| Row {
        id: about.id,
        title: about.title,
        attack: about.attack,
        doc: about.markdown(),
    });
    match format {
        Format::Table => table(catalogue, look, out),
        Format::Jsonl => rows.try_for_each(|row| json_line(&row, out)),
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &rows.collect::<Vec<_>>())?;
            out.write_all(b"\n")
        }
    }
}

fn table(catalogue: &[&About], look: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut paper = Paper::new(out, look);
    let widest = catalogue.iter().map(|about| about.id.len()).max();
    let indent = widest.unwrap_or(0) + 2;
    for about in catalogue {
        paper.entry((BOLD, about.id), indent, (PLAIN, about.title))?;
    }
    // A hint for people; a pipe wants the list and nothing else.
    if paper.is_endless() {
        return Ok(());
    }
    paper.blank()?;
    let hint = fill("One detector's text:", 21);
    paper.line(&[(DIM, &hint), (PLAIN, "satrail explain ID")])
}

/// Writes one detector's documentation: Markdown as it stands, its headings in bold.
pub fn write_explanation(about: &About, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let mut paper = Paper::new(out, look);
    for line in about.to_string().lines() {
        let style = if line.starts_with('#') { BOLD } else { PLAIN };
        paper.line(&[(style, line)])?;
    }
    Ok(())
}
