//! What the page's script is given: the rows of its lists at once, everything else a line at a time.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    detect::CATALOGUE,
    finding::{
        Attributes, Evidence, Finding, Involved, Related, Remediation, Severity, Timestamp,
        Tracking,
    },
    pipeline::{Chronicle, Columns, Flow, Life, Report},
};

use crate::output::table;

/// What the script reads when the page is opened.
#[derive(Serialize)]
pub(super) struct Index<'a> {
    severities: [&'static str; 5],
    /// Ids and titles of the detectors that found something.
    detectors: Vec<(&'a str, &'a str)>,
    findings: Vec<FindingRow<'a>>,
    /// Places in `findings`, for each story.
    stories: Vec<StoryRow>,
    /// The first and last second of log and findings.
    range: Option<(i64, i64)>,
    traffic: Option<FlowRow<'a>>,
    columns: Option<ColumnsRow>,
    accounts: Vec<AccountRow<'a>>,
}

/// A finding as a line of the list. Fields are in the order of the script's `F`.
#[derive(Serialize)]
struct FindingRow<'a>(
    /// Severity, a place in `severities`.
    usize,
    /// Detector, a place in `detectors`.
    usize,
    /// Whom it is about, in words.
    String,
    /// The account's page, `namespace/name`, if it is about one.
    Option<String>,
    u64,
    /// First and last second.
    Option<i64>,
    Option<i64>,
    &'a str,
    &'a str,
);

#[derive(Serialize)]
struct StoryRow {
    severity: usize,
    subjects: Vec<String>,
    findings: Vec<usize>,
}

#[derive(Serialize)]
struct ColumnsRow {
    from: i64,
    seconds: u64,
    count: u64,
}

#[derive(Serialize)]
struct FlowRow<'a> {
    columns: ColumnsRow,
    accounts: &'a [u64],
    others: &'a [u64],
    refused: &'a [u64],
}

/// An account as a line of the list, in the order of the script's `A`.
#[derive(Serialize)]
struct AccountRow<'a>(
    String,
    u64,
    u64,
    /// Requests per second in its best minute.
    f64,
    /// How many secrets it read, and tokens it is known to have had.
    u64,
    usize,
    Option<i64>,
    Option<i64>,
    /// Its cells: the first column, and the counts from there on.
    u64,
    &'a [u64],
);

/// The rest of a finding.
#[derive(Serialize)]
pub(super) struct Detail<'a> {
    attributes: &'a Attributes,
    attack: Vec<String>,
    involves: &'a Involved,
    /// Places in the list, and what both are about.
    related: Vec<(usize, &'a [String])>,
    evidence: &'a [Evidence],
    remediation: &'a Remediation,
    #[serde(flatten)]
    tracking: Option<Tracking>,
}

impl<'a> Index<'a> {
    pub(super) fn new(report: &'a Report, chronicle: Option<&'a Chronicle>) -> Self {
        let found: BTreeSet<&str> = report.findings.iter().map(|f| &*f.detector).collect();
        let detectors: Vec<(&str, &str)> = (found.into_iter()).map(|id| (id, title(id))).collect();
        let places = places(report);
        let stories = report.stories.iter().map(|story| StoryRow {
            severity: rank(story.severity),
            subjects: story.subjects.iter().map(table::subject).collect(),
            findings: (story.findings.iter())
                .filter_map(|fingerprint| places.get(fingerprint.as_str()).copied())
                .collect(),
        });
        Self {
            severities: Severity::ALL.map(Severity::as_str),
            findings: (report.findings.iter())
                .map(|finding| FindingRow::new(finding, &detectors))
                .collect(),
            detectors,
            stories: stories.collect(),
            range: range(report),
            traffic: chronicle.and_then(|c| c.traffic.as_ref()).map(FlowRow::new),
            columns: chronicle
                .and_then(|c| c.columns.as_ref())
                .map(ColumnsRow::new),
            accounts: (chronicle.iter())
                .flat_map(|c| c.accounts.iter().map(AccountRow::new))
                .collect(),
        }
    }
}

impl<'a> FindingRow<'a> {
    fn new(finding: &'a Finding, detectors: &[(&str, &str)]) -> Self {
        let detector = detectors.binary_search_by_key(&&*finding.detector, |&(id, _)| id);
        let subject = &finding.subject;
        let account = subject.namespace.as_ref();
        Self(
            rank(finding.severity),
            detector.unwrap_or_default(),
            table::subject(subject),
            account.map(|namespace| format!("{namespace}/{}", subject.name)),
            finding.count,
            finding.first_seen.map(Timestamp::seconds),
            finding.last_seen.map(Timestamp::seconds),
            &finding.summary,
            &finding.fingerprint,
        )
    }
}

impl ColumnsRow {
    fn new(columns: &Columns) -> Self {
        Self {
            from: columns.from.seconds(),
            seconds: columns.seconds,
            count: columns.count,
        }
    }
}

impl<'a> FlowRow<'a> {
    fn new(flow: &'a Flow) -> Self {
        Self {
            columns: ColumnsRow::new(&flow.columns),
            accounts: &flow.accounts,
            others: &flow.others,
            refused: &flow.refused,
        }
    }
}

impl<'a> AccountRow<'a> {
    fn new(life: &'a Life) -> Self {
        let dossier = &life.dossier;
        let rate = life
            .peak
            .map_or(0.0, |peak| (peak.rate() * 10.0).round() / 10.0);
        Self(
            format!("{}/{}", dossier.namespace, dossier.name),
            dossier.requests.count,
            dossier.refused.count,
            rate,
            dossier.secrets_read.distinct,
            dossier.credentials.len(),
            dossier.requests.first_seen.map(Timestamp::seconds),
            dossier.requests.last_seen.map(Timestamp::seconds),
            life.first_cell,
            &life.cells,
        )
    }
}

/// The rest of each finding, in the order of the list.
pub(super) fn details(report: &Report) -> Vec<Detail<'_>> {
    let places = places(report);
    let findings = report.findings.iter();
    findings
        .map(|finding| Detail::new(finding, &places))
        .collect()
}

impl<'a> Detail<'a> {
    fn new(finding: &'a Finding, places: &BTreeMap<&str, usize>) -> Self {
        let relative = |other: &'a Related| {
            let place = places.get(other.fingerprint.as_str())?;
            Some((*place, other.by.as_slice()))
        };
        let techniques = finding.attack.iter();
        Self {
            attributes: &finding.attributes,
            attack: techniques.map(|id| technique(finding, id)).collect(),
            involves: &finding.involves,
            related: finding.related.iter().filter_map(relative).collect(),
            evidence: &finding.evidence,
            remediation: &finding.remediation,
            tracking: finding.tracking,
        }
    }
}

/// Where each finding stands in the list.
fn places(report: &Report) -> BTreeMap<&str, usize> {
    let findings = report.findings.iter().enumerate();
    findings
        .map(|(at, f)| (f.fingerprint.as_str(), at))
        .collect()
}

fn rank(severity: Severity) -> usize {
    let same = |other: &Severity| *other == severity;
    Severity::ALL.iter().position(same).unwrap_or_default()
}

fn title(id: &str) -> &'static str {
    let about = CATALOGUE.iter().find(|about| about.id == id);
    about.map_or("", |about| about.title)
}

/// The technique with its name, where the catalogue knows it.
fn technique(finding: &Finding, id: &str) -> String {
    let about = CATALOGUE.iter().find(|about| about.id == finding.detector);
    let known = about.and_then(|about| about.attack.iter().find(|technique| technique.id == id));
    known.map_or_else(
        || id.to_owned(),
        |technique| format!("{id} {} ({})", technique.name, technique.tactic),
    )
}

/// From the first to the last second of log, scrapes and findings.
fn range(report: &Report) -> Option<(i64, i64)> {
    let input = &report.input;
    let metrics = input.metrics.as_ref();
    let ends = |f: &Finding| [f.first_seen, f.last_seen];
    let times = (report.findings.iter().flat_map(ends))
        .chain([input.first_event, input.last_event])
        .chain(
            metrics
                .into_iter()
                .flat_map(|m| [m.first_scrape, m.last_scrape]),
        );
    let (mut first, mut last) = (None, None);
    for time in times.flatten() {
        first = Some(first.map_or(time, |known: Timestamp| known.min(time)));
        last = last.max(Some(time));
    }
    Some((first?.seconds(), last?.seconds() + 1))
}
