//! Files of scrapes and of API answers -> a catalogue and a history.
//!
//! Each file is read whole into memory, up to a limit: an exposition is a few megabytes, and its kind
//! is told by its first and last bytes.

use std::path::PathBuf;

use crate::{
    finding::Timestamp,
    source::{self, Buffer, Content, Input, Trouble},
};

use super::{
    Catalogue, Exposition, Format, History, Names, Scrape, instance_from_name, read_api,
    read_exposition, scrape_time,
};

/// The largest file that is read, decompressed: a hundred times a large kube-apiserver's scrape.
pub const MAX_SCRAPE_BYTES: u64 = 512 << 20;

/// What files of scrapes hold.
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
pub fn read_scrapes(paths: &[PathBuf], wanted: &dyn Fn(&str) -> bool, max_bytes: u64) -> Scrapes {
    let found = source::find(paths);
    let mut scrapes = Scrapes {
        troubles: found.troubles,
        ..Scrapes::default()
    };
    let mut names = Names::default();
    for input in &found.inputs {
        let read = text(input, max_bytes).and_then(|(text, mut notes)| {
            scrapes.troubles.append(&mut notes);
            scrapes.add((input.name(), input.modified()), &text, wanted, &mut names)
        });
        match read {
            Ok(()) => scrapes.files += 1,
            Err(why) => scrapes.troubles.push(Trouble {
                file: input.name().to_owned(),
                why,
                unreadable: true,
                incomplete: true,
            }),
        }
    }
    scrapes
}

/// Every file below `paths`, whole and decompressed.
#[must_use]
pub fn read_texts(paths: &[PathBuf], max_bytes: u64) -> (Vec<(String, Vec<u8>)>, Vec<Trouble>) {
    let found = source::find(paths);
    let (mut texts, mut troubles) = (Vec::new(), found.troubles);
    for input in &found.inputs {
        let file = input.name().to_owned();
        match text(input, max_bytes) {
            Ok((text, mut notes)) => {
                troubles.append(&mut notes);
                texts.push((file, text));
            }
            Err(why) => troubles.push(Trouble {
                file,
                why,
                unreadable: true,
                incomplete: true,
            }),
        }
    }
    (texts, troubles)
}

impl Scrapes {
    fn add(
        &mut self,
        (file, modified): (&str, Option<Timestamp>),
        text: &[u8],
        wanted: &dyn Fn(&str) -> bool,
        names: &mut Names,
    ) -> Result<(), String> {
        if text.trim_ascii_start().starts_with(b"{") {
            let answer = read_api(text, &|_| true, names).map_err(|error| error.to_string())?;
            self.note(&answer);
            self.has_target_labels = true;
            self.history.add_timestamped(&kept(answer, wanted));
            return Ok(());
        }
        let exposition = read_exposition(text, Format::detect(text), &|_| true, names);
        if exposition.samples == 0 {
            return Err("no sample of a metric in it".to_owned());
        }
        let Some((time, _)) = scrape_time(&exposition, file, modified, None) else {
            return Err(
                "when it was scraped is not known: put the time into its name, \
                        such as apiserver-20261122T042353Z.prom"
                    .to_owned(),
            );
        };
        self.note(&exposition);
        let instance = instance_from_name(file).unwrap_or("unknown").to_owned();
        let scrape = Scrape {
            instance,
            time,
            exposition,
        };
        self.history.add(&scrape, wanted, names);
        Ok(())
    }

    fn note(&mut self, exposition: &Exposition) {
        self.catalogue.observe(exposition);
        self.bad_lines += exposition.bad.count;
    }
}

fn kept(mut exposition: Exposition, wanted: &dyn Fn(&str) -> bool) -> Exposition {
    for family in &mut exposition.families {
        family.samples.retain(|sample| wanted(&sample.name));
    }
    exposition
}

/// A whole file, decompressed, and what there is to say about it.
fn text(input: &Input, max_bytes: u64) -> Result<(Vec<u8>, Vec<Trouble>), String> {
    let limits = source::Limits {
        max_line_bytes: max_bytes,
        ..source::Limits::default()
    };
    let too_large = || format!("larger than {max_bytes} bytes");
    let source = input.open(&limits).map_err(|trouble| trouble.why)?;
    let (mut buffer, mut text) = (Buffer::new(), Vec::new());
    while let Some(chunk) = source.next(&mut buffer) {
        let Content::Lines(lines) = chunk.content else {
            return Err(too_large());
        };
        if (text.len() + lines.len()) as u64 > max_bytes {
            return Err(too_large());
        }
        text.extend_from_slice(lines);
    }
    Ok((text, source.troubles()))
}
