//! Whom a template tells apart, and whom a finding concerns.

use std::collections::BTreeSet;

use crate::{
    alert::template::Template,
    finding::{Finding, Severity},
    metric::{History, Labels},
};

/// How many groups a history knows, whatever the metric.
pub(super) fn groups_known(template: &Template, history: &History) -> usize {
    let labels = history
        .metrics()
        .flat_map(|(_, metric)| metric.series.keys());
    let whole =
        labels.filter(|labels| template.per.iter().all(|name| !labels.get(name).is_empty()));
    let group = |labels: &Labels| labels.filtered(|name| template.per.iter().any(|l| l == name));
    whole.map(group).collect::<BTreeSet<Labels>>().len()
}

/// Whether a finding is about what the template alerts about, and about whom these labels name.
pub(super) fn concerns(
    finding: &Finding,
    template: &Template,
    detector: Option<&str>,
    labels: &Labels,
) -> bool {
    let same =
        |label: &str, value: &str| labels.get(label).is_empty() || labels.get(label) == value;
    let about = detector == Some(&*finding.detector);
    // What an account that has been found out does is not what is normal for it, whatever it is.
    let found_out = !template.per.is_empty() && finding.severity >= Severity::High;
    (about && finding.severity >= template.abnormal_from || found_out)
        && same(
            "namespace",
            finding.subject.namespace.as_deref().unwrap_or_default(),
        )
        && same("serviceaccount", &finding.subject.name)
}
