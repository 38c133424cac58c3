//! One selector, held against the metrics that there are.

use promql_parser::{
    label::{MatchOp, Matcher},
    parser::VectorSelector,
};

use super::{Linter, ProblemKind, expression::Use, hearsay};
use crate::{
    alert::evaluate::{accepts, metric_name},
    metric::{Catalogue, Escaped, Kind, Known, LabelValues},
};

/// What Prometheus makes itself for every target and every alert.
const SYNTHETIC: [&str; 8] = [
    "up",
    "ALERTS",
    "ALERTS_FOR_STATE",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
];

impl Linter<'_> {
    /// False where the selector cannot select anything.
    pub(super) fn selector(&mut self, selector: &VectorSelector, using: Use, line: u64) -> bool {
        let Some(name) = metric_name(selector) else {
            return true;
        };
        if SYNTHETIC.contains(&name) || self.recorded.contains(&name) {
            return true;
        }
        let world = self.world;
        if let Some(known) = world.catalogue.get(name) {
            // Series from an API come without their kinds; of many metrics Kubernetes' are known.
            let typed = world
                .elsewhere
                .get(name)
                .filter(|_| known.kind == Kind::Unknown);
            self.raw_counter(name, typed.unwrap_or(known), using, line);
            return self.matchers(name, known, selector, line);
        }
        if let Some(known) = world.elsewhere.get(name) {
            let message = format!(
                "{name} is a metric of Kubernetes, but not in {}",
                world.source
            );
            self.add(ProblemKind::AbsentMetric, line, message, None);
            self.raw_counter(name, known, using, line);
            self.matchers(name, known, selector, line);
            return false;
        }
        let message = format!(
            "no metric {name} in {}, so this selects nothing, ever",
            world.source
        );
        self.add(
            ProblemKind::UnknownMetric,
            line,
            message,
            self.instead_of(name),
        );
        false
    }

    fn instead_of(&self, name: &str) -> Option<String> {
        if let Some(instead) = hearsay::instead_of(name) {
            return Some(format!("no Kubernetes release has it; ask for {instead}"));
        }
        let names = [self.world.catalogue, self.world.elsewhere].map(Catalogue::iter);
        let names = names.into_iter().flatten().map(|(name, _)| &**name);
        nearest(name, names).map(|near| format!("the nearest name is {near}"))
    }

    fn matchers(
        &mut self,
        name: &str,
        known: &Known,
        selector: &VectorSelector,
        line: u64,
    ) -> bool {
        let mut sound = true;
        for matcher in selector
            .matchers
            .matchers
            .iter()
            .filter(|m| m.name != "__name__")
        {
            sound &= match known.labels.get(&*matcher.name) {
                Some(values) => self.values(name, matcher, values, line),
                None => self.unknown_label(name, matcher, known, line),
            };
        }
        sound && self.together(name, selector, line)
    }

    fn unknown_label(&mut self, name: &str, matcher: &Matcher, known: &Known, line: u64) -> bool {
        let label = &*matcher.name;
        if self.world.unseen_labels().contains(&label) {
            return true;
        }
        let harmless = matcher.is_match("");
        let effect = if harmless {
            "has no effect"
        } else {
            "selects nothing, ever"
        };
        let message = format!(
            "{name} has no label {label}, so {} {effect}",
            shown(matcher)
        );
        let mut labels: Vec<&str> = known.labels.keys().map(|label| &**label).collect();
        labels.sort_unstable();
        let has = if labels.is_empty() {
            "no labels".to_owned()
        } else {
            labels.join(", ")
        };
        let mut suggestion = format!("it has {has}");
        if hearsay::is_identity(label) {
            suggestion.push_str("; ");
            suggestion.push_str(hearsay::WHO);
        } else if let Some(near) = nearest(label, labels.into_iter()) {
            suggestion = format!("{suggestion}; the nearest is {near}");
        }
        self.add(ProblemKind::UnknownLabel, line, message, Some(suggestion));
        harmless
    }

    fn values(&mut self, name: &str, matcher: &Matcher, values: &LabelValues, line: u64) -> bool {
        if values.open || values.seen.iter().any(|value| matcher.is_match(value)) {
            return true;
        }
        let message = format!(
            "no series of {name} in {} satisfies {}",
            self.world.source,
            shown(matcher)
        );
        let seen = || {
            values
                .seen
                .iter()
                .map(|value| &**value)
                .filter(|value| !value.is_empty())
        };
        let near = match matcher.op {
            MatchOp::Equal => nearest(&matcher.value, seen()),
            _ => None,
        };
        let mut few: Vec<&str> = seen().take(8).collect();
        if seen().nth(8).is_some() {
            few.push("...");
        }
        let suggestion = match near {
            Some(near) => format!("the nearest value is {near:?}"),
            None if few.is_empty() => format!("{} is always empty", matcher.name),
            None => format!("{} is one of {}", matcher.name, few.join(", ")),
        };
        self.add(
            ProblemKind::NothingSelected,
            line,
            message,
            Some(suggestion),
        );
        false
    }

    /// Each matcher selects something, but do they all select one series?
    fn together(&mut self, name: &str, selector: &VectorSelector, line: u64) -> bool {
        let Some(metric) = self.world.history.metric(name) else {
            return true;
        };
        let mut series = metric.series.keys();
        if series.any(|labels| accepts(&selector.matchers, labels, self.world.unseen_labels())) {
            return true;
        }
        let message =
            format!("each matcher selects some series of {name}, but none satisfies all of them");
        self.add(ProblemKind::NothingSelected, line, message, None);
        false
    }
}

/// As it stands in the rule.
fn shown(matcher: &Matcher) -> String {
    format!(
        "{{{}{}\"{}\"}}",
        matcher.name,
        matcher.op,
        Escaped(&matcher.value)
    )
}

/// The most similar of `names`, if it is similar at all; the first one of several.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const SIMILAR: f64 = 0.6;
    let scored = names.map(|known| (strsim::normalized_damerau_levenshtein(name, known), known));
    let better =
        |best: (f64, &'a str), next: (f64, &'a str)| if next.0 > best.0 { next } else { best };
    scored
        .reduce(better)
        .filter(|(score, _)| *score >= SIMILAR)
        .map(|(_, known)| known)
}
