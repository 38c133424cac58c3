//! What there is to ask for: every series name with its kind and labels, without the values over time.
//!
//! Grows with the number of names and label values, not with the number of scrapes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Exposition, Family, Kind, Text};

/// Every series name seen, with its kind and labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalogue(BTreeMap<Text, Known>);

/// What is known of one series name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Known {
    /// The kind of its family.
    pub kind: Kind,
    /// Whether only its increase says anything.
    pub cumulative: bool,
    /// Its labels, by name.
    pub labels: BTreeMap<Text, LabelValues>,
}

/// The values seen for one label.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabelValues {
    /// The values seen, at most [`LabelValues::LIMIT`] of them; the empty value is one.
    pub seen: BTreeSet<Text>,
    /// Whether there are more, or the values are not known at all.
    pub open: bool,
}

impl LabelValues {
    /// How many values of one label are kept.
    pub const LIMIT: usize = 2000;

    /// Values of which nothing is known.
    #[must_use]
    pub const fn unknown() -> Self {
        Self {
            seen: BTreeSet::new(),
            open: true,
        }
    }

    fn add(&mut self, value: &Text) {
        if self.seen.contains(value) {
            return;
        }
        if self.seen.len() < Self::LIMIT {
            self.seen.insert(Text::clone(value));
        } else {
            self.open = true;
        }
    }
}

impl Catalogue {
    /// Notes every series of an exposition. A family without samples, as `/api/v1/metadata` describes
    /// it, gives its kind to the series that are known by then and have none.
    pub fn observe(&mut self, exposition: &Exposition) {
        let empty = Text::from("");
        for family in &exposition.families {
            if family.samples.is_empty() {
                self.describe(family);
            }
            for sample in &family.samples {
                let known = match self.0.get_mut(&sample.name) {
                    Some(known) => known,
                    None => self.0.entry(Text::clone(&sample.name)).or_default(),
                };
                if known.kind == Kind::Unknown {
                    known.kind = family.kind;
                    known.cumulative = family.kind.is_cumulative(&sample.name);
                }
                for label in &family.label_names {
                    let value = sample.labels.text(label);
                    // Of a family's labels `le` belongs to its buckets only, `quantile` to its quantiles.
                    if value.is_some() || !matches!(&**label, "le" | "quantile") {
                        let values = known.labels.entry(Text::clone(label)).or_default();
                        values.add(value.unwrap_or(&empty));
                    }
                }
            }
        }
    }

    fn describe(&mut self, family: &Family) {
        for suffix in family.kind.suffixes() {
            let name = format!("{}{suffix}", family.name);
            if let Some(known) = self.0.get_mut(&*name)
                && known.kind == Kind::Unknown
            {
                known.kind = family.kind;
                known.cumulative = family.kind.is_cumulative(&name);
            }
        }
    }

    /// Notes one name that is known from elsewhere, unless it has been seen.
    pub fn insert_unseen(&mut self, name: Text, known: Known) {
        self.0.entry(name).or_insert(known);
    }

    /// What is known of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Known> {
        self.0.get(name)
    }

    /// All names, in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Text, &Known)> {
        self.0.iter()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Format, Names, read_exposition};

    #[test]
    fn notes_kinds_labels_and_values() {
        let text = b"# TYPE h histogram\nh_bucket{a=\"\",le=\"1\"} 1\nh_count{a=\"x\"} 1\n# TYPE c counter\nc 1\n";
        let read = read_exposition(text, Format::Text, &|_| true, &mut Names::default());
        let mut catalogue = Catalogue::default();
        catalogue.observe(&read);
        let show = |name| {
            let known = catalogue.get(name).unwrap();
            let labels = known
                .labels
                .iter()
                .map(|(label, values)| format!("{label}={:?}", values.seen));
            format!(
                "{} {} {:?}",
                known.kind.as_str(),
                known.cumulative,
                labels.collect::<Vec<_>>()
            )
        };
        assert_eq!(
            show("h_bucket"),
            "histogram true [\"a={\\\"\\\"}\", \"le={\\\"1\\\"}\"]"
        );
        assert_eq!(show("h_count"), "histogram true [\"a={\\\"x\\\"}\"]");
        assert_eq!(show("c"), "counter true []");
    }

    #[test]
    fn metadata_gives_kinds_to_series_that_have_none() {
        let mut names = Names::default();
        let mut catalogue = Catalogue::default();
        for json in [
            r#"{"status":"success","data":[{"__name__":"attempts","result":"error"}]}"#,
            r#"{"status":"success","data":{"attempts":[{"type":"counter","help":"","unit":""}]}}"#,
        ] {
            let read = crate::metric::read_api(json.as_bytes(), &|_| true, &mut names).unwrap();
            catalogue.observe(&read);
        }
        let known = catalogue.get("attempts").unwrap();
        assert!(known.cumulative && known.labels.contains_key("result"));
    }
}
