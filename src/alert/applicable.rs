//! Whether a template's rule can fire where it is going to run.

use promql_parser::{
    label::MatchOp,
    parser::{Expr, VectorSelector},
};

use super::{
    evaluate::{accepts, metric_name},
    generate::Recording,
    kubernetes::kubernetes_metrics,
    template::{Source, Template, selectors},
};
use crate::metric::{Catalogue, Labels};

/// Why a template's rule is left out, or `None` where it can fire.
pub(super) fn why_not(
    template: &Template,
    expr: &Expr,
    recording: &Recording<'_>,
) -> Option<String> {
    if template.source == Source::Satrail {
        let why = "no audit log given, so it is not known that satrail metrics will run here";
        return (!recording.has_audit).then(|| why.to_owned());
    }
    if !recording.has_scrapes {
        return unknown(
            template,
            expr,
            &kubernetes_metrics(recording.version),
            &at(recording),
        );
    }
    let mut all = selectors(expr).into_iter();
    let missing = all.find_map(|(selector, _)| absent(selector, recording))?;
    if template.absent_until_first_use && served(template, recording) {
        return None;
    }
    Some(missing)
}

/// Whether the series will come with the first event: the server is a kube-apiserver of such a version.
fn served(template: &Template, recording: &Recording<'_>) -> bool {
    let known = kubernetes_metrics(recording.version);
    template
        .needs
        .iter()
        .all(|(name, _)| known.get(name).is_some())
        && recording.catalogue.get("apiserver_request_total").is_some()
}

fn at(recording: &Recording<'_>) -> String {
    recording.version.map_or_else(
        || "any Kubernetes".to_owned(),
        |version| format!("Kubernetes {version}"),
    )
}

/// What the catalogue of a version lacks.
fn unknown(template: &Template, expr: &Expr, known: &Catalogue, of: &str) -> Option<String> {
    let needed = selectors(expr)
        .into_iter()
        .filter_map(|(selector, _)| metric_name(selector));
    let mut needed = needed.collect::<Vec<_>>();
    needed.dedup();
    for name in needed {
        let Some(metric) = known.get(name) else {
            return Some(format!("{name} is no metric of {of}"));
        };
        let labels = template.needs.iter().find(|(need, _)| need == name);
        let mut labels = labels.map_or(&[] as &[_], |(_, labels)| labels).iter();
        if let Some(label) = labels.find(|label| !metric.labels.contains_key(&***label)) {
            return Some(format!("{name} has no label {label} in {of}"));
        }
    }
    None
}

/// Why a selector selects nothing in the scrapes given.
fn absent(selector: &VectorSelector, recording: &Recording<'_>) -> Option<String> {
    let name = metric_name(selector)?;
    let Some(metric) = recording.scrapes.metric(name) else {
        return Some(format!("no metric {name} in the scrapes given"));
    };
    let accepted = |labels: &Labels| accepts(&selector.matchers, labels, &[]);
    if metric.series.keys().any(accepted) {
        return None;
    }
    let matchers = selector
        .matchers
        .matchers
        .iter()
        .filter(|m| m.name != "__name__");
    let matchers: Vec<String> = matchers
        .map(|m| {
            let op = match m.op {
                MatchOp::Equal => "=",
                MatchOp::NotEqual => "!=",
                MatchOp::Re(_) => "=~",
                MatchOp::NotRe(_) => "!~",
            };
            format!("{}{op}{:?}", m.name, m.value)
        })
        .collect();
    Some(format!(
        "no series {name}{{{}}} in the scrapes given",
        matchers.join(",")
    ))
}
