//! `satrail merge`: partial states in, the report of one scan over all of it out.

use crate::{config::Config, output::deliver, pipeline::State};

use super::{Error, Verdict, scan};

/// Merges the states that the options name as paths. With a partial state asked for, the sum is left
/// there, so that merging can go in steps.
pub fn merge(config: &Config) -> Result<Verdict, Error> {
    scan::check(config)?;
    let mut sum: Option<State> = None;
    for path in &config.options.paths {
        let state = State::read(path)?;
        match &mut sum {
            None => sum = Some(state),
            Some(sum) => sum.merge(state),
        }
    }
    let sum = sum.unwrap_or_default();
    if let Some(to) = &config.partial_state {
        deliver(to, |out| sum.write(out)).map_err(Error::output(to))?;
    }
    scan::write(&sum.report(&config.options), None, config, None)
}
