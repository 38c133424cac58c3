//! The detectors of secrets, reconnaissance and impersonation on the whole recording, held against its notes and
//! against counts made another way.
//!
//! Without the recording beside the repository these tests say so and pass.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests may, their helpers too"
)]

#[path = "support/recording.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use satrail::{
    detect::{Context, Detectors, LogFacts, Memo, Settings},
    event::Parser,
    finding::{Finding, Severity, relate, stories},
    source::{Origin, Places},
};
use serde_json::{Value, json};

use support::{recording, requests};

const END_OF_QUIET: &str = "2026-11-22T04:25:18.067";
const DETECTORS: [&str; 7] = [
    "secret-enumeration",
    "secret-cross-namespace",
    "secret-denied",
    "permission-enumeration",
    "denied-probing",
    "anonymous-access",
    "impersonation",
];

type Requests<'a> = Vec<(&'a str, Value)>;

fn findings(requests: &Requests<'_>) -> Vec<Finding> {
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
        places: &places,
    };
    for (about, coverage) in detectors.coverage(&log) {
        assert!(!DETECTORS.contains(&about.id) || coverage.blind.is_none());
    }
    let found = detectors.finish(&context, |id| DETECTORS.contains(&id));
    for f in &found {
        println!("{} {} {} {}", f.severity, f.detector, f.count, f.summary);
    }
    found
}

/// `severity count` of each finding of `detector`, by subject.
fn graded(findings: &[Finding], detector: &str) -> BTreeMap<String, String> {
    let found = findings.iter().filter(|f| f.detector == detector);
    found
        .map(|f| (f.subject.to_string(), format!("{} {}", f.severity, f.count)))
        .collect()
}

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
    entries.iter().map(owned).collect()
}

#[track_caller]
fn one<'a>(findings: &'a [Finding], detector: &str, subject: &str) -> &'a Finding {
    let mut found = findings.iter();
    let is = |f: &&Finding| f.detector == detector && f.subject.to_string() == subject;
    found.find(is).unwrap()
}

fn attribute(finding: &Finding, name: &str) -> Value {
    serde_json::to_value(&finding.attributes[name]).unwrap()
}

fn text<'a>(event: &'a Value, path: &str) -> &'a str {
    event.pointer(path).and_then(Value::as_str).unwrap_or("")
}

fn user(event: &Value) -> &str {
    text(event, "/user/username")
}

/// `namespace/name` of a ServiceAccount, any other name as it is.
fn subject(name: &str) -> String {
    match name.strip_prefix("system:serviceaccount:") {
        Some(account) => account.replacen(':', "/", 1),
        None => name.to_owned(),
    }
}

fn is_account(event: &Value) -> bool {
    user(event).starts_with("system:serviceaccount:")
}

fn code(event: &Value) -> u64 {
    event["responseStatus"]["code"].as_u64().unwrap_or(0)
}

/// A 403 that RBAC gave to the caller itself.
fn lacks_right(event: &Value) -> bool {
    code(event) == 403
        && event["impersonatedUser"].is_null()
        && event["annotations"]["authorization.k8s.io/decision"] != "allow"
        && !text(event, "/responseStatus/message").contains("cannot impersonate")
}

#[test]
fn secrets_read_or_refused_by_name() {
    let Some(lines) = recording() else { return };
    let requests = requests(&lines);
    let findings = findings(&requests);
    // One name 72 times, one name once: nobody read many.
    assert_eq!(graded(&findings, "secret-enumeration"), map(&[]));
    let abroad = map(&[("kube-system/super", "medium 1")]);
    assert_eq!(graded(&findings, "secret-cross-namespace"), abroad);
    let denied = map(&[("ops/intruder", "medium 1"), ("shop/one-secret", "low 3")]);
    assert_eq!(graded(&findings, "secret-denied"), denied);

    let by_name = requests.iter().filter(|(_, e)| {
        is_account(e) && text(e, "/objectRef/resource") == "secrets" && text(e, "/verb") == "get"
    });
    let (mut read_abroad, mut refused) = (BTreeSet::new(), BTreeMap::<_, u64>::new());
    for (_, event) in by_name {
        let namespace = text(event, "/objectRef/namespace");
        let secret = format!("{namespace}/{}", text(event, "/objectRef/name"));
        let name = subject(user(event));
        if lacks_right(event) {
            *refused.entry(format!("{name} {secret}")).or_default() += 1;
        } else if code(event) == 200 && !name.starts_with(&format!("{namespace}/")) {
            read_abroad.insert(format!("{name} {secret}"));
        }
    }
    let expected = ["kube-system/super ci/deployer-token".to_owned()];
    assert_eq!(read_abroad, expected.into());
    for (key, count) in refused {
        let (name, secret) = key.split_once(' ').unwrap();
        let finding = one(&findings, "secret-denied", name);
        assert_eq!(attribute(finding, "secrets")[secret]["requests"], count);
    }
    // The token that the intruder had made for it.
    let token = "JTI=400a2811-451a-4a17-860c-17132e72f733";
    let read = one(&findings, "secret-cross-namespace", "kube-system/super");
    assert!(read.involves.credentials.contains(token));
}

#[test]
fn refused_permissions_are_counted_as_another_fold_counts_them() {
    let Some(lines) = recording() else { return };
    let requests = requests(&lines);
    let findings = findings(&requests);
    // First time of each permission, and all refusals, by user.
    let mut first = BTreeMap::<String, BTreeMap<String, i64>>::new();
    let mut all = BTreeMap::<String, u64>::new();
    for (_, event) in requests.iter().filter(|(_, e)| lacks_right(e)) {
        let part = |name: &str| text(event, &format!("/objectRef/{name}"));
        let names = ["resource", "apiGroup", "subresource", "namespace"].map(part);
        let path = text(event, "/requestURI").split('?').next().unwrap();
        let path = if names[0].is_empty() { path } else { "" };
        let permission = format!("{} {names:?} {path}", text(event, "/verb"));
        let time: satrail::finding::Timestamp =
            serde_json::from_value(event["requestReceivedTimestamp"].clone()).unwrap();
        let user = subject(user(event));
        *all.entry(user.clone()).or_default() += 1;
        let times = first.entry(user).or_default();
        let known = times.entry(permission).or_insert(time.micros());
        *known = time.micros().min(*known);
    }
    let mut expected = BTreeMap::new();
    for (user, times) in &first {
        let within = |start: i64| {
            let end = start + 60_000_000;
            times.values().filter(|&&t| start <= t && t < end).count()
        };
        let most = times.values().map(|&start| within(start)).max().unwrap();
        if most >= 5 && user != "system:anonymous" {
            expected.insert(user.clone(), (times.len(), most, all[user]));
        }
    }
    let names: Vec<&String> = expected.keys().collect();
    assert_eq!(names, ["ops/intruder", "shop/web"]);
    let probing = findings.iter().filter(|f| f.detector == "denied-probing");
    assert_eq!(probing.count(), expected.len());
    for (user, (distinct, most, requests)) in expected {
        let finding = one(&findings, "denied-probing", &user);
        assert_eq!(finding.severity, Severity::High);
        assert_eq!(finding.count, requests, "{user}");
        assert_eq!(attribute(finding, "distinct_permissions"), distinct);
        assert_eq!(attribute(finding, "busiest")["distinct"], most);
    }
}

#[test]
fn self_subject_reviews_are_those_of_the_notes() {
    let Some(lines) = recording() else { return };
    let findings = findings(&requests(&lines));
    let expected = map(&[("ops/intruder", "medium 3"), ("shop/web", "medium 2")]);
    assert_eq!(graded(&findings, "permission-enumeration"), expected);
    let reviews = |name| attribute(one(&findings, "permission-enumeration", name), "reviews");
    let intruder = json!({"all-rules": 1, "grave-access": 2});
    assert_eq!(reviews("ops/intruder"), intruder);
    assert_eq!(reviews("shop/web"), json!({"all-rules": 1, "who-am-i": 1}));
}

#[test]
fn anonymous_requests_are_those_of_the_notes() {
    let Some(lines) = recording() else { return };
    let requests = requests(&lines);
    let findings = findings(&requests);
    let expected = map(&[("system:anonymous", "high 26")]);
    assert_eq!(graded(&findings, "anonymous-access"), expected);
    let finding = one(&findings, "anonymous-access", "system:anonymous");
    let anonymous = requests
        .iter()
        .filter(|(_, e)| user(e) == "system:anonymous");
    let (open, others): (Vec<&Value>, Vec<&Value>) = anonymous
        .map(|(_, event)| event)
        .partition(|e| text(e, "/requestURI") == "/version");
    // 13 went through and 16 were refused; 3 of the former were for the version.
    assert_eq!((open.len(), others.len()), (3, 26));
    assert_eq!(attribute(finding, "open"), open.len());
    let codes = json!({"200": 10, "403": 16});
    assert_eq!(attribute(finding, "codes"), codes);
    let refused: BTreeSet<&str> = others
        .iter()
        .filter(|e| code(e) == 403)
        .map(|e| text(e, "/requestURI"))
        .collect();
    assert_eq!(attribute(finding, "distinct_refused"), refused.len());
    assert_eq!(attribute(finding, "allowed_by")[0]["binding"], "anon-view");
    let addresses = attribute(finding, "addresses");
    assert_eq!(addresses["127.0.66.9"]["requests"], 26);
}

#[test]
fn impersonation_is_that_of_the_notes() {
    let Some(lines) = recording() else { return };
    let requests = requests(&lines);
    let findings = findings(&requests);
    let expected = map(&[
        ("kubernetes-admin", "low 2"),
        ("ops/intruder", "critical 4"),
        ("shop/web", "medium 1"),
    ]);
    assert_eq!(graded(&findings, "impersonation"), expected);
    let mut table = BTreeMap::<String, u64>::new();
    for (_, event) in requests
        .iter()
        .filter(|(_, e)| !e["impersonatedUser"].is_null())
    {
        let other = text(event, "/impersonatedUser/username");
        let row = format!("{} as {other} {}", user(event), code(event));
        *table.entry(row).or_default() += 1;
    }
    let noted = [
        "kubernetes-admin as alice@example.com 403",
        "kubernetes-admin as system:serviceaccount:shop:web 200",
        "system:serviceaccount:ops:intruder as alice@example.com 200",
        "system:serviceaccount:ops:intruder as system:admin 403",
        "system:serviceaccount:ops:intruder as system:serviceaccount:kube-system:super 200",
        "system:serviceaccount:ops:intruder as x 403",
    ];
    assert_eq!(table, noted.map(|row| (row.to_owned(), 1)).into());
    for name in ["kubernetes-admin", "ops/intruder"] {
        let acted_as = attribute(one(&findings, "impersonation", name), "acted_as");
        let rows = noted.iter().filter(|row| {
            let (who, _) = row.split_once(" as ").unwrap();
            subject(who) == name
        });
        assert_eq!(
            acted_as.as_object().unwrap().len(),
            rows.count(),
            "{acted_as}"
        );
    }
    let web = one(&findings, "impersonation", "shop/web");
    assert_eq!(attribute(web, "outcomes")["impersonation-refused"], 1);
}

#[test]
fn the_intruder_is_one_story_with_the_account_that_it_took() {
    let Some(lines) = recording() else { return };
    let mut findings = findings(&requests(&lines));
    findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    relate(&mut findings);
    let related = |detector: &str, subject: &str| -> Vec<String> {
        let related = one(&findings, detector, subject).related.iter();
        related
            .map(|r| format!("{} {}", r.detector, r.subject))
            .collect()
    };
    let of_impersonation = related("impersonation", "ops/intruder");
    for other in [
        "denied-probing ops/intruder",
        "secret-denied ops/intruder",
        "permission-enumeration ops/intruder",
        "secret-cross-namespace kube-system/super",
    ] {
        assert!(of_impersonation.iter().any(|r| r == other), "{other}");
    }
    let told = stories(&findings);
    let names = |story: &satrail::finding::Story| -> BTreeSet<String> {
        story.subjects.iter().map(ToString::to_string).collect()
    };
    let intruder = told.iter().map(names).find(|n| n.contains("ops/intruder"));
    assert!(intruder.unwrap().contains("kube-system/super"));
}

#[test]
fn nothing_is_worse_than_low_in_the_quiet_part() {
    let Some(lines) = recording() else { return };
    let mut requests = requests(&lines);
    requests.retain(|(_, e)| text(e, "/requestReceivedTimestamp") < END_OF_QUIET);
    let findings = findings(&requests);
    let worse: Vec<&Finding> = findings
        .iter()
        .filter(|f| f.severity > Severity::Low)
        .collect();
    assert!(worse.is_empty(), "{worse:#?}");
}
