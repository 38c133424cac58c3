//! Counters and findings as Prometheus reads them: its own text format, and OpenMetrics.
//!
//! The text format has no timestamps, since the node exporter's textfile collector refuses them
//! (`node_exporter`, `collector/textfile.go`). OpenMetrics has them on every sample, each series in one piece and
//! in the order of time, as `promtool tsdb create-blocks-from openmetrics` needs it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use crate::{
    finding::{Finding, Severity, Subject, SubjectKind, Timestamp},
    metric::Labels,
    pipeline::{Counter, OTHER, PUBLISHED, Published, Sampling},
};

/// When the metrics are written, and how far the log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock.
    pub now: Timestamp,
    /// The arrival of the newest request, if there is any.
    pub last_event: Option<Timestamp>,
}

/// Writes the present values. Findings say whom they are about for up to `top` subjects.
pub fn write_metrics(
    counters: &[Counter<'_>],
    findings: &[Finding],
    top: usize,
    moment: Moment,
    out: &mut dyn Write,
) -> io::Result<()> {
    let findings = by_labels(findings, top);
    let seconds = |time: Timestamp| {
        let micros = time.micros();
        format!(
            "{}.{:06}",
            micros.div_euclid(1_000_000),
            micros.rem_euclid(1_000_000)
        )
    };
    for metric in PUBLISHED {
        let mut head = Some(metric);
        let of_metric = counters.iter().filter(|counter| counter.metric == metric);
        for counter in of_metric {
            family(head.take(), metric.name, out)?;
            let (name, labels) = (metric.name, &counter.labels);
            writeln!(out, "{name}{labels} {}", counter.counts.total())?;
        }
        let time = match metric.name {
            "satrail_findings" => {
                for (labels, count) in &findings {
                    family(head.take(), metric.name, out)?;
                    writeln!(out, "{}{labels} {count}", metric.name)?;
                }
                None
            }
            "satrail_last_run_timestamp_seconds" => Some(moment.now),
            "satrail_last_event_timestamp_seconds" => moment.last_event,
            _ => None,
        };
        if let Some(time) = time {
            family(head.take(), metric.name, out)?;
            writeln!(out, "{} {}", metric.name, seconds(time))?;
        }
    }
    Ok(())
}

/// Writes every counter over time: a point for each change, and one at least every `step` seconds. Series
/// that stayed at zero are left out; gauges too, since nothing is known of their past.
pub fn write_openmetrics(
    counters: &[Counter<'_>],
    span: Option<(Timestamp, Timestamp)>,
    step: u32,
    out: &mut dyn Write,
) -> io::Result<()> {
    for metric in PUBLISHED {
        let mut head = Some(metric);
        let family_name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
        let of_metric = counters
            .iter()
            .filter(|counter| counter.metric == metric && counter.counts.total() > 0);
        for (counter, span) in of_metric.zip(std::iter::repeat(span)) {
            let Some(span) = span else {
                break;
            };
            family(head.take(), family_name, out)?;
            // Once for a series that may have a hundred thousand points.
            let series = format!("{}{}", metric.name, counter.labels);
            for (time, value) in counter.points(span, Sampling::Changes(step)) {
                writeln!(out, "{series} {value} {}", time.seconds())?;
            }
        }
    }
    out.write_all(b"# EOF\n")
}

/// `# HELP` and `# TYPE`, unless they have been written.
fn family(metric: Option<&Published>, name: &str, out: &mut dyn Write) -> io::Result<()> {
    let Some(metric) = metric else {
        return Ok(());
    };
    writeln!(out, "# HELP {name} {}", metric.help)?;
    writeln!(out, "# TYPE {name} {}", metric.kind.as_str())
}

/// How many findings there are of each label set. The `top` subjects with the gravest findings are named, of equals
/// those with the most.
fn by_labels(findings: &[Finding], top: usize) -> Vec<(Labels, u64)> {
    let mut gravest: BTreeMap<&Subject, (Severity, u64)> = BTreeMap::new();
    for finding in findings {
        let (severity, count) = gravest
            .entry(&finding.subject)
            .or_insert((finding.severity, 0));
        *severity = finding.severity.max(*severity);
        *count += 1;
    }
    let mut ranked: Vec<_> = gravest.into_iter().collect();
    ranked.sort_by_key(|&(_, gravity)| std::cmp::Reverse(gravity));
    ranked.truncate(top);
    let named: BTreeSet<&Subject> = ranked.into_iter().map(|(subject, _)| subject).collect();
    let mut counts = BTreeMap::new();
    for finding in findings {
        let named = named.contains(&finding.subject);
        let (namespace, name) = match account(finding) {
            Some(account) if named => account,
            Some(_) => (OTHER, OTHER),
            None => ("", ""),
        };
        let subject = if named {
            finding.subject.to_string()
        } else {
            OTHER.to_owned()
        };
        let labels = Labels::of(&[
            ("detector", &finding.detector),
            ("severity", finding.severity.as_str()),
            ("namespace", namespace),
            ("serviceaccount", name),
            ("subject", &subject),
        ]);
        *counts.entry(labels).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

fn account(finding: &Finding) -> Option<(&str, &str)> {
    let subject = &finding.subject;
    let namespace = subject.namespace.as_deref()?;
    (subject.kind == SubjectKind::ServiceAccount).then_some((namespace, &*subject.name))
}

#[cfg(test)]
mod tests;
