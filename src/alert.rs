//! Alerts: what a rules file really does with the metrics that there are.
//!
//! Owns rules files, PromQL and what is known of the metrics of Kubernetes. Knows nothing of audit
//! events and of detectors.

mod evaluate;
mod kubernetes;
mod lint;
mod rules;
mod yaml;

pub use evaluate::{Evaluation, LOOKBACK, NotEvaluated, Outcome, metric_names, parse_expression};
pub use kubernetes::{Version, known_versions, kubernetes_metrics};
pub use lint::{Level, Problem, ProblemKind, World, lint};
pub use rules::{Fault, Group, Located, Rule, RuleFile, parse_rules};
