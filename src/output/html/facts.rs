//! What was read and what could not be seen, as labelled lines of text.

use std::time::Duration;

use crate::{
    finding::Severity,
    output::{clip, shown, units},
    pipeline::{Coverage, ExceptionUse, Input, MetricsInput, Reads, Report, Trouble},
};

/// How many of a kind are listed; JSON has all.
const SHOWN: usize = 50;

/// Longer texts are cut.
const LONGEST: usize = 1000;

/// A line: what it is about, and what there is to say.
pub(super) struct Fact {
    pub(super) label: &'static str,
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    /// Something may be missing.
    Warning,
    /// Something is missing.
    Bad,
}

impl Tone {
    /// The class of the line in the page.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }
}

/// Every line passes here: whatever it names is shown and not acted on.
fn fact(label: &'static str, tone: Tone, text: &str) -> Fact {
    let text = shown(&clip(text, LONGEST)).into_owned();
    Fact { label, text, tone }
}

fn plain(label: &'static str, text: &str) -> Fact {
    fact(label, Tone::Plain, text)
}

/// What was read.
pub(super) fn read(report: &Report) -> Vec<Fact> {
    let input = &report.input;
    let mut facts = Vec::new();
    if input.files > 0 || input.metrics.is_none() {
        log(input, &mut facts);
    }
    if let Some(metrics) = &input.metrics {
        facts.push(plain("Metrics", &scrapes(metrics)));
    }
    let bad = report.bad_lines();
    if bad > 0 {
        let text = units::count(bad, "bad line");
        facts.push(fact("Not read", Tone::Warning, &text));
    }
    facts
}

fn log(input: &Input, facts: &mut Vec<Fact>) {
    let files = units::count(input.files, "file");
    let bytes = units::bytes(input.bytes);
    let lines = units::count(input.lines, "line");
    facts.push(plain("Read", &format!("{files}, {bytes}, {lines}")));
    let events = units::count(input.events, "event");
    let requests = units::count(input.requests, "request");
    facts.push(plain("Events", &format!("{events}, {requests}")));
    if let (Some(first), Some(last)) = (input.first_event, input.last_event) {
        let range = units::range(Some(first), Some(last));
        let span = units::span(units::between(first, last));
        facts.push(plain("Time", &format!("{range} UTC ({span})")));
    }
}

fn scrapes(metrics: &MetricsInput) -> String {
    format!(
        "{}, {} of {}, {}",
        units::count(metrics.files, "file"),
        units::count(metrics.scrapes, "scrape"),
        units::count(metrics.instances, "instance"),
        units::range(metrics.first_scrape, metrics.last_scrape)
    )
}

/// How many findings of each severity, the gravest first, those without any too.
pub(super) fn severities(report: &Report) -> Vec<(&'static str, String)> {
    let count = |severity| {
        let of_it = report.findings.iter().filter(|f| f.severity == severity);
        units::thousands(of_it.count() as u64)
    };
    (Severity::ALL.into_iter().rev())
        .map(|severity| (severity.as_str(), count(severity)))
        .collect()
}

/// What could be seen, and what could not.
pub(super) fn coverage(report: &Report) -> Vec<Fact> {
    let coverage = &report.coverage;
    let mut facts = Vec::new();
    for (label, counts) in [("Stages", &coverage.stages), ("Levels", &coverage.levels)] {
        let counts: Vec<_> = (counts.iter())
            .map(|(name, &n)| format!("{name} {}", units::thousands(n)))
            .collect();
        if !counts.is_empty() {
            facts.push(plain(label, &counts.join(", ")));
        }
    }
    many(
        &mut facts,
        coverage.bad_lines.iter().map(|bad| {
            let text = format!("{}:{}: {}", bad.file, bad.line, bad.why);
            fact("Bad line", Tone::Warning, &text)
        }),
    );
    many(&mut facts, coverage.troubles.iter().map(trouble));
    many(
        &mut facts,
        coverage.gaps.iter().map(|gap| {
            let range = units::range(Some(gap.from), Some(gap.to));
            let span = units::span(Duration::from_secs(gap.seconds));
            fact(
                "Gap",
                Tone::Warning,
                &format!("{range} UTC ({span}): no events at all"),
            )
        }),
    );
    counted(coverage, &mut facts);
    many(
        &mut facts,
        coverage.forms.iter().map(|form| {
            let events = units::count(form.events, "event");
            let text = format!("{} ({events}) cannot carry {}", form.form, form.lacks);
            fact("Form", Tone::Warning, &text)
        }),
    );
    detectors(report, &mut facts);
    facts
}

fn trouble(trouble: &Trouble) -> Fact {
    let text = format!("{}: {}", trouble.file, trouble.why);
    match (trouble.unreadable, trouble.incomplete) {
        (true, _) => fact("Unreadable", Tone::Bad, &text),
        (false, true) => fact("Cut short", Tone::Warning, &text),
        (false, false) => plain("Note", &text),
    }
}

/// The first few, and how many more there are.
fn many(facts: &mut Vec<Fact>, all: impl ExactSizeIterator<Item = Fact>) {
    let rest = all.len().saturating_sub(SHOWN) as u64;
    facts.extend(all.take(SHOWN));
    if rest > 0 {
        facts.push(plain("", &format!("and {} more", units::thousands(rest))));
    }
}

/// Events and requests that are not there, or not whole.
fn counted(coverage: &Coverage, facts: &mut Vec<Fact>) {
    let long = "long-running request";
    for (label, number, what, text) in [
        (
            "NUL bytes",
            coverage.nul_bytes,
            "byte",
            "skipped: a log rotated by copytruncate leaves them",
        ),
        (
            "Left out",
            coverage.outside_window,
            "event",
            "outside the time window",
        ),
        (
            "Open",
            coverage.open_requests,
            long,
            "still open at the end of the log",
        ),
        (
            "Unanswered",
            coverage.unanswered_requests.unwrap_or(0),
            "request",
            "received and never answered",
        ),
        (
            "Unjoined",
            coverage.unjoined_requests,
            long,
            "that may be missing from the counts",
        ),
    ] {
        if number > 0 {
            facts.push(plain(
                label,
                &format!("{} {text}", units::count(number, what)),
            ));
        }
    }
    let duplicates = &coverage.duplicates;
    if let Some(removed) = duplicates.removed {
        let text = format!("{} removed", units::count(removed, "event"));
        facts.push(plain("Duplicates", &text));
    } else if duplicates.percent > 0.0 {
        let text = format!(
            "about {:.1} % of events stand twice ({} sampled); --dedup counts each once",
            duplicates.percent,
            units::thousands(duplicates.sampled)
        );
        facts.push(fact("Duplicates", Tone::Warning, &text));
    }
}

/// What each detector could judge. One that is blind may hide something.
fn detectors(report: &Report, facts: &mut Vec<Fact>) {
    let given = |reads| match reads {
        Reads::Metrics => report.input.metrics.is_some(),
        Reads::Audit => report.input.files > 0 || report.input.metrics.is_none(),
    };
    let all = &report.coverage.detectors;
    let (ran, idle): (Vec<_>, Vec<_>) = all.iter().partition(|d| d.selected && given(d.reads));
    for detector in &ran {
        if let Some(why) = &detector.blind {
            let text = format!("{}: {why}", detector.detector);
            facts.push(fact("Blind", Tone::Warning, &text));
        }
    }
    let able = ran.iter().filter(|detector| detector.blind.is_none());
    let able: Vec<_> = able
        .map(|d| format!("{} ({})", d.detector, units::thousands(d.evaluated)))
        .collect();
    if !able.is_empty() {
        facts.push(plain("Judged", &able.join(", ")));
    }
    let idle: Vec<_> = idle.iter().map(|d| d.detector.as_str()).collect();
    if !idle.is_empty() {
        facts.push(plain("Not run", &idle.join(", ")));
    }
    if report.input.events == 0 && given(Reads::Audit) {
        let text = "no audit event was read: that nothing was found means nothing";
        facts.push(fact("Empty", Tone::Bad, text));
    }
}

/// What the configuration's exceptions did.
pub(super) fn exceptions(report: &Report) -> Vec<Fact> {
    let exceptions = &report.exceptions;
    let mut facts = Vec::new();
    for (label, tone, uses) in [
        ("Applied", Tone::Plain, &exceptions.applied),
        ("Expired", Tone::Warning, &exceptions.expired),
        ("Unused", Tone::Warning, &exceptions.unused),
    ] {
        facts.extend(uses.iter().map(|used| fact(label, tone, &exception(used))));
    }
    facts
}

fn exception(used: &ExceptionUse) -> String {
    let fingerprint = used.fingerprint.as_ref();
    let fingerprint = fingerprint.map_or_else(String::new, |text| format!(" ({text})"));
    let owner = used.owner.as_ref();
    let owner = owner.map_or_else(String::new, |text| format!(" by {text}"));
    format!(
        "{} {}{fingerprint} until {}, {}{owner}: {}",
        used.detector,
        used.account,
        used.expires,
        units::count(used.findings, "finding"),
        used.reason
    )
}

/// Metrics and audit log side by side.
pub(super) fn metrics(report: &Report) -> Vec<Fact> {
    let Some(reconciliation) = &report.reconciliation else {
        return Vec::new();
    };
    let mut facts = vec![plain(
        "Compared",
        &format!(
            "{} UTC",
            units::range(reconciliation.from, reconciliation.to)
        ),
    )];
    for (label, number, text) in [
        ("Lost", reconciliation.events_lost, "audit event"),
        ("Unaudited", reconciliation.requests_unaudited, "request"),
    ] {
        if number > 0 {
            facts.push(fact(label, Tone::Warning, &units::count(number, text)));
        }
    }
    for kind in &reconciliation.kinds {
        let uses = &kind.metric_uses;
        let text = format!(
            "{} tokens: the metrics count {} to {} uses, the log {}; {}",
            kind.kind,
            units::thousands(uses.at_least),
            units::thousands(uses.at_most),
            units::count(kind.audit_requests, "request"),
            kind.explanation
        );
        facts.push(plain("Tokens", &text));
    }
    facts
}
