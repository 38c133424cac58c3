//! The recorded log that lies beside the repository, as lines and as requests.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests may, their helpers too"
)]

use std::{
    collections::HashSet,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use satrail::{
    detect::{About, Context, Coverage, Detectors, LogFacts, Memo, Settings},
    event::Parser,
    finding::Finding,
    source::{Origin, Places},
};
use serde_json::Value;

/// The lines of the recording; `None`, and a word about it, where it is not beside the repository.
pub(crate) fn recording() -> Option<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/real/audit");
    let Ok(files) = fs::read_dir(&folder) else {
        println!("skipped: no recording at {}", folder.display());
        return None;
    };
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let mut lines = Vec::new();
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        let mut text = String::new();
        if path.extension().is_some_and(|e| e == "gz") {
            flate2::read::MultiGzDecoder::new(&bytes[..])
                .read_to_string(&mut text)
                .unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        lines.extend(text.lines().map(str::to_owned));
    }
    Some(lines)
}

/// One event for each request: all but those that opened a request which is completed elsewhere.
pub(crate) fn requests(lines: &[String]) -> Vec<(&str, Value)> {
    let parsed = lines
        .iter()
        .map(|line| (line.as_str(), serde_json::from_str(line).unwrap()));
    let events: Vec<(&str, Value)> = parsed.collect();
    let key = |event: &Value| {
        ["auditID", "requestReceivedTimestamp", "verb", "requestURI"].map(|k| event[k].to_string())
    };
    let complete = events
        .iter()
        .filter(|(_, e)| e["stage"] == "ResponseComplete");
    let complete: HashSet<_> = complete.map(|(_, e)| key(e)).collect();
    let opens = |event: &Value| {
        event["stage"] == "ResponseStarted" && event["user"]["username"].is_string()
    };
    let counts = |event: &Value| !opens(event) || !complete.contains(&key(event));
    events
        .into_iter()
        .filter(|(_, event)| counts(event))
        .collect()
}

/// What the detectors that are `wanted` make of the requests, and how much each detector could see.
pub(crate) fn judged(
    requests: &[(&str, Value)],
    wanted: impl Fn(&str) -> bool,
) -> (Vec<Finding>, Vec<(&'static About, Coverage)>) {
    let mut parser = Parser::default();
    let (mut detectors, mut log) = (Detectors::default(), LogFacts::default());
    let mut memo = Memo::default();
    for (line, (text, _)) in (0..).zip(requests) {
        let origin = Origin {
            source: 0,
            chunk: 0,
            line,
        };
        let event = parser.parse(text, origin).unwrap();
        log.observe(&event);
        let request = memo.request(&event);
        log.observe_request(request.aspects());
        detectors.observe(&request);
    }
    let (settings, places) = (Settings::default(), Places::default());
    let context = Context {
        settings: &settings,
        log: &log,
        places: &places.lookup(),
    };
    let findings = detectors.finish(&context, wanted);
    for f in &findings {
        println!(
            "{} {} {} {} {}",
            f.severity, f.detector, f.subject, f.count, f.summary
        );
    }
    (findings, detectors.coverage(&log, &Settings::default()))
}
