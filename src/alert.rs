//! Alerts: what a rules file really does with the metrics that there are.
//!
//! Owns rules files, PromQL, the templates in `alerts/` and what is known of the metrics of Kubernetes.
//! Knows findings, but nothing of audit events and of detectors.

mod applicable;
mod cases;
mod document;
mod evaluate;
mod fit;
mod generate;
mod kubernetes;
mod lint;
mod quote;
mod replay;
mod report;
mod rules;
mod template;
mod yaml;

pub use document::{operator_file, rules_file, tests_file};

pub use evaluate::{Evaluation, LOOKBACK, NotEvaluated, Outcome, metric_names, parse_expression};
pub use generate::{AlertRule, Generated, LeftOut, Recording, Wish, generate};
pub use kubernetes::{Version, known_versions, kubernetes_metrics};
pub use lint::{Level, Problem, ProblemKind, World, lint};
pub use report::{add_published, problem_lines, summary, write_problems};
pub use rules::{Fault, Group, Located, Rule, RuleFile, parse_rules};
pub use template::{
    Source, Template, TemplateError, Threshold, ThresholdRule, built_in, templates_in,
};
