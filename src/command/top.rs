//! `satrail top`: requests, ranked.

use crate::{
    config::{FailOn, Judgement, TopConfig},
    output::{self, deliver},
    pipeline,
};

use super::{Error, Verdict, progress::Bar};

/// Reads the logs and writes the rows. No detector runs.
pub fn top(config: &TopConfig) -> Result<Verdict, Error> {
    let to = &config.output.destination;
    to.check().map_err(Error::output(to))?;
    let bar = Bar::new(config.progress);
    let wanted = config.wanted.clone();
    let (state, ranked) =
        pipeline::ranking(&config.options, wanted, config.order, config.limit, &bar)?;
    let report = state.report(&config.options);
    drop(bar);
    let (format, look) = (config.output.format, config.output.look);
    deliver(to, |out| {
        output::write_top(&report, &ranked, format, look, out)
    })
    .map_err(Error::output(to))?;
    let judgement = Judgement {
        fail_on: FailOn::Never,
        strict: config.strict,
    };
    Ok(Verdict::of(&report, judgement))
}
