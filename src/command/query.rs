//! `satrail query`, `satrail export` and `satrail schema`: SQL over what was logged.

use serde_json::Value;

use crate::{
    config::{ExportConfig, QueryConfig, RowOutput},
    output::{Destination, Rows, deliver},
    query::{frame, library},
};

use super::{Error, Verdict};

/// Lists the queries that come along.
pub fn query_list(output: &RowOutput) -> Result<Verdict, Error> {
    let columns = ["query", "title", "parameters"].map(str::to_owned);
    let rows = library::queries().into_iter().map(|query| {
        let parameters = query.parameters.iter().map(|parameter| {
            let default = parameter
                .default
                .map_or(String::new(), |value| format!("={value}"));
            format!("{}{default}", parameter.name)
        });
        let parameters = parameters.collect::<Vec<_>>().join(" ");
        [query.id.into(), query.title.into(), parameters.into()].to_vec()
    });
    write(&columns, rows, output)
}

/// Prints SQL, for another engine.
pub fn query_text(sql: &str) -> Result<Verdict, Error> {
    let to = &Destination::Stdout;
    deliver(to, |out| writeln!(out, "{}", sql.trim_end())).map_err(Error::output(to))?;
    Ok(Verdict::clean())
}

/// Prints the tables' columns, with type and meaning; of one table if it is named.
pub fn schema(table: Option<&str>, output: &RowOutput) -> Result<Verdict, Error> {
    let columns = ["table", "column", "type", "meaning"].map(str::to_owned);
    let tables = frame::tables().into_iter();
    let wanted = tables.filter(|each| table.is_none_or(|name| each.name == name));
    let rows = wanted.flat_map(|table| {
        table.columns.into_iter().map(move |column| {
            let cells = [table.name, column.name, column.kind.sql(), column.meaning];
            cells.map(Value::from).to_vec()
        })
    });
    write(&columns, rows, output)
}

fn write(
    columns: &[String],
    rows: impl Iterator<Item = Vec<Value>>,
    output: &RowOutput,
) -> Result<Verdict, Error> {
    let to = &output.destination;
    deliver(to, |out| {
        let mut sheet = Rows::begin(columns, output.format, output.look, out)?;
        for row in rows {
            sheet.row(&row)?;
        }
        sheet.end()
    })
    .map_err(Error::output(to))?;
    Ok(Verdict::clean())
}

/// Runs a query and writes its rows.
#[cfg(feature = "query")]
pub fn query(config: &QueryConfig) -> Result<Verdict, Error> {
    use crate::{
        config::{FailOn, Judgement, Tables},
        output::RowFormat,
        query::{Input, ask},
    };

    use super::progress::Bar;

    let output = &config.output;
    let to = &output.destination;
    to.check().map_err(Error::output(to))?;
    let input = match &config.tables {
        Tables::Logs(options) => Input::Logs(options.clone()),
        Tables::Exported(directory) => Input::Exported(directory.clone()),
    };
    let bar = Bar::new(config.progress);
    let _quiet = Quiet::begin();
    let answer = ask(&config.sql, &input, &bar)?;
    drop(bar);
    // What goes wrong with the query after its first rows is not the writer's fault.
    let mut failed = None;
    let columns = answer.columns;
    let results = answer.results;
    let written = deliver(to, |out| {
        if output.format == RowFormat::Parquet {
            let written = results.write_parquet(out);
            return match written {
                Ok(_) => Ok(()),
                Err(failure) => Err(note(&mut failed, failure)),
            };
        }
        let mut sheet = Rows::begin(&columns, output.format, output.look, out)?;
        match results.rows(|row| sheet.row(row)) {
            Ok(written) => written?,
            Err(failure) => return Err(note(&mut failed, failure)),
        }
        sheet.end()
    });
    if let Some(failure) = failed {
        return Err(failure.into());
    }
    written.map_err(Error::output(to))?;
    let judgement = Judgement {
        fail_on: FailOn::Never,
        strict: config.strict,
    };
    let report = answer.report;
    Ok(report.map_or_else(Verdict::clean, |report| Verdict::of(&report, judgement)))
}

/// The engine's panics come back as errors: nothing is printed for them meanwhile.
#[cfg(feature = "query")]
struct Quiet(Option<PanicHook>);

#[cfg(feature = "query")]
type PanicHook = Box<dyn Fn(&std::panic::PanicHookInfo<'_>) + Sync + Send>;

#[cfg(feature = "query")]
impl Quiet {
    fn begin() -> Self {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        Self(Some(before))
    }
}

#[cfg(feature = "query")]
impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = self.0.take()
            && !std::thread::panicking()
        {
            std::panic::set_hook(before);
        }
    }
}

#[cfg(feature = "query")]
fn note(
    failed: &mut Option<crate::query::Failure>,
    failure: crate::query::Failure,
) -> std::io::Error {
    let told = std::io::Error::other(failure.to_string());
    *failed = Some(failure);
    told
}

/// Reads everything once and writes the tables as Parquet.
#[cfg(feature = "query")]
pub fn export(config: &ExportConfig) -> Result<Verdict, Error> {
    use crate::{
        config::{FailOn, Judgement},
        query,
    };

    use super::progress::Bar;

    let bar = Bar::new(config.progress);
    let _quiet = Quiet::begin();
    let exported = query::export(
        &config.options,
        config.whole.as_deref(),
        &config.directory,
        &config.leave_out,
        &bar,
    )?;
    drop(bar);
    let judgement = Judgement {
        fail_on: FailOn::Never,
        strict: config.strict,
    };
    Ok(Verdict::of(&exported.report, judgement))
}

/// Says how to get a build that can.
#[cfg(not(feature = "query"))]
pub fn query(_config: &QueryConfig) -> Result<Verdict, Error> {
    Err(without("run queries"))
}

/// Says how to get a build that can.
#[cfg(not(feature = "query"))]
pub fn export(_config: &ExportConfig) -> Result<Verdict, Error> {
    Err(without("write Parquet"))
}

#[cfg(not(feature = "query"))]
fn without(what: &str) -> Error {
    let why =
        format!("this build of satrail cannot {what}: it was built without the feature `query`");
    crate::config::Error::new(why)
        .hint(
            "cargo build --release --features query (docs/queries.md says how long that takes); released binaries and images \
             have it. `satrail query NAME --show` prints the SQL for another engine",
        )
        .into()
}
