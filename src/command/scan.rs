//! `satrail scan`: logs in, findings out.

use std::time::Instant;

use crate::{
    config::Config,
    inventory::{Usage, enrich},
    output::{Pace, deliver},
    pipeline::{self, Chronicle, Report},
};

use super::{Error, Verdict, dump, progress::Bar, reports};

/// Reads the logs, writes the reports and, if asked for, the partial state.
pub fn scan(config: &Config) -> Result<Verdict, Error> {
    let started = Instant::now();
    check(config)?;
    let bar = Bar::new(config.progress);
    let mut dumps = dump::read(&config.inventory)?;
    let options = &config.options;
    let (state, usage, chronicle) = if config.output.has_html() {
        let (state, usage, chronicle) = pipeline::scan_and_chronicle(options, &bar)?;
        (state, usage, Some(chronicle))
    } else if dumps.is_some() {
        let (state, usage) = pipeline::scan_and_usage(options, &bar)?;
        (state, usage, None)
    } else {
        (pipeline::scan(options, &bar)?, Usage::default(), None)
    };
    if let Some(to) = &config.partial_state {
        deliver(to, |out| state.write(out)).map_err(Error::output(to))?;
    }
    let mut report = state.report(options);
    drop(bar);
    if let Some(dumps) = &mut dumps {
        dump::confess(dumps, &mut report);
        let told = dump::told(&usage, &report);
        enrich(&mut report.findings, &dumps.inventory, told);
    }
    let pace = Pace {
        elapsed: started.elapsed(),
    };
    let verdict = write(&report, chronicle.as_ref(), config, Some(pace));
    // As in `State::report`: the end of the program gives all of it back at once.
    std::mem::forget(report);
    verdict
}

/// Fails early where writing would fail late.
pub(super) fn check(config: &Config) -> Result<(), Error> {
    if let Some(to) = &config.partial_state {
        to.check().map_err(Error::output(to))?;
    }
    reports::check(&config.output)
}

/// Writes the reports and judges what is in them.
pub(super) fn write(
    report: &Report,
    chronicle: Option<&Chronicle>,
    config: &Config,
    pace: Option<Pace>,
) -> Result<Verdict, Error> {
    reports::write(report, chronicle, &config.output, pace)?;
    Ok(Verdict::of(report, config.judgement))
}
