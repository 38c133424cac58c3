//! Reports into their places: each one whole, or not at all.

use std::fs;

use crate::{
    config::ReportOutput,
    output::{Destination, Pace, ReportFormat, deliver, write_html, write_report},
    pipeline::{Chronicle, Report},
};

use super::Error;

/// Fails early where writing would fail late; makes the directory that was asked for.
pub(super) fn check(output: &ReportOutput) -> Result<(), Error> {
    if let Some(directory) = &output.directory {
        let made = Destination::File(directory.clone());
        fs::create_dir_all(directory).map_err(Error::output(&made))?;
    }
    let mut places = output.places.iter();
    places.try_for_each(|(_, to)| to.check().map_err(Error::output(to)))
}

/// Writes every report.
pub(super) fn write(
    report: &Report,
    chronicle: Option<&Chronicle>,
    output: &ReportOutput,
    pace: Option<Pace>,
) -> Result<(), Error> {
    let mut places = output.places.iter();
    places.try_for_each(|(format, to)| {
        deliver(to, |out| match format {
            ReportFormat::Html => write_html(report, chronicle, out),
            format => write_report(report, *format, output.look, pace, out),
        })
        .map_err(Error::output(to))
    })
}
