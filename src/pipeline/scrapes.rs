//! Scrapes -> one archive, over all cores.

use std::collections::BTreeSet;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    detect::{reads_metric, reads_sample},
    finding::Timestamp,
    metric::{Archive, MetricsFile, Names, ScrapeHints},
    source::{self, Input, Limits, Trouble},
};

use super::{Error, MetricsInput, Options, Progress, threads, window::Span};

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

impl Scrapes {
    /// Reads everything that the options name.
    pub(super) fn read(options: &Options, progress: &dyn Progress) -> Result<Self, Error> {
        if options.metrics.is_empty() {
            return Ok(Self::default());
        }
        let found = source::find(&options.metrics);
        let mut all = Self::read_inputs(&found.inputs, options, progress)?;
        all.troubles.extend(found.troubles);
        Ok(all)
    }

    /// Reads these files.
    pub(super) fn read_inputs(
        inputs: &[Input],
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let pool = threads::pool(options.threads).map_err(Error::Threads)?;
        let one = |input: &Input| {
            progress.file(input.name());
            Self::of(input, &options.limits, &options.scrape_hints)
        };
        Ok(pool.install(|| {
            inputs
                .par_iter()
                .map(one)
                .reduce(Self::default, |mut sum, next| {
                    sum.merge(next);
                    sum
                })
        }))
    }

    /// One file.
    fn of(input: &Input, limits: &Limits, hints: &ScrapeHints) -> Self {
        let mut scrapes = Self::default();
        let mut names = Names::default();
        let mut file = match MetricsFile::read(input, limits, hints, &reads_metric, &mut names) {
            Ok(file) => file,
            Err(trouble) => {
                scrapes.troubles.insert(trouble);
                return scrapes;
            }
        };
        scrapes.files = 1;
        scrapes.bad_lines = file.bad_lines;
        let name = input.name();
        let bad = file.bad.into_iter();
        scrapes.shown = bad
            .map(|bad| (name.to_owned(), bad.line, bad.why))
            .collect();
        scrapes.shrink();
        scrapes.troubles = file.notes.into_iter().collect();
        if file.is_answer {
            // `/api/v1/series` knows names and no values.
            for family in &mut file.scrape.exposition.families {
                family.samples.retain(|sample| sample.timestamp.is_some());
            }
        }
        scrapes
            .archive
            .add(name, file.scrape, &reads_sample, &mut names);
        scrapes
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
