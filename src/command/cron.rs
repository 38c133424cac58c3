//! `satrail cron`: what is new is read, judged, saved, and told.
//!
//! The state is saved before anything is told. What could not be told stays news, and is told by the next run:
//! so it is told at least once, and the fingerprint makes a repeat harmless.

use std::{borrow::Cow, collections::BTreeSet, time::Instant};

use crate::{
    alert::{self, Recording},
    checkpoint::{Checkpoint, Outcome},
    config::{self, CronConfig, Delivery},
    deliver::{Patience, post},
    finding::{Finding, Status},
    metric::read_scrapes,
    output::{
        self, AlertSettings, LastRun, Moment, Present, alert_batches, deliver, write_metrics,
    },
    pipeline::Report,
};

use super::{Error, Verdict, alerts, progress::Bar, reports};

/// Seconds between two scrapes, in the unit tests of rules: what Prometheus does by default.
const INTERVAL: u64 = 60;

/// Goes on from the state, and leaves the next one.
pub fn cron(config: &CronConfig) -> Result<Verdict, Error> {
    let started = Instant::now();
    check(config)?;
    let mut checkpoint = Checkpoint::open(&config.plan.state)?;
    let bar = Bar::new(config.progress);
    checkpoint.read(&config.options, &config.plan, &bar)?;
    let outcome = checkpoint.save(&config.options, &config.plan)?;
    drop(bar);
    let mut failures = Vec::new();
    {
        let mut tell = |told: Result<(), Error>| {
            if let Err(error) = told {
                failures.push(error.to_string());
            }
        };
        tell(write_report(config, &outcome));
        tell(write_findings(config, &outcome));
        tell(write_rules(config, &checkpoint, &outcome));
        tell(alert(config, &checkpoint, &outcome));
    }
    let mut verdict = Verdict::of_run(&outcome, config.judgement);
    // Whatever else has failed, Prometheus is to know of it.
    let failed = !failures.is_empty() || !verdict.complaints.is_empty();
    let run = LastRun {
        success: !failed,
        duration: started.elapsed(),
        files: outcome.tally.files(),
        bytes: outcome.tally.bytes,
        events: outcome.tally.events,
        bad_lines: outcome.tally.bad_lines,
        state_bytes: outcome.size.bytes,
    };
    if let Err(error) = write_counters(config, &checkpoint, &outcome, run) {
        failures.push(error.to_string());
    }
    if failures.is_empty() {
        checkpoint.told(&outcome)?;
    }
    verdict.fail(failures);
    Ok(verdict)
}

/// Fails early where writing would fail late.
fn check(config: &CronConfig) -> Result<(), Error> {
    let destinations = [&config.metrics_out, &config.findings_out];
    for to in destinations.into_iter().flatten() {
        to.check().map_err(Error::output(to))?;
    }
    reports::check(&config.output)
}

/// The report, or what of it is news.
fn write_report(config: &CronConfig, outcome: &Outcome) -> Result<(), Error> {
    let mut report = Cow::Borrowed(&outcome.report);
    if config.only_news {
        let news = outcome.report.findings.iter();
        let news: Vec<Finding> = news.filter(|f| outcome.is_news(f)).cloned().collect();
        // Whoever gets this by mail is not to get one that says nothing.
        if news.is_empty() && config.output.is_for_people() {
            return Ok(());
        }
        report = Cow::Owned(with_findings(&outcome.report, news));
    }
    reports::write(&report, None, &config.output, None)
}

/// The same report, with some of its findings, and the stories that hold one of them.
fn with_findings(report: &Report, findings: Vec<Finding>) -> Report {
    let Report {
        input,
        findings: _,
        stories,
        exceptions,
        coverage,
        reconciliation,
    } = report;
    let told: BTreeSet<&str> = findings.iter().map(|f| f.fingerprint.as_str()).collect();
    let mut stories = stories.clone();
    stories.retain(|story| story.findings.iter().any(|f| told.contains(f.as_str())));
    Report {
        input: input.clone(),
        stories,
        exceptions: exceptions.clone(),
        coverage: coverage.clone(),
        reconciliation: reconciliation.clone(),
        findings,
    }
}

/// Every finding, one a line, with the rest of the report left out.
fn write_findings(config: &CronConfig, outcome: &Outcome) -> Result<(), Error> {
    let Some(to) = &config.findings_out else {
        return Ok(());
    };
    deliver(to, |out| {
        output::write_findings(&outcome.report.findings, out)
    })
    .map_err(Error::output(to))
}

fn write_rules(
    config: &CronConfig,
    checkpoint: &Checkpoint,
    outcome: &Outcome,
) -> Result<(), Error> {
    let Some(directory) = &config.rules_out else {
        return Ok(());
    };
    let templates = alert::built_in().map_err(|error| config::Error::new(error.to_string()))?;
    let wanted = alerts::needed(&templates);
    let options = &config.options;
    let scrapes = read_scrapes(&options.metrics, &options.scrape_hints, &|name| {
        wanted.contains(name)
    });
    let telemetry = checkpoint.telemetry()?;
    let wish = alert::Wish {
        headroom: None,
        interval: INTERVAL,
    };
    let generated = alert::generate(
        &templates,
        &Recording {
            scrapes: &scrapes.history,
            catalogue: &scrapes.catalogue,
            has_scrapes: !options.metrics.is_empty(),
            telemetry: &alerts::history(&telemetry, wish.interval),
            has_audit: true,
            findings: &outcome.report.findings,
            version: None,
        },
        wish,
    );
    alerts::write_rules(directory, false, &generated)
}

/// Posts what goes on and what is over, as far as it is bad enough.
fn alert(config: &CronConfig, checkpoint: &Checkpoint, outcome: &Outcome) -> Result<(), Error> {
    let Some(Delivery {
        to,
        min_severity,
        hold,
        labels,
    }) = &config.alertmanager
    else {
        return Ok(());
    };
    let findings = outcome.report.findings.iter();
    let findings: Vec<Finding> = findings
        .filter(|f| f.severity >= *min_severity)
        .cloned()
        .collect();
    let settings = AlertSettings {
        hold: *hold,
        labels,
    };
    let failed = |why: std::io::Error| Error::Delivery(why.to_string());
    let batches = alert_batches(&findings, checkpoint.now(), &settings).map_err(failed)?;
    let posted = post(to, &batches, Patience::default());
    posted
        .map(drop)
        .map_err(|error| Error::Delivery(error.to_string()))
}

fn write_counters(
    config: &CronConfig,
    checkpoint: &Checkpoint,
    outcome: &Outcome,
    run: LastRun,
) -> Result<(), Error> {
    let Some(to) = &config.metrics_out else {
        return Ok(());
    };
    let present = Present {
        totals: &outcome.totals,
        findings: &outcome.report.findings,
        top: config.plan.top,
        moment: Moment {
            now: checkpoint.now(),
            last_event: outcome.report.input.last_event,
        },
        last_run: Some(run),
    };
    deliver(to, |out| write_metrics(&present, out)).map_err(Error::output(to))
}

impl Verdict {
    /// Judges a run: what is new in it, and what it could not read.
    fn of_run(outcome: &Outcome, judgement: config::Judgement) -> Self {
        let new = outcome.new_findings().cloned().collect();
        let mut of_run = with_findings(&outcome.report, new);
        of_run.input.bad_lines = outcome.tally.bad_lines;
        of_run.input.metrics = None;
        debug_assert!(of_run.findings.iter().all(|finding| {
            finding
                .tracking
                .is_some_and(|tracking| tracking.status == Status::New)
        }));
        Self::of(&of_run, judgement)
    }
}
