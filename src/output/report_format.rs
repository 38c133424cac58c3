//! The formats of a report, and what files of theirs are called.

use std::path::Path;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// For people, on a terminal.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object per line: what was read, each finding, exceptions, coverage.
    Jsonl,
    /// A page for a browser, in one file.
    Html,
    /// SARIF 2.1.0, for code-scanning pages.
    Sarif,
    /// OCSF Detection Findings, one a line, for security lakes.
    Ocsf,
    /// For an issue or a chat.
    Markdown,
    /// One finding a row, for spreadsheets.
    Csv,
    /// The XML of `JUnit`: a detector is a test case.
    Junit,
}

impl ReportFormat {
    /// All formats, under the names of the command line.
    pub const ALL: [(&'static str, Self); 9] = [
        ("table", Self::Table),
        ("json", Self::Json),
        ("jsonl", Self::Jsonl),
        ("html", Self::Html),
        ("sarif", Self::Sarif),
        ("ocsf", Self::Ocsf),
        ("markdown", Self::Markdown),
        ("csv", Self::Csv),
        ("junit", Self::Junit),
    ];

    /// What the file is called in a directory of reports.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Table => "report.txt",
            Self::Json => "report.json",
            Self::Jsonl => "report.jsonl",
            Self::Html => "report.html",
            Self::Sarif => "report.sarif",
            Self::Ocsf => "report.ocsf.jsonl",
            Self::Markdown => "report.md",
            Self::Csv => "report.csv",
            Self::Junit => "report.xml",
        }
    }

    /// The format that a file's name asks for: by the longest of these endings.
    #[must_use]
    pub fn of_file(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let endings = Self::ALL.map(|(_, format)| {
            let ending = format.file_name().trim_start_matches("report");
            (ending, format)
        });
        let fitting = endings
            .into_iter()
            .filter(|(ending, format)| *format != Self::Table && name.ends_with(ending));
        fitting
            .max_by_key(|(ending, _)| ending.len())
            .map(|(_, format)| format)
    }
}
