//! Templates and a recording -> rules that can fire, with unit tests that prove it.
//!
//! ```text
//!   template --why_not--> left out, and why
//!      |
//!      |--Study--> thresholds --> rules: one for all, one for each busy account
//!      |             (fit)          |
//!      `--Replay-------------------'--> cases: fires on recorded misuse (or on a synthesised series),
//!                                               stays silent in recorded normal hours
//! ```

use std::{collections::BTreeSet, time::Duration};

use promql_parser::parser::Expr;

use super::{
    applicable::why_not,
    cases::{self, Case},
    evaluate::parse_expression,
    fit::{Fitted, Study},
    kubernetes::Version,
    quote::{go_template, promql},
    replay,
    template::{Source, Template, spans},
};
use crate::{
    finding::Finding,
    metric::{Catalogue, History, Labels},
};

/// What the rules are made from.
#[derive(Debug, Clone, Copy)]
pub struct Recording<'a> {
    /// Series of kube-apiserver, from scrapes or from a Prometheus.
    pub scrapes: &'a History,
    /// Everything that was scraped, by name.
    pub catalogue: &'a Catalogue,
    /// Whether there are scrapes at all.
    pub has_scrapes: bool,
    /// The `satrail_*` series of the audit log.
    pub telemetry: &'a History,
    /// Whether there is an audit log.
    pub has_audit: bool,
    /// What was found: such hours are not normal.
    pub findings: &'a [Finding],
    /// The version of Kubernetes, where it is known.
    pub version: Option<Version>,
}

/// How the rules are to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// The headroom, instead of the templates'.
    pub headroom: Option<f64>,
    /// Seconds between two scrapes, in the unit tests.
    pub interval: u64,
}

/// Rules and their tests.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Generated {
    /// The rules, by source and template; an account's own ones behind the one for all.
    pub rules: Vec<AlertRule>,
    /// The unit tests.
    pub(super) cases: Vec<Case>,
    /// Seconds between samples and between evaluations in the unit tests.
    pub(super) step: u64,
    /// Templates that gave no rule.
    pub left_out: Vec<LeftOut>,
}

/// A template that gave no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The template's id.
    pub template: String,
    /// The alert's name.
    pub alert: String,
    /// Why.
    pub why: String,
}

/// One alerting rule.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRule {
    /// The template's id.
    pub template: String,
    /// The alert's name.
    pub alert: String,
    /// Whose metrics it asks for.
    pub source: Source,
    /// The expression.
    pub expr: String,
    /// The threshold, as written in the expression.
    pub threshold: String,
    /// Where the threshold comes from.
    pub origin: String,
    /// The account that the rule is for, if it is for one.
    pub account: Labels,
    /// For how long it must hold, as written.
    pub hold: String,
    /// Its labels; templates.
    pub labels: Vec<(String, String)>,
    /// Its annotations; templates.
    pub annotations: Vec<(String, String)>,
    /// Why the rule is as it is.
    pub(super) comment: String,
    /// Whether its unit test fires on what was recorded.
    pub fires_on_recording: bool,
}

/// Makes the rules and their unit tests. The same input gives the same output, byte for byte.
#[must_use]
pub fn generate(templates: &[Template], recording: &Recording<'_>, wish: Wish) -> Generated {
    let mut generated = Generated {
        step: step(templates, wish.interval),
        ..Generated::default()
    };
    let mut ordered: Vec<&Template> = templates.iter().collect();
    ordered.sort_by_key(|template| (template.source, &template.id));
    for template in ordered {
        if let Err(why) = one(template, recording, wish, &mut generated) {
            generated.left_out.push(LeftOut {
                template: template.id.clone(),
                alert: template.alert.clone(),
                why,
            });
        }
    }
    generated
}

fn one(
    template: &Template,
    recording: &Recording<'_>,
    wish: Wish,
    generated: &mut Generated,
) -> Result<(), String> {
    let expr = parse_expression(&template.with_threshold("0"))?;
    if let Some(why) = why_not(template, &expr, recording) {
        return Err(why);
    }
    let history = match template.source {
        Source::Kubernetes => recording.scrapes,
        Source::Satrail => recording.telemetry,
    };
    let measure = match &expr {
        Expr::Binary(binary) => &binary.lhs,
        other => other,
    };
    let study = Study::of(template, measure, history, recording.findings);
    let mut thresholds = study.thresholds(template, wish.headroom);
    thresholds.dedup_by(|a, b| a.group == b.group);
    let busy: Vec<Labels> = thresholds
        .iter()
        .skip(1)
        .map(|fitted| fitted.group.clone())
        .collect();
    let mut rules: Vec<AlertRule> = thresholds
        .iter()
        .map(|fitted| rule(template, fitted, &busy))
        .collect();
    let alert = cases::Alert::of(template, &rules)?;
    let made = cases::make(&alert, history, &study, generated.step)?;
    for rule in &mut rules {
        rule.fires_on_recording = made.recorded.contains(&rule.account);
    }
    generated.rules.extend(rules);
    generated.cases.extend(made.cases);
    Ok(())
}

fn step(templates: &[Template], interval: u64) -> u64 {
    let exprs = templates
        .iter()
        .filter_map(|t| parse_expression(&t.with_threshold("0")).ok());
    let spans: BTreeSet<u64> = exprs.flat_map(|expr| spans(&expr)).collect();
    replay::step(interval, &spans.into_iter().collect::<Vec<_>>())
}

/// The rule for all, or for the one group that `fitted` names.
fn rule(template: &Template, fitted: &Fitted, busy: &[Labels]) -> AlertRule {
    let on = template.per.join(", ");
    let series = |group: &Labels| {
        let metric = template.needs.first().map_or("", |(name, _)| name);
        let matchers = group
            .iter()
            .map(|(name, value)| format!("{name}={}", promql(value)));
        format!("{metric}{{{}}}", matchers.collect::<Vec<_>>().join(","))
    };
    let mut expr = template.with_threshold(&fitted.number);
    let mut labels = vec![("severity".to_owned(), template.severity.clone())];
    if fitted.group.is_empty() {
        for group in busy {
            expr.push_str("\nunless on (");
            expr.push_str(&[&on, ") ", &series(group)].concat());
        }
    } else {
        expr.push_str("\nand on (");
        expr.push_str(&[&on, ") ", &series(&fitted.group)].concat());
        // The result carries them anyway; here they tell rules of one name apart (`promtool check rules`).
        let own = fitted
            .group
            .iter()
            .map(|(name, value)| (name.to_owned(), go_template(value)));
        labels.extend(own);
        labels.sort();
    }
    let annotations = [
        ("summary", template.summary.clone()),
        ("description", template.description.clone()),
        ("threshold", go_template(&fitted.origin)),
        ("runbook_url", go_template(&template.runbook)),
    ];
    AlertRule {
        template: template.id.clone(),
        alert: template.alert.clone(),
        source: template.source,
        expr,
        threshold: fitted.number.clone(),
        origin: fitted.origin.clone(),
        account: fitted.group.clone(),
        hold: template.hold.clone(),
        labels,
        annotations: annotations
            .map(|(name, text)| (name.to_owned(), text))
            .to_vec(),
        comment: template.comment.clone(),
        fires_on_recording: false,
    }
}

impl AlertRule {
    /// For how long the expression must hold.
    pub(super) fn hold(&self) -> Duration {
        promql_parser::util::parse_duration(&self.hold).unwrap_or_default()
    }
}
