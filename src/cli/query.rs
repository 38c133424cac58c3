//! The arguments of `satrail query`, `export` and `schema`, and what becomes of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    config::{self, ExportConfig, QueryConfig, RowOutput, Tables},
    output::RowFormat,
    pipeline::Options,
    query::{frame, library},
};

use super::{
    Action, Surroundings,
    action::{progress, scan_input},
    arguments::{InputArgs, ScrapeArgs, one_of},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  satrail query --list                                     the queries that come along
  satrail query who-lists-secrets DIR
  satrail query permission-matrix DIR --param account=shop/web
  satrail query --sql 'SELECT verb, COUNT(*) AS n FROM events WHERE is_request GROUP BY verb' DIR
  satrail query ./mine.sql DIR --format csv -o mine.csv
  satrail query top-talkers --parquet EXPORT               over what satrail export wrote
  satrail query top-talkers --show                         the SQL, for another engine

satrail schema prints the tables. Running queries takes a build with the feature `query`.";

pub(super) const EXPORT_EXAMPLES: &str = "\
Examples:
  satrail export DIR --output EXPORT
  duckdb -c \"SELECT verb, COUNT(*) FROM read_parquet('EXPORT/events/**/*.parquet') GROUP BY verb\"
  satrail query top-talkers --parquet EXPORT
  satrail export DIR/node1 --with-state all.state --output LAKE/node1   a part of a larger whole

One directory a table, events and samples split by day (EXPORT/events/day=2026-11-22), zstd.";

pub(super) const SCHEMA_EXAMPLES: &str = "\
Examples:
  satrail schema events
  satrail schema --format json | jq -r '.[] | [.table, .column, .type] | @tsv'";

#[derive(Debug, Args)]
pub(super) struct QueryArgs {
    /// A query of --list, or a file that ends in .sql
    #[arg(value_name = "NAME", required_unless_present_any = ["list", "sql"])]
    name: Option<String>,
    #[command(flatten)]
    input: InputArgs,
    /// Run this SQL
    #[arg(long, value_name = "SQL", allow_hyphen_values = true)]
    sql: Option<String>,
    /// List the queries that come along
    #[arg(long, conflicts_with_all = ["sql", "name"])]
    list: bool,
    /// Print the SQL with its parameters filled in, and run nothing
    #[arg(long)]
    show: bool,
    /// A value for :KEY in the SQL; may be given several times
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = key_and_value)]
    parameters: Vec<(String, String)>,
    /// Read the tables that `satrail export` wrote into DIR, and no logs
    #[arg(long, value_name = "DIR", conflicts_with = "paths")]
    parquet: Option<PathBuf>,
    #[command(flatten)]
    metrics: ScrapeArgs,
    /// Read thresholds, allow-list and exceptions of the findings from this file; none is read without
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: RowArgs,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    metrics: ScrapeArgs,
    /// Read thresholds, allow-list and exceptions of the findings from this file; none is read without
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the tables go: a directory that is not there yet
    #[arg(long, short, value_name = "DIR", required = true)]
    output: PathBuf,
    /// The logs are a part of what this state has seen (`scan --partial-state`, `merge --partial-state`): `is_request` and
    /// findings are those of the whole, for a table that is exported in parts
    #[arg(long, value_name = "STATE", conflicts_with = "dedup")]
    with_state: Option<PathBuf>,
    /// Write the bodies of requests and responses too, if the policy logs them: they are large, and may hold
    /// secrets
    #[arg(long)]
    bodies: bool,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// This table only
    #[arg(value_name = "TABLE")]
    table: Option<String>,
    #[command(flatten)]
    output: RowArgs,
}

/// Where rows go, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct RowArgs {
    /// Write this format [default: by the extension of --output, else table]
    #[arg(long, value_name = "FORMAT", value_parser = one_of(RowFormat::ALL))]
    format: Option<RowFormat>,
    /// Write to FILE instead of standard output: it appears whole or not at all
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What is to be done.
pub(super) fn action(args: QueryArgs, around: &Surroundings) -> Result<Action, config::Error> {
    let output = RowOutput::new(args.output.format, args.output.output, around.stdout);
    if args.list {
        not_parquet(&output)?;
        return Ok(Action::QueryList(output));
    }
    let mut input = args.input;
    let sql = match (args.sql, args.name) {
        (Some(sql), first) => {
            // What stands where a name would is a path.
            input.paths.splice(0..0, first.map(PathBuf::from));
            library::typed_with_parameters(&sql, &args.parameters)
        }
        (None, Some(name)) => from_name(&name, &args.parameters)?,
        (None, None) => return Err(config::Error::new("a query or --sql is missing")),
    };
    let sql = sql.map_err(config::Error::from)?;
    if args.show {
        return Ok(Action::QueryText(sql));
    }
    let (strict, progress) = (input.strict, progress(&input, around));
    let tables = match args.parquet {
        Some(directory) => {
            if !input.paths.is_empty() {
                return Err(config::Error::new(
                    "--parquet reads no logs: leave out either it or the paths",
                ));
            }
            Tables::Exported(directory)
        }
        None => Tables::Logs(Box::new(options(
            input,
            args.metrics,
            args.config.as_deref(),
            "query NAME",
            around,
        )?)),
    };
    Ok(Action::Query(Box::new(QueryConfig {
        sql,
        tables,
        output,
        strict,
        progress,
    })))
}

type Filled = Result<String, crate::query::Error>;

fn from_name(name: &str, parameters: &[(String, String)]) -> Result<Filled, config::Error> {
    let extension = Path::new(name).extension();
    if extension.is_some_and(|extension| extension == "sql") {
        let text = fs::read_to_string(name);
        let text =
            text.map_err(|error| config::Error::new(format!("cannot read {name}: {error}")))?;
        return Ok(library::typed_with_parameters(&text, parameters));
    }
    let Some(query) = library::query(name) else {
        let all = library::queries();
        let ids: Vec<_> = all.iter().map(|query| query.id).collect();
        return Err(config::Error::unknown("query", name, &ids));
    };
    Ok(library::with_parameters(&query, parameters))
}

/// What `satrail export` is to do.
pub(super) fn export(
    args: ExportArgs,
    around: &Surroundings,
) -> Result<ExportConfig, config::Error> {
    let leave_out = if args.bodies {
        &[][..]
    } else {
        &frame::BODIES[..]
    };
    Ok(ExportConfig {
        strict: args.input.strict,
        progress: progress(&args.input, around),
        options: options(
            args.input,
            args.metrics,
            args.config.as_deref(),
            "export --output EXPORT",
            around,
        )?,
        whole: args.with_state,
        directory: args.output,
        leave_out: leave_out.to_vec(),
    })
}

/// What `satrail schema` is to do.
pub(super) fn schema(args: SchemaArgs, around: &Surroundings) -> Result<Action, config::Error> {
    let output = RowOutput::new(args.output.format, args.output.output, around.stdout);
    not_parquet(&output)?;
    let tables = frame::tables();
    if let Some(name) = &args.table
        && !tables.iter().any(|table| table.name == name)
    {
        let names: Vec<_> = tables.iter().map(|table| table.name).collect();
        return Err(config::Error::unknown("table", name, &names));
    }
    Ok(Action::Schema(args.table, output))
}

fn options(
    input: InputArgs,
    metrics: ScrapeArgs,
    file: Option<&Path>,
    command: &str,
    around: &Surroundings,
) -> Result<Options, config::Error> {
    let file = file.map(config::ConfigFile::read).transpose()?;
    let config::ConfigFile {
        settings,
        exceptions,
    } = file.unwrap_or_default();
    Ok(Options {
        settings,
        exceptions,
        ..scan_input(input, metrics, command, around)?
    })
}

fn not_parquet(output: &RowOutput) -> Result<(), config::Error> {
    if output.format == RowFormat::Parquet {
        return Err(config::Error::new(
            "only answers of queries are written as Parquet",
        ));
    }
    Ok(())
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is wanted")?;
    Ok((key.trim_start_matches(':').to_owned(), value.to_owned()))
}
