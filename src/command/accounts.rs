//! `satrail accounts`: one row per ServiceAccount.

use crate::{
    config::{AccountsConfig, FailOn, Judgement},
    output::{self, deliver},
    pipeline::{self, arrange},
};

use super::{Error, Verdict, progress::Bar};

/// Reads the logs and writes the rows. Findings do not matter here, and neither do they to the exit
/// code.
pub fn accounts(config: &AccountsConfig) -> Result<Verdict, Error> {
    let to = &config.output.destination;
    to.check().map_err(Error::output(to))?;
    let bar = Bar::new(config.progress);
    let (state, rows) = pipeline::accounts(&config.options, &bar)?;
    let report = state.report(&config.options);
    let rows = arrange(rows, config.order);
    drop(bar);
    let (format, look) = (config.output.format, config.output.look);
    deliver(to, |out| {
        output::write_accounts(&report, &rows, format, look, out)
    })
    .map_err(Error::output(to))?;
    let judgement = Judgement {
        fail_on: FailOn::Never,
        strict: config.strict,
    };
    Ok(Verdict::of(&report, judgement))
}
