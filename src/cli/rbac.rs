//! The arguments of `satrail rbac`, and what becomes of them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{
    config::{self, RbacConfig, parse_account},
    output::ManifestFormat,
    permission::{NAMES_KEPT, NAMESPACES_KEPT},
    pipeline::AccountPattern,
    rbac::Widening,
};

use super::{
    Surroundings,
    action::{input, progress},
    arguments::{DumpArgs, InputArgs, one_of},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  satrail rbac --account shop/web DIR           what one account needs, as YAML
  satrail rbac --account 'ops/*' DIR | kubectl diff -f -
  satrail rbac --output roles DIR               a file for each account
  satrail rbac --account shop/web --inventory dump.json DIR
                                                with the bindings that these would replace
  satrail rbac --expand-verbs --expand-multi-name --expand-multi-namespace DIR
                                                as wide as audit2rbac does it

Granted is what was allowed. A log shows what happened while it was written: look at what
runs seldom before you take permissions away. docs/rbac.md says what counts as used.";

#[derive(Debug, Args)]
pub(super) struct RbacArgs {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    dumps: DumpArgs,
    /// Only this account, NAMESPACE/NAME; * stands for any characters; may be given several times
    #[arg(long, value_name = "ACCOUNT", value_parser = parse_account, help_heading = "Roles")]
    account: Vec<AccountPattern>,
    /// Restrict a rule to the names used (resourceNames) only while they are no more than N; without N:
    /// to one name only [default: 10]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1", value_parser = clap::value_parser!(u16).range(0..=NAMES_KEPT as i64), help_heading = "Roles")]
    expand_multi_name: Option<u16>,
    /// Grant in all namespaces what was used in more than N; without N: in more than one [default: 64]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1", value_parser = clap::value_parser!(u16).range(0..=NAMESPACES_KEPT as i64), help_heading = "Roles")]
    expand_multi_namespace: Option<u16>,
    /// Let verbs imply others: list and watch each other and get (read), update and patch each other and
    /// get (write); without VERBS: both
    #[arg(long, value_name = "VERBS", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "read,write", help_heading = "Roles")]
    expand_verbs: Vec<Verbs>,
    /// Write YAML, or JSON
    #[arg(long, value_name = "FORMAT", value_parser = one_of(ManifestFormat::ALL), default_value = "yaml", help_heading = "Output")]
    format: ManifestFormat,
    /// Write a file for each account into DIR (made if missing) instead of standard output
    #[arg(long, short, value_name = "DIR", help_heading = "Output")]
    output: Option<PathBuf>,
}

/// Which verbs imply others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Verbs {
    Read,
    Write,
}

/// What is to be done.
pub(super) fn config(args: RbacArgs, around: &Surroundings) -> Result<RbacConfig, config::Error> {
    let narrow = Widening::default();
    let (strict, progress) = (args.input.strict, progress(&args.input, around));
    let options = input(args.input, "rbac", false, around)?;
    Ok(RbacConfig {
        strict,
        progress,
        inventory: args.dumps.beside(&options.paths)?,
        options,
        accounts: args.account,
        widening: Widening {
            names: args.expand_multi_name.map_or(narrow.names, Into::into),
            namespaces: args
                .expand_multi_namespace
                .map_or(narrow.namespaces, Into::into),
            read_verbs: args.expand_verbs.contains(&Verbs::Read),
            write_verbs: args.expand_verbs.contains(&Verbs::Write),
        },
        format: args.format,
        directory: args.output,
    })
}
