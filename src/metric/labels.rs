//! Label sets: sorted, shared, cheap to compare.

use std::{cmp::Ordering, fmt, sync::Arc};

use rustc_hash::FxHashSet;

/// A string held once however often it occurs: 25,000 series share a few thousand label values.
pub type Text = Arc<str>;

/// Hands out one [`Text`] per distinct string. One per run, lent to every reader.
#[derive(Debug, Default)]
pub struct Names(FxHashSet<Text>);

impl Names {
    /// The shared copy of `text`.
    pub fn get(&mut self, text: &str) -> Text {
        if let Some(known) = self.0.get(text) {
            return Text::clone(known);
        }
        let new: Text = Text::from(text);
        self.0.insert(Text::clone(&new));
        new
    }
}

/// The labels of a series, sorted by name, without the metric's name.
///
/// A label with an empty value is a label that is not there: so Prometheus stores it, and so two
/// series are the same or not. (`kube-apiserver` writes `dry_run=""` on nearly every line.)
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Labels(Arc<[(Text, Text)]>);

impl Labels {
    /// Sorts, drops empty values; of two labels with one name the smaller value stays.
    #[must_use]
    pub fn new(mut pairs: Vec<(Text, Text)>) -> Self {
        pairs.retain(|(_, value)| !value.is_empty());
        pairs.sort_unstable();
        pairs.dedup_by(|a, b| a.0 == b.0);
        Self(pairs.into())
    }

    /// From borrowed pairs; for tests and for a few labels at a time.
    #[must_use]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self::new(pairs.iter().map(|&(n, v)| (n.into(), v.into())).collect())
    }

    /// The value of a label; empty where there is none, as PromQL sees it.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.text(name).map_or("", |value| value)
    }

    /// The shared value of a label, if it has one.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&Text> {
        let at = self
            .0
            .binary_search_by(|(label, _)| (**label).cmp(name))
            .ok()?;
        Some(&self.0[at].1)
    }

    /// All labels, by name.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Names and values in turn, as the shared strings that they are.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Text> {
        self.0.iter().flat_map(|(name, value)| [name, value])
    }

    /// Whether there is no label at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These labels, less those that `keep` refuses.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(name, _)| keep(name))
                .cloned()
                .collect(),
        )
    }

    /// These labels and one more, where they have none of that name.
    #[must_use]
    pub fn with_default(&self, name: &Text, value: &Text) -> Self {
        if !self.get(name).is_empty() {
            return self.clone();
        }
        let mut pairs = self.0.to_vec();
        pairs.push((Text::clone(name), Text::clone(value)));
        Self::new(pairs)
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As in an exposition, escapes and all: `{a="x",b="y"}`; nothing where there is no label.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.iter().enumerate() {
            f.write_str(if at == 0 { "{" } else { "," })?;
            write!(f, "{name}=\"{}\"", Escaped(value))?;
        }
        f.write_str(if self.is_empty() { "" } else { "}" })
    }
}

/// A label value as it stands between quotes in an exposition, and in PromQL.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_label_is_no_label() {
        let labels = Labels::of(&[("verb", "LIST"), ("dry_run", ""), ("code", "200")]);
        assert_eq!(labels.to_string(), r#"{code="200",verb="LIST"}"#);
        assert_eq!(labels.get("dry_run"), "");
        assert_eq!(labels.get("verb"), "LIST");
    }

    #[test]
    fn hostile_values_stay_inside_their_quotes() {
        let labels = Labels::of(&[("user", "a\"} 1\nb\\")]);
        assert_eq!(labels.to_string(), r#"{user="a\"} 1\nb\\"}"#);
    }
}
