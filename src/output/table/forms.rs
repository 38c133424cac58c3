//! Which forms of log were read, and what stood beside the events.

use std::io;

use crate::pipeline::{FileForms, FormCount, Input, SkippedCount};

use super::{BOLD, DIM, PLAIN, Paper, clip, units};

/// Where text begins beside the labels.
const INDENT: usize = 10;

/// Longer file names are cut.
const LONGEST_FILE: usize = 300;

/// All files together; nothing where there is nothing but plain events.
pub(super) fn total(input: &Input) -> Option<String> {
    let plain = input.forms.iter().all(|form| form.form == "plain");
    (!plain || !input.skipped.is_empty()).then(|| said(&input.forms, &input.skipped, 0))
}

/// Each file.
pub(super) fn files(input: &Input, paper: &mut Paper<'_>) -> io::Result<()> {
    let mut label = "Files";
    for FileForms {
        file,
        forms,
        skipped,
        bad_lines,
    } in &input.by_file
    {
        let text = format!(
            "{}: {}",
            clip(file, LONGEST_FILE),
            said(forms, skipped, *bad_lines)
        );
        paper.entry((BOLD, label), INDENT, (PLAIN, &text))?;
        label = "";
    }
    match input.files_not_listed {
        0 => Ok(()),
        rest => {
            let text = format!(
                "and {} more, which count in the totals",
                units::thousands(rest)
            );
            paper.entry((DIM, label), INDENT, (PLAIN, &text))
        }
    }
}

fn said(forms: &[FormCount], skipped: &[SkippedCount], bad_lines: u64) -> String {
    let mut said: Vec<String> = forms
        .iter()
        .map(|count| format!("{} {}", count.form, units::count(count.events, "event")))
        .collect();
    if bad_lines > 0 {
        said.push(units::count(bad_lines, "bad line"));
    }
    if said.is_empty() {
        said.push("no events".to_owned());
    }
    let skipped: Vec<String> = skipped
        .iter()
        .map(|count| format!("{} {}", units::thousands(count.records), count.what))
        .collect();
    if !skipped.is_empty() {
        said.push(format!("skipped {}", skipped.join(", ")));
    }
    said.join(", ")
}
