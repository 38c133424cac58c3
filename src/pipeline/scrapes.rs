//! Scrapes -> one archive, over all cores.

use std::collections::BTreeSet;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    detect::{reads_metric, reads_sample},
    finding::Timestamp,
    metric::{
        Archive, Exposition, Format, Names, Scrape, instance_from_name, read_api, read_exposition,
        scrape_time,
    },
    source::{self, Buffer, Content, Input, Limits, Trouble},
};

use super::{Error, MetricsInput, Options, Progress, window::Span};

/// How many bad lines are kept to be shown.
const SHOWN: usize = 20;

/// What the reading of metrics leaves behind: a commutative monoid, like everything in a state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Scrapes {
    pub(super) archive: Archive,
    pub(super) files: u64,
    pub(super) bad_lines: u64,
    /// The bad lines that stand first: file, line, why.
    pub(super) shown: BTreeSet<(String, u64, String)>,
    pub(super) troubles: BTreeSet<Trouble>,
}

/// What is known of scrapes that they do not say themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrapeHints {
    /// When they were taken.
    pub time: Option<Timestamp>,
    /// Of which instance they are.
    pub instance: Option<String>,
}

impl Scrapes {
    /// Reads everything that the options name.
    pub(super) fn read(options: &Options, progress: &dyn Progress) -> Result<Self, Error> {
        if options.metrics.is_empty() {
            return Ok(Self::default());
        }
        let found = source::find(&options.metrics);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.threads)
            .build();
        let pool =
            pool.map_err(|error| Error::Threads(format!("cannot start threads: {error}")))?;
        let one = |input: &Input| {
            progress.file(input.name());
            Self::of(input, &options.limits, &options.scrape_hints)
        };
        let mut all = pool.install(|| {
            found
                .inputs
                .par_iter()
                .map(one)
                .reduce(Self::default, |mut sum, next| {
                    sum.merge(next);
                    sum
                })
        });
        all.troubles.extend(found.troubles);
        Ok(all)
    }

    /// One file.
    fn of(input: &Input, limits: &Limits, hints: &ScrapeHints) -> Self {
        let mut scrapes = Self::default();
        let text = match scrapes.text(input, limits) {
            Ok(text) => text,
            Err(trouble) => {
                scrapes.troubles.insert(trouble);
                return scrapes;
            }
        };
        scrapes.files = 1;
        let mut names = Names::default();
        let read = exposition(&text, &mut names).and_then(|exposition| {
            scrapes.note_bad(input.name(), &exposition);
            let flag = hints.time;
            let time = scrape_time(&exposition, input.name(), input.modified(), flag);
            let (time, _) = time.ok_or_else(|| NO_TIME.to_owned())?;
            let instance = hints.instance.as_deref();
            let instance = instance.or_else(|| instance_from_name(input.name()));
            Ok(Scrape {
                instance: instance.unwrap_or("unknown").to_owned(),
                time,
                exposition,
            })
        });
        match read {
            Ok(scrape) => scrapes
                .archive
                .add(input.name(), scrape, &reads_sample, &mut names),
            Err(why) => _ = scrapes.troubles.insert(unreadable(input, why)),
        }
        scrapes
    }

    /// The whole text: a scrape is a few megabytes.
    fn text(&mut self, input: &Input, limits: &Limits) -> Result<Vec<u8>, Trouble> {
        let source = input.open(limits)?;
        let (mut text, mut buffer) = (Vec::new(), Buffer::default());
        let mut lines = 0;
        while let Some(chunk) = source.next(&mut buffer) {
            match chunk.content {
                Content::Lines(bytes) => {
                    lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
                    text.extend_from_slice(bytes);
                }
                Content::TooLong { bytes, .. } => {
                    // The line stays, empty, so that the numbers of the others are right.
                    text.push(b'\n');
                    lines += 1;
                    let why =
                        format!("{bytes} bytes long: skipped (--max-line-bytes raises the limit)");
                    self.bad_lines += 1;
                    self.shown.insert((input.name().to_owned(), lines, why));
                }
                // Only a source that was opened for records has these.
                Content::Records { .. } => {}
            }
        }
        self.troubles.extend(source.troubles());
        Ok(text)
    }

    fn note_bad(&mut self, file: &str, exposition: &Exposition) {
        self.bad_lines += exposition.bad.count;
        for bad in &exposition.bad.first {
            self.shown
                .insert((file.to_owned(), bad.line, bad.why.clone()));
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.shown.len() > SHOWN {
            self.shown.pop_last();
        }
    }

    /// Adds what another reading left behind; the order does not matter.
    pub(super) fn merge(&mut self, other: Self) {
        self.archive.merge(other.archive);
        self.files += other.files;
        self.bad_lines += other.bad_lines;
        self.shown.extend(other.shown);
        self.shrink();
        self.troubles.extend(other.troubles);
    }

    /// Forgets the scrapes outside the window.
    pub(super) fn keep(&mut self, span: Span) {
        self.archive.retain(|time| span.contains(Some(time)));
    }

    /// The time of the newest scrape.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.archive.span().map(|(_, last)| last)
    }

    /// What there is to say of them in a report; `None` if none were asked for.
    pub(super) fn input(&self) -> Option<MetricsInput> {
        let span = self.archive.span();
        let asked_for = self.files > 0 || !self.troubles.is_empty();
        asked_for.then(|| MetricsInput {
            files: self.files,
            scrapes: self.archive.scrapes(),
            instances: self.archive.instances().count() as u64,
            samples: self.archive.samples(),
            bad_lines: self.bad_lines,
            first_scrape: span.map(|(first, _)| first),
            last_scrape: span.map(|(_, last)| last),
        })
    }
}

const NO_TIME: &str = "nothing says when this was scraped: give --scrape-time";

fn unreadable(input: &Input, why: String) -> Trouble {
    Trouble {
        file: input.name().to_owned(),
        why,
        unreadable: true,
        incomplete: true,
    }
}

/// Exposition text or an answer of the Prometheus API, told by its first byte.
fn exposition(text: &[u8], names: &mut Names) -> Result<Exposition, String> {
    let start = text.trim_ascii_start();
    if !start.starts_with(b"{") && !start.starts_with(b"[") {
        return Ok(read_exposition(
            text,
            Format::detect(text),
            &reads_metric,
            names,
        ));
    }
    if start.starts_with(br#"{"kind":"Event""#) {
        return Err("this is an audit log: name it before --metrics".to_owned());
    }
    let mut read = read_api(text, &reads_metric, names).map_err(|error| error.to_string())?;
    for family in &mut read.families {
        // `/api/v1/series` knows names and no values.
        family.samples.retain(|sample| sample.timestamp.is_some());
    }
    Ok(read)
}
