//! `satrail scan`: logs in, findings out.

use std::time::Instant;

use crate::{
    config::Config,
    inventory::{Usage, enrich},
    output::{self, Pace, deliver},
    pipeline::{self, Report},
};

use super::{Error, Verdict, dump, progress::Bar};

/// Reads the logs, writes the report and, if asked for, the partial state.
pub fn scan(config: &Config) -> Result<Verdict, Error> {
    let started = Instant::now();
    check(config)?;
    let bar = Bar::new(config.progress);
    let mut dumps = dump::read(&config.inventory)?;
    let (state, usage) = match dumps {
        None => (pipeline::scan(&config.options, &bar)?, Usage::default()),
        Some(_) => pipeline::scan_and_usage(&config.options, &bar)?,
    };
    if let Some(to) = &config.partial_state {
        deliver(to, |out| state.write(out)).map_err(Error::output(to))?;
    }
    let mut report = state.report(&config.options);
    drop(bar);
    if let Some(dumps) = &mut dumps {
        dump::confess(dumps, &mut report);
        let told = dump::told(&usage, &report);
        enrich(&mut report.findings, &dumps.inventory, told);
    }
    let pace = Pace {
        elapsed: started.elapsed(),
    };
    write(&report, config, Some(pace))
}

/// Fails early where writing would fail late.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    let destinations = config.partial_state.iter();
    for to in destinations.chain([&config.output.destination]) {
        to.check().map_err(Error::output(to))?;
    }
    Ok(())
}

/// Writes the report and judges it.
pub(super) fn write(
    report: &Report,
    config: &Config,
    pace: Option<Pace>,
) -> Result<Verdict, Error> {
    let output = &config.output;
    let to = &output.destination;
    deliver(to, |out| {
        output::write_report(report, output.format, output.look, pace, out)
    })
    .map_err(Error::output(to))?;
    Ok(Verdict::of(report, config.judgement))
}
