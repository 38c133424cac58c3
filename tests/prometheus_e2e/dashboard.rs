//! The Grafana dashboard's queries, asked of a real Prometheus that has what `satrail metrics` wrote and a recorded
//! kube-apiserver.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{ROOT, alerts::Stage, support::escaped};

fn dashboard() -> Value {
    let text = fs::read_to_string(format!("{ROOT}/deploy/grafana/satrail.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Each query with its panel's title.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(|target| (&panel["title"], &target["expr"]))
    });
    targets
        .map(|(title, expr)| {
            (
                title.as_str().unwrap().to_owned(),
                expr.as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

/// As Grafana fills them in, with everything selected.
fn filled_in(query: &str) -> String {
    [
        ("$namespace", ".*"),
        ("$serviceaccount", ".*"),
        ("$severity", ".*"),
        ("$window", "1h"),
        ("$top", "10"),
        ("$__rate_interval", "1m"),
        // What has not risen is not drawn; here it has to be there all the same.
        (" > 0", ""),
    ]
    .iter()
    .fold(query.to_owned(), |query, (variable, value)| {
        query.replace(variable, value)
    })
}

/// Nothing of it is in the recorded scrapes, or in what a single run writes: asked, but with no answer to be had.
const SILENT: [&str; 4] = [
    "apiserver_audit_error_total",
    "apiserver_flowcontrol_rejected_requests_total",
    "satrail_last_run_success",
    "satrail_state_bytes",
];

#[test]
fn every_query_has_an_answer() {
    let stage = Stage::set("groups: []\n");
    let dashboard = dashboard();
    let queries = queries(&dashboard);
    assert!(queries.len() > 20, "{}", queries.len());
    stage.second_run();
    for (title, query) in queries {
        let asked = filled_in(&query);
        assert!(!asked.contains('$'), "{title}: {asked}");
        let silent = SILENT.iter().any(|name| query.contains(name));
        let path = format!("/api/v1/query?query={}", escaped(&asked));
        // Counters have to be scraped again before they have risen.
        stage.prometheus().wait_for(&path, |body| {
            let answer: Value = serde_json::from_slice(body).ok()?;
            assert_eq!(answer["status"], "success", "{title}: {asked}: {answer}");
            let rows = answer["data"]["result"].as_array()?.len();
            (silent || rows > 0).then_some(())
        });
    }
}

#[test]
fn panels_fit_beside_each_other_and_say_what_they_show() {
    let dashboard = dashboard();
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            assert!(x < 24, "{title}");
            for y in at("y")..at("y") + at("h") {
                assert!(places.insert((x, y)), "{title} covers another panel");
            }
        }
        assert_eq!(
            panel["description"].is_string(),
            panel["type"] != "row",
            "{title}"
        );
    }
}
