//! All scrapes of a run: their history, and the file that each one came from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{History, Names, Sample, Scrape};
use crate::finding::Timestamp;

/// All scrapes of a run. Adds up in any order, like the history in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Archive {
    history: History,
    /// By instance and time. Of several files for one scrape the first by name.
    files: BTreeMap<String, BTreeMap<Timestamp, String>>,
    samples: u64,
}

impl Archive {
    /// Adds a scrape that was read from `file`, as far as `wanted` accepts its samples.
    pub fn add(
        &mut self,
        file: &str,
        mut scrape: Scrape,
        wanted: &dyn Fn(&Sample) -> bool,
        names: &mut Names,
    ) {
        let exposition = &mut scrape.exposition;
        if !exposition.is_timestamped() {
            note(&mut self.files, &scrape.instance, scrape.time, file);
        }
        for family in &mut exposition.families {
            family.samples.retain(wanted);
            for sample in &family.samples {
                let instance = sample.labels.text("instance");
                let instance = instance.map_or(&*scrape.instance, |text| text);
                let time = sample.timestamp.unwrap_or(scrape.time);
                note(&mut self.files, instance, time, file);
                self.samples += 1;
            }
        }
        self.history.add(&scrape, &|_| true, names);
    }

    /// Adds what another archive holds; the order does not matter.
    pub fn merge(&mut self, other: Self) {
        self.history.merge(other.history);
        for (instance, times) in other.files {
            for (time, file) in times {
                note(&mut self.files, &instance, time, &file);
            }
        }
        self.samples += other.samples;
    }

    /// Forgets the scrapes of times that `keep` refuses.
    pub fn retain(&mut self, keep: impl Fn(Timestamp) -> bool) {
        self.history.retain(&keep);
        for times in self.files.values_mut() {
            times.retain(|&time, _| keep(time));
        }
        self.files.retain(|_, times| !times.is_empty());
    }

    /// The samples over time.
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// The instances by name, and when each was scraped.
    pub fn instances(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = Timestamp>)> {
        let instances = self.files.iter();
        instances.map(|(instance, times)| (instance.as_str(), times.keys().copied()))
    }

    /// The file in which `instance` stands as of `time`; empty where there is none.
    #[must_use]
    pub fn file(&self, instance: &str, time: Timestamp) -> &str {
        let file = self.files.get(instance).and_then(|times| times.get(&time));
        file.map_or("", |file| file)
    }

    /// How many scrapes there are, over all instances.
    #[must_use]
    pub fn scrapes(&self) -> u64 {
        self.files.values().map(|times| times.len() as u64).sum()
    }

    /// How many samples were wanted.
    #[must_use]
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    /// The times of the first and of the last scrape.
    #[must_use]
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let first = self.files.values().filter_map(|t| t.keys().next()).min();
        let last = self.files.values().filter_map(|t| t.keys().next_back());
        Some((*first?, *last.max()?))
    }
}

type Files = BTreeMap<String, BTreeMap<Timestamp, String>>;

fn note(files: &mut Files, instance: &str, time: Timestamp, file: &str) {
    // Not `entry`, which would want owned strings for every sample.
    let times = match files.get_mut(instance) {
        Some(times) => times,
        None => files.entry(instance.to_owned()).or_default(),
    };
    let known = times.get(&time);
    if known.is_none_or(|known| file < known.as_str()) {
        times.insert(time, file.to_owned());
    }
}
