//! Showing runs early, because there are too many, changes nothing.

use super::*;
use crate::{
    detect::{Context, LogFacts, Memo, Settings},
    event::Parser,
    finding::Finding,
    source::{Origin, Places},
};

/// Requests of a few callers, a century apart from one another, twice.
fn lines() -> Vec<String> {
    let line = |n: u32| {
        let (year, second) = (if n.is_multiple_of(7) { 2126 } else { 2026 }, n % 50);
        let (user, pod) = (["default", "a", "b"][n as usize / 3 % 3], n % 5);
        let resource = ["pods", "secrets", "nodes"][n as usize % 3];
        let verb = ["get", "list", "watch", "delete"][n as usize % 4];
        let code = [200, 200, 403, 404][n as usize / 4 % 4];
        let time = format!("{year}-01-01T00:00:{second:02}.{n:06}Z");
        serde_json::json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
            "auditID": format!("00000000-0000-4000-8000-{n:012x}"), "stage": "ResponseComplete",
            "requestURI": format!("/api/v1/namespaces/n/{resource}/x{n}"), "verb": verb,
            "user": {
                "username": format!("system:serviceaccount:n:{user}"),
                "extra": {"authentication.kubernetes.io/pod-name": [format!("p{pod}")]},
            },
            "sourceIPs": [format!("10.0.0.{pod}")], "userAgent": "x/1",
            "objectRef": {"resource": resource, "namespace": "n", "name": format!("x{n}"), "apiVersion": "v1"},
            "responseStatus": {"metadata": {}, "code": code},
            "requestReceivedTimestamp": time, "stageTimestamp": time,
        })
        .to_string()
    };
    (0..400).map(line).collect()
}

/// What the detectors find, and how often runs were shown before the end.
fn found(lines: &[String], bounds: Bounds) -> (Vec<Finding>, usize) {
    let (mut memo, mut detectors) = (Memo::default(), Detectors::default());
    let mut runs = Runs {
        bounds,
        ..Runs::default()
    };
    let (mut shown, mut collected) = (0, 0);
    for (line, text) in (0..).zip(lines) {
        let origin = Origin {
            line,
            ..Origin::default()
        };
        let mut parser = Parser::default();
        runs.observe(
            &mut detectors,
            &memo.request(&parser.parse(text, origin).unwrap()),
        );
        shown += usize::from(runs.arrivals.len() <= collected);
        collected = runs.arrivals.len();
    }
    runs.settle(&mut detectors);
    let places = Places::default();
    let context = Context {
        settings: &Settings::default(),
        log: &LogFacts::default(),
        places: &places.lookup(),
    };
    (detectors.finish(&context, |_| true), shown)
}

#[test]
fn it_does_not_matter_when_runs_are_shown() {
    let lines = lines();
    let all = Bounds::default();
    let (whole, centuries) = found(&lines, all);
    assert!(
        whole
            .iter()
            .any(|found| found.detector == "default-serviceaccount")
    );
    assert!(whole.len() > 8, "{whole:?}");
    assert!(centuries > 50, "{centuries}");
    for bounds in [
        Bounds { runs: 3, ..all },
        Bounds { requests: 5, ..all },
        Bounds { text: 1, ..all },
    ] {
        let (found, shown) = found(&lines, bounds);
        assert!(shown > centuries, "{bounds:?}");
        assert_eq!(found, whole, "{bounds:?}");
    }
}
