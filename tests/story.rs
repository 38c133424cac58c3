//! The recorded minute as one story: what ops/intruder did hangs together, and shop/web's stolen token is a
//! story of its own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may, their helpers too"
)]

use std::{collections::BTreeSet, path::PathBuf};

use satrail::{
    finding::{Finding, Severity, Story},
    pipeline::{self, Options, Report, Silent},
};

fn report() -> Report {
    let options = Options {
        paths: vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/audit")],
        ..Options::default()
    };
    pipeline::scan(&options, &Silent).unwrap().report(&options)
}

fn members<'r>(report: &'r Report, story: &Story) -> Vec<&'r Finding> {
    let of = |fingerprint: &String| {
        let mut found = report.findings.iter();
        found.find(|f| f.fingerprint == *fingerprint).unwrap()
    };
    story.findings.iter().map(of).collect()
}

#[test]
fn the_intruder_s_chain_is_one_story() {
    let report = report();
    let story = &report.stories[0];
    assert_eq!(story.severity, Severity::Critical);
    let subjects: BTreeSet<String> = story.subjects.iter().map(ToString::to_string).collect();
    for subject in ["ops/intruder", "kube-system/super", "system:anonymous"] {
        assert!(subjects.contains(subject), "{subjects:?}");
    }
    assert!(!subjects.contains("shop/web"), "{subjects:?}");
    let members = members(&report, story);
    let times: Vec<_> = members.iter().map(|f| f.first_seen).collect();
    assert!(times.is_sorted(), "{times:?}");
    let told: BTreeSet<(String, &str)> = members
        .iter()
        .map(|f| (f.subject.to_string(), f.detector.as_str()))
        .collect();
    for (subject, detector) in [
        ("ops/intruder", "denied-probing"),
        ("ops/intruder", "permission-enumeration"),
        ("ops/intruder", "rbac-written"),
        ("ops/intruder", "escalation-used"),
        ("ops/intruder", "token-minted"),
        ("ops/intruder", "secret-listing"),
        ("kube-system/super", "secret-listing"),
    ] {
        assert!(
            told.contains(&(subject.to_owned(), detector)),
            "{subject} {detector}: {told:?}"
        );
    }
}

/// The ID of the token that was made is what ties its maker to what was done with it.
#[test]
fn the_minted_token_ties_two_accounts() {
    let report = report();
    let minted = report
        .findings
        .iter()
        .find(|f| f.detector == "token-minted" && f.subject.to_string() == "ops/intruder");
    let minted = minted.unwrap();
    let credential = "JTI=400a2811-451a-4a17-860c-17132e72f733";
    assert!(minted.involves.credentials.contains(credential));
    let by = format!("credential {credential}");
    let tied = minted
        .related
        .iter()
        .filter(|related| related.by.contains(&by));
    let tied: BTreeSet<String> = tied
        .map(|r| format!("{} {}", r.detector, r.subject))
        .collect();
    assert!(
        tied.contains("secret-listing kube-system/super"),
        "{tied:?}"
    );
}

#[test]
fn the_stolen_token_is_a_story_of_its_own() {
    let report = report();
    let stolen = report.findings.iter().find(|f| {
        f.detector == "token-shared"
            && f.subject.to_string() == "shop/web"
            && f.severity >= Severity::High
    });
    let stolen = stolen.unwrap();
    let mut stories = report.stories.iter();
    let story = stories
        .find(|story| story.findings.contains(&stolen.fingerprint))
        .unwrap();
    let subjects: Vec<String> = story.subjects.iter().map(ToString::to_string).collect();
    assert_eq!(subjects, ["shop/web"]);
}
