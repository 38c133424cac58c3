//! Exceptions and suppressions: what leaves the report, until when, and how it comes back.

use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use super::site::{Run, Site, finding, joined, sample};

const UNKNOWN: &str = "00000000000000000000000000000000";

fn listing(report: &Value) -> Option<&Value> {
    finding(report, "secret-listing", "prometheus", "monitoring")
}

fn status(report: &Value) -> Option<&str> {
    listing(report)?["status"].as_str()
}

/// A site that was told of everything in its log, and the fingerprint of one finding.
fn told() -> (Site, String) {
    let site = Site::new();
    site.write("audit.log", joined(&sample()[..300]));
    let report = site.report(&[]);
    let fingerprint = listing(&report).unwrap()["fingerprint"].as_str().unwrap();
    (site, fingerprint.to_owned())
}

fn suppress(site: &Site, more: &[&str]) -> Run {
    site.satrail(&[&["suppress", "--state", "state"], more].concat())
}

#[track_caller]
fn put(site: &Site, fingerprint: &str) {
    let run = suppress(
        site,
        &[
            fingerprint,
            "--until",
            "2999-01-31",
            "--reason",
            "OPS-12",
            "--owner",
            "team-ci",
        ],
    );
    assert_eq!(run.code, Some(0), "{}", run.said);
}

#[test]
fn a_suppressed_finding_is_gone_without_a_word_and_comes_back_as_new() {
    let (site, fingerprint) = told();
    assert_eq!(suppress(&site, &["--list"]).out, "nothing is suppressed\n");
    put(&site, &fingerprint);
    let list = suppress(&site, &["--list"]).out;
    let line = format!(
        "{fingerprint} until 2999-01-31 up to high: OPS-12 (team-ci); secret-listing monitoring/prometheus\n"
    );
    assert_eq!(list, line);
    for _ in 0..2 {
        let run = site.run(&["--new"]);
        assert_eq!((run.code, run.out.as_str()), (Some(0), ""), "{}", run.said);
        let report = site.report(&[]);
        assert_eq!(status(&report), None);
        let applied = &report["exceptions"]["applied"][0];
        assert_eq!(applied["fingerprint"], *fingerprint);
        assert_eq!(
            (&applied["owner"], &applied["findings"]),
            (&"team-ci".into(), &1.into())
        );
        // What it is about is known, though no run reports it.
        assert_eq!(suppress(&site, &["--list"]).out, line);
    }
    put(&site, &fingerprint);
    assert_eq!(suppress(&site, &["--list"]).out, line);
    let run = suppress(&site, &["--remove", &fingerprint]);
    assert_eq!(
        (run.code, run.out.as_str()),
        (Some(0), "nothing is suppressed\n")
    );
    let run = site.run(&["--new"]);
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains("prometheus"), "{}", run.out);
    assert_eq!(status(&site.report(&[])), Some("ongoing"));
}

#[test]
fn a_suppression_ends_with_its_day() {
    let (site, fingerprint) = told();
    put(&site, &fingerprint);
    assert_eq!(status(&site.report(&[])), None);
    let state = Connection::open(site.state()).unwrap();
    let past = "UPDATE suppression SET expires = '2024-01-31'";
    state.execute_batch(past).unwrap();
    state.close().unwrap();
    let report = site.report(&["--new"]);
    assert_eq!(status(&report), Some("new"));
    assert_eq!(
        report["exceptions"]["expired"][0]["fingerprint"],
        *fingerprint
    );
    assert!(
        suppress(&site, &["--list"])
            .out
            .contains("until 2024-01-31, over")
    );
}

#[test]
fn worse_than_accepted_is_reported_all_the_same() {
    let (site, fingerprint) = told();
    let arguments = [
        &fingerprint,
        "--until",
        "2999-01-31",
        "--reason",
        "x",
        "--owner",
        "y",
        "--severity-at-most",
        "medium",
    ];
    assert_eq!(suppress(&site, &arguments).code, Some(0));
    assert_eq!(status(&site.report(&[])), Some("ongoing"));
}

#[test]
fn what_matches_nothing_is_named() {
    let (site, _) = told();
    put(&site, UNKNOWN);
    assert!(
        suppress(&site, &["--list"])
            .out
            .contains("no finding that was known then")
    );
    let report = site.report(&[]);
    assert_eq!(report["exceptions"]["unused"][0]["fingerprint"], UNKNOWN);
    assert!(site.run(&[]).out.contains(UNKNOWN));
}

#[test]
fn what_cannot_be_suppressed_is_refused() {
    let (site, fingerprint) = told();
    let full = |until| {
        [
            &fingerprint,
            "--until",
            until,
            "--reason",
            "x",
            "--owner",
            "y",
        ]
    };
    for (arguments, why) in [
        (&full("2024-01-31")[..], "--until 2024-01-31 is over"),
        (&full("tomorrow"), "--until"),
        (&full("2999-01-31")[..5], "--owner"),
        (&full("2999-01-31")[..3], "--reason"),
        (&["--remove", UNKNOWN], "is not suppressed"),
        (&["--remove", "3f2a"], "32 hexadecimal digits"),
        (
            &[
                "3F2A",
                "--until",
                "2999-01-31",
                "--reason",
                "x",
                "--owner",
                "y",
            ],
            "32 hexadecimal digits",
        ),
    ] {
        let run = suppress(&site, arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}");
        assert!(run.said.contains(why), "{arguments:?}: {}", run.said);
    }
    assert_eq!(suppress(&site, &["--list"]).out, "nothing is suppressed\n");
    let run = site.satrail(&["suppress", "--state", "elsewhere", "--list"]);
    assert_eq!(run.code, Some(2));
    assert!(run.said.contains("elsewhere"), "{}", run.said);
    assert!(!site.path("elsewhere").exists());
}

#[test]
fn reasons_do_not_reach_the_terminal_as_they_are() {
    let (site, fingerprint) = told();
    let reason = "\u{1b}[31mred\nnext";
    let arguments = [
        &fingerprint,
        "--until",
        "2999-01-31",
        "--reason",
        reason,
        "--owner",
        "y\u{7}",
    ];
    assert_eq!(suppress(&site, &arguments).code, Some(0));
    for out in [suppress(&site, &["--list"]).out, site.run(&[]).out] {
        let control = |c: char| c.is_control() && c != '\n';
        assert!(
            !out.contains(control) && !out.contains("red\nnext"),
            "{out}"
        );
    }
}

#[test]
fn an_exception_of_the_configuration_does_the_same() {
    let (site, _) = told();
    let exception = |account: &str| {
        format!(
            "[[exceptions]]\ndetector = \"secret-listing\"\naccount = \"{account}\"\n\
             severity-at-most = \"high\"\nreason = \"OPS-1\"\nexpires = 2999-01-31\n"
        )
    };
    let both = exception("monitoring/prometheus") + &exception("no/body");
    fs::write(site.path("satrail.toml"), both).unwrap();
    let config = ["--config", "satrail.toml"];
    let run = site.run(&[&config[..], &["--new"]].concat());
    assert_eq!((run.code, run.out.as_str()), (Some(0), ""), "{}", run.said);
    let report = site.report(&config);
    assert_eq!(status(&report), None);
    assert_eq!(
        report["exceptions"]["applied"][0]["account"],
        "monitoring/prometheus"
    );
    assert_eq!(report["exceptions"]["unused"][0]["account"], "no/body");
    assert_eq!(status(&site.report(&["--new"])), Some("new"));
}

#[test]
fn what_is_not_asked_for_is_not_over() {
    let (site, _) = told();
    for not in [
        ["--ignore", "secret-listing"],
        ["--min-severity", "critical"],
    ] {
        let run = site.run(&[&not[..], &["--new"]].concat());
        assert_eq!(
            (run.code, run.out.as_str()),
            (Some(0), ""),
            "{not:?} {}",
            run.said
        );
    }
    // Whoever asks for it again hears nothing new.
    assert_eq!(status(&site.report(&[])), Some("ongoing"));
}

#[test]
fn what_was_not_asked_for_was_not_told() {
    let site = Site::new();
    site.write("audit.log", joined(&sample()[..300]));
    fs::write(site.path("in-the-way"), "").unwrap();
    site.report_ending(&["--rules-out", "in-the-way/rules"], 2);
    site.report(&["--ignore", "secret-listing"]);
    assert_eq!(status(&site.report(&[])), Some("new"));
    assert_eq!(status(&site.report(&[])), Some("ongoing"));
}
