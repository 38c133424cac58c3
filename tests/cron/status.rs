//! New, ongoing, resolved: each change is said once, and not before it could be said.

use std::fs;

use serde_json::Value;

use super::site::{Site, count, finding, joined, of, on, sample, statuses};

/// What became of the finding of an account of the sample.
fn status(report: &Value, detector: &str, account: &str) -> String {
    let (namespace, name) = account.split_once('/').unwrap();
    let finding = finding(report, detector, name, namespace);
    let status = finding.map_or("", |f| f["status"].as_str().unwrap());
    status.to_owned()
}

const LEGACY: (&str, &str) = ("legacy-token", "ci/deployer");
const DEFAULT: (&str, &str) = ("default-serviceaccount", "shop/default");
const LISTING: (&str, &str) = ("secret-listing", "monitoring/prometheus");

fn three(report: &Value) -> [String; 3] {
    [LEGACY, DEFAULT, LISTING].map(|(detector, account)| status(report, detector, account))
}

#[test]
fn a_finding_is_new_once_then_goes_on_then_is_over_and_may_come_back() {
    let (site, all) = (Site::new(), &sample()[..300]);
    let (first, later) = (on("2024-03-01", all), on("2024-03-03", all));
    let of_deployer = of("ci:deployer", &later);
    assert_eq!(of_deployer.len(), 73);
    site.write("audit.log", joined(&first));
    assert_eq!(three(&site.report(&[])), ["new"; 3]);
    // What this run says is what the next one knows.
    let quiet = site.report(&[]);
    assert_eq!(three(&quiet), ["ongoing"; 3]);
    assert!(
        statuses(&quiet).iter().all(|s| s.ends_with("ongoing")),
        "{quiet}"
    );

    site.append("audit.log", joined(&of_deployer));
    let report = site.report(&[]);
    assert_eq!(three(&report), ["ongoing", "resolved", "resolved"]);
    assert_eq!(count(&report, LEGACY.0, "deployer", "ci"), 2 * 73);
    assert_eq!(
        three(&site.report(&[])),
        ["ongoing", "resolved", "resolved"]
    );

    site.append("audit.log", joined(&of("shop:default", &later)));
    let report = site.report(&["--new"]);
    assert_eq!(three(&report), ["", "new", ""]);
    let report = site.report(&[]);
    assert_eq!(three(&report), ["ongoing", "ongoing", "resolved"]);
    let listing = finding(&report, LISTING.0, "prometheus", "monitoring").unwrap();
    assert!(
        listing["first_reported"].as_str().unwrap() < listing["status_since"].as_str().unwrap()
    );
}

#[test]
fn it_is_over_when_the_span_that_was_asked_for_is() {
    let (site, all) = (Site::new(), &sample()[..300]);
    site.write("audit.log", joined(&on("2024-03-01", all)));
    site.append(
        "audit.log",
        joined(&of("ci:deployer", &on("2024-03-03", all))),
    );
    let span = ["--resolved-after", "3d"];
    assert_eq!(three(&site.report(&span)), ["new"; 3]);
    assert_eq!(three(&site.report(&span)), ["ongoing"; 3]);
    assert_eq!(
        three(&site.report(&[])),
        ["ongoing", "resolved", "resolved"]
    );
}

#[test]
fn news_are_all_that_new_shows_and_nothing_is_nothing() {
    let (site, all) = (Site::new(), &sample()[..300]);
    site.write("audit.log", joined(&on("2024-03-01", all)));
    let run = site.run(&["--new"]);
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains("monitoring/prometheus") || run.out.contains("prometheus"));
    let run = site.run(&["--new"]);
    assert_eq!(
        (run.code, run.out.as_str(), run.said.as_str()),
        (Some(0), "", "")
    );
    let report = site.report(&["--new"]);
    assert_eq!(report["findings"], Value::from([(); 0]));
    assert_eq!(report["input"]["events"], 300);
    site.append(
        "audit.log",
        joined(&of("ci:deployer", &on("2024-03-03", all))),
    );
    let run = site.run(&["--new"]);
    // What is over is news, and no reason to fail.
    assert_eq!(run.code, Some(0), "{}", run.said);
    assert!(
        run.out.contains("resolved") && !run.out.contains("deployer"),
        "{}",
        run.out
    );
    assert_eq!(site.run(&["--new"]).out, "");
}

#[test]
fn only_what_is_new_makes_a_run_fail() {
    let (site, all) = (Site::new(), sample());
    site.write("audit.log", joined(&all[..300]));
    assert_eq!(site.run(&["--fail-on", "critical"]).code, Some(0));
    // Told by the run before, if not as a failure.
    assert_eq!(site.run(&["--fail-on", "info"]).code, Some(0));
    let site = Site::new();
    site.write("audit.log", joined(&all[..300]));
    assert_eq!(site.run(&["--fail-on", "high"]).code, Some(1));
    site.append("audit.log", joined(&all[300..310]));
    assert_eq!(site.run(&[]).code, Some(0));
}

#[test]
fn what_gets_worse_is_new_again() {
    let (site, all) = (Site::new(), &sample()[..300]);
    site.write("audit.log", joined(all));
    let lenient = "[[allow]]\ndetector = \"secret-listing\"\naccount = \"monitoring/prometheus\"\n\
                   user-agents = [\"Prometheus/*\"]\nreason = \"discovery\"\n";
    fs::write(site.path("satrail.toml"), lenient).unwrap();
    let lenient = ["--config", "satrail.toml"];
    let listing = |report: &Value| status(report, LISTING.0, LISTING.1);
    assert_eq!(listing(&site.report(&lenient)), "new");
    assert_eq!(listing(&site.report(&lenient)), "ongoing");
    let worse = site.report(&["--new"]);
    assert_eq!(listing(&worse), "new");
    assert_eq!(worse["findings"].as_array().unwrap().len(), 1);
    assert_eq!(listing(&site.report(&lenient)), "ongoing");
    // That it is bad is known.
    assert_eq!(listing(&site.report(&[])), "ongoing");
}

#[test]
fn what_could_not_be_told_stays_new() {
    let (site, all) = (Site::new(), &sample()[..300]);
    site.write("audit.log", joined(all));
    fs::write(site.path("in-the-way"), "").unwrap();
    for _ in 0..2 {
        let report = site.report_ending(&["--rules-out", "in-the-way/rules"], 2);
        assert_eq!(three(&report), ["new"; 3]);
    }
    let report = site.report(&["--rules-out", "rules"]);
    assert_eq!(three(&report), ["new"; 3]);
    assert!(site.path("rules/satrail.rules.yaml").exists());
    assert_eq!(three(&site.report(&[])), ["ongoing"; 3]);
}

#[test]
fn an_output_that_cannot_be_is_refused_before_anything_is_done() {
    let site = Site::new();
    site.write("audit.log", joined(&sample()[..10]));
    for option in ["--findings-out", "--metrics-out", "--output"] {
        let run = site.run(&[option, "no/such/directory/file"]);
        assert_eq!(run.code, Some(2), "{option}");
        assert!(run.said.contains("no/such/directory/file"), "{}", run.said);
        assert!(!site.state().exists(), "{option}");
    }
}

#[test]
fn an_alertmanager_that_is_not_there_leaves_everything_new() {
    let (site, all) = (Site::new(), &sample()[..300]);
    site.write("audit.log", joined(all));
    // Not a server for HTTP, and an answer that is not tried again.
    let url = site.report_ending(&["--alertmanager", &refusing()], 2);
    assert_eq!(three(&url), ["new"; 3]);
    assert_eq!(three(&site.report(&["--new"])), ["new"; 3]);
    assert_eq!(three(&site.report(&["--new"])), [""; 3]);
}

/// The address of a server that answers one connection with 404.
fn refusing() -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut asked = Vec::new();
            let mut block = [0; 4096];
            // The request says how long it is; all of it is read, or closing would reset the connection.
            loop {
                let n = connection.read(&mut block).unwrap();
                asked.extend_from_slice(&block[..n]);
                let text = String::from_utf8_lossy(&asked).to_lowercase();
                let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let length = head.split_once("content-length:").map(|(_, rest)| rest);
                    let length = length.and_then(|rest| rest.lines().next()?.trim().parse().ok());
                    body.len() >= length.unwrap_or(0usize)
                });
                if whole || n == 0 {
                    break;
                }
            }
            let answer =
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            connection.write_all(answer).unwrap();
        }
    });
    address
}

#[test]
fn the_findings_file_says_what_the_report_says() {
    let (site, all) = (Site::new(), &sample()[..300]);
    site.write("audit.log", joined(all));
    for expected in ["new", "ongoing"] {
        let report = site.report(&["--findings-out", "findings.jsonl", "--new"]);
        let text = fs::read_to_string(site.path("findings.jsonl")).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(lines.len(), 7);
        assert!(
            lines
                .iter()
                .all(|line| line["type"] == "finding" && line["status"] == expected)
        );
        let shown = if expected == "new" { 7 } else { 0 };
        assert_eq!(report["findings"].as_array().unwrap().len(), shown);
    }
}
