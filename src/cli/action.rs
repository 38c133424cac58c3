//! From what was typed to what is needed, once.

use std::{ffi::OsString, path::PathBuf};

use clap::{
    Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};
use clap_complete::Shell;

use crate::{
    config::{
        self, AccountConfig, AccountsConfig, AlertsConfig, Config, ConfigFile, CronConfig,
        DiffConfig, ExportConfig, InventoryConfig, Judgement, LintConfig, MetricsConfig, Output,
        QueryConfig, RbacConfig, ReportOutput, RowOutput, SuppressConfig, TopConfig, selection,
        window,
    },
    finding::Severity,
    metric::ScrapeHints,
    output::{Destination, Format, Look, ReportFormat},
    pipeline::{Options, Order, Selection, Window},
    source::Limits,
};

use super::{
    Cli, Command, Surroundings, account, alerts,
    arguments::{
        AccountsArgs, InputArgs, MergeArgs, MetricsArgs, OutputArgs, ReportArgs, ReportOutputArgs,
        ScanArgs, ScrapeArgs,
    },
    cron, diff, inventory, query, rbac, top,
};

/// What is to be done, with everything that it takes.
#[derive(Debug)]
pub enum Action {
    /// `satrail scan`
    Scan(Box<Config>),
    /// `satrail merge`
    Merge(Box<Config>),
    /// `satrail diff`
    Diff(DiffConfig),
    /// `satrail accounts`
    Accounts(Box<AccountsConfig>),
    /// `satrail top`
    Top(Box<TopConfig>),
    /// `satrail account`
    Account(Box<AccountConfig>),
    /// `satrail rbac`
    Rbac(Box<RbacConfig>),
    /// `satrail inventory`
    Inventory(Box<InventoryConfig>),
    /// `satrail alerts`
    Alerts(Box<AlertsConfig>),
    /// `satrail alerts lint`
    Lint(Box<LintConfig>),
    /// `satrail metrics`
    Metrics(Box<MetricsConfig>),
    /// `satrail cron`
    Cron(Box<CronConfig>),
    /// `satrail suppress`
    Suppress(SuppressConfig),
    /// `satrail query`
    Query(Box<QueryConfig>),
    /// `satrail query --list`
    QueryList(RowOutput),
    /// `satrail query --show`
    QueryText(String),
    /// `satrail export`
    Export(Box<ExportConfig>),
    /// `satrail schema`
    Schema(Option<String>, RowOutput),
    /// `satrail detectors`
    Detectors(Output),
    /// `satrail explain`
    Explain(String, Look),
    /// `satrail completions`
    Completions(Shell),
    /// `satrail man`
    Man(Option<String>),
}

/// Why there is nothing to do.
#[derive(Debug)]
pub enum Refusal {
    /// clap's: help, the version or a usage error, with its own words and colours.
    Clap(clap::Error),
    /// Ours.
    Usage(config::Error),
}

impl From<config::Error> for Refusal {
    fn from(error: config::Error) -> Self {
        Self::Usage(error)
    }
}

impl Refusal {
    /// Whether this is an error at all: `--help` and `--version` are not.
    #[must_use]
    pub fn is_error(&self) -> bool {
        match self {
            Self::Clap(error) => !matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ),
            Self::Usage(_) => true,
        }
    }
}

impl Action {
    /// Understands the command line.
    pub fn from_arguments(
        arguments: impl IntoIterator<Item = OsString>,
        around: &Surroundings,
    ) -> Result<Self, Refusal> {
        let cli = Cli::try_parse_from(arguments).map_err(refused)?;
        let action = match cli.command {
            Command::Scan(args) => Self::Scan(Box::new(scan(args, around)?)),
            Command::Merge(args) => Self::Merge(Box::new(merge(args, around)?)),
            Command::Diff(args) => Self::Diff(diff::config(args, around)),
            Command::Accounts(args) => Self::Accounts(Box::new(accounts(args, around)?)),
            Command::Top(args) => Self::Top(Box::new(top::config(*args, around)?)),
            Command::Account(args) => Self::Account(Box::new(account::config(*args, around)?)),
            Command::Rbac(args) => Self::Rbac(Box::new(rbac::config(*args, around)?)),
            Command::Inventory(args) => inventory::action(*args, around)?,
            Command::Alerts(args) => alerts::action(*args, around)?,
            Command::Metrics(args) => Self::Metrics(Box::new(metrics(args, around)?)),
            Command::Cron(args) => Self::Cron(Box::new(cron::config(*args, around)?)),
            Command::Suppress(args) => Self::Suppress(cron::suppress(args, around)?),
            Command::Query(args) => query::action(*args, around)?,
            Command::Export(args) => Self::Export(Box::new(query::export(*args, around)?)),
            Command::Schema(args) => query::schema(args, around)?,
            Command::Detectors(args) => Self::Detectors(output(args.output, around)),
            Command::Explain { id } => Self::Explain(id, around.stdout),
            Command::Completions { shell } => Self::Completions(shell),
            Command::Man { subcommand } => Self::Man(subcommand),
        };
        Ok(action)
    }
}

/// clap's words, but for whoever names a file where the command should be.
fn refused(error: clap::Error) -> Refusal {
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) if name.contains(['/', '.']) => {
            config::Error::new(format!("'{name}' is no command"))
                .hint(format!(
                    "to look for misuse in that file: satrail scan {name}"
                ))
                .into()
        }
        _ => Refusal::Clap(error),
    }
}

fn scan(args: ScanArgs, around: &Surroundings) -> Result<Config, config::Error> {
    if args.input.dedup && args.report.partial_state.is_some() {
        return Err(config::Error::new(
            "--dedup and --partial-state do not go together: a line that stands in two shards \
             cannot be removed when their states are merged",
        )
        .hint(
            "scan all of it at once with --dedup, or cut the shards so that they share no line",
        ));
    }
    let strict = args.input.strict;
    let progress = progress(&args.input, around);
    let options = scan_input(args.input, args.metrics, "scan", around)?;
    let inventory = args.dumps.beside(&options.paths)?;
    let mut output = report_output(args.output, around)?;
    output.look.detailed = args.verbose;
    let config = report(options, args.report, strict, progress, output)?;
    Ok(Config {
        inventory,
        ..config
    })
}

/// Metrics alone are read if only they are named: then standard input is no log.
pub(super) fn scan_input(
    args: InputArgs,
    metrics: ScrapeArgs,
    command: &str,
    around: &Surroundings,
) -> Result<Options, config::Error> {
    let alone = args.paths.is_empty() && !metrics.metrics.is_empty();
    let stdin = |paths: &[PathBuf]| paths.iter().any(|path| path.as_os_str() == "-");
    if stdin(&args.paths) && stdin(&metrics.metrics) {
        return Err(config::Error::new(
            "standard input cannot be both the audit log and the metrics",
        ));
    }
    let mut options = input(args, command, alone, around)?;
    options.metrics = metrics.metrics;
    options.scrape_hints = metrics.hints.into();
    Ok(options)
}

fn merge(args: MergeArgs, around: &Surroundings) -> Result<Config, config::Error> {
    let options = Options {
        paths: args.states,
        ..defaults(around)
    };
    report(
        options,
        args.report,
        args.strict,
        false,
        report_output(args.output, around)?,
    )
}

fn accounts(args: AccountsArgs, around: &Surroundings) -> Result<AccountsConfig, config::Error> {
    Ok(AccountsConfig {
        strict: args.input.strict,
        progress: progress(&args.input, around),
        options: input(args.input, "accounts", false, around)?,
        output: output(args.output, around),
        order: Order {
            key: args.sort,
            reverse: args.reverse,
            limit: args.limit,
        },
    })
}

fn metrics(args: MetricsArgs, around: &Surroundings) -> Result<MetricsConfig, config::Error> {
    let file = args.config.as_deref().map(ConfigFile::read).transpose()?;
    let ConfigFile {
        settings,
        exceptions,
    } = file.unwrap_or_default();
    Ok(MetricsConfig {
        destination: args.output.map_or(Destination::Stdout, Destination::named),
        top: args.top,
        history: args.openmetrics.then_some(args.step),
        strict: args.input.strict,
        progress: progress(&args.input, around),
        options: Options {
            settings,
            exceptions,
            ..input(args.input, "metrics", false, around)?
        },
    })
}

pub(super) fn defaults(around: &Surroundings) -> Options {
    Options {
        paths: Vec::new(),
        metrics: Vec::new(),
        scrape_hints: ScrapeHints::default(),
        threads: 0,
        format_in: None,
        limits: Limits {
            max_line_bytes: config::MAX_LINE_BYTES,
            ..Limits::default()
        },
        window: Window::default(),
        dedup: false,
        settings: crate::detect::Settings::default(),
        selection: Selection::default(),
        min_severity: Severity::Info,
        exceptions: Vec::new(),
        today: around.today,
    }
}

/// `none_is_fine`: something else is read than logs.
pub(super) fn input(
    args: InputArgs,
    command: &str,
    none_is_fine: bool,
    around: &Surroundings,
) -> Result<Options, config::Error> {
    let mut paths = args.paths;
    if paths.is_empty() && !none_is_fine {
        if around.stdin_is_terminal {
            let hint = format!(
                "name files or directories, such as 'satrail {command} /var/log/kubernetes/audit', \
                 or pipe a log into it"
            );
            return Err(config::Error::new("there is nothing to read").hint(hint));
        }
        paths.push(PathBuf::from("-"));
    }
    Ok(Options {
        paths,
        threads: args.threads.map_or(0, Into::into),
        format_in: args.format_in,
        limits: Limits {
            max_line_bytes: args.max_line_bytes,
            ..Limits::default()
        },
        window: window(args.since, args.until)?,
        dedup: args.dedup,
        ..defaults(around)
    })
}

fn report(
    options: Options,
    args: ReportArgs,
    strict: bool,
    progress: bool,
    output: ReportOutput,
) -> Result<Config, config::Error> {
    let file = args.config.as_deref().map(ConfigFile::read).transpose()?;
    let ConfigFile {
        settings,
        exceptions,
    } = file.unwrap_or_default();
    let partial_state = args.partial_state.map(Destination::named);
    let places = &output.places;
    if partial_state.is_some()
        && places
            .iter()
            .any(|(_, to)| partial_state.as_ref() == Some(to))
    {
        return Err(config::Error::new(
            "the report and the partial state cannot go to the same place",
        )
        .hint("give one of them its own file with --output or --partial-state"));
    }
    Ok(Config {
        options: Options {
            settings,
            exceptions,
            selection: selection(args.select, args.ignore)?,
            min_severity: args.min_severity,
            ..options
        },
        inventory: Vec::new(),
        output,
        judgement: Judgement {
            fail_on: args.fail_on,
            strict,
        },
        progress,
        partial_state,
    })
}

pub(super) fn output(args: OutputArgs, around: &Surroundings) -> Output {
    let mut output = Output::new(args.format, args.output, around.stdout);
    if output.format == Format::Table {
        output.destination = output.destination.paged(around.pager.as_ref());
    }
    output
}

pub(super) fn report_output(
    args: ReportOutputArgs,
    around: &Surroundings,
) -> Result<ReportOutput, config::Error> {
    let mut output = ReportOutput::new(args.format, args.output, args.output_dir, around.stdout)?;
    let pager = around.pager.as_ref();
    output.places = (output.places.into_iter())
        .map(|(format, to)| match format {
            ReportFormat::Table | ReportFormat::Markdown => (format, to.paged(pager)),
            _ => (format, to),
        })
        .collect();
    Ok(output)
}

pub(super) const fn progress(args: &InputArgs, around: &Surroundings) -> bool {
    around.stderr_is_terminal && !args.no_progress
}

#[cfg(test)]
mod tests;
