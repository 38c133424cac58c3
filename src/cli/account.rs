//! The arguments of `satrail account`, and what becomes of them.

use std::path::PathBuf;

use clap::Args;

use crate::{
    config::{self, AccountConfig, ConfigFile, parse_account},
    pipeline::{AccountPattern, Options},
};

use super::{
    Surroundings,
    action::{input, output, progress},
    arguments::{DumpArgs, InputArgs, OutputArgs},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  satrail account shop/web DIR                     the life of one account on a page
  satrail account shop/web --account 'ops/*' DIR   of several
  satrail account shop/web DIR --inventory dump.json
                                                   with its pods, bindings and unused rights
  satrail account shop/web --format json DIR | jq '.accounts[0].pods.values'
                                                   pods that have called the API as it
  satrail account ops/intruder DIR --format json | jq '.accounts[].denied_roles.manifests'
                                                   roles that would allow what was refused

The page has what it used and was refused, its tokens and who made them, from where it came,
what was found, and the runbooks of ServiceAccounts with its names filled in.";

#[derive(Debug, Args)]
pub(super) struct AccountArgs {
    /// The ServiceAccount, NAMESPACE/NAME; * stands for any characters
    #[arg(value_name = "ACCOUNT", value_parser = parse_account)]
    which: AccountPattern,
    /// This one too; may be given several times
    #[arg(long, value_name = "ACCOUNT", value_parser = parse_account)]
    account: Vec<AccountPattern>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    dumps: DumpArgs,
    /// Read thresholds, allow-list and exceptions of the findings from this file; none is read without
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// What is to be done.
pub(super) fn config(
    args: AccountArgs,
    around: &Surroundings,
) -> Result<AccountConfig, config::Error> {
    let file = args.config.as_deref().map(ConfigFile::read).transpose()?;
    let ConfigFile {
        settings,
        exceptions,
    } = file.unwrap_or_default();
    let (strict, progress) = (args.input.strict, progress(&args.input, around));
    let options = Options {
        settings,
        exceptions,
        ..input(args.input, "account shop/web", false, around)?
    };
    Ok(AccountConfig {
        strict,
        progress,
        inventory: args.dumps.beside(&options.paths)?,
        options,
        accounts: [args.which].into_iter().chain(args.account).collect(),
        output: output(args.output, around),
    })
}
