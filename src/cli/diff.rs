//! `satrail diff`: what can be typed.

use std::path::PathBuf;

use clap::Args;

use crate::config::{DiffConfig, FailOn};

use super::{
    Surroundings,
    action::output,
    arguments::{OutputArgs, fail_on},
};

pub(super) const EXAMPLES: &str = "\
Example:
  satrail scan --format json -o monday.json DIR
  satrail scan --format json -o tuesday.json DIR
  satrail diff monday.json tuesday.json

A finding is the same if its fingerprint is. It has grown if it is graver, or counts more requests.

Exit codes:
  0  nothing new or grown is at or above --fail-on
  1  something is
  2  usage error, unreadable report, failed output";

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The earlier report, as JSON
    #[arg(value_name = "OLD.json")]
    old: PathBuf,
    /// The later report, as JSON
    #[arg(value_name = "NEW.json")]
    new: PathBuf,
    /// Exit with 1 if what is new or grown is at least this severe
    #[arg(long, value_name = "SEVERITY", default_value = "high", value_parser = fail_on())]
    fail_on: FailOn,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn config(args: DiffArgs, around: &Surroundings) -> DiffConfig {
    DiffConfig {
        old: args.old,
        new: args.new,
        output: output(args.output, around),
        fail_on: args.fail_on,
    }
}
