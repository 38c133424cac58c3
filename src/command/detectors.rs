//! `satrail detectors`: the catalogue.

use crate::{
    config::Output,
    detect::CATALOGUE,
    output::{deliver, write_catalogue},
};

use super::{Error, Verdict};

/// Writes the catalogue.
pub fn detectors(output: &Output) -> Result<Verdict, Error> {
    let to = &output.destination;
    deliver(to, |out| {
        write_catalogue(CATALOGUE, output.format, output.look, out)
    })
    .map_err(Error::output(to))?;
    Ok(Verdict::clean())
}
