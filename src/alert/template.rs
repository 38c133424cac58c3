//! The templates in `alerts/`: what a rule says, and where its threshold comes from.
//!
//! A template is complete in itself: reason, expression, metrics, threshold, words, and a series that
//! makes it fire. Its file's name is its id. `--templates DIR` replaces them all.

mod read;

use std::{fs, io, path::Path, time::Duration};

use promql_parser::parser::{Expr, MatrixSelector, Offset, VectorSelector};

use super::kubernetes::Version;
use crate::{finding::Severity, metric::Labels};

/// What stands for the threshold in a template's expression.
pub(super) const THRESHOLD: &str = "{{threshold}}";

/// One template.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The file's name without its ending.
    pub id: String,
    /// The comment that the file begins with.
    pub comment: String,
    /// The alert's name.
    pub alert: String,
    /// Whose metrics it asks for.
    pub source: Source,
    /// The first version of Kubernetes that has its metrics.
    pub kubernetes: Option<Version>,
    /// Whether its series do not exist before the first event that they count.
    pub absent_until_first_use: bool,
    /// The detectors whose findings are what it alerts about.
    pub detectors: Vec<String>,
    /// From which severity on such a finding makes a window abnormal.
    pub abnormal_from: Severity,
    /// The metrics that it needs, with the labels that it needs of them.
    pub needs: Vec<(String, Vec<String>)>,
    /// The expression, with `{{threshold}}` where the number goes.
    pub expr: String,
    /// For how long it must hold, as written.
    pub hold: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// The labels by which busy ones get a threshold of their own; empty: nobody does.
    pub per: Vec<String>,
    /// Where the threshold comes from.
    pub threshold: Threshold,
    /// One line.
    pub summary: String,
    /// A few sentences.
    pub description: String,
    /// Where to read on, relative to the repository.
    pub runbook: String,
    /// Series that make it fire once they rise far enough.
    pub example: Vec<(String, Labels)>,
    /// Whether the example's series are counters; else they stand still while time goes on.
    pub example_grows: bool,
}

/// Whose metrics a template asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// kube-apiserver's own.
    Kubernetes,
    /// Those that `satrail metrics` writes.
    Satrail,
}

/// Where a threshold comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// A number that holds everywhere, or how to find one.
    pub rule: ThresholdRule,
    /// What is counted, such as `requests per second`.
    pub unit: String,
    /// Why this number, or why this floor.
    pub because: String,
}

/// A number that holds everywhere, or how to find one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ThresholdRule {
    /// The same everywhere.
    Fixed(f64),
    /// A percentile of normal hours times the headroom, but no less than the floor.
    Fitted {
        /// Of all windows in normal hours.
        percentile: f64,
        /// How many times that.
        headroom: f64,
        /// No less than that.
        floor: f64,
    },
}

/// The templates of this build, by id.
const BUILT_IN: [(&str, &str); 24] = [
    (
        "audit-log-loses-events",
        include_str!("../../alerts/audit-log-loses-events.yaml"),
    ),
    (
        "audit-log-stands-still",
        include_str!("../../alerts/audit-log-stands-still.yaml"),
    ),
    (
        "audit-requests-rejected",
        include_str!("../../alerts/audit-requests-rejected.yaml"),
    ),
    (
        "authentication-failures-high",
        include_str!("../../alerts/authentication-failures-high.yaml"),
    ),
    (
        "authorization-denials-high",
        include_str!("../../alerts/authorization-denials-high.yaml"),
    ),
    (
        "default-serviceaccount-used",
        include_str!("../../alerts/default-serviceaccount-used.yaml"),
    ),
    (
        "high-token-request-rate",
        include_str!("../../alerts/high-token-request-rate.yaml"),
    ),
    (
        "invalidated-legacy-tokens-used",
        include_str!("../../alerts/invalidated-legacy-tokens-used.yaml"),
    ),
    (
        "legacy-serviceaccount-tokens-in-use",
        include_str!("../../alerts/legacy-serviceaccount-tokens-in-use.yaml"),
    ),
    (
        "legacy-token-used-by-serviceaccount",
        include_str!("../../alerts/legacy-token-used-by-serviceaccount.yaml"),
    ),
    (
        "satrail-bad-lines",
        include_str!("../../alerts/satrail-bad-lines.yaml"),
    ),
    (
        "satrail-findings",
        include_str!("../../alerts/satrail-findings.yaml"),
    ),
    (
        "satrail-not-run-lately",
        include_str!("../../alerts/satrail-not-run-lately.yaml"),
    ),
    (
        "satrail-runs-fail",
        include_str!("../../alerts/satrail-runs-fail.yaml"),
    ),
    (
        "secrets-list-denied",
        include_str!("../../alerts/secrets-list-denied.yaml"),
    ),
    (
        "secrets-listed-cluster-wide",
        include_str!("../../alerts/secrets-listed-cluster-wide.yaml"),
    ),
    (
        "serviceaccount-call-rate-high",
        include_str!("../../alerts/serviceaccount-call-rate-high.yaml"),
    ),
    (
        "serviceaccount-class-call-rate-high",
        include_str!("../../alerts/serviceaccount-class-call-rate-high.yaml"),
    ),
    (
        "serviceaccount-denied-rate-high",
        include_str!("../../alerts/serviceaccount-denied-rate-high.yaml"),
    ),
    (
        "serviceaccounts-rejected-by-flow-control",
        include_str!("../../alerts/serviceaccounts-rejected-by-flow-control.yaml"),
    ),
    (
        "stale-serviceaccount-tokens-in-use",
        include_str!("../../alerts/stale-serviceaccount-tokens-in-use.yaml"),
    ),
    (
        "stale-token-used-by-serviceaccount",
        include_str!("../../alerts/stale-token-used-by-serviceaccount.yaml"),
    ),
    (
        "unauthenticated-requests-high",
        include_str!("../../alerts/unauthenticated-requests-high.yaml"),
    ),
    (
        "unexpected-secrets-list",
        include_str!("../../alerts/unexpected-secrets-list.yaml"),
    ),
];

/// A template that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {why}")]
pub struct TemplateError {
    /// The file.
    pub file: String,
    /// Why, and in which line if that is known.
    pub why: String,
}

/// The templates of this build.
pub fn built_in() -> Result<Vec<Template>, TemplateError> {
    let read = |(id, text): &(&str, &str)| read::template(id, text);
    BUILT_IN.iter().map(read).collect()
}

/// The templates in a directory: each `*.yaml` is one.
pub fn templates_in(directory: &Path) -> Result<Vec<Template>, TemplateError> {
    let error = |path: &Path, why: io::Error| TemplateError {
        file: path.display().to_string(),
        why: why.to_string(),
    };
    let entries = fs::read_dir(directory).map_err(|why| error(directory, why))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|why| error(directory, why))?.path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        let why = io::Error::new(io::ErrorKind::NotFound, "no *.yaml in it");
        return Err(error(directory, why));
    }
    let read = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).map_err(|why| error(path, why))?;
        let id = path.file_stem().unwrap_or_default().to_string_lossy();
        read::template(&id, &text)
    };
    paths.iter().map(read).collect()
}

impl Template {
    /// For how long the expression must hold.
    #[must_use]
    pub fn hold(&self) -> Duration {
        promql_parser::util::parse_duration(&self.hold).unwrap_or_default()
    }

    /// The expression with a number for the threshold.
    #[must_use]
    pub fn with_threshold(&self, number: &str) -> String {
        self.expr.replace(THRESHOLD, number)
    }
}

/// Every selector of an expression; its range, for those that have one.
pub(super) fn selectors(expr: &Expr) -> Vec<(&VectorSelector, Option<Duration>)> {
    let (mut found, mut open) = (Vec::new(), vec![expr]);
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Aggregate(aggregate) => open.extend([&*aggregate.expr]),
            Expr::Unary(unary) => open.push(&unary.expr),
            Expr::Paren(paren) => open.push(&paren.expr),
            Expr::Subquery(subquery) => open.push(&subquery.expr),
            Expr::Binary(binary) => open.extend([&*binary.rhs, &*binary.lhs]),
            Expr::Call(call) => open.extend(call.args.args.iter().rev().map(|each| &**each)),
            Expr::VectorSelector(selector) => found.push((selector, None)),
            Expr::MatrixSelector(MatrixSelector { vs, range }) => found.push((vs, Some(*range))),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
        }
    }
    found
}

/// The window that an expression is about: its shortest range, or nothing.
pub(super) fn window(expr: &Expr) -> Duration {
    let ranges = selectors(expr).into_iter().filter_map(|(_, range)| range);
    ranges.min().unwrap_or_default()
}

/// Every range and offset of an expression, in seconds.
pub(super) fn spans(expr: &Expr) -> Vec<u64> {
    let offset = |selector: &VectorSelector| match &selector.offset {
        Some(Offset::Pos(back) | Offset::Neg(back)) => back.as_secs(),
        None => 0,
    };
    let all = selectors(expr).into_iter().flat_map(|(selector, range)| {
        let range = range.unwrap_or(super::LOOKBACK).as_secs();
        [range, offset(selector), range + offset(selector)]
    });
    all.filter(|span| *span > 0).collect()
}

#[cfg(test)]
mod tests;
