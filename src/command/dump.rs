//! Dumps of the cluster beside the log: for `--inventory`.

use std::path::PathBuf;

use crate::{
    config,
    inventory::{self, Dumps, Usage},
    pipeline::Report,
};

use super::{Error, inventory::HINT};

/// Reads the dumps, if there are any to read. What is no dump is an error: it was named as one.
pub(super) fn read(paths: &[PathBuf]) -> Result<Option<Dumps>, Error> {
    if paths.is_empty() {
        return Ok(None);
    }
    let dumps = inventory::read(paths);
    let other = match dumps.logs.first() {
        Some(path) => Some(path.display().to_string()),
        None if dumps.files == 0 && dumps.troubles.is_empty() => Some("--inventory".to_owned()),
        None => None,
    };
    match other {
        Some(name) => {
            let why = format!("{name}: no dump of Kubernetes objects as JSON");
            Err(config::Error::new(why).hint(HINT).into())
        }
        None => Ok(Some(dumps)),
    }
}

/// Puts what could not be read of the dumps beside what could not be read of the log.
pub(super) fn confess(dumps: &mut Dumps, report: &mut Report) {
    report.coverage.troubles.append(&mut dumps.troubles);
}

/// What the log says, unless it says nothing: then nothing is unused.
pub(super) fn told<'a>(usage: &'a Usage, report: &Report) -> Option<&'a Usage> {
    (report.input.events > 0).then_some(usage)
}
