//! The detectors of token theft on the whole recording, held against its notes and against counts made another way.
//!
//! Without the recording beside the repository these tests say so and pass.

#![expect(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "tests may, their helpers too; a test that follows one matter from start to end is long"
)]

#[path = "support/recording.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use satrail::{
    detect::{Context, Detectors, LogFacts, Memo, Settings},
    event::Parser,
    finding::{Finding, Severity, relate},
    source::{Origin, Places},
};
use serde_json::{Value, json};

use support::{recording, requests};

const END_OF_QUIET: &str = "2026-11-22T04:25:18.067";
const DETECTORS: [&str; 4] = [
    "token-shared",
    "token-minted",
    "token-request-failing",
    "authentication-failing",
];

type Counts = BTreeMap<String, u64>;

fn findings(requests: &[(&str, Value)]) -> Vec<Finding> {
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
    detectors.finish(&context, |id| DETECTORS.contains(&id))
}

fn of<'a>(findings: &'a [Finding], detector: &str) -> Vec<&'a Finding> {
    findings.iter().filter(|f| f.detector == detector).collect()
}

fn attributes(finding: &Finding) -> Value {
    serde_json::to_value(&finding.attributes).unwrap()
}

fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn peer(event: &Value) -> &str {
    let addresses = event["sourceIPs"].as_array().unwrap();
    addresses.last().unwrap().as_str().unwrap()
}

fn extra<'a>(event: &'a Value, key: &str) -> &'a str {
    text(
        event,
        &format!("/user/extra/authentication.kubernetes.io~1{key}/0"),
    )
}

fn count<'a>(events: impl Iterator<Item = &'a Value>, key: impl Fn(&Value) -> String) -> Counts {
    let mut counts = Counts::new();
    for event in events {
        *counts.entry(key(event)).or_default() += 1;
    }
    counts
}

fn noted(counts: &[(&str, u64)]) -> Counts {
    counts
        .iter()
        .map(|&(name, n)| (name.to_owned(), n))
        .collect()
}

#[test]
fn the_stolen_token_is_one_finding_and_its_twin_stays_low() {
    let Some(lines) = recording() else { return };
    let requests = requests(&lines);
    let findings = findings(&requests);
    let shared = of(&findings, "token-shared");
    let web: Vec<&&Finding> = shared
        .iter()
        .filter(|f| f.subject.to_string() == "shop/web")
        .collect();
    let grave: Vec<&&&Finding> = web
        .iter()
        .filter(|f| f.severity >= Severity::High)
        .collect();
    let [stolen] = grave[..] else {
        panic!("{grave:#?}")
    };
    let stolen = attributes(stolen);
    assert_eq!(
        stolen["foreign_addresses"],
        json!(["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.66.6"])
    );
    assert_eq!(stolen["own_addresses"], json!(["127.0.10.15"]));

    // By address and by address and agent, counted another way.
    let jti = "JTI=1f7f44f3-6409-406b-8217-399c872016ab";
    let same = || {
        requests
            .iter()
            .map(|(_, e)| e)
            .filter(|e| extra(e, "credential-id") == jti)
    };
    let by_address = count(same(), |e| peer(e).to_owned());
    let notes = [
        ("127.0.10.15", 489),
        ("127.0.0.2", 6),
        ("127.0.0.3", 6),
        ("127.0.66.6", 6),
        ("127.0.0.1", 6),
    ];
    assert_eq!(by_address, noted(&notes));
    let uses = stolen["uses"].as_array().unwrap();
    let mut seen = Counts::new();
    for place in uses {
        let address = place["address"].as_str().unwrap();
        seen.insert(address.to_owned(), place["requests"].as_u64().unwrap());
        let there = || same().filter(|e| peer(e) == address);
        let agents = count(there(), |e| text(e, "/userAgent").to_owned());
        assert_eq!(place["user_agents"], json!(agents), "{address}");
        let times: BTreeSet<&str> = there()
            .map(|e| text(e, "/requestReceivedTimestamp"))
            .collect();
        assert_eq!(
            place["first_seen"],
            json!(times.first().unwrap()),
            "{address}"
        );
        assert_eq!(
            place["last_seen"],
            json!(times.last().unwrap()),
            "{address}"
        );
        let refused = there()
            .filter(|e| e["responseStatus"]["code"] == 403)
            .count();
        assert_eq!(
            place["did"]["denied"].as_u64().unwrap_or(0),
            refused as u64,
            "{address}"
        );
    }
    assert_eq!(seen, by_address);

    // The twin: a second address, the same agent, the pod's node. No other pod of shop/web has anything to say.
    let mild: Vec<&&&Finding> = web.iter().filter(|f| f.severity < Severity::High).collect();
    let [twin] = mild[..] else {
        panic!("{mild:#?}")
    };
    assert!(twin.severity <= Severity::Low);
    assert_eq!(twin.count, 20);
    assert_eq!(attributes(twin)["foreign_addresses"], json!(["127.0.11.1"]));
    assert_eq!(
        attributes(twin)["pods"]["web-668b46c7cf-4qpgl"]["requests"],
        458
    );
}

/// Every pod and every token that was used from two addresses is spoken of, and no other.
#[test]
fn tokens_seen_at_one_address_are_not_spoken_of() {
    let Some(lines) = recording() else { return };
    let requests = requests(&lines);
    let mut places: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (_, event) in &requests {
        let account = text(event, "/user/username").strip_prefix("system:serviceaccount:");
        let uid = extra(event, "pod-uid");
        let id = extra(event, "credential-id");
        let holder = if uid.is_empty() { id } else { uid };
        if let Some(account) = account
            && !holder.is_empty()
        {
            let account = account.replacen(':', "/", 1);
            places
                .entry(format!("{account} {holder}"))
                .or_default()
                .insert(peer(event));
        }
    }
    let several = places.iter().filter(|(_, addresses)| addresses.len() > 1);
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for (holder, _) in several {
        *expected
            .entry(holder.split_once(' ').unwrap().0)
            .or_default() += 1;
    }
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    for finding in of(&findings(&requests), "token-shared") {
        let tokens = attributes(finding)["tokens"].as_u64().unwrap();
        *found.entry(finding.subject.to_string()).or_default() += tokens;
    }
    let found: BTreeMap<&str, u64> = found.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_minted_token_is_followed_to_its_use() {
    let Some(lines) = recording() else { return };
    let requests = requests(&lines);
    let mut findings = findings(&requests);
    relate(&mut findings);
    let minted = of(&findings, "token-minted");
    let mints = |e: &&Value| {
        e["objectRef"]["subresource"] == "token"
            && e["responseStatus"]["code"] == 201
            && !text(e, "/user/username").starts_with("system:node:")
    };
    let by_requester = count(requests.iter().map(|(_, e)| e).filter(mints), |e| {
        text(e, "/user/username").replacen("system:serviceaccount:ops:", "ops/", 1)
    });
    let mut found = Counts::new();
    for finding in &minted {
        *found.entry(finding.subject.to_string()).or_default() += finding.count;
    }
    assert_eq!(found, by_requester);
    assert_eq!(found["system:kube-controller-manager"], 14);

    let grave: Vec<&&Finding> = minted
        .iter()
        .filter(|f| f.severity >= Severity::High)
        .collect();
    let [intruder] = grave[..] else {
        panic!("{grave:#?}")
    };
    assert_eq!(
        (intruder.subject.to_string().as_str(), intruder.severity),
        ("ops/intruder", Severity::Critical)
    );
    let id = "JTI=400a2811-451a-4a17-860c-17132e72f733";
    let attributes = attributes(intruder);
    assert_eq!(attributes["account"], "kube-system/super");
    let used = requests
        .iter()
        .map(|(_, e)| e)
        .filter(|e| extra(e, "credential-id") == id);
    let used = count(used, |e| peer(e).to_owned());
    assert_eq!(used, noted(&[("127.0.66.6", 4)]));
    let [issued] = &attributes["issued"].as_array().unwrap()[..] else {
        panic!("{attributes:#}")
    };
    assert_eq!(issued["credential_id"], id);
    assert_eq!(
        issued["addresses"]["127.0.66.6"]["requests"],
        used["127.0.66.6"]
    );
    assert_eq!(issued["did"], json!({"secrets-read": 2, "read": 2}));
    // Ties to what else is said of the intruder: its own token is used from 127.0.0.1 as well.
    assert!(
        intruder
            .related
            .iter()
            .any(|r| r.detector == "token-shared")
    );
}

#[test]
fn refused_credentials_agree_with_the_notes() {
    let Some(lines) = recording() else { return };
    let requests = requests(&lines);
    let findings = findings(&requests);
    let failing = of(&findings, "authentication-failing");
    let refused = || {
        requests
            .iter()
            .map(|(_, e)| e)
            .filter(|e| e["responseStatus"]["code"] == 401)
    };
    assert_eq!(refused().count(), 125);
    let by_address = count(refused(), |e| peer(e).to_owned());
    // expired; wrong audience; deleted pod 15 and the workload itself 10; deleted Secret; deleted account; invalidated;
    // garbage 15 and forged 8
    let notes = [
        ("127.0.10.77", 25),
        ("127.0.10.78", 12),
        ("127.0.10.16", 25),
        ("127.0.30.5", 15),
        ("127.0.30.6", 15),
        ("127.0.30.7", 10),
        ("127.0.66.9", 23),
    ];
    assert_eq!(by_address, noted(&notes));
    let mut found = Counts::new();
    for finding in &failing {
        for (address, seen) in attributes(finding)["addresses"].as_object().unwrap() {
            found.insert(address.clone(), seen["requests"].as_u64().unwrap());
        }
    }
    assert_eq!(found, by_address);

    let by_subject: BTreeMap<String, (Severity, String)> = failing
        .iter()
        .map(|f| {
            let until = attributes(f)["worked_until"]
                .as_str()
                .unwrap_or("never")
                .to_owned();
            (f.subject.to_string(), (f.severity, until))
        })
        .collect();
    let last_success = |address: &str, account: &str| {
        let account = format!("system:serviceaccount:{}", account.replacen('/', ":", 1));
        let own = requests
            .iter()
            .map(|(_, e)| e)
            .filter(|e| peer(e) == address);
        let own = own.filter(|e| text(e, "/user/username") == account);
        let last = own.map(|e| text(e, "/requestReceivedTimestamp")).max();
        (Severity::Medium, last.unwrap().to_owned())
    };
    let never = |severity| (severity, "never".to_owned());
    let expected = [
        ("ci/deployer", last_success("127.0.30.5", "ci/deployer")),
        (
            "ci/legacy-auto",
            last_success("127.0.30.6", "ci/legacy-auto"),
        ),
        ("ci/old-runner", last_success("127.0.30.7", "ci/old-runner")),
        ("shop/orders", last_success("127.0.10.16", "shop/orders")),
        ("127.0.10.77", never(Severity::Low)),
        ("127.0.10.78", never(Severity::Low)),
        ("127.0.66.9", never(Severity::Medium)),
    ];
    let expected = expected.map(|(subject, what)| (subject.to_owned(), what));
    assert_eq!(by_subject, expected.into());
}

#[test]
fn the_one_refused_token_request_is_the_node_s() {
    let Some(lines) = recording() else { return };
    let requests = requests(&lines);
    let findings = findings(&requests);
    let failing = of(&findings, "token-request-failing");
    let [found] = failing[..] else {
        panic!("{failing:#?}")
    };
    assert_eq!(
        (found.subject.to_string().as_str(), found.count),
        ("kube-system/super", 1)
    );
    let attributes = attributes(found);
    assert_eq!(attributes["reasons"], json!({"not-of-this-node": 1}));
    assert_eq!(attributes["nodes_asking"], json!({"n1": 1}));
    // The intruder's succeeded.
    assert_eq!(
        (&attributes["succeeded"], &attributes["given_to_others"]),
        (&json!(0), &json!(1))
    );
}

#[test]
fn nothing_is_medium_in_the_quiet_part() {
    let Some(lines) = recording() else { return };
    let mut requests = requests(&lines);
    requests.retain(|(_, e)| text(e, "/requestReceivedTimestamp") < END_OF_QUIET);
    let findings = findings(&requests);
    let said: Vec<String> = findings
        .iter()
        .map(|f| format!("{} {} {}", f.severity, f.detector, f.subject))
        .collect();
    assert!(
        findings.iter().all(|f| f.severity < Severity::Medium),
        "{said:#?}"
    );
}
