//! The arguments of `satrail inventory`, and what becomes of them.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use crate::{
    config::{self, FailOn, InventoryConfig, Judgement, parse_bound, parse_threads, window},
    output::Format,
    pipeline::{Bound, Options},
};

use super::{
    Action, Surroundings,
    action::defaults,
    arguments::{fail_on, format},
};

pub(super) const EXAMPLES: &str = "\
Take a dump (any subset of the kinds will do; in one file or several, plain, .gz or .zst):
  kubectl get sa,secrets,pods,roles,rolebindings,clusterroles,clusterrolebindings -A -o json > dump.json

The data of Secrets is never needed and never looked at. Leave it out of the dump:
  kubectl get secrets -A -o json |
    jq 'del(.items[].data, .items[].metadata.annotations.\"kubectl.kubernetes.io/last-applied-configuration\")' > secrets.json

Examples:
  satrail inventory dump.json                          what the cluster grants, mounts and keeps
  satrail inventory dump.json /var/log/kubernetes/audit
                                                       and what of it nobody uses
  satrail inventory dumps/ --audit audit.log.gz --output fixes/
                                                       with manifests to look at and to apply
  satrail inventory dump.json audit.log --format json |
    jq '.legacy_tokens[] | select(.verdict == \"safe-to-delete\") | .secret.name'

Exit codes:
  0  no issue is at or above --fail-on
  1  an issue is
  2  usage error, unreadable input, failed output; with --strict also objects
     that were left out, bad lines and files cut short";

#[derive(Debug, Args)]
pub(super) struct InventoryArgs {
    /// Dumps (`kubectl get ... -o json`) and audit logs, told apart by their content: files, directories
    /// (recursive) or globs; `-`: a dump on standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Read these as audit logs, whatever they look like
    #[arg(long, value_name = "PATH", num_args = 1.., help_heading = "Input")]
    audit: Vec<PathBuf>,
    /// Count events from then on: RFC 3339, or a span such as 24h before the newest event
    #[arg(long, value_name = "T", value_parser = parse_bound, help_heading = "Input")]
    since: Option<Bound>,
    /// Count events before then: RFC 3339, or a span such as 90m before the newest event
    #[arg(long, value_name = "T", value_parser = parse_bound, help_heading = "Input")]
    until: Option<Bound>,
    /// Make objects that are left out, bad lines and files cut short an error (exit code 2)
    #[arg(long, help_heading = "Input")]
    strict: bool,
    /// Use N threads [default: one per core]; the result is the same for any N
    #[arg(long, value_name = "N", value_parser = parse_threads, help_heading = "Input")]
    threads: Option<NonZeroUsize>,
    /// Show no progress bar; without a terminal there is none anyway
    #[arg(long, help_heading = "Input")]
    no_progress: bool,
    /// Exit with 1 if an issue is at least this severe
    #[arg(long, value_name = "SEVERITY", default_value = "high", value_parser = fail_on(), help_heading = "Output")]
    fail_on: FailOn,
    /// Write the report as this to standard output
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = format(), help_heading = "Output")]
    format: Format,
    /// Show every row of the table; JSON always has them all
    #[arg(long, visible_alias = "verbose", help_heading = "Output")]
    all: bool,
    /// Also write manifests that mend what was found into DIR; satrail applies nothing
    #[arg(long, short, value_name = "DIR", help_heading = "Output")]
    output: Option<PathBuf>,
}

pub(super) fn action(args: InventoryArgs, around: &Surroundings) -> Result<Action, config::Error> {
    let stdin = |paths: &[PathBuf]| paths.iter().any(|path| path.as_os_str() == "-");
    if stdin(&args.files) && stdin(&args.audit) {
        return Err(config::Error::new(
            "standard input cannot be both the dump and the audit log",
        ));
    }
    Ok(Action::Inventory(Box::new(InventoryConfig {
        files: args.files,
        options: Options {
            paths: args.audit,
            threads: args.threads.map_or(0, Into::into),
            window: window(args.since, args.until)?,
            ..defaults(around)
        },
        format: args.format,
        look: around.stdout,
        all: args.all,
        manifests: args.output,
        judgement: Judgement {
            fail_on: args.fail_on,
            strict: args.strict,
        },
        progress: around.stderr_is_terminal && !args.no_progress,
    })))
}
