//! The metrics of kube-apiserver by Kubernetes version, for those who have no scrape at hand.
//!
//! `metrics/kube-apiserver.tsv` is made from published scrapes of real clusters and one of our own
//! (`BLESS=1 cargo test --test kubernetes_metrics`): names, kinds and label names, no values. A metric with
//! labels has no series before its first event, so what no scrape happened to show stands below.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::metric::{Catalogue, Kind, Known, LabelValues, Text};

const TABLE: &str = include_str!("metrics/kube-apiserver.tsv");

/// (name, labels, first minor version): counters that show only after their first event. Sources: apiserver
/// `pkg/audit/metrics.go`, `pkg/endpoints/metrics/metrics.go`, `pkg/util/flowcontrol/metrics/metrics.go`,
/// `pkg/endpoints/filters/impersonation/metrics`.
const AFTER_FIRST_USE: [(&str, &[&str], u32); 5] = [
    ("apiserver_audit_error_total", &["plugin"], 19),
    (
        "apiserver_flowcontrol_rejected_requests_total",
        &["flow_schema", "priority_level", "reason"],
        20,
    ),
    (
        "apiserver_request_terminations_total",
        &[
            "code",
            "component",
            "group",
            "resource",
            "scope",
            "subresource",
            "verb",
            "version",
        ],
        19,
    ),
    (
        "apiserver_impersonation_attempts_total",
        &["decision", "mode"],
        36,
    ),
    (
        "apiserver_impersonation_authorization_attempts_total",
        &["decision", "mode"],
        36,
    ),
];

/// A minor release of Kubernetes 1, such as 1.35.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

/// `1.35`, `v1.35.2`, `1.35.2-eks-1`.
impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.trim().trim_start_matches('v').strip_prefix("1.");
        let digits = rest.map(|rest| {
            rest.split(|c: char| !c.is_ascii_digit())
                .next()
                .unwrap_or_default()
        });
        let minor = digits.and_then(|digits| digits.parse().ok());
        minor
            .map(Self)
            .ok_or_else(|| format!("'{text}' is no Kubernetes version such as 1.35"))
    }
}

/// The versions that the table knows, the oldest first.
#[must_use]
pub fn known_versions() -> Vec<Version> {
    let mut versions: Vec<Version> = rows().flat_map(|row| row.versions).collect();
    versions.sort_unstable();
    versions.dedup();
    versions
}

/// What a kube-apiserver of `version` serves; of a version that the table lacks, what the next older
/// one does. `None` for all versions at once.
#[must_use]
pub fn kubernetes_metrics(version: Option<Version>) -> Catalogue {
    let known = known_versions();
    let at = version.map(|wanted| {
        known
            .iter()
            .rev()
            .find(|v| **v <= wanted)
            .or(known.first())
            .copied()
    });
    let mut all: BTreeMap<Text, Known> = BTreeMap::new();
    for row in
        rows().filter(|row| at.is_none_or(|at| at.is_some_and(|at| row.versions.contains(&at))))
    {
        row.describe(&mut all);
    }
    for (name, labels, since) in AFTER_FIRST_USE {
        if version.is_none_or(|version| version.0 >= since) {
            describe(&mut all, name, Kind::Counter, labels);
        }
    }
    let mut catalogue = Catalogue::default();
    for (name, known) in all {
        catalogue.insert_unseen(name, known);
    }
    catalogue
}

/// One line of the table: family, kind, labels, versions; tabs between, commas within.
struct Row {
    name: &'static str,
    kind: Kind,
    labels: Vec<&'static str>,
    versions: Vec<Version>,
}

fn rows() -> impl Iterator<Item = Row> {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let (name, kind) = (fields.next()?, Kind::parse(fields.next()?));
            let labels = fields
                .next()?
                .split(',')
                .filter(|label| !label.is_empty())
                .collect();
            let versions = fields
                .next()?
                .split(',')
                .filter_map(|version| version.parse().ok())
                .collect();
            Some(Row {
                name,
                kind,
                labels,
                versions,
            })
        })
}

impl Row {
    /// Notes the names of the family's samples.
    fn describe(&self, all: &mut BTreeMap<Text, Known>) {
        let plain = self
            .labels
            .iter()
            .copied()
            .filter(|label| !matches!(*label, "le" | "quantile"));
        let plain: Vec<&str> = plain.collect();
        match self.kind {
            Kind::Histogram | Kind::Summary => {
                let (suffix, bound) = if self.kind == Kind::Histogram {
                    ("_bucket", "le")
                } else {
                    ("", "quantile")
                };
                let with_bound = [&*plain, &[bound]].concat();
                describe(
                    all,
                    &format!("{}{suffix}", self.name),
                    self.kind,
                    &with_bound,
                );
                describe(all, &format!("{}_sum", self.name), self.kind, &plain);
                describe(all, &format!("{}_count", self.name), self.kind, &plain);
            }
            kind => describe(all, self.name, kind, &plain),
        }
    }
}

fn describe(all: &mut BTreeMap<Text, Known>, name: &str, kind: Kind, labels: &[&str]) {
    let known = all.entry(Text::from(name)).or_default();
    known.kind = kind;
    known.cumulative = kind.is_cumulative(name);
    for label in labels {
        known
            .labels
            .entry(Text::from(*label))
            .or_insert_with(LabelValues::unknown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_came_when() {
        let has = |version: u32, name: &str| {
            kubernetes_metrics(Some(Version(version)))
                .get(name)
                .is_some()
        };
        assert!(has(19, "serviceaccount_legacy_tokens_total"));
        assert!(!has(24, "serviceaccount_legacy_manual_token_uses_total"));
        assert!(has(29, "serviceaccount_legacy_manual_token_uses_total"));
        assert!(has(99, "apiserver_request_duration_seconds_bucket"));
        assert!(!has(36, "serviceaccount_token_requests_total"));
        let all = kubernetes_metrics(None);
        let labels = all
            .get("apiserver_audit_error_total")
            .unwrap()
            .labels
            .keys();
        assert_eq!(labels.map(|label| &**label).collect::<Vec<_>>(), ["plugin"]);
    }

    #[test]
    fn reads_versions_as_people_write_them() {
        for text in ["1.35", "v1.35.2", "1.35.2-eks-1", " 1.35+ "] {
            assert_eq!(text.parse(), Ok(Version(35)), "{text}");
        }
        for text in ["", "35", "2.1", "v1.x"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
