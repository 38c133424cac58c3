//! The law of templates, and the documentation that is made from them.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, where a panic is a failure"
)]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use satrail::{
    alert::{
        Source, Template, ThresholdRule, built_in, known_versions, kubernetes_metrics,
        parse_expression,
    },
    detect::CATALOGUE,
    pipeline::PUBLISHED,
};

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The law of templates: complete, honest about what they need, linked to documentation that exists.
#[test]
fn templates_are_documented_and_know_what_they_need() {
    let known = kubernetes_metrics(None);
    for template in built_in().unwrap() {
        let id = &template.id;
        assert!(path(&format!("alerts/{id}.yaml")).is_file(), "{id}");
        assert!(!template.comment.is_empty(), "{id}: say why in a comment");
        let (file, anchor) = template
            .runbook
            .split_once('#')
            .unwrap_or((&template.runbook, ""));
        match file {
            "docs/detectors.md" => assert!(
                anchor.is_empty() || CATALOGUE.iter().any(|about| about.id == anchor),
                "{id}: no detector {anchor}"
            ),
            "docs/alerts.md" => assert_eq!(anchor, id),
            other => panic!("{id}: {other}"),
        }
        let expr = parse_expression(&template.with_threshold("1")).unwrap();
        let names = satrail::alert::metric_names(&expr);
        let needs: BTreeSet<&str> = template.needs.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, needs, "{id}");
        for (name, labels) in &template.needs {
            let has: Vec<&str> = match template.source {
                Source::Satrail => PUBLISHED
                    .iter()
                    .find(|m| m.name == name)
                    .unwrap()
                    .labels
                    .to_vec(),
                Source::Kubernetes => known
                    .get(name)
                    .unwrap()
                    .labels
                    .keys()
                    .map(|l| &**l)
                    .collect(),
            };
            for label in labels {
                assert!(has.contains(&&**label), "{id}: {name} has no label {label}");
                assert!(
                    template.expr.contains(label.as_str()),
                    "{id}: {label} is not used"
                );
            }
        }
        if let (Source::Kubernetes, Some(since)) = (template.source, template.kubernetes) {
            // The table has not every version: the next one that it has must serve the metric.
            let since = known_versions().into_iter().find(|v| *v >= since).unwrap();
            for (name, _) in &template.needs {
                assert!(
                    kubernetes_metrics(Some(since)).get(name).is_some(),
                    "{id}: {name} in {since}"
                );
            }
        }
    }
}

/// docs/alerts.md is made from the templates.
#[test]
fn the_documentation_of_alerts_is_up_to_date() {
    let mut text = String::from(
        "# Alerts\n\nWhat `satrail alerts` makes rules from; generated from `alerts/*.yaml` \
         (`BLESS=1 cargo test --test templates`).\n",
    );
    let mut templates = built_in().unwrap();
    templates.sort_by(|a, b| (a.source, &a.id).cmp(&(b.source, &b.id)));
    for template in &templates {
        document(template, &mut text);
    }
    let file = path("docs/alerts.md");
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "out of date: BLESS=1 cargo test --test templates"
    );
}

fn document(template: &Template, text: &mut String) {
    let source = match (template.source, template.kubernetes) {
        (Source::Satrail, _) => "metrics that satrail publishes".to_owned(),
        (Source::Kubernetes, None) => "metrics of kube-apiserver".to_owned(),
        (Source::Kubernetes, Some(since)) => {
            format!("metrics of kube-apiserver, Kubernetes {since} and later")
        }
    };
    let threshold = &template.threshold;
    let number = match threshold.rule {
        ThresholdRule::Fixed(number) => format!("{number} {}", threshold.unit),
        ThresholdRule::Fitted {
            percentile,
            headroom,
            floor,
        } => format!(
            "{headroom} times the {percentile}th percentile of normal hours, at least {floor} {}{}",
            threshold.unit,
            if template.per.is_empty() {
                ""
            } else {
                "; busy accounts have their own"
            }
        ),
    };
    let plain = |text: &str| {
        let text = text
            .replace("{{ $labels.", "<")
            .replace("{{ $value | printf \"%.0f\" }}", "N");
        text.replace("{{ $value | printf \"%.2f\" }}", "N")
            .replace(" }}", ">")
    };
    writeln!(
        text,
        "\n## {}\n\n`{}` ({}), from {source}.\n\n{}\n\n{}\n\n```promql\n{}\n```\n\nThreshold: {number}: {}.",
        template.id,
        template.alert,
        template.severity,
        plain(&template.description).replace('<', "&lt;"),
        template.comment,
        template.with_threshold("THRESHOLD"),
        threshold.because
    )
    .unwrap();
}
