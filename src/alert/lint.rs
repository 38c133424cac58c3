//! What is wrong with a rules file, seen beside the metrics that there really are.
//!
//! Most rules about ServiceAccounts that circulate cannot fire: a metric that nothing serves, a label
//! that it does not have, no expression at all. Prometheus accepts nearly all of that without a word.

mod expression;
mod hearsay;
mod labels;
mod problem;
mod selector;
mod template;
mod threshold;

use self::labels::Possible;
pub use self::problem::{Level, Problem, ProblemKind};
use super::{
    evaluate::parse_expression,
    rules::{Located, Rule, RuleFile, parse_rules},
};
use crate::metric::{Catalogue, History, Semantics};

/// What the rules are held against.
#[derive(Debug, Clone, Copy)]
pub struct World<'a> {
    /// The metrics that are served, with their labels.
    pub catalogue: &'a Catalogue,
    /// Where the catalogue comes from, as a person reads it: `the scrapes given`, `Kubernetes 1.35`.
    pub source: &'a str,
    /// Metrics that exist although the catalogue lacks them, such as those of other Kubernetes versions.
    pub elsewhere: &'a Catalogue,
    /// Their values over time; may be empty, and then thresholds are not looked at.
    pub history: &'a History,
    /// Which Prometheus to follow.
    pub semantics: Semantics,
    /// Whether the series carry the labels that Prometheus adds (`job`, `instance`, ...): those from its
    /// API do, those from scrape files do not.
    pub has_target_labels: bool,
}

impl World<'_> {
    /// Labels that nothing can be said against, because the series here cannot show them.
    const fn unseen_labels(&self) -> &'static [&'static str] {
        if self.has_target_labels {
            &[]
        } else {
            &labels::TARGET_LABELS
        }
    }
}

/// Every problem of a rules file or of PrometheusRule manifests, in the order of lines.
#[must_use]
pub fn lint(yaml: &str, file: &str, world: &World<'_>) -> Vec<Problem> {
    let rules = parse_rules(yaml);
    let mut report = Report {
        file: file.to_owned(),
        problems: Vec::new(),
    };
    for fault in &rules.faults {
        let kind = if fault.no_expr {
            ProblemKind::MissingExpr
        } else {
            ProblemKind::InvalidRule
        };
        report.add(kind, fault.line, &fault.rule, &*fault.why, None);
    }
    let recorded = recorded_names(&rules);
    for rule in rules.groups.iter().flat_map(|group| &group.rules) {
        Linter {
            world,
            rule,
            recorded: &recorded,
            report: &mut report,
        }
        .rule();
    }
    report.problems.sort_by_key(|problem| problem.line);
    report.problems.dedup();
    report.problems
}

/// What the file's own recording rules will serve.
fn recorded_names(rules: &RuleFile) -> Vec<&str> {
    let all = rules.groups.iter().flat_map(|group| &group.rules);
    all.filter(|rule| rule.records)
        .map(|rule| &*rule.name)
        .collect()
}

struct Report {
    file: String,
    problems: Vec<Problem>,
}

impl Report {
    fn add(
        &mut self,
        kind: ProblemKind,
        line: u64,
        rule: &str,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        let (file, rule) = (self.file.clone(), rule.to_owned());
        let message = message.into();
        self.problems.push(Problem {
            file,
            line,
            rule,
            kind,
            message,
            suggestion,
        });
    }
}

/// One rule under examination.
struct Linter<'a> {
    world: &'a World<'a>,
    rule: &'a Rule,
    recorded: &'a [&'a str],
    report: &'a mut Report,
}

impl Linter<'_> {
    fn rule(&mut self) {
        let Some(expr) = &self.rule.expr else {
            self.templates(&Possible::none(), "the rule has no expression");
            return;
        };
        match parse_expression(&expr.text) {
            Err(why) => self.add(
                ProblemKind::BadExpr,
                expr.line,
                format!("not PromQL: {why}"),
                None,
            ),
            Ok(parsed) => {
                let sound = self.expression(&parsed, expr.line);
                let possible = labels::possible(&parsed, self.world);
                self.templates(&possible, "the expression's result has no such label");
                if sound && !self.rule.records {
                    self.thresholds(&parsed, expr);
                }
            }
        }
    }

    fn add(
        &mut self,
        kind: ProblemKind,
        line: u64,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.report
            .add(kind, line, &self.rule.name, message, suggestion);
    }

    fn templates(&mut self, possible: &Possible, why: &str) {
        let rule = self.rule;
        for (name, text) in rule.annotations.iter().chain(&rule.labels) {
            self.template(name, text, possible, why);
        }
    }

    fn template(&mut self, name: &str, text: &Located, possible: &Possible, why: &str) {
        if !template::is_balanced(&text.text) {
            let message =
                format!("{name}: {{{{ and }}}} do not pair up, so the template does not load");
            self.add(ProblemKind::InvalidRule, text.line, message, None);
        }
        for label in template::labels_used(&text.text) {
            let kind = ProblemKind::TemplateLabel;
            if !possible.may_have(&label) {
                let message = format!("{name} shows $labels.{label}, which is never set: {why}");
                let who = hearsay::is_identity(&label).then(|| hearsay::WHO.to_owned());
                self.add(
                    kind,
                    text.line,
                    message,
                    who.or_else(|| possible.suggestion()),
                );
            } else if possible.is_only_a_targets(&label) {
                let message = format!(
                    "{name} shows $labels.{label}, which at best is the scrape target's {label} \
                     (of the API server, not of a ServiceAccount): the metric has no such label"
                );
                self.add(kind, text.line, message, None);
            }
        }
    }
}
