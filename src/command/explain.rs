//! `satrail explain ID`: one detector's text.

use crate::{
    config::{self, detector_ids},
    detect::CATALOGUE,
    output::{Destination, Look, deliver, write_explanation},
};

use super::{Error, Verdict};

/// Writes what there is to know about the detector `id`.
pub fn explain(id: &str, look: Look) -> Result<Verdict, Error> {
    let Some(about) = CATALOGUE.iter().find(|about| about.id == id) else {
        return Err(config::Error::unknown("detector", id, &detector_ids()).into());
    };
    let to = &Destination::Stdout;
    deliver(to, |out| write_explanation(about, look, out)).map_err(Error::output(to))?;
    Ok(Verdict::clean())
}
