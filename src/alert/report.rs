//! What was made and what was left out; what a lint says.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;

use super::{Generated, Level, Problem};
use crate::{
    metric::{Catalogue, Known, LabelValues, Text},
    pipeline::PUBLISHED,
};

/// Notes the metrics that satrail publishes: a rule may ask for them although no scrape shows them.
pub fn add_published(catalogue: &mut Catalogue) {
    for metric in PUBLISHED {
        let labels = metric.labels.iter();
        let labels = labels.map(|label| (Text::from(*label), LabelValues::unknown()));
        let known = Known {
            kind: metric.kind,
            cumulative: metric.kind.is_cumulative(metric.name),
            labels: labels.collect::<BTreeMap<_, _>>(),
        };
        catalogue.insert_unseen(Text::from(metric.name), known);
    }
}

/// What was made, one line for each rule, and what was left out. Names from logs are in it.
#[must_use]
pub fn summary(generated: &Generated) -> Vec<String> {
    let mut lines = vec![format!(
        "{} rules, {} unit tests, {} templates left out",
        generated.rules.len(),
        generated.cases.len(),
        generated.left_out.len()
    )];
    for rule in &generated.rules {
        let whom: Vec<&str> = rule.account.iter().map(|(_, value)| value).collect();
        let whom = if whom.is_empty() {
            String::new()
        } else {
            format!(" for {}", whom.join("/"))
        };
        let proof = if rule.fires_on_recording {
            "fires on what was recorded"
        } else {
            "shown to fire on a synthesised series"
        };
        lines.push(format!("  {}{whom}: {}; {proof}", rule.alert, rule.origin));
    }
    for left_out in &generated.left_out {
        lines.push(format!("  left out: {}: {}", left_out.alert, left_out.why));
    }
    lines
}

/// One line for each problem, and one for all. Words from rules files are in it.
#[must_use]
pub fn problem_lines(problems: &[Problem], files: usize) -> Vec<String> {
    let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let count = |level| problems.iter().filter(|p| p.kind.level() == level).count();
    lines.push(format!(
        "files: {files}, errors: {}, warnings: {}, notes: {}",
        count(Level::Error),
        count(Level::Warning),
        count(Level::Note)
    ));
    lines
}

#[derive(Serialize)]
struct Shown<'a> {
    file: &'a str,
    line: u64,
    rule: &'a str,
    level: String,
    kind: &'a str,
    message: &'a str,
    suggestion: Option<&'a str>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: &'static str,
    problems: Vec<Shown<'a>>,
}

/// The problems as one JSON document, or as one object a line.
pub fn write_problems(problems: &[Problem], lines: bool, out: &mut dyn Write) -> io::Result<()> {
    let shown = problems.iter().map(|problem| Shown {
        file: &problem.file,
        line: problem.line,
        rule: &problem.rule,
        level: problem.kind.level().to_string(),
        kind: problem.kind.as_str(),
        message: &problem.message,
        suggestion: problem.suggestion.as_deref(),
    });
    if lines {
        for problem in shown {
            serde_json::to_writer(&mut *out, &problem)?;
            out.write_all(b"\n")?;
        }
        return Ok(());
    }
    let document = Document {
        schema_version: "1",
        problems: shown.collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}
