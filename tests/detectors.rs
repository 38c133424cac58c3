//! The laws that hold for every detector in the registry, and each detector's cases.
//!
//! `tests/detectors/<id>.jsonl` has one case a line; tests/detectors/README.md says what is in one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests may, their helpers too"
)]

use std::{cmp::Reverse, collections::BTreeSet, fs, io::Read, path::PathBuf};

use proptest::prelude::*;
use satrail::{
    detect::{
        CATALOGUE, Context, Detectors, LogFacts, Memo, MetricContext, Runs, Settings,
        metric_coverage, metric_findings, reads_metric, reads_sample,
    },
    event::{Event, Parser},
    finding::{Finding, SubjectKind, Timestamp},
    metric::{Archive, Format, Names, Scrape, read_exposition},
    source::{Origin, Places},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// One line of a fixture.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "case")]
    name: String,
    /// Nothing, one finding, or several: the fields that matter of each.
    expect: Value,
    /// The configuration, as in a configuration file.
    #[serde(default)]
    settings: Option<Value>,
    #[serde(default)]
    events: Vec<Value>,
    #[serde(default)]
    scrapes: Vec<ScrapeCase>,
}

/// What one instance served at one time.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScrapeCase {
    instance: String,
    time: Timestamp,
    metrics: Vec<String>,
}

impl Case {
    fn expected(&self) -> Vec<Value> {
        match &self.expect {
            Value::Null => Vec::new(),
            Value::Array(findings) => findings.clone(),
            finding => vec![finding.clone()],
        }
    }

    fn settings(&self) -> Settings {
        let given = self.settings.clone().unwrap_or_else(|| json!({}));
        serde_json::from_value(given).unwrap()
    }

    /// The events as lines of a log, those that are repeated written out.
    fn lines(&self) -> Vec<String> {
        self.events.iter().flat_map(lines_of).collect()
    }
}

/// `{event, times, every_ms, from_ms}` is an event that is sent again and again.
fn lines_of(event: &Value) -> Vec<String> {
    let Some(times) = event["times"].as_i64() else {
        return vec![event.to_string()];
    };
    let mut one = event["event"].clone();
    let received = one["requestReceivedTimestamp"].as_str().unwrap();
    let start =
        Timestamp::parse(received).unwrap().micros() / 1000 + event["from_ms"].as_i64().unwrap();
    let lines = (0..times).map(|n| {
        let millis = start + n * event["every_ms"].as_i64().unwrap();
        let time = Timestamp::from_micros(millis * 1000).to_string();
        one["auditID"] = json!(format!("{n}-{start}"));
        one["requestReceivedTimestamp"] = json!(time);
        one["stageTimestamp"] = json!(time);
        one.to_string()
    });
    lines.collect()
}

fn cases(id: &str) -> Vec<Case> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/detectors/{id}.jsonl"));
    let text =
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("tests/detectors/{id}.jsonl: {e}"));
    let cases = text.lines().map(|line| serde_json::from_str(line).unwrap());
    cases.collect()
}

/// A log's worth of state, as a pipeline keeps it.
#[derive(Default, serde::Serialize, Deserialize)]
struct State {
    log: LogFacts,
    detectors: Detectors,
    archive: Archive,
    #[serde(skip)]
    memo: Memo,
    #[serde(skip)]
    runs: Runs,
}

impl State {
    /// A state that has noted all of a case.
    fn of(case: &Case) -> Self {
        let lines = case.lines();
        let mut state = Self::default();
        state.observe_all(&parsed(&lines, &mut Vec::new()));
        for scrape in &case.scrapes {
            state.scrape(scrape);
        }
        state
    }

    fn scrape(&mut self, case: &ScrapeCase) {
        let mut names = Names::default();
        let text = case.metrics.join("\n");
        let format = Format::detect(text.as_bytes());
        let exposition = read_exposition(text.as_bytes(), format, &reads_metric, &mut names);
        assert_eq!(exposition.bad.count, 0, "{:?}", exposition.bad);
        let (instance, time) = (case.instance.clone(), case.time);
        let file = format!("{instance}-{time}.prom");
        let scrape = Scrape {
            instance,
            time,
            exposition,
        };
        self.archive.add(&file, scrape, &reads_sample, &mut names);
    }

    fn observe(&mut self, event: &Event<'_>) {
        self.log.observe(event);
        let request = self.memo.request(event);
        self.log.observe_request(request.aspects());
        self.detectors.observe(&request);
    }

    /// The same, but that requests which are alike may be put off.
    fn observe_in_runs(&mut self, event: &Event<'_>) {
        self.log.observe(event);
        let request = self.memo.request(event);
        self.log.observe_request(request.aspects());
        self.runs.observe(&mut self.detectors, &request);
    }

    fn settle(&mut self) {
        self.runs.settle(&mut self.detectors);
    }

    fn observe_all(&mut self, events: &[Event<'_>]) {
        for event in events {
            self.observe(event);
        }
    }

    fn merge(&mut self, other: Self) {
        self.log.merge(other.log);
        self.detectors.merge(other.detectors);
        self.archive.merge(other.archive);
    }

    fn through_a_file(&self) -> Self {
        postcard::from_bytes(&postcard::to_stdvec(self).unwrap()).unwrap()
    }

    fn finish(&self, settings: &Settings, wanted: impl Fn(&str) -> bool) -> Vec<Finding> {
        let mut places = Places::default();
        places.add_source(0, "audit.log");
        places.add_chunk(0, 0, u32::MAX);
        let context = Context {
            settings,
            log: &self.log,
            places: &places.lookup(),
        };
        let mut findings = self.detectors.finish(&context, &wanted);
        let archive = &self.archive;
        findings.extend(metric_findings(
            &MetricContext { settings, archive },
            wanted,
        ));
        findings
    }
}

/// The events of `lines`. Each has a parser of its own, since an event may borrow from its parser.
fn parsed<'a>(lines: &'a [String], parsers: &'a mut Vec<Parser>) -> Vec<Event<'a>> {
    parsers.resize_with(lines.len(), Parser::default);
    let numbered = (0..).zip(lines).zip(parsers);
    let events = numbered.map(|((line, text), parser)| {
        let origin = Origin {
            source: 0,
            chunk: 0,
            line,
        };
        parser.parse(text, origin).unwrap()
    });
    events.collect()
}

/// Whether `found` has everything that `expected` has; objects may have more, everything else not.
fn has(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let has =
                |(key, value): (&String, &Value)| found.get(key).is_some_and(|f| has(f, value));
            expected.iter().all(has)
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| has(f, e))
        }
        (found, expected) => found == expected,
    }
}

fn check(id: &str) {
    for case in cases(id) {
        let state = State::of(&case);
        let found = state.finish(&case.settings(), |wanted| wanted == id);
        let found = serde_json::to_value(&found).unwrap();
        let expected = Value::Array(case.expected());
        assert!(
            has(&found, &expected),
            "{id}: {}\nexpected {expected:#}\nfound {found:#}",
            case.name
        );
    }
}

#[test]
fn every_case_comes_out_as_expected() {
    for about in CATALOGUE {
        check(about.id);
    }
}

#[test]
fn every_detector_fires_at_least_once_and_is_silent_at_least_once() {
    for about in CATALOGUE {
        let cases = cases(about.id);
        assert!(
            cases.iter().any(|case| !case.expected().is_empty()),
            "{} never fires",
            about.id
        );
        assert!(
            cases.iter().any(|case| case.expected().is_empty()),
            "{} is never silent",
            about.id
        );
        let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(
            names.len(),
            cases.len(),
            "{}: two cases have one name",
            about.id
        );
    }
}

/// Requests that a detector does not want to see change nothing in it, and neither does what is known of the parts of
/// earlier requests.
#[test]
fn interest_leaves_out_only_what_changes_nothing() {
    let lines = all_lines();
    let mut parsers = Vec::new();
    let (mut asked, mut shown) = (Detectors::default(), Detectors::default());
    let mut memo = Memo::default();
    for event in parsed(&lines, &mut parsers) {
        asked.observe(&memo.request(&event));
        shown.observe_all(&Memo::default().request(&event));
    }
    let bytes = |detectors: &Detectors| postcard::to_stdvec(detectors).unwrap();
    assert!(
        bytes(&asked) == bytes(&shown),
        "an INTEREST leaves out requests that its detector takes note of, or a memo says something else than the line"
    );
}

/// A run comes to what its requests come to one by one, whenever it is shown: with the places that a scan has, and with
/// all requests of a kind in one long run, in any order.
#[test]
fn runs_come_to_what_their_requests_come_to() {
    let mut text = String::new();
    let sample = fs::File::open(
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("data/audit/audit-2026-11-22T04-26-06.000.log.gz"),
    )
    .unwrap();
    flate2::read::MultiGzDecoder::new(sample)
        .read_to_string(&mut text)
        .unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut parsers = Vec::new();
    let mut events = parsed(&lines, &mut parsers);
    let bytes = |state: &State| postcard::to_stdvec(state).unwrap();
    let mut whole = State::default();
    whole.observe_all(&events);
    for by_kind in [false, true] {
        if by_kind {
            events.sort_by_key(|event| (event.verb.read().into_owned(), Reverse(event.origin)));
        }
        let mut state = State::default();
        for event in &events {
            state.observe_in_runs(event);
        }
        assert!(bytes(&state) != bytes(&whole), "nothing was put off");
        state.settle();
        assert!(
            bytes(&state) == bytes(&whole),
            "runs come to something else"
        );
    }
}

#[test]
fn every_fixture_belongs_to_a_detector() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/detectors");
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let id = path.file_stem().unwrap().to_str().unwrap();
        let known = CATALOGUE.iter().any(|about| about.id == id);
        assert!(
            known || id == "README",
            "{} belongs to no detector",
            path.display()
        );
    }
}

#[test]
fn every_detector_is_documented() {
    let headings = [
        "What it finds",
        "Why it matters",
        "Known benign causes",
        "What to do",
        "Attributes",
        "Example",
    ];
    for about in CATALOGUE {
        let text = about.markdown();
        let found: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .collect();
        assert_eq!(found, headings, "{}", about.id);
        assert!(text.contains("```text"), "{} has no example", about.id);
        assert!(
            !about.title.is_empty() && !about.title.ends_with('.'),
            "{}",
            about.id
        );
    }
}

/// The attributes that findings have are the ones that are documented.
#[test]
fn every_attribute_is_documented() {
    for about in CATALOGUE {
        let text = about.markdown();
        for case in cases(about.id) {
            let state = State::of(&case);
            for finding in state.finish(&case.settings(), |id| id == about.id) {
                for name in finding.attributes.keys() {
                    let name = format!("`{name}`");
                    assert!(
                        text.contains(&name),
                        "{}: {name} is not documented",
                        about.id
                    );
                }
            }
        }
    }
}

#[test]
fn findings_can_be_acted_on() {
    for about in CATALOGUE {
        for case in cases(about.id) {
            let state = State::of(&case);
            for finding in state.finish(&case.settings(), |id| id == about.id) {
                assert!(!finding.summary.contains('\n'), "{}", finding.summary);
                assert!(!finding.evidence.is_empty(), "{}: {}", about.id, case.name);
                let of_metrics = finding.subject.kind == SubjectKind::ApiServer;
                assert!(finding.evidence.iter().all(|e| if of_metrics {
                    e.file.starts_with(&finding.subject.name) && e.line.is_none()
                } else {
                    e.file == "audit.log" && e.line > Some(0)
                }));
                assert!(
                    finding
                        .remediation
                        .steps
                        .iter()
                        .any(|step| step.command.is_some())
                );
                assert!(finding.first_seen.is_some() && finding.first_seen <= finding.last_seen);
                assert_eq!(finding.fingerprint.len(), 32);
            }
        }
    }
}

#[test]
fn fingerprints_differ() {
    let lines: Vec<String> = all_lines();
    let mut state = State::default();
    state.observe_all(&parsed(&lines, &mut Vec::new()));
    for case in CATALOGUE.iter().flat_map(|about| cases(about.id)) {
        case.scrapes.iter().for_each(|scrape| state.scrape(scrape));
    }
    let findings = state.finish(&Settings::default(), |_| true);
    let prints: BTreeSet<&str> = findings.iter().map(|f| f.fingerprint.as_str()).collect();
    assert_eq!(prints.len(), findings.len());
}

#[test]
fn a_log_in_which_a_detector_is_blind_says_so() {
    let state = State::default();
    let of_metrics = metric_coverage(&state.archive);
    for (about, coverage) in state
        .detectors
        .coverage(&state.log, &Settings::default())
        .into_iter()
        .chain(of_metrics)
    {
        assert!(
            coverage.blind.is_some(),
            "{} claims to see an empty log",
            about.id
        );
    }
}

/// A shipper that drops `sourceIPs` must not make one client of all.
#[test]
fn detectors_that_need_addresses_are_blind_without_them() {
    let needy = [
        "token-shared",
        "authentication-failing",
        "invalidated-legacy-token",
        "watch-churn",
    ];
    let blind = |lines: &[String]| -> BTreeSet<&'static str> {
        let mut state = State::default();
        state.observe_all(&parsed(lines, &mut Vec::new()));
        let coverage = state
            .detectors
            .coverage(&state.log, &Settings::default())
            .into_iter();
        let by_addresses = coverage.filter(|(_, coverage)| {
            coverage
                .blind
                .as_deref()
                .is_some_and(|why| why.contains("which address"))
        });
        by_addresses.map(|(about, _)| about.id).collect()
    };
    let whole = all_lines();
    let without = whole.iter().map(|line| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        event.as_object_mut().unwrap().remove("sourceIPs");
        event.to_string()
    });
    let without: Vec<String> = without.collect();
    assert_eq!(blind(&without), needy.into());
    assert_eq!(blind(&whole), BTreeSet::new());
}

#[test]
fn wrong_settings_are_refused_with_a_clear_message() {
    for (text, says) in [
        ("[runaway-controller]\nrequests-per-second = 0", "nonzero"),
        (
            "[runaway-controller]\nrequests-per-minute = 9",
            "unknown field `requests-per-minute`",
        ),
        ("[runaway-controler]", "unknown field `runaway-controler`"),
        ("[runaway-controller]\nsustained-seconds = -1", "-1"),
    ] {
        let error = toml::from_str::<Settings>(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// Every event of every case, in one log.
fn all_lines() -> Vec<String> {
    let cases = CATALOGUE.iter().flat_map(|about| cases(about.id));
    cases.flat_map(|case| case.lines()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The law of the detector contract: any split, any order, through files, the same bytes.
    #[test]
    fn splitting_merging_and_reordering_changes_nothing(
        seed: u64, parts in 1_usize..7, settings in prop::sample::select(vec![1_u32, 5, 100]),
    ) {
        let lines = all_lines();
        let mut parsers = Vec::new();
        let mut events = parsed(&lines, &mut parsers);
        let limit = json!({"runaway-controller": {"requests-per-second": settings}});
        let settings: Settings = serde_json::from_value(limit).unwrap();
        let mut whole = State::default();
        whole.observe_all(&events);
        // A shuffle that depends on the seed alone, and a part for every event.
        let mut state = seed | 1;
        let mut draw = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        for at in (1..events.len()).rev() {
            events.swap(at, draw(at + 1));
        }
        let mut states: Vec<State> = (0..parts).map(|_| State::default()).collect();
        for scrape in CATALOGUE.iter().flat_map(|about| cases(about.id)).flat_map(|case| case.scrapes) {
            whole.scrape(&scrape);
            states[draw(parts)].scrape(&scrape);
        }
        for event in &events {
            states[draw(parts)].observe_in_runs(event);
        }
        states.iter_mut().for_each(State::settle);
        while states.len() > 1 {
            let other = states.swap_remove(draw(states.len())).through_a_file();
            let at = draw(states.len());
            states[at].merge(other);
        }
        let bytes = |state: &State| serde_json::to_string(&state.finish(&settings, |_| true)).unwrap();
        prop_assert_eq!(bytes(&states[0].through_a_file()), bytes(&whole));
        prop_assert_eq!(postcard::to_stdvec(&states[0]).unwrap(), postcard::to_stdvec(&whole).unwrap());
    }
}
