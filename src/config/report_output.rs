//! Where a report goes: one format to one place, or several into a directory.

use std::path::PathBuf;

use crate::output::{Destination, Look, ReportFormat};

use super::Error;

/// Where a report goes, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOutput {
    /// Each format with its place.
    pub places: Vec<(ReportFormat, Destination)>,
    /// The directory of all of them, if there is one; it is made where it is missing.
    pub directory: Option<PathBuf>,
    /// With which colour and width, and how much of it.
    pub look: Look,
}

impl ReportOutput {
    /// `file` is what `--output` names, `directory` what `--output-dir` does. Without `--format`, the file's name says
    /// the format, as far as it does; everything else is a table.
    pub fn new(
        mut formats: Vec<ReportFormat>,
        file: Option<PathBuf>,
        directory: Option<PathBuf>,
        terminal: Look,
    ) -> Result<Self, Error> {
        // The same one twice is the same file.
        let mut asked = Vec::new();
        formats.retain(|format| {
            let first = !asked.contains(format);
            asked.push(*format);
            first
        });
        if let Some(directory) = directory {
            if formats.is_empty() {
                return Err(Error::new("--output-dir needs to be told what to write")
                    .hint("give one --format for each report: --format html --format sarif"));
            }
            let place = |&format: &ReportFormat| {
                (
                    format,
                    Destination::File(directory.join(format.file_name())),
                )
            };
            return Ok(Self {
                places: formats.iter().map(place).collect(),
                directory: Some(directory),
                look: Look::default(),
            });
        }
        if formats.len() > 1 {
            return Err(Error::new("several formats do not go to one place")
                .hint("name a directory for them: --output-dir DIR"));
        }
        let named = file.as_deref().and_then(ReportFormat::of_file);
        let format = formats.first().copied().or(named);
        let destination = file.map_or(Destination::Stdout, Destination::named);
        let look = match destination {
            Destination::Stdout | Destination::Paged(_) => terminal,
            Destination::File(_) => Look::default(),
        };
        Ok(Self {
            places: vec![(format.unwrap_or(ReportFormat::Table), destination)],
            directory: None,
            look,
        })
    }

    /// The files that are written.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.places.iter().filter_map(|(_, to)| match to {
            Destination::File(path) => Some(path),
            Destination::Stdout | Destination::Paged(_) => None,
        })
    }

    /// Whether one of the reports is a page for a browser.
    #[must_use]
    pub fn has_html(&self) -> bool {
        self.places
            .iter()
            .any(|(format, _)| *format == ReportFormat::Html)
    }

    /// Whether there is nothing but tables, which are for people.
    #[must_use]
    pub fn is_for_people(&self) -> bool {
        self.places
            .iter()
            .all(|(format, _)| *format == ReportFormat::Table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(
        formats: &[ReportFormat],
        file: &str,
        directory: &str,
    ) -> Result<ReportOutput, Error> {
        let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        ReportOutput::new(
            formats.to_vec(),
            path(file),
            path(directory),
            Look::default(),
        )
    }

    #[test]
    fn a_file_name_can_say_the_format() {
        use ReportFormat::{Html, Json, Jsonl, Junit, Ocsf, Sarif, Table};
        for (formats, file, expected) in [
            (&[][..], "report.json", Json),
            (&[], "a.b/report.jsonl", Jsonl),
            (&[], "out.html", Html),
            (&[], "new.ocsf.jsonl", Ocsf),
            (&[], "x.sarif", Sarif),
            (&[], "TEST-x.xml", Junit),
            (&[], "report.txt", Table),
            (&[], "/dev/stdout", Table),
            (&[], "", Table),
            (&[Table], "report.json", Table),
        ] {
            let places = output(formats, file, "").unwrap().places;
            assert_eq!(places.len(), 1);
            assert_eq!(places[0].0, expected, "{file}");
        }
    }

    #[test]
    fn several_formats_go_into_a_directory() {
        use ReportFormat::{Html, Json};
        let output = |formats, directory| output(formats, "", directory);
        let places = output(&[Html, Json, Html], "out").unwrap().places;
        let file = |name: &str| Destination::File(PathBuf::from("out").join(name));
        assert_eq!(
            places,
            [(Html, file("report.html")), (Json, file("report.json"))]
        );
        assert!(output(&[], "out").is_err());
        assert!(output(&[Html, Json], "").is_err());
    }
}
