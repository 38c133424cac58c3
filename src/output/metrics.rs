//! Counters and findings as Prometheus reads them: its own text format, and OpenMetrics.
//!
//! The text format has no timestamps, since the node exporter's textfile collector refuses them
//! (`node_exporter`, `collector/textfile.go`). OpenMetrics has them on every sample, each series in one piece and
//! in the order of time, as `promtool tsdb create-blocks-from openmetrics` needs it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    time::Duration,
};

use crate::{
    finding::{Finding, Severity, Status, Subject, SubjectKind, Timestamp},
    metric::{Kind, Labels},
    pipeline::{Counter, OTHER, PUBLISHED, Published, Sampling, Total},
};

/// When the metrics are written, and how far the log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock.
    pub now: Timestamp,
    /// The arrival of the newest request, if there is any.
    pub last_event: Option<Timestamp>,
}

/// Everything that the present values are made of.
#[derive(Debug, Clone, Copy)]
pub struct Present<'a> {
    /// The counters, in any order, each once.
    pub totals: &'a [Total],
    /// What was found. Those that are over ([`Status::Resolved`]) count as such only.
    pub findings: &'a [Finding],
    /// How many subjects findings may name.
    pub top: usize,
    /// When, and how far the log has come.
    pub moment: Moment,
    /// What a run that keeps a state says of itself; `None` for one that does not.
    pub last_run: Option<LastRun>,
}

/// What a run says of itself, for Prometheus to watch the watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRun {
    /// Whether everything was read and every other output delivered.
    pub success: bool,
    /// From the start to the last output before this one.
    pub duration: Duration,
    /// Files that something new was read from.
    pub files: u64,
    /// New bytes, decompressed.
    pub bytes: u64,
    /// New audit events of any stage.
    pub events: u64,
    /// New lines that could not be read.
    pub bad_lines: u64,
    /// Size of the state that is kept for the next run.
    pub state_bytes: u64,
}

/// Writes the present values. Findings say whom they are about for up to `top` subjects.
pub fn write_metrics(present: &Present<'_>, out: &mut dyn Write) -> io::Result<()> {
    for metric in PUBLISHED {
        let samples = match metric.kind {
            Kind::Counter => totals(metric, present.totals),
            _ => gauges(metric.name, present),
        };
        let mut head = Some(metric);
        for (labels, value) in samples {
            family(head.take(), metric.name, out)?;
            writeln!(out, "{}{labels} {value}", metric.name)?;
        }
    }
    Ok(())
}

/// A metric's series, with their values as they are written.
type Samples = Vec<(Labels, String)>;

fn totals(metric: &Published, all: &[Total]) -> Samples {
    let of_metric = all.iter().filter(|total| total.metric == metric);
    let mut samples: Samples = of_metric
        .map(|total| (total.labels.clone(), total.value.to_string()))
        .collect();
    samples.sort();
    samples
}

fn gauges(metric: &str, present: &Present<'_>) -> Samples {
    let alone = |value: String| vec![(Labels::default(), value)];
    let moment = present.moment;
    let run = present.last_run;
    let of_run = |value: fn(LastRun) -> u64| {
        let value = run.map(|run| alone(value(run).to_string()));
        value.unwrap_or_default()
    };
    match metric {
        "satrail_findings" => by_labels(present.findings, present.top),
        "satrail_last_run_timestamp_seconds" => alone(seconds(moment.now.micros())),
        "satrail_last_event_timestamp_seconds" => {
            let time = moment.last_event.map(Timestamp::micros);
            time.map(seconds).map(alone).unwrap_or_default()
        }
        "satrail_last_run_duration_seconds" => {
            let micros = |run: LastRun| i64::try_from(run.duration.as_micros()).unwrap_or(i64::MAX);
            run.map(micros).map(seconds).map(alone).unwrap_or_default()
        }
        "satrail_last_run_success" => of_run(|run| u64::from(run.success)),
        "satrail_last_run_files" => of_run(|run| run.files),
        "satrail_last_run_bytes" => of_run(|run| run.bytes),
        "satrail_last_run_events" => of_run(|run| run.events),
        "satrail_last_run_bad_lines" => of_run(|run| run.bad_lines),
        "satrail_state_bytes" => of_run(|run| run.state_bytes),
        "satrail_last_run_findings" if run.is_some() => by_status(present.findings),
        _ => Samples::new(),
    }
}

/// Exact, where a floating-point number would round.
fn seconds(micros: i64) -> String {
    let (whole, part) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    format!("{whole}.{part:06}")
}

/// How many findings have each status; all three are there also at zero, so that alerts see them rise.
fn by_status(findings: &[Finding]) -> Samples {
    let count = |status: Status| {
        let has = |finding: &&Finding| finding.tracking.is_some_and(|t| t.status == status);
        let labels = Labels::of(&[("status", status.as_str())]);
        (labels, findings.iter().filter(has).count().to_string())
    };
    [Status::New, Status::Ongoing, Status::Resolved]
        .map(count)
        .to_vec()
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
fn by_labels(findings: &[Finding], top: usize) -> Samples {
    let over = |finding: &Finding| {
        finding
            .tracking
            .is_some_and(|t| t.status == Status::Resolved)
    };
    let findings: Vec<&Finding> = findings.iter().filter(|finding| !over(finding)).collect();
    let mut gravest: BTreeMap<&Subject, (Severity, u64)> = BTreeMap::new();
    for finding in &findings {
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
        *counts.entry(labels).or_insert(0_u64) += 1;
    }
    counts
        .into_iter()
        .map(|(labels, count)| (labels, count.to_string()))
        .collect()
}

fn account(finding: &Finding) -> Option<(&str, &str)> {
    let subject = &finding.subject;
    let namespace = subject.namespace.as_deref()?;
    (subject.kind == SubjectKind::ServiceAccount).then_some((namespace, &*subject.name))
}

#[cfg(test)]
mod tests;
