//! `satrail cron` and `satrail suppress`: what can be typed.

use std::{fs, num::NonZeroUsize, path::PathBuf, time::Duration};

use chrono::NaiveDate;
use clap::Args;

use crate::{
    checkpoint::{Plan, Suppression},
    config::{
        self, ConfigFile, CronConfig, Delivery, FailOn, Judgement, SuppressConfig, parse_days,
        parse_duration, parse_size, parse_threads, selection,
    },
    deliver::Alertmanager,
    event::Dialect,
    finding::Severity,
    output::{Destination, HOLD},
    pipeline::{Options, TOP},
    source::Limits,
};

use super::{
    Surroundings,
    action::{defaults, report_output},
    arguments::{HintArgs, ReportOutputArgs, dialect, fail_on, severity},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  satrail cron /var/log/kubernetes/audit --state /var/lib/satrail/state --new
  satrail cron DIR --state FILE --metrics-out /var/lib/node_exporter/textfile/satrail.prom
  satrail cron DIR --state FILE --alertmanager http://localhost:9093

Name the directory, so that rotated files are found. See docs/cron.md.";

pub(super) const SUPPRESS_EXAMPLES: &str = "\
Examples:
  satrail suppress --state FILE                      list what is suppressed
  satrail suppress --state FILE 3f2a..c4 --until 2027-01-31 --reason 'OPS-12' --owner team-ci
  satrail suppress --state FILE --remove 3f2a..c4";

#[derive(Debug, Args)]
pub(super) struct CronArgs {
    /// Files, directories (recursive) or globs
    #[arg(value_name = "PATH", required = true, help_heading = None)]
    paths: Vec<PathBuf>,
    /// What is kept from run to run; made by the first one
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Forget what arrived more than so many days before the newest event
    #[arg(long, value_name = "SPAN", default_value = "30d", value_parser = parse_days)]
    retention: u32,
    /// Call a finding over when nothing of it has happened for so long, by the log's own time
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = parse_duration)]
    resolved_after: Duration,
    #[command(flatten)]
    input: CronInputArgs,
    #[command(flatten)]
    scrapes: CronScrapeArgs,
    #[command(flatten)]
    findings: CronFindingArgs,
    #[command(flatten)]
    output: ReportOutputArgs,
    /// Report only what is new or over since the last run
    #[arg(long, help_heading = "Output")]
    new: bool,
    /// Also write satrail_* metrics for the node exporter's textfile collector
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    metrics_out: Option<PathBuf>,
    /// Name the N ServiceAccounts with the most requests in the metrics; the others are summed
    #[arg(long, value_name = "N", default_value_t = TOP, help_heading = "Output")]
    top: usize,
    /// Also write every finding with its status, one JSON object a line
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    findings_out: Option<PathBuf>,
    /// Also write Prometheus rules that fit what the state holds, with their tests
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    rules_out: Option<PathBuf>,
    #[command(flatten)]
    alertmanager: AlertmanagerArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
struct CronInputArgs {
    /// Make bad lines and files cut short an error (exit code 2)
    #[arg(long)]
    strict: bool,
    /// Skip longer lines; they are counted and named
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    max_line_bytes: u64,
    /// Take what is wrapped to be of this form (see docs/formats.md) [default: told by content, record
    /// by record]
    #[arg(long, value_name = "NAME", value_parser = dialect())]
    format_in: Option<Dialect>,
    /// Use N threads [default: one per core]; the result is the same for any N
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    threads: Option<NonZeroUsize>,
    /// Show no progress bar; without a terminal there is none anyway
    #[arg(long)]
    no_progress: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Metrics")]
struct CronScrapeArgs {
    /// Also read scrapes of kube-apiserver's /metrics: files, directories or globs. Each content is read once
    #[arg(long, value_name = "PATH", num_args = 1..)]
    metrics: Vec<PathBuf>,
    #[command(flatten)]
    hints: HintArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Findings")]
struct CronFindingArgs {
    /// Exit with 1 if a finding that is new in this run is at least this severe
    #[arg(long, value_name = "SEVERITY", default_value = "high", value_parser = fail_on())]
    fail_on: FailOn,
    /// Report nothing milder
    #[arg(long, value_name = "SEVERITY", default_value = "info", value_parser = severity())]
    min_severity: Severity,
    /// Run only these detectors (see `satrail detectors`)
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    select: Vec<String>,
    /// Do not run these detectors
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Read thresholds, allow-list and exceptions from this file; none is read without
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Alertmanager")]
struct AlertmanagerArgs {
    /// Also post findings to this Alertmanager: http(s)://[user:password@]host:port[/prefix]
    #[arg(long, value_name = "URL")]
    alertmanager: Option<String>,
    /// Post nothing milder
    #[arg(long, value_name = "SEVERITY", default_value = "medium", value_parser = severity(), requires = "alertmanager")]
    alert_severity: Severity,
    /// Let an alert live for so long unless a run posts it again
    #[arg(long, value_name = "SPAN", value_parser = parse_duration, requires = "alertmanager")]
    alert_hold: Option<Duration>,
    /// Give every alert this label, such as cluster=prod; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_label, requires = "alertmanager")]
    alert_label: Vec<(String, String)>,
    /// Send the bearer token that this file holds
    #[arg(long, value_name = "FILE", requires = "alertmanager")]
    alert_token_file: Option<PathBuf>,
    /// Trust the certificates in this file (PEM) and no others
    #[arg(long, value_name = "FILE", requires = "alertmanager")]
    alert_ca_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct SuppressArgs {
    /// The state of `satrail cron`
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Findings that are not to be reported, by fingerprint
    #[arg(value_name = "FINGERPRINT", value_parser = parse_fingerprint)]
    fingerprints: Vec<String>,
    /// The last day on which they are suppressed (UTC): 2027-01-31
    #[arg(long, value_name = "DAY", required_unless_present_any = ["remove", "list"], requires = "fingerprints")]
    until: Option<NaiveDate>,
    /// Why
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["remove", "list"], requires = "fingerprints")]
    reason: Option<String>,
    /// Who answers for it
    #[arg(long, value_name = "WHO", required_unless_present_any = ["remove", "list"], requires = "fingerprints")]
    owner: Option<String>,
    /// Report it all the same if it gets worse than this
    #[arg(long, value_name = "SEVERITY", default_value = "high", value_parser = severity())]
    severity_at_most: Severity,
    /// No longer suppress this one; may be given several times
    #[arg(long, value_name = "FINGERPRINT", value_parser = parse_fingerprint, conflicts_with = "fingerprints")]
    remove: Vec<String>,
    /// List what is suppressed, as is also done after every change
    #[arg(long, conflicts_with_all = ["fingerprints", "remove"])]
    list: bool,
}

/// Everything that `satrail cron` needs.
pub(super) fn config(args: CronArgs, around: &Surroundings) -> Result<CronConfig, config::Error> {
    let stream = |path: &PathBuf| path.as_os_str() == "-";
    if args.paths.iter().chain(&args.scrapes.metrics).any(stream) {
        return Err(config::Error::new(
            "standard input cannot be followed from run to run",
        )
        .hint("name the files or their directory; for a stream there is 'satrail scan --partial-state'"));
    }
    let file = args.findings.config.as_deref().map(ConfigFile::read);
    let ConfigFile {
        settings,
        exceptions,
    } = file.transpose()?.unwrap_or_default();
    let output = report_output(args.output, around)?;
    let outputs = [&args.metrics_out, &args.findings_out, &args.rules_out];
    let mut outputs: Vec<PathBuf> = outputs.into_iter().flatten().cloned().collect();
    outputs.extend(output.files().cloned());
    let (metrics_out, findings_out) = (args.metrics_out, args.findings_out);
    Ok(CronConfig {
        options: Options {
            paths: args.paths,
            metrics: args.scrapes.metrics,
            scrape_hints: args.scrapes.hints.into(),
            threads: args.input.threads.map_or(0, Into::into),
            format_in: args.input.format_in,
            limits: Limits {
                max_line_bytes: args.input.max_line_bytes,
                ..Limits::default()
            },
            settings,
            exceptions,
            selection: selection(args.findings.select, args.findings.ignore)?,
            min_severity: args.findings.min_severity,
            ..defaults(around)
        },
        plan: Plan {
            state: args.state,
            retention_days: args.retention,
            resolved_after: args.resolved_after,
            top: args.top,
            outputs,
        },
        output,
        only_news: args.new,
        metrics_out: metrics_out.map(Destination::named),
        findings_out: findings_out.map(Destination::named),
        rules_out: args.rules_out,
        alertmanager: delivery(args.alertmanager)?,
        judgement: Judgement {
            fail_on: args.findings.fail_on,
            strict: args.input.strict,
        },
        progress: around.stderr_is_terminal && !args.input.no_progress,
    })
}

fn delivery(args: AlertmanagerArgs) -> Result<Option<Delivery>, config::Error> {
    let Some(url) = args.alertmanager else {
        return Ok(None);
    };
    let read = |path: &PathBuf| {
        fs::read(path)
            .map_err(|why| config::Error::new(format!("cannot read {}: {why}", path.display())))
    };
    let token = args.alert_token_file.as_ref().map(read).transpose()?;
    let token = token.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let authorities = args.alert_ca_file.as_ref().map(read).transpose()?;
    let to = Alertmanager::new(&url, token.as_deref(), authorities.as_deref());
    Ok(Some(Delivery {
        to: to.map_err(|error| config::Error::new(error.to_string()))?,
        min_severity: args.alert_severity,
        hold: args.alert_hold.unwrap_or(HOLD),
        labels: args.alert_label,
    }))
}

/// Everything that `satrail suppress` needs.
pub(super) fn suppress(
    args: SuppressArgs,
    around: &Surroundings,
) -> Result<SuppressConfig, config::Error> {
    let SuppressArgs {
        until,
        reason,
        owner,
        severity_at_most,
        ..
    } = args;
    let put = args.fingerprints.into_iter().filter_map(|fingerprint| {
        Some(Suppression {
            fingerprint,
            reason: reason.clone()?,
            owner: owner.clone()?,
            expires: until?,
            severity_at_most,
        })
    });
    let put: Vec<_> = put.collect();
    if let Some(past) = put
        .iter()
        .find(|suppression| suppression.expires < around.today)
    {
        return Err(config::Error::new(format!(
            "--until {} is over: nothing would be suppressed",
            past.expires
        )));
    }
    Ok(SuppressConfig {
        state: args.state,
        put,
        remove: args.remove,
        today: around.today,
    })
}

fn parse_fingerprint(text: &str) -> Result<String, String> {
    let is_one = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if is_one {
        Ok(text.to_owned())
    } else {
        Err(
            "a fingerprint has 32 hexadecimal digits; it stands in the JSON of the finding"
                .to_owned(),
        )
    }
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| "a label is written NAME=VALUE".to_owned())?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name {
        Ok((name.to_owned(), value.to_owned()))
    } else {
        Err("the name of a label has letters, digits and underscores only".to_owned())
    }
}
