//! `satrail diff`: two reports beside each other.

use std::{fs::File, io::BufReader, path::Path};

use serde::Deserialize;

use crate::{
    config::{self, DiffConfig, FailOn},
    finding::{Changes, Finding},
    output::{SCHEMA_VERSION, deliver, write_changes},
};

use super::{Error, Exit, Verdict};

/// What is read of a report; the rest of it may change.
#[derive(Deserialize)]
struct Document {
    schema_version: String,
    findings: Vec<Finding>,
}

/// Says what is new, grown and resolved. What is new or grown, and grave enough, makes the exit code 1.
pub fn diff(config: &DiffConfig) -> Result<Verdict, Error> {
    let to = &config.output.destination;
    to.check().map_err(Error::output(to))?;
    let (old, new) = (read(&config.old)?, read(&config.new)?);
    let changes = Changes::between(&old, &new);
    let (format, look) = (config.output.format, config.output.look);
    deliver(to, |out| write_changes(&changes, format, look, out)).map_err(Error::output(to))?;
    let grave = match config.fail_on {
        FailOn::Never => false,
        FailOn::At(severity) => changes.gravest() >= Some(severity),
    };
    Ok(Verdict {
        exit: if grave { Exit::Findings } else { Exit::Clean },
        complaints: Vec::new(),
    })
}

fn read(path: &Path) -> Result<Vec<Finding>, Error> {
    let failed = |why: String| {
        let error = config::Error::new(format!("{}: {why}", path.display()));
        Error::from(error.hint("write reports to compare with: satrail scan --format json"))
    };
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let document: Document = serde_json::from_reader(BufReader::new(file))
        .map_err(|error| failed(format!("no report of satrail ({error})")))?;
    if document.schema_version != SCHEMA_VERSION {
        let theirs = document.schema_version;
        return Err(failed(format!(
            "a report of version {theirs}, not {SCHEMA_VERSION}"
        )));
    }
    Ok(document.findings)
}
