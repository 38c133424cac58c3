//! Files of scrapes and of API answers, each read whole.
//!
//! An exposition is a few megabytes, and its kind is told by its first and last bytes. What becomes of the
//! samples is for whoever asks: a history for rules, an archive for detectors.

use std::path::PathBuf;

use crate::{
    finding::Timestamp,
    source::{self, Buffer, Content, Input, Trouble},
};

use super::{
    BadLine, Catalogue, Exposition, Format, History, Names, Scrape, instance_from_name, read_api,
    read_exposition, scrape_time,
};

/// The largest file that is read, decompressed: a hundred times a large kube-apiserver's scrape.
pub const MAX_SCRAPE_BYTES: u64 = 512 << 20;

/// What is known of scrapes that they do not say themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrapeHints {
    /// When they were taken.
    pub time: Option<Timestamp>,
    /// Of which instance they are.
    pub instance: Option<String>,
}

/// One file of metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsFile {
    /// The samples, with the instance and the time of those that do not say.
    pub scrape: Scrape,
    /// Whether Prometheus answered this: its samples have their own times and target labels.
    pub is_answer: bool,
    /// Lines that were left out, for their length or since they are no samples.
    pub bad_lines: u64,
    /// The first of them.
    pub bad: Vec<BadLine>,
    /// What else there is to say about the file.
    pub notes: Vec<Trouble>,
}

impl MetricsFile {
    /// Reads `input`, of which the families that `wanted` accepts are kept.
    pub fn read(
        input: &Input,
        limits: &source::Limits,
        hints: &ScrapeHints,
        wanted: &dyn Fn(&str) -> bool,
        names: &mut Names,
    ) -> Result<Self, Trouble> {
        let (text, notes, long) = text(input, limits)?;
        let name = input.name();
        let unreadable = |why: &str| trouble(name, why.to_owned());
        let (exposition, is_answer) =
            parse(&text, wanted, names).map_err(|why| unreadable(&why))?;
        let time = scrape_time(&exposition, name, input.modified(), hints.time);
        let (time, _) = time.ok_or_else(|| unreadable(NO_TIME))?;
        let instance = hints
            .instance
            .as_deref()
            .or_else(|| instance_from_name(name));
        let bad_lines = exposition.bad.count + long.len() as u64;
        let bad = long.into_iter().chain(exposition.bad.first.iter().cloned());
        Ok(Self {
            bad_lines,
            bad: bad.collect(),
            scrape: Scrape {
                instance: instance.unwrap_or("unknown").to_owned(),
                time,
                exposition,
            },
            is_answer,
            notes,
        })
    }
}

const NO_TIME: &str = "nothing says when this was scraped: give --scrape-time, or put the time into its \
                       name, such as apiserver-20261122T042353Z.prom";

fn trouble(file: &str, why: String) -> Trouble {
    Trouble {
        file: file.to_owned(),
        why,
        unreadable: true,
        incomplete: true,
    }
}

/// Exposition text or an answer of the Prometheus API, told by its first byte, and whether it is the latter.
fn parse(
    text: &[u8],
    wanted: &dyn Fn(&str) -> bool,
    names: &mut Names,
) -> Result<(Exposition, bool), String> {
    let start = text.trim_ascii_start();
    if start.starts_with(br#"{"kind":"Event""#) {
        return Err("this is an audit log: name it before --metrics".to_owned());
    }
    if start.starts_with(b"{") || start.starts_with(b"[") {
        let answer = read_api(text, wanted, names).map_err(|error| error.to_string())?;
        return Ok((answer, true));
    }
    Ok((
        read_exposition(text, Format::detect(text), wanted, names),
        false,
    ))
}

/// A whole file, decompressed, what there is to say about it, and its lines that are too long.
type Whole = (Vec<u8>, Vec<Trouble>, Vec<BadLine>);

fn text(input: &Input, limits: &source::Limits) -> Result<Whole, Trouble> {
    let source = input.open(limits)?;
    let (mut buffer, mut text, mut long) = (Buffer::new(), Vec::new(), Vec::new());
    while let Some(chunk) = source.next(&mut buffer) {
        match chunk.content {
            Content::Lines(lines) => text.extend_from_slice(lines),
            // Only a source that was opened for records has these.
            Content::Records { .. } => {}
            Content::TooLong { bytes, .. } => {
                // The line stays, empty, so that the numbers of the others are right.
                text.push(b'\n');
                long.push(BadLine {
                    line: memchr::memchr_iter(b'\n', &text).count() as u64,
                    why: format!("{bytes} bytes long: skipped (--max-line-bytes raises the limit)"),
                });
            }
        }
        if text.len() as u64 > MAX_SCRAPE_BYTES {
            let why = format!("larger than {MAX_SCRAPE_BYTES} bytes");
            return Err(trouble(input.name(), why));
        }
    }
    Ok((text, source.troubles(), long))
}

/// What files of scrapes hold, for rules.
#[derive(Debug, Clone, Default)]
pub struct Scrapes {
    /// Every series name seen, with its kind and labels.
    pub catalogue: Catalogue,
    /// The wanted series over time.
    pub history: History,
    /// How many files were read.
    pub files: u64,
    /// Whether the series came from a Prometheus, and so have its target labels.
    pub has_target_labels: bool,
    /// Lines that could not be read.
    pub bad_lines: u64,
    /// Files that could not be read, and why.
    pub troubles: Vec<Trouble>,
}

/// Reads every file below `paths`. The history keeps the series that `wanted` accepts.
#[must_use]
pub fn read_scrapes(
    paths: &[PathBuf],
    hints: &ScrapeHints,
    wanted: &dyn Fn(&str) -> bool,
) -> Scrapes {
    let found = source::find(paths);
    let mut scrapes = Scrapes {
        troubles: found.troubles,
        ..Scrapes::default()
    };
    let limits = source::Limits {
        max_line_bytes: MAX_SCRAPE_BYTES,
        ..source::Limits::default()
    };
    let mut names = Names::default();
    for input in &found.inputs {
        match MetricsFile::read(input, &limits, hints, &|_| true, &mut names) {
            Ok(file) => scrapes.add(file, wanted, &mut names),
            Err(trouble) => scrapes.troubles.push(trouble),
        }
    }
    scrapes
}

impl Scrapes {
    fn add(&mut self, file: MetricsFile, wanted: &dyn Fn(&str) -> bool, names: &mut Names) {
        self.files += 1;
        self.bad_lines += file.bad_lines;
        self.troubles.extend(file.notes);
        self.catalogue.observe(&file.scrape.exposition);
        if file.is_answer {
            self.has_target_labels = true;
            self.history
                .add_timestamped(&kept(file.scrape.exposition, wanted));
        } else {
            self.history.add(&file.scrape, wanted, names);
        }
    }
}

fn kept(mut exposition: Exposition, wanted: &dyn Fn(&str) -> bool) -> Exposition {
    for family in &mut exposition.families {
        family.samples.retain(|sample| wanted(&sample.name));
    }
    exposition
}

/// Every file below `paths`, whole and decompressed.
#[must_use]
pub fn read_texts(paths: &[PathBuf]) -> (Vec<(String, Vec<u8>)>, Vec<Trouble>) {
    let found = source::find(paths);
    let (mut texts, mut troubles) = (Vec::new(), found.troubles);
    let limits = source::Limits {
        max_line_bytes: MAX_SCRAPE_BYTES,
        ..source::Limits::default()
    };
    for input in &found.inputs {
        match text(input, &limits) {
            Ok((text, notes, _)) => {
                troubles.extend(notes);
                texts.push((input.name().to_owned(), text));
            }
            Err(trouble) => troubles.push(trouble),
        }
    }
    (texts, troubles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_say_what_a_scrape_does_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# TYPE up gauge\nup 1\n").unwrap();
        let time = Timestamp::parse("2026-11-22T04:23:53.000000Z").unwrap();
        let hints = ScrapeHints {
            time: Some(time),
            instance: Some("apiserver-7".to_owned()),
        };
        let scrapes = read_scrapes(&[file.path().to_owned()], &hints, &|_| true);
        assert_eq!(scrapes.files, 1);
        let times = scrapes.history.scraped("apiserver-7");
        assert_eq!(times, Some(&[time].into()));
    }
}
