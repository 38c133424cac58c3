//! The arguments of the subcommands, with their help.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    config::{self, FailOn, MAX_LINE_BYTES, parse_bound, parse_size, parse_step, parse_threads},
    event::Dialect,
    finding::{Severity, Timestamp},
    metric::ScrapeHints,
    output::{Format, ReportFormat},
    pipeline::{Bound, SortKey, TOP},
};

pub(super) const SCAN_EXAMPLES: &str = "\
Examples:
  satrail scan /var/log/kubernetes/audit    a directory, .gz and .zst included
  satrail scan 'audit-2026-01-*.log.gz'     a glob
  kubectl logs POD | satrail scan           a pipe
  satrail scan DIR --metrics scrapes        audit logs and kube-apiserver's metrics
  satrail scan --since 24h --min-severity medium DIR
  satrail scan --fail-on critical --format json -o report.json DIR
  satrail scan -o report.html DIR           a page with charts, in one file
  satrail scan --inventory dump.json DIR    with the pods and bindings behind each finding

  On many machines, then in one place:
  satrail scan --partial-state node1.state DIR
  satrail merge *.state

Exit codes:
  0  nothing reported is at or above --fail-on
  1  a finding is
  2  usage error, unreadable input, failed output; with --strict also bad
     lines and files cut short
Reported is what --select, --ignore, --min-severity and exceptions leave.

satrail.toml:
  [[exceptions]]                    # looked at and accepted: leaves the report until a day
  detector = \"legacy-token\"         # or \"*\"
  account = \"ci/*\"                  # namespace/name
  severity-at-most = \"medium\"       # optional: worse ones are still reported
  reason = \"OPS-123: moves to projected tokens\"
  owner = \"team-ci\"                 # optional: who answers for it
  expires = 2027-01-31              # its last day
                                    # or one finding: fingerprint = \"...\" for detector and account

  [[allow]]                         # does by design what others should not: lowers severity
  detector = \"secret-listing\"
  account = \"monitoring/prometheus\"
  user-agents = [\"Prometheus/*\"]    # optional
  reason = \"service discovery\"";

pub(super) const MERGE_EXAMPLES: &str = "\
Example:
  satrail scan --partial-state node1.state DIR         on each node
  satrail merge node1.state node2.state node3.state    in one place

--since and --until are decided when the states are made. --dedup cannot be: lines that two
machines both hold are not told apart afterwards.";

pub(super) const ACCOUNTS_EXAMPLES: &str = "\
Examples:
  satrail accounts --sort peak --limit 10 /var/log/kubernetes/audit
  satrail accounts --format json DIR |
    jq '.accounts[] | select(.secrets.distinct > 0)'";

pub(super) const METRICS_EXAMPLES: &str = "\
Examples:
  satrail metrics -o /var/lib/node_exporter/satrail.prom DIR
                                                  for the node exporter's textfile collector
  satrail metrics --openmetrics -o satrail.om DIR
  promtool tsdb create-blocks-from openmetrics satrail.om PROMETHEUS_DATA
                                                  fills a Prometheus with what the logs still hold";

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  satrail completions bash > /etc/bash_completion.d/satrail
  satrail completions zsh > ~/.zfunc/_satrail
  satrail completions fish > ~/.config/fish/completions/satrail.fish";

#[derive(Debug, Args)]
pub(super) struct ScanArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
    #[command(flatten)]
    pub(super) metrics: ScrapeArgs,
    #[command(flatten)]
    pub(super) dumps: DumpArgs,
    #[command(flatten)]
    pub(super) report: ReportArgs,
    #[command(flatten)]
    pub(super) output: ReportOutputArgs,
    /// In a table: also each finding's evidence, steps and id, and which forms of log each file holds
    #[arg(long, short, help_heading = "Output")]
    pub(super) verbose: bool,
}

#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// Files written by --partial-state
    #[arg(value_name = "STATE", required = true)]
    pub(super) states: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) report: ReportArgs,
    #[command(flatten)]
    pub(super) output: ReportOutputArgs,
    /// Make bad lines and files cut short an error (exit code 2)
    #[arg(long, help_heading = "Findings")]
    pub(super) strict: bool,
}

#[derive(Debug, Args)]
pub(super) struct AccountsArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
    /// Sort by this: counts and times with the largest first, `first` and `name` upwards
    #[arg(long, value_name = "KEY", help_heading = "Rows", default_value = "requests", value_parser = sort_key())]
    pub(super) sort: SortKey,
    /// Sort the other way round
    #[arg(long, help_heading = "Rows")]
    pub(super) reverse: bool,
    /// Show no more than N accounts
    #[arg(long, value_name = "N", help_heading = "Rows")]
    pub(super) limit: Option<usize>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct MetricsArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,
    /// Write the whole history with times, in the OpenMetrics format, instead of the present values
    #[arg(long)]
    pub(super) openmetrics: bool,
    /// With --openmetrics: at least one point every SPAN, beside one for each change; less than 5m
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = parse_step, requires = "openmetrics")]
    pub(super) step: u32,
    /// Name the N ServiceAccounts with the most requests; the others are summed as `_other`
    #[arg(long, value_name = "N", default_value_t = TOP)]
    pub(super) top: usize,
    /// Read thresholds, allow-list and exceptions from this file; none is read without
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Write to FILE instead of standard output: it appears whole or not at all
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct DetectorsArgs {
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// What is read, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(super) struct InputArgs {
    /// Files, directories (recursive) or globs; `-` or nothing: standard input
    #[arg(value_name = "PATH", help_heading = None)]
    pub(super) paths: Vec<PathBuf>,
    /// Count events from then on: RFC 3339, or a span such as 24h before the newest event
    #[arg(long, value_name = "T", value_parser = parse_bound)]
    pub(super) since: Option<Bound>,
    /// Count events before then: RFC 3339, or a span such as 90m before the newest event
    #[arg(long, value_name = "T", value_parser = parse_bound)]
    pub(super) until: Option<Bound>,
    /// Count a line that was delivered twice (rotated and live copy, shipper that retries) only once
    #[arg(long)]
    pub(super) dedup: bool,
    /// Make bad lines and files cut short an error (exit code 2)
    #[arg(long)]
    pub(super) strict: bool,
    /// Skip longer lines; they are counted and named
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    pub(super) max_line_bytes: u64,
    /// Take what is wrapped to be of this form (see docs/formats.md) [default: told by content, record
    /// by record]
    #[arg(long, value_name = "NAME", value_parser = dialect())]
    pub(super) format_in: Option<Dialect>,
    /// Use N threads [default: one per core]; the result is the same for any N
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    pub(super) threads: Option<NonZeroUsize>,
    /// Show no progress bar; without a terminal there is none anyway
    #[arg(long)]
    pub(super) no_progress: bool,
}

/// Which metrics are read, and what they do not say themselves.
#[derive(Debug, Args)]
#[command(next_help_heading = "Metrics")]
pub(super) struct ScrapeArgs {
    /// Also read scrapes of kube-apiserver's /metrics, or answers of the Prometheus API: files,
    /// directories, globs or `-`; without PATH, nothing else is read
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(super) metrics: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) hints: HintArgs,
}

/// Dumps of the cluster that the log is from.
#[derive(Debug, Args)]
pub(super) struct DumpArgs {
    /// Also read this dump of the cluster (`kubectl get sa,secrets,pods,roles,rolebindings,clusterroles,
    /// clusterrolebindings -A -o json`): a file, a directory or a glob; may be given several times
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub(super) inventory: Vec<PathBuf>,
}

impl DumpArgs {
    /// The dumps, if they and the log are not the same stream.
    pub(super) fn beside(self, logs: &[PathBuf]) -> Result<Vec<PathBuf>, config::Error> {
        let stdin = |paths: &[PathBuf]| paths.iter().any(|path| path.as_os_str() == "-");
        if stdin(&self.inventory) && stdin(logs) {
            return Err(config::Error::new(
                "standard input cannot be both the dump and the audit log",
            ));
        }
        Ok(self.inventory)
    }
}

/// What scrapes do not say themselves.
#[derive(Debug, Args)]
pub(super) struct HintArgs {
    /// Take scrapes to be of this time (RFC 3339) [default: their samples' times, else that in the
    /// file's name, else the file's]
    #[arg(long, value_name = "T", requires = "metrics")]
    scrape_time: Option<Timestamp>,
    /// Take scrapes to be of this instance [default: their label `instance`, else what the file's name
    /// begins with]
    #[arg(long, value_name = "NAME", requires = "metrics")]
    instance: Option<String>,
}

impl From<HintArgs> for ScrapeHints {
    fn from(args: HintArgs) -> Self {
        Self {
            time: args.scrape_time,
            instance: args.instance,
        }
    }
}

/// What is reported, and what the exit code says of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Findings")]
pub(super) struct ReportArgs {
    /// Exit with 1 if a reported finding is at least this severe
    #[arg(long, value_name = "SEVERITY", default_value = "high", value_parser = fail_on())]
    pub(super) fail_on: FailOn,
    /// Report nothing milder
    #[arg(long, value_name = "SEVERITY", default_value = "info", value_parser = severity())]
    pub(super) min_severity: Severity,
    /// Run only these detectors (see `satrail detectors`)
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    pub(super) select: Vec<String>,
    /// Do not run these detectors
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    pub(super) ignore: Vec<String>,
    /// Read thresholds, allow-list and exceptions from this file; none is read without
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Also write the mergeable state for `satrail merge`; not with --dedup
    #[arg(long, value_name = "FILE")]
    pub(super) partial_state: Option<PathBuf>,
}

/// Where the result goes, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Write this format [default: by the extension of --output (.json, .jsonl), else table]
    #[arg(long, value_name = "FORMAT", value_parser = format())]
    pub(super) format: Option<Format>,
    /// Write to FILE instead of standard output: it appears whole or not at all
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// Where a report goes, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct ReportOutputArgs {
    /// Write this format [default: by the name of --output (.json, .html, ...), else table]; several with
    /// --output-dir
    #[arg(long, value_name = "FORMAT", value_parser = report_format())]
    pub(super) format: Vec<ReportFormat>,
    /// Write to FILE instead of standard output: it appears whole or not at all
    #[arg(long, short, value_name = "FILE", conflicts_with = "output_dir")]
    pub(super) output: Option<PathBuf>,
    /// Write each --format into this directory, as report.html, report.json and so on
    #[arg(long, value_name = "DIR")]
    pub(super) output_dir: Option<PathBuf>,
}

/// One of several names, each with its value.
pub(super) fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [(&'static str, T); N],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.map(|(name, _)| name)).try_map(move |text| {
        let found = all.iter().find(|(name, _)| *name == text);
        found.map(|&(_, value)| value).ok_or("no such value")
    })
}

pub(super) fn dialect() -> impl TypedValueParser<Value = Dialect> {
    let names = Dialect::ALL.iter().map(|dialect| dialect.name());
    PossibleValuesParser::new(names.collect::<Vec<_>>()).try_map(|text| {
        let found = Dialect::ALL.iter().find(|dialect| dialect.name() == text);
        found.copied().ok_or("no such form")
    })
}

pub(super) fn format() -> impl TypedValueParser<Value = Format> {
    one_of(Format::ALL)
}

fn report_format() -> impl TypedValueParser<Value = ReportFormat> {
    one_of(ReportFormat::ALL)
}

fn sort_key() -> impl TypedValueParser<Value = SortKey> {
    one_of(SortKey::ALL)
}

pub(super) fn severity() -> impl TypedValueParser<Value = Severity> {
    one_of(Severity::ALL.map(|severity| (severity.as_str(), severity)))
}

pub(super) fn fail_on() -> impl TypedValueParser<Value = FailOn> {
    let [info, low, medium, high, critical] =
        Severity::ALL.map(|severity| (severity.as_str(), FailOn::At(severity)));
    one_of([info, low, medium, high, critical, ("never", FailOn::Never)])
}

const _: () = assert!(
    MAX_LINE_BYTES == 64 << 20,
    "the default of --max-line-bytes says so"
);
