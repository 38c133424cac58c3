//! `satrail metrics`: what Prometheus is to know, per ServiceAccount.

use std::time::SystemTime;

use crate::{
    config::{FailOn, Judgement, MetricsConfig},
    finding::Timestamp,
    output::{Moment, Present, deliver, write_metrics, write_openmetrics},
    pipeline::{self, Counter},
};

use super::{Error, Verdict, progress::Bar};

/// Reads the logs and writes the metrics. Findings are among them, so they do not matter to the exit
/// code: a cron job's failure is to mean that it has failed.
pub fn metrics(config: &MetricsConfig) -> Result<Verdict, Error> {
    let to = &config.destination;
    to.check().map_err(Error::output(to))?;
    let bar = Bar::new(config.progress);
    let (state, telemetry) = pipeline::telemetry(&config.options, &bar)?;
    let report = state.report(&config.options);
    drop(bar);
    let counters = telemetry.counters(config.top);
    deliver(to, |out| {
        if let Some(step) = config.history {
            return write_openmetrics(&counters, telemetry.span(), step, out);
        }
        let totals: Vec<_> = counters.iter().map(Counter::to_total).collect();
        let present = Present {
            totals: &totals,
            findings: &report.findings,
            top: config.top,
            moment: Moment {
                now: now(),
                last_event: report.input.last_event,
            },
            last_run: None,
        };
        write_metrics(&present, out)
    })
    .map_err(Error::output(to))?;
    let judgement = Judgement {
        fail_on: FailOn::Never,
        strict: config.strict,
    };
    Ok(Verdict::of(&report, judgement))
}

/// What the clock says; a clock before 1970 says 1970.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = since.unwrap_or_default().as_micros();
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}
