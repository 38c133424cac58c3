//! First uses over months: what is remembered once days are forgotten, and what first uses make of other findings.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{fs, path::Path, process::Command};

use satrail::{
    detect::{Context, Detectors, LogFacts, Memo, Settings},
    event::Parser,
    finding::{Attribute, Finding, Severity, Timestamp},
    source::{Origin, Places},
};
use serde_json::{Value, json};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// 2026-11-01T00:00:00Z.
const START: i64 = 1_793_491_200;

fn time(second: i64) -> Timestamp {
    Timestamp::from_micros((START + second) * 1_000_000)
}

/// One request of `account` (namespace:name), so many seconds after the start.
struct Request<'a> {
    account: &'a str,
    at: i64,
    verb: &'a str,
    resource: &'a str,
    namespace: &'a str,
    agent: &'a str,
    code: u16,
}

impl Request<'_> {
    fn line(&self) -> String {
        let at = time(self.at).to_string();
        let (namespace, resource) = (self.namespace, self.resource);
        let name = if self.verb == "get" { "/one" } else { "" };
        json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
            "auditID": format!("{}-{}-{}", self.account, self.at, resource),
            "stage": "ResponseComplete",
            "requestURI": format!("/api/v1/namespaces/{namespace}/{resource}{name}"),
            "verb": self.verb,
            "user": {"username": format!("system:serviceaccount:{}", self.account),
                     "groups": ["system:serviceaccounts", "system:authenticated"]},
            "sourceIPs": ["10.244.0.7"], "userAgent": self.agent,
            "objectRef": {"resource": resource, "namespace": namespace, "name": name.trim_start_matches('/'),
                          "apiVersion": "v1"},
            "responseStatus": {"metadata": {}, "code": self.code},
            "requestReceivedTimestamp": at, "stageTimestamp": at,
            "annotations": {"authorization.k8s.io/decision": if self.code == 403 { "forbid" } else { "allow" },
                            "authorization.k8s.io/reason": ""},
        })
        .to_string()
    }
}

const WEB: Request<'_> = Request {
    account: "shop:web",
    at: 0,
    verb: "list",
    resource: "pods",
    namespace: "shop",
    agent: "shop-web/2.1.0",
    code: 200,
};

/// What `request` asks every three hours, from day to day.
fn daily(request: &Request<'_>, days: std::ops::Range<i64>) -> Vec<String> {
    let times = (days.start * DAY..days.end * DAY).step_by(3 * 3600);
    times.map(|at| Request { at, ..*request }.line()).collect()
}

/// A log's worth of state, as a pipeline keeps it.
#[derive(Default)]
struct State {
    log: LogFacts,
    detectors: Detectors,
}

impl State {
    fn of(lines: &[String]) -> Self {
        let (mut state, mut parser) = (Self::default(), Parser::default());
        let mut memo = Memo::default();
        for (at, line) in (0..).zip(lines) {
            let origin = Origin {
                source: 0,
                chunk: 0,
                line: at,
            };
            let event = parser.parse(line, origin).unwrap();
            let request = memo.request(&event);
            state.log.observe(&event);
            state.log.observe_request(request.aspects());
            state.detectors.observe(&request);
        }
        state
    }

    fn merge(mut self, other: Self) -> Self {
        self.log.merge(other.log);
        self.detectors.merge(other.detectors);
        self
    }

    /// What is left of days that are dropped, through a file.
    fn outlive(self, cutoff: Timestamp) -> Self {
        let left = self.detectors.outlive(cutoff);
        Self {
            log: LogFacts::default(),
            detectors: postcard::from_bytes(&postcard::to_stdvec(&left).unwrap()).unwrap(),
        }
    }

    fn first_uses(&self, settings: &Settings) -> Vec<Finding> {
        let places = Places::default();
        let context = Context {
            settings,
            log: &self.log,
            places: &places.lookup(),
        };
        self.detectors.finish(&context, |id| id == "first-use")
    }

    /// What is new, as `account what`.
    fn news(&self) -> Vec<String> {
        let findings = self.first_uses(&Settings::default());
        let news = findings.iter().flat_map(|finding| {
            let new = serde_json::to_value(&finding.attributes["new"]).unwrap();
            let names = new.as_array().unwrap().iter();
            let name =
                |new: &Value| format!("{} {}", finding.subject, new["what"].as_str().unwrap());
            names.map(name).collect::<Vec<_>>()
        });
        news.collect()
    }
}

/// One state for each of `days`, of the lines that fall into it.
fn by_day(lines: &[String], days: i64) -> Vec<State> {
    let day_of = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        let time: Timestamp = event["requestReceivedTimestamp"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        (time.seconds() - START) / DAY
    };
    let mut split: Vec<Vec<String>> = (0..days).map(|_| Vec::new()).collect();
    for line in lines {
        split[usize::try_from(day_of(line)).unwrap()].push(line.clone());
    }
    split.iter().map(|lines| State::of(lines)).collect()
}

fn sum(states: impl IntoIterator<Item = State>) -> State {
    states.into_iter().fold(State::default(), State::merge)
}

/// Twenty days of three accounts; one of them does something new on day 15, another one on day 3.
fn twenty_days() -> Vec<String> {
    let backup = Request {
        account: "ops:backup",
        resource: "configmaps",
        namespace: "ops",
        agent: "backup/1.0",
        ..WEB
    };
    let secrets = |request: &Request<'_>, day: i64| {
        let resource = "secrets";
        let request = Request {
            at: day * DAY + 5,
            resource,
            ..*request
        };
        request.line()
    };
    let mut lines = [
        daily(&WEB, 0..20),
        daily(&backup, 0..20),
        daily(
            &Request {
                account: "shop:young",
                ..WEB
            },
            12..20,
        ),
    ]
    .concat();
    lines.extend([secrets(&WEB, 15), secrets(&WEB, 18), secrets(&backup, 3)]);
    lines
}

#[test]
fn forgotten_days_change_nothing_while_their_habits_are_remembered() {
    let lines = twenty_days();
    let whole = sum(by_day(&lines, 20));
    assert_eq!(whole.news(), ["shop/web list secrets"]);
    let findings = whole.first_uses(&Settings::default());
    for forgotten in [0, 1, 6, 7] {
        let cutoff = time(i64::from(forgotten) * DAY);
        let days = by_day(&lines, 20).into_iter().zip(0..);
        let states = days.map(|(state, day)| {
            if day < forgotten {
                state.outlive(cutoff)
            } else {
                state
            }
        });
        let sum = sum(states);
        assert_eq!(
            sum.first_uses(&Settings::default()),
            findings,
            "{forgotten} days"
        );
        assert_eq!(sum.detectors.watching_since(), Some(time(0)));
    }
    // The learning period is over, and so are the days on which there was something new to tell.
    for (forgotten, new) in [(10, 1), (15, 1), (16, 0), (20, 0)] {
        let cutoff = time(forgotten * DAY);
        let days = by_day(&lines, 20).into_iter().zip(0..);
        let states = days.map(|(state, day)| {
            if day < forgotten {
                state.outlive(cutoff)
            } else {
                state
            }
        });
        assert_eq!(sum(states).news().len(), new, "{forgotten} days");
    }
}

#[test]
fn the_order_of_forgetting_and_adding_up_does_not_matter() {
    let lines = twenty_days();
    let of = |order: &[usize], cutoff: Timestamp| {
        let mut days: Vec<Option<State>> = by_day(&lines, 20).into_iter().map(Some).collect();
        let old = order
            .iter()
            .map(|&day| days[day].take().unwrap().outlive(cutoff));
        let old = sum(old.collect::<Vec<_>>());
        postcard::to_stdvec(&old.detectors).unwrap()
    };
    let cutoff = time(5 * DAY);
    assert!(of(&[0, 1, 2, 3, 4], cutoff) == of(&[4, 2, 0, 3, 1], cutoff));
    let twice = sum(by_day(&lines, 20)).outlive(cutoff).outlive(cutoff);
    let once = sum(by_day(&lines, 20)).outlive(cutoff);
    assert!(
        postcard::to_stdvec(&twice.detectors).unwrap()
            == postcard::to_stdvec(&once.detectors).unwrap()
    );
}

#[test]
fn what_nobody_does_any_more_is_forgotten_sixty_days_later() {
    let lines = twenty_days();
    let days = |cutoff: i64| sum(by_day(&lines, 20)).outlive(time(cutoff * DAY));
    let again = |memory: State, day: i64| {
        let request = Request {
            resource: "secrets",
            ..WEB
        };
        let lines = [
            daily(&WEB, day..day + 1),
            vec![
                Request {
                    at: day * DAY + 60,
                    ..request
                }
                .line(),
            ],
        ];
        memory.merge(State::of(&lines.concat())).news()
    };
    // Secrets were listed last on day 18.
    assert!(again(days(78), 78).is_empty());
    assert_eq!(again(days(79), 79), ["shop/web list secrets"]);
    // So were all others on day 19: nobody is known any more, and has to learn anew.
    assert!(again(days(90), 90).is_empty());
    let empty = postcard::to_stdvec(&State::default().outlive(time(90 * DAY)).detectors).unwrap();
    let left = postcard::to_stdvec(&days(90).detectors).unwrap();
    // Since when has been watched, and nothing beside.
    assert!(
        left.len() <= empty.len() + 10,
        "{} {}",
        left.len(),
        empty.len()
    );
    assert_eq!(days(90).detectors.watching_since(), Some(time(0)));
}

#[test]
fn a_log_is_long_enough_by_the_settings_and_by_what_is_remembered() {
    let blind = |state: &State, settings: &Settings| {
        let all = state.detectors.coverage(&state.log, settings);
        let mut ours = all.into_iter().filter(|(about, _)| about.id == "first-use");
        ours.next().unwrap().1.blind
    };
    let week: Settings = Settings::default();
    let hour: Settings =
        serde_json::from_value(json!({"first-use": {"learning-seconds": 3600}})).unwrap();
    let short = State::of(&daily(&WEB, 0..3));
    let why = "2 d 21 h is not longer than the learning period, 7 d";
    assert_eq!(blind(&short, &week).as_deref(), Some(why));
    assert_eq!(blind(&short, &hour), None);
    let old = State::of(&daily(&WEB, 0..6)).outlive(time(6 * DAY));
    assert_eq!(
        blind(&old.merge(State::of(&daily(&WEB, 6..9))), &week),
        None
    );
    assert_eq!(blind(&State::of(&daily(&WEB, 0..8)), &week), None);
}

fn scan(lines: &[String], arguments: &[&str], toml: &str) -> Value {
    let home = tempfile::tempdir().unwrap();
    let (log, config) = (
        home.path().join("audit.log"),
        home.path().join("satrail.toml"),
    );
    fs::write(&log, lines.join("\n")).unwrap();
    fs::write(&config, toml).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_satrail"))
        .args(["scan", "--format", "json", "--fail-on", "never", "--config"])
        .args([&config, &log])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn one<'a>(report: &'a Value, detector: &str) -> Option<&'a Value> {
    let mut findings = report["findings"].as_array().unwrap().iter();
    findings.find(|finding| finding["detector"] == detector)
}

/// Reads a secret of another namespace on day 8, after so many days of something else.
fn reads_a_secret(days: std::ops::Range<i64>) -> Vec<String> {
    let others = Request {
        account: "payments:api",
        namespace: "payments",
        ..WEB
    };
    let mut lines = [daily(&WEB, days), daily(&others, 0..9)].concat();
    let (verb, resource, namespace) = ("get", "secrets", "payments");
    lines.push(
        Request {
            at: 8 * DAY + 60,
            verb,
            resource,
            namespace,
            ..WEB
        }
        .line(),
    );
    lines
}

#[test]
fn a_first_use_raises_what_is_about_nothing_else() {
    let detector = "secret-cross-namespace";
    let report = scan(&reads_a_secret(0..9), &[], "");
    let (raised, first_use) = (
        one(&report, detector).unwrap(),
        one(&report, "first-use").unwrap(),
    );
    assert_eq!(
        (&raised["severity"], &first_use["severity"]),
        (&json!("high"), &json!("low"))
    );
    let said = json!({
        "from": "medium", "by": ["action get secrets", "namespace payments"],
        "since": first_use["first_seen"],
    });
    assert_eq!(raised["attributes"]["raised"], said);
    let related = &raised["related"][0];
    assert_eq!(related["fingerprint"], first_use["fingerprint"]);
    assert_eq!(related["by"], json!(["first use", "account shop/web"]));

    // Without a habit that it could be new to.
    let report = scan(&reads_a_secret(7..9), &[], "");
    assert_eq!(one(&report, detector).unwrap()["severity"], "medium");
    assert_eq!(one(&report, "first-use"), None);
}

#[test]
fn what_a_first_use_raises_hangs_on_no_other_option() {
    let detector = "secret-cross-namespace";
    let severity = |arguments: &[&str], toml: &str| {
        let report = scan(&reads_a_secret(0..9), arguments, toml);
        let finding = one(&report, detector).unwrap();
        let related = finding["related"].as_array().unwrap().len();
        (finding["severity"].as_str().unwrap().to_owned(), related)
    };
    let is = |severity: &str, related| (severity.to_owned(), related);
    assert_eq!(severity(&[], ""), is("high", 1));
    assert_eq!(severity(&["--select", detector], ""), is("high", 0));
    assert_eq!(severity(&["--min-severity", "medium"], ""), is("high", 0));
    assert_eq!(severity(&["--ignore", "first-use"], ""), is("medium", 0));
    let excepted = "[[exceptions]]\ndetector = 'first-use'\naccount = 'shop/web'\nreason = 'x'\nexpires = 2999-01-01\n";
    assert_eq!(severity(&[], excepted), is("high", 0));
    // A use that is expected is no reason to worry.
    let allowed = "[[allow]]\ndetector = 'first-use'\naccount = 'shop/web'\nuser-agents = ['shop-web/*']\nreason = 'x'\n";
    assert_eq!(severity(&[], allowed), is("medium", 1));
}

#[test]
fn an_allow_list_entry_makes_it_info_unless_it_was_refused() {
    let allowed = |agents: &str| {
        format!(
            "[[allow]]\ndetector = 'first-use'\naccount = 'shop/*'\nuser-agents = ['{agents}']\nreason = 'batch'\n"
        )
    };
    let of = |code: u16, toml: &str| {
        let mut lines = daily(&WEB, 0..9);
        lines.push(
            Request {
                at: 8 * DAY + 60,
                resource: "secrets",
                code,
                ..WEB
            }
            .line(),
        );
        let report = scan(&lines, &[], toml);
        let finding = one(&report, "first-use").unwrap();
        (
            finding["severity"].clone(),
            finding["attributes"]["allowed_as"].clone(),
        )
    };
    assert_eq!(
        of(200, &allowed("shop-web/*")),
        (json!("info"), json!("batch"))
    );
    assert_eq!(of(200, &allowed("other/*")), (json!("low"), Value::Null));
    assert_eq!(of(403, &allowed("shop-web/*")), (json!("low"), Value::Null));
}

/// The recording of a whole control plane: all that is misused there comes after its quiet part, and is new.
#[test]
fn the_recording_is_quiet_until_the_misuse_begins() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/real/audit");
    if !folder.is_dir() {
        return;
    }
    // A period that is over in the middle of the quiet part, and one that is over in the middle of the misuse.
    let found = |until: &str, seconds: u32| {
        let output = Command::new(env!("CARGO_BIN_EXE_satrail"))
            .args([
                "scan",
                "--format",
                "json",
                "--fail-on",
                "never",
                "--select",
                "first-use",
            ])
            .args(["--until", until, "--config"])
            .arg(settings(seconds).path())
            .arg(&folder)
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap().iter();
        let findings = findings.filter(|finding| finding["severity"] != "info");
        let name = |finding: &Value| finding["subject"]["name"].as_str().unwrap().to_owned();
        findings.map(name).collect::<Vec<_>>()
    };
    assert_eq!(found("2026-11-22T04:25:18Z", 40), Vec::<String>::new());
    assert_eq!(found("2027-01-01T00:00:00Z", 40), ["web"]);
}

fn settings(seconds: u32) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        &file,
        format!("[thresholds.first-use]\nlearning-seconds = {seconds}\nlearning-requests = 10\n"),
    )
    .unwrap();
    file
}

/// Other people's logs, as far as they lie beside the repository: excerpts, from which nothing can be learned.
#[test]
fn published_logs_are_quiet() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/public");
    let Ok(sources) = fs::read_dir(&folder) else {
        return;
    };
    for source in sources {
        let source = source.unwrap().path();
        let output = Command::new(env!("CARGO_BIN_EXE_satrail"))
            .args([
                "scan",
                "--format",
                "json",
                "--fail-on",
                "never",
                "--select",
                "first-use",
            ])
            .arg(&source)
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["findings"], json!([]), "{}", source.display());
    }
}

/// What a finding says is what the log says, counted another way.
#[test]
fn requests_and_times_are_those_of_the_log() {
    let state = State::of(&twenty_days());
    let [finding] = &state.first_uses(&Settings::default())[..] else {
        panic!("one finding");
    };
    assert_eq!((finding.severity, finding.count), (Severity::Low, 2));
    assert_eq!(finding.first_seen, Some(time(15 * DAY + 5)));
    assert_eq!(finding.last_seen, Some(time(18 * DAY + 5)));
    assert_eq!(
        finding.attributes["learned_until"],
        Attribute::Time(time(7 * DAY))
    );
    assert_eq!(finding.evidence.len(), 1);
    assert_eq!(
        finding.evidence[0].audit_id.as_deref(),
        Some("shop:web-1296005-secrets")
    );
}

/// Whatever an account makes up, it takes no more memory than this; an ordinary one takes a fiftieth.
#[test]
fn an_account_takes_bounded_memory() {
    let sizes = |lines: &[String]| {
        let memory = State::of(lines).outlive(time(0));
        let forgotten = State::of(lines).outlive(time(30 * DAY));
        [memory, forgotten].map(|state| postcard::to_stdvec(&state.detectors).unwrap().len())
    };
    let [all, remembered] = sizes(&daily(&WEB, 0..9));
    println!("ordinary: {all} bytes, {remembered} once its days are forgotten");
    assert!(all < 1500 && remembered < 800, "{all} {remembered}");
    let flood = (0..3000).map(|n: i64| {
        let (resource, namespace, agent) = (format!("r{n}"), format!("n{n}"), format!("a{n}x/1"));
        let made_up = Request {
            at: n * 60,
            resource: &resource,
            namespace: &namespace,
            agent: &agent,
            code: if n % 2 == 0 { 200 } else { 403 },
            ..WEB
        };
        let peer = format!("10.{}.0.7", n % 256);
        made_up.line().replace("10.244.0.7", &peer)
    });
    let [all, remembered] = sizes(&flood.collect::<Vec<_>>());
    println!("made up: {all} bytes, {remembered} once its days are forgotten");
    assert!(all < 100_000 && remembered < 40_000, "{all} {remembered}");
}
