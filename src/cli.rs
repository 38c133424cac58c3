//! The command line: what can be typed, and how it becomes what the commands need.
//!
//! The only place that knows clap. [`Surroundings`] is the only place that looks at the environment.

mod alerts;
mod arguments;
mod rbac;
mod cron;
mod account;
mod top;
mod diff;
mod inventory;
mod query;
mod surroundings;
mod action;
mod facts;
mod shell;

pub use action::{Action, Refusal};
pub use shell::{completions, man};
pub use surroundings::Surroundings;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use arguments::{AccountsArgs, DetectorsArgs, MergeArgs, MetricsArgs, ScanArgs};

/// Find misused Kubernetes ServiceAccounts in kube-apiserver audit logs and metrics
///
/// satrail reads audit logs and scrapes of metrics, says which ServiceAccounts are misused, by whom, since
/// when, and what to do about it, and writes the alert rules that catch it next time. It needs the files
/// and nothing else: no cluster access, no network.
#[derive(Debug, Parser)]
#[command(name = "satrail", version, long_version = facts::of_the_build(), arg_required_else_help = true, after_help = TOP_EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const TOP_EXAMPLES: &str = "\
Examples:
  satrail scan /var/log/kubernetes/audit          what is wrong, as a table
  satrail scan --format json -o report.json *.gz  the same for programs
  satrail scan -o report.html *.gz                the same as a page for a browser
  satrail accounts /var/log/kubernetes/audit      who does what
  satrail account shop/web DIR                    all about one of them
  satrail rbac --account shop/web DIR             the role that an account needs
  satrail query who-lists-secrets DIR             SQL over the log
  satrail explain secret-listing                  what a detector looks for

Exit codes:
  0  nothing reported is at or above --fail-on (default: high)
  1  a finding is
  2  usage error, unreadable input, failed output; with --strict also bad
     lines and files cut short";

#[derive(Debug, Subcommand)]
enum Command {
    /// Look for misuse in audit logs
    #[command(after_help = arguments::SCAN_EXAMPLES)]
    Scan(ScanArgs),
    /// Put partial states together into the report of one scan
    #[command(after_help = arguments::MERGE_EXAMPLES)]
    Merge(MergeArgs),
    /// Say what is new, grown and resolved from one JSON report to a later one
    #[command(after_help = diff::EXAMPLES)]
    Diff(diff::DiffArgs),
    /// Show one row per ServiceAccount: what it did, and from where
    #[command(after_help = arguments::ACCOUNTS_EXAMPLES)]
    Accounts(AccountsArgs),
    /// Rank accounts, users, namespaces, resources, verbs, agents, addresses or codes by requests
    #[command(after_help = top::EXAMPLES)]
    Top(Box<top::TopArgs>),
    /// Say what a cluster's accounts are given, have and never use, from a dump and an audit log
    #[command(after_help = inventory::EXAMPLES)]
    Inventory(Box<inventory::InventoryArgs>),
    /// Write metrics per ServiceAccount for Prometheus
    #[command(after_help = arguments::METRICS_EXAMPLES)]
    Metrics(MetricsArgs),
    /// Show the life of one ServiceAccount: what it did, from where, with which tokens, and what to do
    #[command(after_help = account::EXAMPLES)]
    Account(Box<account::AccountArgs>),
    /// Write the smallest roles that allow what ServiceAccounts did
    #[command(after_help = rbac::EXAMPLES)]
    Rbac(Box<rbac::RbacArgs>),
    /// Make Prometheus alert rules that can fire, with unit tests that prove it; or check rules
    #[command(after_help = alerts::EXAMPLES)]
    Alerts(Box<alerts::AlertsArgs>),
    /// Follow a log from run to run: read what is new, say what is new, what goes on and what is over
    #[command(after_help = cron::EXAMPLES)]
    Cron(Box<cron::CronArgs>),
    /// Say which findings of `satrail cron` are not to be reported again, until when, and who answers for it
    #[command(after_help = cron::SUPPRESS_EXAMPLES)]
    Suppress(cron::SuppressArgs),
    /// Run SQL over audit events, findings and samples
    #[command(after_help = query::EXAMPLES)]
    Query(Box<query::QueryArgs>),
    /// Write the tables of `satrail query` as Parquet, for any engine
    #[command(after_help = query::EXPORT_EXAMPLES)]
    Export(Box<query::ExportArgs>),
    /// Print the tables of `satrail query`: their columns, types and meaning
    #[command(after_help = query::SCHEMA_EXAMPLES)]
    Schema(query::SchemaArgs),
    /// List what satrail looks for
    Detectors(DetectorsArgs),
    /// Print one detector's documentation
    #[command(after_help = "Example:\n  satrail explain secret-listing")]
    Explain {
        /// The detector's id, as in `satrail detectors`
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Print a completion script
    #[command(after_help = arguments::COMPLETIONS_EXAMPLES)]
    Completions {
        /// For which shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print a manual page
    #[command(
        after_help = "Examples:\n  satrail man | man -l -\n  satrail man scan > satrail-scan.1"
    )]
    Man {
        /// Of this subcommand; without: of satrail
        #[arg(value_name = "SUBCOMMAND")]
        subcommand: Option<String>,
    },
}
