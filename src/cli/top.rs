//! The arguments of `satrail top`, and what becomes of them.

use clap::Args;

use crate::{
    config::{self, TopConfig},
    pipeline::{Dimension, Filter, RankBy, Wanted},
};

use super::{
    Surroundings,
    action::{input, output, progress},
    arguments::{InputArgs, OutputArgs, one_of},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  satrail top /var/log/kubernetes/audit            which ServiceAccounts ask the most
  satrail top --by user --namespace -kube-system DIR
                                                   all users, but for what is about kube-system
  satrail top --by account,verb,resource --code 403 DIR
                                                   what is refused to whom
  satrail top --by agent --sort peak --limit 5 DIR
  satrail top --by address --account 'ci/*' --format json DIR | jq '.top.rows[]'

Patterns: * stands for any characters; with - before it, what fits is left out. Several for
one option: any of those without -, and none of those with it.";

#[derive(Debug, Args)]
pub(super) struct TopArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Make rows of these, together: account, user, namespace (of the object), resource, verb, agent, address, code
    #[arg(long, value_name = "WHAT,...", help_heading = "Rows", value_delimiter = ',', default_value = "account", value_parser = one_of(Dimension::ALL))]
    by: Vec<Dimension>,
    /// Sort by this, the most first: peak is the best 60 seconds, failed is what failed and was not refused
    #[arg(long, value_name = "KEY", help_heading = "Rows", default_value = "requests", value_parser = one_of(RankBy::ALL))]
    sort: RankBy,
    /// Show no more than N rows
    #[arg(long, value_name = "N", help_heading = "Rows", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Which requests count.
#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
struct FilterArgs {
    /// Count requests of these ServiceAccounts, NAMESPACE/NAME
    #[arg(
        long,
        value_name = "PATTERN,...",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    account: Vec<String>,
    /// Count requests of these users
    #[arg(
        long,
        value_name = "PATTERN,...",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    user: Vec<String>,
    /// Count requests for objects in these namespaces
    #[arg(
        long,
        value_name = "PATTERN,...",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    namespace: Vec<String>,
    /// Count requests for these: secrets, pods/exec, deployments.apps, /healthz
    #[arg(
        long,
        value_name = "PATTERN,...",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    resource: Vec<String>,
    /// Count requests with these verbs
    #[arg(
        long,
        value_name = "PATTERN,...",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    verb: Vec<String>,
    /// Count requests of these user agents; several by giving it several times
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    agent: Vec<String>,
    /// Count requests from these addresses
    #[arg(
        long,
        value_name = "PATTERN,...",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    address: Vec<String>,
    /// Count requests that ended with these codes: 403, 5*
    #[arg(
        long,
        value_name = "PATTERN,...",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    code: Vec<String>,
}

impl FilterArgs {
    fn filters(&self) -> Vec<Filter> {
        let patterns = |dimension| match dimension {
            Dimension::Account => &self.account,
            Dimension::User => &self.user,
            Dimension::Namespace => &self.namespace,
            Dimension::Resource => &self.resource,
            Dimension::Verb => &self.verb,
            Dimension::Agent => &self.agent,
            Dimension::Address => &self.address,
            Dimension::Code => &self.code,
        };
        let all = Dimension::ALL.into_iter().map(|(_, dimension)| dimension);
        all.filter_map(|dimension| Filter::new(dimension, patterns(dimension)))
            .collect()
    }
}

/// What is to be done.
pub(super) fn config(args: TopArgs, around: &Surroundings) -> Result<TopConfig, config::Error> {
    let mut by = args.by;
    let mut seen = Vec::new();
    // The same column twice says nothing more.
    by.retain(|dimension| {
        let new = !seen.contains(dimension);
        seen.push(*dimension);
        new
    });
    Ok(TopConfig {
        strict: args.input.strict,
        progress: progress(&args.input, around),
        wanted: Wanted {
            by,
            filters: args.filters.filters(),
        },
        order: args.sort,
        limit: args.limit,
        options: input(args.input, "top", false, around)?,
        output: output(args.output, around),
    })
}
