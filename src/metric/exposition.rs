//! One exposition, `/metrics` at one moment: families of samples.

use std::{
    collections::hash_map::Entry,
    hash::{Hash, Hasher},
};

use rustc_hash::{FxHashMap, FxHasher};

use super::{
    BadLines, Format, Kind, Labels, Names, Text,
    line::{self, Label, Line, SampleLine},
};
use crate::finding::Timestamp;

/// The samples under one `# TYPE` line.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The name in the `# TYPE` line; in OpenMetrics without `_total`.
    pub name: Text,
    /// The kind.
    pub kind: Kind,
    /// The `# HELP` text, unescaped; empty where there is none.
    pub help: String,
    /// The `# UNIT`; empty where there is none.
    pub unit: String,
    /// The label names seen, also those whose values were all empty; sorted.
    pub label_names: Vec<Text>,
    /// The samples, in the order of the text.
    pub samples: Vec<Sample>,
}

impl Family {
    pub(super) fn new(name: Text) -> Self {
        Self {
            name,
            kind: Kind::Unknown,
            help: String::new(),
            unit: String::new(),
            label_names: Vec::new(),
            samples: Vec::new(),
        }
    }

    /// Whether a sample of that name is one of this family, by its kind.
    fn owns(&self, sample: &str) -> bool {
        sample
            .strip_prefix(&*self.name)
            .is_some_and(|suffix| self.kind.suffixes().contains(&suffix))
    }

    pub(super) fn note_labels(&mut self, pairs: &[(Text, Text)]) {
        for (label, _) in pairs {
            if let Err(at) = self.label_names.binary_search(label) {
                self.label_names.insert(at, Text::clone(label));
            }
        }
    }
}

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The series' name, such as `x_bucket`.
    pub name: Text,
    /// Its labels.
    pub labels: Labels,
    /// Its value; NaN and the infinities are values.
    pub value: f64,
    /// Its own time, to the millisecond; most writers leave it to whoever scrapes.
    pub timestamp: Option<Timestamp>,
}

/// What one text held.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Exposition {
    /// The wanted families that have samples, and those with a `# TYPE` or `# HELP` line only.
    pub families: Vec<Family>,
    /// Sample lines read into the families.
    pub samples: u64,
    /// Exemplars: checked and set aside.
    pub exemplars: u64,
    /// What could not be read; the rest was.
    pub bad: BadLines,
}

impl Exposition {
    /// All samples of all families.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.families.iter().flat_map(|family| &family.samples)
    }

    /// Whether every sample carries its own time, as in a federation or an export.
    #[must_use]
    pub fn is_timestamped(&self) -> bool {
        self.samples > 0 && self.samples().all(|sample| sample.timestamp.is_some())
    }
}

/// Reads a whole exposition. Only families and samples whose name `wanted` accepts are built; the
/// other lines are passed over without being parsed beyond their name. Never fails: bad lines become data.
pub fn read_exposition(
    text: &[u8],
    format: Format,
    wanted: &dyn Fn(&str) -> bool,
    names: &mut Names,
) -> Exposition {
    let mut reader = Reader {
        names,
        wanted,
        families: Vec::new(),
        by_name: FxHashMap::default(),
        current: 0,
        shape: (usize::MAX, 0),
        seen: FxHashMap::default(),
        result: Exposition::default(),
    };
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut labels = Vec::new();
    let mut ended = false;
    for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let number = at as u64 + 1;
        if ended {
            if !line.trim_ascii().is_empty() {
                reader.result.bad.push(number, "something follows # EOF");
            }
            continue;
        }
        match reader.line(line, format, &mut labels) {
            Ok(end) => ended = end,
            Err(why) => reader.result.bad.push(number, why),
        }
    }
    reader.finish()
}

struct Reader<'n> {
    names: &'n mut Names,
    wanted: &'n dyn Fn(&str) -> bool,
    /// In the order of the text.
    families: Vec<Family>,
    by_name: FxHashMap<Text, usize>,
    /// The family that the next sample probably belongs to.
    current: usize,
    /// The current family and its labels' names on the line before: they rarely change.
    shape: (usize, u64),
    /// All series so far by [`identity`] and time, with their places, to tell duplicates.
    seen: FxHashMap<(u64, Option<Timestamp>), (usize, usize)>,
    result: Exposition,
}

impl Reader<'_> {
    /// Reads one line; true after `# EOF`.
    fn line<'a>(
        &mut self,
        line: &'a [u8],
        format: Format,
        labels: &mut Vec<Label<'a>>,
    ) -> Result<bool, &'static str> {
        let line = simdutf8::basic::from_utf8(line).map_err(|_| "not UTF-8")?;
        if line::peek_name(line).is_some_and(|name| !(self.wanted)(name)) {
            return Ok(false);
        }
        match line::parse(line, format, labels)? {
            Line::Eof => return Ok(true),
            Line::Nothing => {}
            Line::Help(name, text) => self.family(&name).help = text.into_owned(),
            Line::Unit(name, unit) => unit.clone_into(&mut self.family(&name).unit),
            Line::Type(name, kind) => self.family(&name).kind = Kind::parse(kind),
            Line::Sample(sample) => self.sample(&sample, labels)?,
        }
        Ok(false)
    }

    /// The family of that name, which becomes the current one.
    fn family(&mut self, name: &str) -> &mut Family {
        self.current = if let Some(&at) = self.by_name.get(name) {
            at
        } else {
            let name = self.names.get(name);
            self.by_name.insert(Text::clone(&name), self.families.len());
            self.families.push(Family::new(name));
            self.families.len() - 1
        };
        &mut self.families[self.current]
    }

    fn sample(&mut self, line: &SampleLine<'_>, labels: &[Label<'_>]) -> Result<(), &'static str> {
        if !(self.wanted)(&line.name) {
            return Ok(());
        }
        if has_duplicate(labels) {
            return Err("one label name twice");
        }
        let name = self.names.get(&line.name);
        let pairs: Vec<(Text, Text)> = labels
            .iter()
            .map(|(name, value)| (self.names.get(name), self.names.get(value)))
            .collect();
        self.enter_family_of(&name);
        let shape = (self.current, identity(pairs.iter().map(|(name, _)| name)));
        let family = &mut self.families[self.current];
        if self.shape != shape {
            family.note_labels(&pairs);
            self.shape = shape;
        }
        let labels = Labels::new(pairs);
        let texts = labels.texts().chain([&name]);
        let series = (identity(texts), line.timestamp);
        match self.seen.entry(series) {
            Entry::Vacant(entry) => _ = entry.insert((self.current, family.samples.len())),
            // Two series may have one hash; then the second one is not known to be a duplicate.
            Entry::Occupied(entry) => {
                let (family, sample) = *entry.get();
                let known = &self.families[family].samples[sample];
                if known.name == name && known.labels == labels {
                    return Err("this series stood here already; its first sample counts");
                }
            }
        }
        self.result.samples += 1;
        self.result.exemplars += u64::from(line.exemplar);
        let (value, timestamp) = (line.value, line.timestamp);
        self.families[self.current].samples.push(Sample {
            name,
            labels,
            value,
            timestamp,
        });
        Ok(())
    }

    /// Makes the family of the sample `name` the current one: the last one, if the name fits its
    /// kind, else the one of which that is so, else a new one of the sample's own name.
    fn enter_family_of(&mut self, name: &str) {
        if self
            .families
            .get(self.current)
            .is_some_and(|family| family.owns(name))
        {
            return;
        }
        let owner = Kind::SUFFIXES
            .iter()
            .filter_map(|suffix| self.by_name.get(name.strip_suffix(suffix)?))
            .find(|&&at| self.families[at].owns(name));
        match owner {
            Some(&at) => self.current = at,
            None => {
                self.family(name);
            }
        }
    }

    fn finish(mut self) -> Exposition {
        let wanted = self.wanted;
        self.families
            .retain(|family| !family.samples.is_empty() || wanted(&family.name));
        self.result.families = self.families;
        self.result
    }
}

/// A hash over where shared strings lie, which is far quicker than over what they say: [`Names`] keeps
/// one copy of each.
fn identity<'t>(texts: impl Iterator<Item = &'t Text>) -> u64 {
    let mut hasher = FxHasher::default();
    texts.for_each(|text| text.as_ptr().addr().hash(&mut hasher));
    hasher.finish()
}

/// Few enough labels stand on a line that comparing each with each is the fastest way.
fn has_duplicate(labels: &[Label<'_>]) -> bool {
    let twice = |(at, (name, _)): (usize, &Label<'_>)| labels[..at].iter().any(|(n, _)| n == name);
    labels.iter().enumerate().any(twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Exposition {
        let format = Format::detect(text.as_bytes());
        read_exposition(text.as_bytes(), format, &|_| true, &mut Names::default())
    }

    #[test]
    fn samples_find_their_family() {
        let text = "# HELP h Hist.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\n\
                    # TYPE c counter\nc 3\nc_total 4\nfree 5\nh_bucket{le=\"1\"} 0\n";
        let got = read(text);
        let families: Vec<_> = got
            .families
            .iter()
            .map(|f| (&*f.name, f.kind.as_str(), f.samples.len()))
            .collect();
        assert_eq!(
            families,
            [
                ("h", "histogram", 4),
                ("c", "counter", 2),
                ("free", "unknown", 1)
            ]
        );
        assert_eq!(got.families[0].help, "Hist.");
        assert_eq!(got.samples, 7);
    }

    #[test]
    fn bad_lines_are_told_and_stop_nothing() {
        let got = read("a 1\na 2\nb{x=\"1\",x=\"2\"} 1\nc{\n\nd 4 \n");
        let bad: Vec<_> = got
            .bad
            .first
            .iter()
            .map(|bad| format!("{}: {}", bad.line, bad.why))
            .collect();
        assert_eq!(
            bad,
            [
                "2: this series stood here already; its first sample counts",
                "3: one label name twice",
                "4: a label without a name, or no closing brace",
            ]
        );
        assert_eq!(got.samples, 2);
    }

    #[test]
    fn openmetrics_ends_at_its_end() {
        let got = read(
            "# TYPE c counter\n# UNIT c s\nc_total 1 12.5 # {t=\"x\"} 1 3\nc_created 7\n# EOF\n",
        );
        assert_eq!((got.samples, got.exemplars, got.bad.count), (2, 1, 0));
        assert_eq!(got.families[0].unit, "s");
        let sample = &got.families[0].samples[0];
        assert_eq!(sample.timestamp, Some(Timestamp::from_micros(12_500_000)));
        assert!(
            Kind::Counter.is_cumulative("c_total") && !Kind::Counter.is_cumulative("c_created")
        );
    }

    #[test]
    fn unwanted_families_are_passed_over() {
        let text = "# TYPE a counter\na{broken 1\n# TYPE b gauge\nb 2\n";
        let got = read_exposition(
            text.as_bytes(),
            Format::Text,
            &|name| name == "b",
            &mut Names::default(),
        );
        assert_eq!((got.families.len(), got.samples, got.bad.count), (1, 1, 0));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
            read_exposition(&bytes, Format::detect(&bytes), &|_| true, &mut Names::default());
        }

        #[test]
        fn no_near_exposition_makes_it_panic(text in "([a-c]{1,2}|[{}=,\"\\\\# \n\t]|TYPE|HELP|EOF|[0-9.e+-]{1,3}|NaN|é){0,60}") {
            for format in [Format::Text, Format::OpenMetrics] {
                read_exposition(text.as_bytes(), format, &|_| true, &mut Names::default());
            }
        }

        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec("\\PC{0,12}|[\n\\\\\"]{1,4}", 1..5), value: f64) {
            let pairs: Vec<_> = values.iter().enumerate().map(|(at, v)| (format!("l{at}"), v.clone())).collect();
            let labels = Labels::new(pairs.iter().map(|(n, v)| (n.as_str().into(), v.as_str().into())).collect());
            let got = read(&format!("m{labels} {value:?}\n"));
            let sample = got.samples().next().unwrap();
            assert_eq!(sample.labels, labels);
            assert_eq!(sample.value.is_nan(), value.is_nan());
            if !value.is_nan() {
                assert_eq!(sample.value.to_bits(), value.to_bits());
            }
        }
    }
}
