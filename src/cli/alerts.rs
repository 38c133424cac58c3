//! The arguments of `satrail alerts`, and what becomes of them.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{Args, Subcommand};

use crate::{
    alert::{Version, Wish},
    config::{self, AlertsConfig, ConfigFile, LintConfig, parse_step, parse_threads},
    pipeline::Options,
};

use super::{
    Action, Surroundings,
    action::{defaults, output},
    arguments::{HintArgs, OutputArgs},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  satrail alerts /var/log/kubernetes/audit --metrics scrapes/ --output rules/
  satrail alerts --metrics scrapes/ --output rules/         without audit logs: native metrics only
  satrail alerts --kubernetes 1.35 --output rules/ --operator
  satrail alerts lint rules/*.yaml --metrics scrapes/

  promtool check rules rules/satrail.rules.yaml
  promtool test rules rules/satrail.rules_test.yaml";

const LINT_EXAMPLES: &str = "\
Example:
  satrail alerts lint my.rules.yaml --metrics apiserver-20261122T042353Z.prom.gz

Exit codes:
  0  nothing wrong
  1  a rule does not do what its author thinks
  2  usage error, unreadable input, failed output";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct AlertsArgs {
    #[command(subcommand)]
    lint: Option<AlertsCommand>,
    /// Audit logs: files, directories (recursive) or globs; their normal hours make the thresholds
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    world: WorldArgs,
    /// Write the rules (satrail.rules.yaml) and their unit tests into DIR
    #[arg(long, short, value_name = "DIR", required = true)]
    output: Option<PathBuf>,
    /// Also write satrail.prometheusrule.yaml, for the Prometheus operator
    #[arg(long)]
    operator: bool,
    /// Use the templates in DIR instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// How many times what is normal makes an alert [default: as each template says]
    #[arg(long, value_name = "X", value_parser = parse_headroom)]
    headroom: Option<f64>,
    /// Seconds between two scrapes, for the unit tests
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = parse_step)]
    interval: u32,
    /// Read thresholds and allow-list of the detectors from this file; none is read without
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Make bad lines and files cut short an error (exit code 2)
    #[arg(long)]
    strict: bool,
    /// Use N threads [default: one per core]; the result is the same for any N
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<NonZeroUsize>,
    /// Show no progress bar; without a terminal there is none anyway
    #[arg(long)]
    no_progress: bool,
}

#[derive(Debug, Subcommand)]
enum AlertsCommand {
    /// Say which rules cannot fire, or always do
    #[command(after_help = LINT_EXAMPLES)]
    Lint(LintArgs),
}

#[derive(Debug, Args)]
struct LintArgs {
    /// Rules files, PrometheusRule manifests, directories or globs
    #[arg(value_name = "RULES", required = true)]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    world: WorldArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What metrics there are.
#[derive(Debug, Args)]
struct WorldArgs {
    /// Scrapes (text, OpenMetrics) and answers of the Prometheus API: files, directories or globs
    #[arg(long, value_name = "PATH", num_args = 1..)]
    metrics: Vec<PathBuf>,
    #[command(flatten)]
    hints: HintArgs,
    /// Without scrapes: the metrics of this version of Kubernetes
    #[arg(long, value_name = "VERSION")]
    kubernetes: Option<Version>,
}

fn parse_headroom(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|x: &f64| x.is_finite() && *x >= 1.0);
    number.ok_or_else(|| "a number of at least 1".to_owned())
}

/// What is to be done.
pub(super) fn action(args: AlertsArgs, around: &Surroundings) -> Result<Action, config::Error> {
    if let Some(AlertsCommand::Lint(args)) = args.lint {
        return Ok(Action::Lint(Box::new(LintConfig {
            rules: args.rules,
            metrics: args.world.metrics,
            hints: args.world.hints.into(),
            version: args.world.kubernetes,
            output: output(args.output, around),
        })));
    }
    let Some(directory) = args.output else {
        return Err(config::Error::new("--output says where the rules go"));
    };
    let world = args.world;
    if args.paths.is_empty() && world.metrics.is_empty() && world.kubernetes.is_none() {
        let hint = "name audit logs, scrapes with --metrics, or a version with --kubernetes";
        return Err(config::Error::new("there is nothing to make rules from").hint(hint));
    }
    let file = args.config.as_deref().map(ConfigFile::read).transpose()?;
    let ConfigFile {
        settings,
        exceptions,
    } = file.unwrap_or_default();
    Ok(Action::Alerts(Box::new(AlertsConfig {
        options: Options {
            paths: args.paths,
            threads: args.threads.map_or(0, Into::into),
            settings,
            exceptions,
            scrape_hints: world.hints.into(),
            ..defaults(around)
        },
        metrics: world.metrics,
        directory,
        operator: args.operator,
        templates: args.templates,
        version: world.kubernetes,
        wish: Wish {
            headroom: args.headroom,
            interval: args.interval.into(),
        },
        strict: args.strict,
        progress: around.stderr_is_terminal && !args.no_progress,
    })))
}
