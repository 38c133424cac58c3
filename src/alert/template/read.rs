//! One template's file, checked: what is wrong with it is said before anything is generated.

use promql_parser::parser::Expr;

use super::{
    super::{
        evaluate::{is_comparison, metric_name, parse_expression},
        quote::Words,
        rules::is_label_name,
        yaml::{self, Node},
    },
    Source, THRESHOLD, Template, TemplateError, Threshold, ThresholdRule, selectors,
};
use crate::metric::{Labels, Text};

const FIELDS: [&str; 15] = [
    "alert",
    "source",
    "kubernetes",
    "absent-until-first-use",
    "detector",
    "needs",
    "expr",
    "for",
    "severity",
    "per",
    "threshold",
    "summary",
    "description",
    "runbook",
    "example",
];

type Read<T> = Result<T, String>;

/// Reads and checks one template.
pub(super) fn template(id: &str, text: &str) -> Result<Template, TemplateError> {
    let error = |why: String| TemplateError {
        file: format!("{id}.yaml"),
        why,
    };
    let documents = yaml::parse(text)
        .map_err(|broken| error(format!("line {}: not YAML: {}", broken.line, broken.why)))?;
    let [node] = documents.as_slice() else {
        return Err(error("not one YAML document".to_owned()));
    };
    let template = build(id, text, node).map_err(error)?;
    check(&template).map_err(error)?;
    Ok(template)
}

fn build(id: &str, text: &str, node: &Node) -> Read<Template> {
    for (field, _) in node.pairs() {
        let name = field.text().unwrap_or_default();
        if !FIELDS.contains(&name) {
            return Err(format!("line {}: no field is called {name:?}", field.line));
        }
    }
    let required = |field: &str| {
        let found = node.get(field).and_then(Node::text).map(str::trim);
        let found = found.filter(|text| !text.is_empty()).map(str::to_owned);
        found.ok_or_else(|| format!("no {field}"))
    };
    let optional = |field: &str| node.get(field).and_then(Node::text);
    let example = node.get("example");
    let comment = text.lines().map_while(|line| line.strip_prefix('#'));
    Ok(Template {
        id: id.to_owned(),
        comment: comment.map(str::trim).collect::<Vec<_>>().join("\n"),
        alert: required("alert")?,
        source: match &*required("source")? {
            "kubernetes" => Source::Kubernetes,
            "satrail" => Source::Satrail,
            other => return Err(format!("source is kubernetes or satrail, not {other:?}")),
        },
        kubernetes: optional("kubernetes").map(str::parse).transpose()?,
        absent_until_first_use: optional("absent-until-first-use") == Some("true"),
        detector: optional("detector").map(str::to_owned),
        needs: needs(node),
        expr: required("expr")?,
        hold: required("for")?,
        severity: required("severity")?,
        per: texts(node.get("per")),
        threshold: threshold(node.get("threshold").ok_or("no threshold")?)?,
        summary: required("summary")?,
        description: required("description")?,
        runbook: required("runbook")?,
        example: texts(example.and_then(|example| example.get("series")))
            .iter()
            .map(|text| series(text))
            .collect::<Read<_>>()?,
        example_grows: example.and_then(|e| e.get("values")?.text()) != Some("stands"),
    })
}

fn texts(node: Option<&Node>) -> Vec<String> {
    let items = node.map_or(&[] as &[_], Node::items).iter();
    items.filter_map(Node::text).map(str::to_owned).collect()
}

fn needs(node: &Node) -> Vec<(String, Vec<String>)> {
    let pairs = node.get("needs").map_or(&[] as &[_], Node::pairs).iter();
    let need = |(name, labels): &(Node, Node)| Some((name.text()?.to_owned(), texts(Some(labels))));
    pairs.filter_map(need).collect()
}

fn threshold(node: &Node) -> Read<Threshold> {
    let number = |field: &str| -> Read<Option<f64>> {
        let Some(text) = node.get(field).and_then(Node::text) else {
            return Ok(None);
        };
        let number = text
            .parse()
            .ok()
            .filter(|n: &f64| n.is_finite() && *n >= 0.0);
        number
            .map(Some)
            .ok_or_else(|| format!("threshold: {field} is no number"))
    };
    let text = |field: &str| {
        let found = node.get(field).and_then(Node::text).map(str::to_owned);
        found.ok_or_else(|| format!("threshold: no {field}"))
    };
    let all = (
        number("fixed")?,
        number("percentile")?,
        number("headroom")?,
        number("floor")?,
    );
    let rule = match all {
        (Some(fixed), None, None, None) => ThresholdRule::Fixed(fixed),
        (None, Some(percentile), Some(headroom), Some(floor)) if percentile <= 100.0 => {
            ThresholdRule::Fitted {
                percentile,
                headroom,
                floor,
            }
        }
        _ => return Err("threshold: either fixed, or percentile, headroom and floor".to_owned()),
    };
    Ok(Threshold {
        rule,
        unit: text("unit")?,
        because: text("because")?,
    })
}

/// `name{label="value"}` as a series.
fn series(text: &str) -> Read<(String, Labels)> {
    let no = || format!("example: {text:?} is no series");
    let Ok(Expr::VectorSelector(selector)) = parse_expression(text) else {
        return Err(no());
    };
    let name = metric_name(&selector).ok_or_else(no)?.to_owned();
    let labels = selector.matchers.matchers.iter();
    let labels = labels.map(|m| (Text::from(&*m.name), Text::from(&*m.value)));
    Ok((name, Labels::new(labels.collect())))
}

/// What must hold for every template, so that generating cannot go wrong.
fn check(template: &Template) -> Read<()> {
    let expr = parse_expression(&template.with_threshold("1"))
        .map_err(|why| format!("expr is no PromQL: {why}"))?;
    if !template.expr.contains(THRESHOLD) {
        return Err(format!("expr has no {THRESHOLD}"));
    }
    let compares = |expr: &Expr| {
        matches!(expr, Expr::Binary(binary) if is_comparison(&binary.op.to_string())
            && matches!(&*binary.rhs, Expr::NumberLiteral(_)))
    };
    if matches!(template.threshold.rule, ThresholdRule::Fitted { .. }) && !compares(&expr) {
        return Err(format!(
            "a fitted expr must end in a comparison with {THRESHOLD}"
        ));
    }
    for (selector, _) in selectors(&expr) {
        let name = metric_name(selector).ok_or("a selector without one metric's name")?;
        if !template.needs.iter().any(|(need, _)| need == name) {
            return Err(format!("needs does not tell of {name}"));
        }
    }
    promql_parser::util::parse_duration(&template.hold)
        .map_err(|_| format!("for is no duration: {:?}", template.hold))?;
    if template.example.is_empty() {
        return Err("no example: how can it fire?".to_owned());
    }
    if !["info", "warning", "critical"].contains(&&*template.severity) {
        return Err(format!(
            "severity is info, warning or critical, not {}",
            template.severity
        ));
    }
    if !template.per.iter().all(|label| is_label_name(label)) {
        return Err("per names labels".to_owned());
    }
    for text in [&template.summary, &template.description] {
        Words::parse(text)?;
    }
    Ok(())
}
