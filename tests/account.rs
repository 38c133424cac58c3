//! `satrail account`, held against the log itself, read another way.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests may, their helpers too"
)]

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

fn satrail(arguments: &[&str], path: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_satrail"))
        .arg("account")
        .args(arguments)
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn page(account: &str, path: &Path) -> Value {
    let text = satrail(&[account, "--format", "json"], path);
    let document: Value = serde_json::from_str(&text).unwrap();
    document["accounts"][0].clone()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sample() -> PathBuf {
    root().join("data/audit")
}

/// The whole recording, if it is there.
fn recording() -> Option<PathBuf> {
    let recording = root().join("../shared/data/real/audit");
    if !recording.exists() {
        println!("skipped: no recording at {}", recording.display());
        return None;
    }
    Some(recording)
}

fn lines(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let bytes = fs::read(file).unwrap();
        let mut text = String::new();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut decoder = flate2::read::MultiGzDecoder::new(&bytes[..]);
            decoder.read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

/// Every event that stands for a request.
fn requests(folder: &Path) -> Vec<Value> {
    let mut events: Vec<Value> = lines(folder)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let key = |event: &Value| {
        ["auditID", "requestReceivedTimestamp", "verb", "requestURI"].map(|k| event[k].to_string())
    };
    let complete = events
        .iter()
        .filter(|event| event["stage"] == "ResponseComplete");
    let complete: HashSet<_> = complete.map(key).collect();
    events.retain(|event| event["stage"] != "ResponseStarted" || !complete.contains(&key(event)));
    events
}

/// Counts of `values` as the page has them.
fn counts(values: &Value) -> BTreeMap<String, u64> {
    let values = values["values"].as_array().unwrap().iter();
    values
        .map(|v| {
            (
                v["value"].as_str().unwrap().to_owned(),
                v["count"].as_u64().unwrap(),
            )
        })
        .collect()
}

fn count(requests: &[Value], what: impl Fn(&Value) -> Option<String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for value in requests.iter().filter_map(what) {
        *counts.entry(value).or_default() += 1;
    }
    counts
}

fn extra(event: &Value, key: &str) -> Option<String> {
    let value = &event["user"]["extra"][format!("authentication.kubernetes.io/{key}")][0];
    value.as_str().map(str::to_owned)
}

#[test]
fn every_list_is_what_the_log_says() {
    for folder in [Some(sample()), recording()].into_iter().flatten() {
        let all = requests(&folder);
        for account in [
            "ops/intruder",
            "shop/web",
            "kube-system/super",
            "ci/deployer",
            "ops/backup",
        ] {
            let page = page(account, &folder);
            let user = format!("system:serviceaccount:{}", account.replace('/', ":"));
            let mine: Vec<Value> = all
                .iter()
                .filter(|e| e["user"]["username"] == *user)
                .cloned()
                .collect();
            assert!(!mine.is_empty());
            assert_eq!(page["requests"]["count"], mine.len(), "{account}");
            let columns = page["timeline"]["counts"].as_array().unwrap();
            let sum: u64 = columns.iter().map(|c| c.as_u64().unwrap()).sum();
            assert_eq!(sum, mine.len() as u64);
            let text = |value: &Value| value.as_str().map(str::to_owned);
            for (list, expected) in [
                (
                    "addresses",
                    count(&mine, |e| text(e["sourceIPs"].as_array()?.last()?)),
                ),
                (
                    "user_agents",
                    count(&mine, |e| Some(text(&e["userAgent"]).unwrap_or_default())),
                ),
                (
                    "codes",
                    count(&mine, |e| Some(e["responseStatus"]["code"].to_string())),
                ),
                ("pods", count(&mine, |e| extra(e, "pod-name"))),
                ("nodes", count(&mine, |e| extra(e, "node-name"))),
                (
                    "acted_as",
                    count(&mine, |e| text(&e["impersonatedUser"]["username"])),
                ),
                (
                    "actors",
                    count(&all, |e| {
                        let as_it = e["impersonatedUser"]["username"] == *user;
                        text(&e["user"]["username"]).filter(|_| as_it)
                    }),
                ),
            ] {
                assert_eq!(counts(&page[list]), expected, "{account} {list}");
            }
            credentials(&page, &mine, &all, account);
            matrix(&page, &all, &user);
        }
    }
}

/// Token IDs with their requests, and who made them.
fn credentials(page: &Value, mine: &[Value], all: &[Value], account: &str) {
    let mut told = BTreeMap::new();
    for token in page["credentials"].as_array().unwrap() {
        let id = token["id"].as_str().unwrap().to_owned();
        let uses = token["uses"]["count"].as_u64().unwrap();
        let by = token["minted"]["by"].as_str().map(str::to_owned);
        told.insert(id, (uses, by));
    }
    let mut expected: BTreeMap<String, (u64, Option<String>)> = BTreeMap::new();
    for (id, uses) in count(mine, |e| extra(e, "credential-id")) {
        expected.insert(id, (uses, None));
    }
    let (namespace, name) = account.split_once('/').unwrap();
    for event in all {
        let issued = &event["annotations"]["authentication.kubernetes.io/issued-credential-id"];
        let object = &event["objectRef"];
        if object["namespace"] == namespace && object["name"] == name && issued.is_string() {
            let place = expected
                .entry(issued.as_str().unwrap().to_owned())
                .or_default();
            place.1 = event["user"]["username"].as_str().map(str::to_owned);
        }
    }
    assert_eq!(told, expected, "{account}");
}

/// Requests by verb and resource, by whoever they were made in the end.
fn matrix(page: &Value, all: &[Value], user: &str) {
    let decision = |e: &Value| e["annotations"]["authorization.k8s.io/decision"].clone();
    for (list, answer) in [("used", "allow"), ("denied", "forbid")] {
        let expected = count(all, |e| {
            let who = e.get("impersonatedUser").unwrap_or(&e["user"]);
            let object = &e["objectRef"];
            if who["username"] != user || decision(e) != answer || object["resource"].is_null() {
                return None;
            }
            let resource = object["resource"].as_str().unwrap();
            if resource.starts_with("selfsubject") {
                return None;
            }
            let sub = object["subresource"].as_str().map(|sub| format!("/{sub}"));
            let namespace = object["namespace"].as_str().unwrap_or("*");
            let verb = e["verb"].as_str().unwrap();
            Some(format!(
                "{verb} {resource}{} {namespace}",
                sub.unwrap_or_default()
            ))
        });
        let mut told = BTreeMap::new();
        for row in page[list].as_array().unwrap() {
            let verb = row["verb"].as_str().unwrap();
            // The caller's side of impersonation is no request of its own.
            if row["scope"] == "path" || verb.starts_with("impersonate") {
                continue;
            }
            let namespace = row["namespace"].as_str().unwrap_or("*");
            let key = format!("{verb} {} {namespace}", row["resource"].as_str().unwrap());
            *told.entry(key).or_default() += row["uses"]["count"].as_u64().unwrap();
        }
        assert_eq!(told, expected, "{user} {list}");
    }
}

#[test]
fn the_intruder_is_told_as_the_notes_of_the_recording_tell_it() {
    let Some(folder) = recording() else { return };
    let intruder = page("ops/intruder", &folder);
    assert!(
        counts(&intruder["rbac_written"])
            .contains_key("create clusterrolebindings sys-metrics-helper")
    );
    assert!(counts(&intruder["minted_for"]).contains_key("kube-system/super"));
    let denied = intruder["denied_roles"]["manifests"].to_string();
    assert!(denied.contains("secrets"), "{denied}");
    assert_eq!(
        counts(&intruder["secrets_read"]),
        [("*/*".to_owned(), 5)].into()
    );
    let super_ = page("kube-system/super", &folder);
    let minted = super_["credentials"].as_array().unwrap().iter();
    let minted: Vec<_> = minted
        .filter(|token| token["minted"]["by"] == "system:serviceaccount:ops:intruder")
        .collect();
    assert_eq!(minted.len(), 1);
    assert_eq!(minted[0]["id"], "JTI=400a2811-451a-4a17-860c-17132e72f733");
    assert_eq!(minted[0]["uses"]["count"], 4);
    assert_eq!(minted[0]["addresses"]["values"][0]["value"], "127.0.66.6");

    let web = page("shop/web", &folder);
    let stolen = web["credentials"].as_array().unwrap().iter();
    let mut stolen = stolen.filter(|token| token["addresses"]["distinct"] == 5);
    let stolen = stolen.next().unwrap();
    assert_eq!(stolen["id"], "JTI=1f7f44f3-6409-406b-8217-399c872016ab");
    assert_eq!(stolen["uses"]["count"], 513);
    assert_eq!(web["runbooks"][2]["applies"], "yes");

    let deployer = page("ci/deployer", &folder);
    assert_eq!(
        counts(&deployer["legacy_secrets"]),
        [("deployer-token".to_owned(), 540)].into()
    );
    assert_eq!(deployer["runbooks"][0]["applies"], "yes");
    assert_eq!(
        page("shop/default", &folder)["runbooks"][1]["applies"],
        "yes"
    );
    let text = satrail(&["shop/idle"], &folder);
    assert!(text.contains("no request by it"), "{text}");
}

#[test]
fn documents_have_their_schema() {
    let read = |name: &str| -> Value {
        let path = root().join("schema").join(name);
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    let registry = jsonschema::Registry::new()
        .add("urn:satrail:schema:report:1", read("report.schema.json"))
        .unwrap()
        .add("urn:satrail:schema:rbac:1", read("rbac.schema.json"))
        .unwrap()
        .add(
            "urn:satrail:schema:inventory:1",
            read("inventory.schema.json"),
        )
        .unwrap()
        .prepare()
        .unwrap();
    let schema = read("account.schema.json");
    let validator = jsonschema::options()
        .with_registry(&registry)
        .build(&schema)
        .unwrap();
    for folder in [Some(sample()), recording()].into_iter().flatten() {
        let text = satrail(
            &["*/*", "--account", "no/body", "--format", "json"],
            &folder,
        );
        let document: Value = serde_json::from_str(&text).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&document)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
        assert!(document["accounts"].as_array().unwrap().len() > 10);
        assert_eq!(document["absent"], json!(["no/body"]));

        let text = satrail(&["*/*", "--format", "jsonl"], &folder);
        let mut kinds = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        assert_eq!(kinds.next().unwrap()["type"], "input");
        assert_eq!(kinds.next().unwrap()["type"], "account");
        assert_eq!(kinds.next_back().unwrap()["type"], "coverage");
    }
}

#[test]
fn any_split_of_the_log_gives_the_same_page() {
    let lines = lines(&sample());
    let whole = tempfile::tempdir().unwrap();
    fs::write(whole.path().join("a.log"), lines.join("\n")).unwrap();
    // The findings show files and lines; all else is the same.
    let strip = |path: &Path, threads: &str| {
        let text = satrail(&["*/*", "--format", "json", "--threads", threads], path);
        let mut document: Value = serde_json::from_str(&text).unwrap();
        for page in document["accounts"].as_array_mut().unwrap() {
            for list in ["findings_about", "findings_naming"] {
                for finding in page[list].as_array_mut().unwrap() {
                    finding["evidence"] = Value::Null;
                }
            }
            page["runbooks"] = Value::Null;
        }
        document["accounts"].to_string()
    };
    let expected = strip(whole.path(), "1");
    for parts in [2, 13] {
        let home = tempfile::tempdir().unwrap();
        for part in 0..parts {
            let mine = lines.iter().rev().skip(part).step_by(parts);
            let mine: Vec<_> = mine.map(String::as_str).collect();
            fs::write(home.path().join(format!("{part}.log")), mine.join("\n")).unwrap();
        }
        for threads in ["1", "4"] {
            assert!(strip(home.path(), threads) == expected, "{parts} {threads}");
        }
    }
}

fn evil_log(word: &str) -> tempfile::TempDir {
    let event = |verb: &str, code: u16| {
        json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": word,
            "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/shop/secrets/x", "verb": verb,
            "user": {"username": "system:serviceaccount:shop:default", "groups": ["system:serviceaccounts"], "extra": {
                "authentication.kubernetes.io/credential-id": [word],
                "authentication.kubernetes.io/pod-name": [word], "authentication.kubernetes.io/pod-uid": [word],
                "authentication.kubernetes.io/node-name": [word]}},
            "impersonatedUser": {"username": word}, "sourceIPs": [word], "userAgent": word,
            "objectRef": {"resource": "secrets", "namespace": "shop", "name": word},
            "responseStatus": {"code": code}, "requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z",
            "annotations": {
                "authentication.k8s.io/legacy-token-manual-secret": word,
                "authorization.k8s.io/reason": format!("RBAC: allowed by {word}")},
        })
        .to_string()
    };
    let mut plain: Value = serde_json::from_str(&event("get", 200)).unwrap();
    plain.as_object_mut().unwrap().remove("impersonatedUser");
    let home = tempfile::tempdir().unwrap();
    let lines = [event("get", 200), event("get", 403), plain.to_string()];
    fs::write(home.path().join("audit.log"), lines.join("\n")).unwrap();
    home
}

#[test]
fn hostile_words_reach_neither_terminal_nor_shell() {
    for word in [
        "\u{1b}[31m\r\n\u{202e}",
        "'; touch pwned; '",
        "$(touch pwned)",
        "--all",
        "a b",
        "x\ny",
    ] {
        let home = evil_log(word);
        let text = satrail(&["shop/default"], home.path());
        let acts = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!text.contains(acts), "{text:?}");
        for runbook in page("shop/default", home.path())["runbooks"]
            .as_array()
            .unwrap()
        {
            for step in runbook["steps"].as_array().unwrap() {
                let Some(command) = step["command"].as_str() else {
                    continue;
                };
                assert!(
                    !command.contains("pwned") && !command.contains('\u{1b}'),
                    "{command}"
                );
            }
        }
    }
}

#[test]
fn every_command_is_one_for_a_shell() {
    let text = satrail(&["*/*", "--format", "json"], &sample());
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut seen = HashSet::new();
    for page in document["accounts"].as_array().unwrap() {
        for runbook in page["runbooks"].as_array().unwrap() {
            for step in runbook["steps"].as_array().unwrap() {
                let Some(command) = step["command"].as_str() else {
                    continue;
                };
                // Without running it; and jq's programs compile, whatever they are fed.
                let shell = Command::new("bash")
                    .args(["-n", "-c", command])
                    .output()
                    .unwrap();
                assert!(shell.status.success(), "{command}");
                if let Some((_, jq)) = command.split_once("| jq ")
                    && seen.insert(jq.to_owned())
                {
                    let jq = jq.split(" > ").next().unwrap();
                    let run = Command::new("bash")
                        .args(["-c", &format!("jq {jq} < /dev/null")])
                        .output();
                    let run = run.unwrap();
                    assert!(
                        run.status.success(),
                        "{}\n{jq}",
                        String::from_utf8_lossy(&run.stderr)
                    );
                }
            }
        }
    }
    assert!(seen.len() > 5);
}

#[test]
fn the_page_has_everything_in_one_place() {
    let text = satrail(&["ops/intruder"], &sample());
    let line = |start: &str| {
        let found = text
            .lines()
            .find(|line| line.trim_start().starts_with(start));
        found
            .unwrap_or_else(|| panic!("{start} is missing in\n{text}"))
            .to_owned()
    };
    for (start, expected) in [
        (
            "Requests",
            "30, 9 refused, 4 failed; 2026-11-22 04:25:47 to 04:25:49 UTC",
        ),
        ("Codes", "200: 9, 403: 9, 201: 7, 400: 4, 101: 1"),
        ("Findings", "escalation-used"),
        ("Used", "get  list  create  impersonate"),
        ("Refused", "get  list"),
        ("Role in namespace ci:", ""),
        ("Tokens", "pod-bound  30"),
        ("Addresses", "127.0.11.11  22"),
        ("User agents", "kubectl/v1.31.0"),
        ("Acted as", "alice@example.com"),
        ("Tokens of", "kube-system/super"),
        ("create clusterrolebindings sys-metrics-helper", ""),
        ("Runbook 3", "Token stolen"),
        ("kubectl -n ops delete pod", "intruder-b5b6b8546-8prh9"),
        (
            "satrail rbac --account ops/intruder",
            "data/audit > roles.yaml",
        ),
    ] {
        assert!(line(start).contains(expected), "{start}: {}", line(start));
    }
    // One column for each second, none of them empty.
    let bars = line("Over time");
    assert_eq!(
        bars.trim_start_matches("Over time").trim().chars().count(),
        3,
        "{bars}"
    );

    let text = satrail(&["shop/default", "--account", "ci/*"], &sample());
    let order = [
        "ci/deployer",
        "ci/legacy-auto",
        "ci/old-runner",
        "shop/default",
    ];
    let places: Vec<_> = order
        .iter()
        .map(|name| text.find(&format!("\n{name}\n")).unwrap())
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(text.contains("kubectl -n ci delete secret deployer-token"));
    assert!(text.contains("--field-selector spec.serviceAccountName=default"));
}
