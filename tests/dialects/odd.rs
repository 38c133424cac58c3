//! What stands beside events in each form, what is cut, and what is hostile.

use crate::{each_on_a_line, findings, forms, lines, scan, skipped, wrap};
use satrail::event::Dialect;
use serde_json::json;

const KLOG: &str = "I1122 04:25:44.000001       1 controller.go:12] synced";
const LEGACY: &str = r#"2026-11-22T04:31:56.080158547Z AUDIT: id="b6ca3768" stage="ResponseComplete" ip="127.0.0.1" method="get" user="a" groups="" as="<self>" asgroups="<lookup>" user-agent="curl/7.88.1" namespace="<none>" uri="/readyz" response="500""#;

fn named(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

#[track_caller]
fn check(
    content: &str,
    events: &[(&str, u64)],
    beside: &[(&str, u64)],
    bad: u64,
) -> satrail::pipeline::Report {
    let report = scan(content.as_bytes(), 1, None);
    assert_eq!(
        report.input.bad_lines, bad,
        "{:?}",
        report.coverage.bad_lines
    );
    assert_eq!(forms(&report), named(events));
    assert_eq!(skipped(&report), named(beside));
    report
}

fn cloudwatch(messages: &[&str]) -> String {
    let events = messages
        .iter()
        .map(|message| json!({"eventId": "1", "message": message}));
    json!({"events": events.collect::<Vec<_>>()}).to_string()
}

#[test]
fn other_streams_are_skipped_and_cut_events_counted() {
    let event = lines()[0];
    let cut = format!("{}[Truncated...]", &event[..300]);
    let messages = [
        event,
        KLOG,
        "time=\"x\" level=info msg=authenticator",
        &cut,
        "",
        &event[..200],
    ];
    check(
        &cloudwatch(&messages),
        &[("cloudwatch", 1)],
        &[("klog", 1), ("other-log", 2), ("cut-event", 1)],
        1,
    );
    check(
        &(cloudwatch(&messages) + "\n"),
        &[("cloudwatch", 1)],
        &[("klog", 1), ("other-log", 2), ("cut-event", 1)],
        1,
    );
    let export = format!(
        "2026-11-22T04:25:44.000Z {event}\n2026-11-22T04:25:44.000Z {KLOG}\n2026-11-22T04:25:44.000Z {cut}\n"
    );
    check(
        &export,
        &[("s3-export", 1)],
        &[("klog", 1), ("cut-event", 1)],
        0,
    );
    let control = r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Firehose."}]}"#;
    check(
        &format!("{control}{control}"),
        &[],
        &[("control-message", 2)],
        0,
    );
}

#[test]
fn azures_other_categories_are_skipped() {
    let event = lines()[0];
    let records = [
        ("kube-audit", event),
        ("kube-apiserver", KLOG),
        ("guard", "x"),
        ("kube-audit-admin", event),
    ];
    let content = each_on_a_line(
        records
            .iter()
            .map(|(category, log)| wrap::azure(category, log)),
    );
    let report = check(
        &content,
        &[("azure", 1), ("azure-admin", 1)],
        &[("other-category", 2)],
        0,
    );
    assert!(report.coverage.forms[0].lacks.starts_with("get and list"));
    let mut row = wrap::row(event, false);
    row["RequestObject"] = json!("skipped-too-big-size-object");
    check(
        &format!("{row}\n"),
        &[("log-analytics", 1)],
        &[("cut-part", 1)],
        0,
    );
    row["User"] = json!("{\"username\":\"a\"},\"verb\":\"delete\"");
    check(
        &format!("{row}\n"),
        &[("log-analytics", 1)],
        &[("cut-part", 1)],
        0,
    );
}

#[test]
fn detectors_say_which_form_blinds_them() {
    let lines = lines();
    let creates = lines.iter().filter(|line| {
        line.contains("system:serviceaccount:") && line.contains("\"verb\":\"create\"")
    });
    let admin = each_on_a_line(
        creates
            .take(5)
            .map(|line| wrap::azure("kube-audit-admin", line)),
    );
    let report = scan(admin.as_bytes(), 1, None);
    let listing = report
        .coverage
        .detectors
        .iter()
        .find(|d| d.detector == "secret-listing")
        .unwrap();
    assert!(
        listing
            .blind
            .as_ref()
            .unwrap()
            .contains("kube-audit-admin has no get and list")
    );
}

#[test]
fn gkes_other_services_are_skipped() {
    let other = json!({"logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity", "protoPayload": {"serviceName": "compute.googleapis.com", "methodName": "v1.compute.instances.list"}});
    let denied = json!({"logName": "projects/p/logs/cloudaudit.googleapis.com%2Fpolicy", "protoPayload": {"serviceName": "k8s.io", "methodName": "io.k8s.core.v1.pods.list"}});
    check(
        &format!("[{other},{denied}]"),
        &[],
        &[("other-service", 2)],
        0,
    );
}

/// The two entries of a long-running operation are one request.
#[test]
fn gkes_operations_are_joined() {
    let entry = |first: bool, last: bool, time: &str| {
        json!({"insertId": time, "operation": {"id": "op", "first": first, "last": last, "producer": "k8s.io"},
            "logName": "x/activity", "timestamp": time,
            "protoPayload": {"serviceName": "k8s.io", "methodName": "io.k8s.core.v1.pods.exec.create",
                "resourceName": "core/v1/namespaces/a/pods/b/exec", "authenticationInfo": {"principalEmail": "u"}}})
    };
    let both = format!(
        "{}\n{}\n",
        entry(true, false, "2026-01-01T00:00:00Z"),
        entry(false, true, "2026-01-01T01:00:00Z")
    );
    let report = check(&both, &[("gke", 2)], &[], 0);
    assert_eq!(
        (report.input.requests, report.coverage.open_requests),
        (1, 0)
    );
    let open = entry(true, false, "2026-01-01T00:00:00Z").to_string() + "\n";
    let report = check(&open, &[("gke", 1)], &[], 0);
    assert_eq!(
        (report.input.requests, report.coverage.open_requests),
        (1, 1)
    );
}

#[test]
fn logs_of_others_in_a_runtimes_wrapping_are_skipped() {
    let event = lines()[0];
    let content = format!(
        "2026-11-22T04:25:44.1Z stdout F {event}\n2026-11-22T04:25:44.2Z stderr F {KLOG}\n2026-11-22T04:25:44.3Z stdout F hello\n2026-11-22T04:25:44.3Z stdout F {{\"level\":\"info\"}}\n2026-11-22T04:25:44.4Z stdout P {}\n",
        &event[..400]
    );
    check(
        &content,
        &[("cri", 1)],
        &[("klog", 1), ("other-log", 2), ("cut-event", 1)],
        0,
    );
    // A program's own stdout: klog and events in one file.
    check(
        &format!("{KLOG}\n{event}\n{KLOG}\n"),
        &[("plain", 1)],
        &[("klog", 2)],
        0,
    );
}

/// Docker's parts are told from whole lines by their length: here all lines have some.
#[test]
fn parts_are_joined_wherever_chunks_end() {
    let body = |at: usize| {
        format!(
            "\"requestObject\":{{\"text\":\"{}\"}},\"requestReceived",
            "\\\"é".repeat(9000 + at)
        )
    };
    let long: Vec<String> = (lines().iter().take(40).enumerate())
        .map(|(at, line)| line.replacen("\"requestReceived", &body(at), 1))
        .collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let plain = scan(long.join("\n").as_bytes(), 1, None);
    for (file, form) in [("docker.log", "docker"), ("cri.log", "cri")] {
        let layout = wrap::LAYOUTS
            .iter()
            .find(|layout| layout.file == file)
            .unwrap();
        let content = (layout.write)(&long);
        assert!(content.len() > 4 * (256 << 10));
        let between = content.matches("between").count() as u64;
        assert!(between >= 80);
        let report = check(&content, &[(form, 40)], &[("klog", between)], 0);
        assert_eq!(findings(&report), findings(&plain));
        assert_eq!(scan(content.as_bytes(), 3, None), report);
    }
}

#[test]
fn the_legacy_format_is_named_and_no_bad_line() {
    let report = check(
        &format!("{LEGACY}\n{LEGACY}\n"),
        &[],
        &[("legacy-format", 2)],
        0,
    );
    let [trouble] = &report.coverage.troubles[..] else {
        panic!("{:?}", report.coverage.troubles)
    };
    assert!(
        trouble
            .why
            .starts_with("2 lines are in the legacy text format")
            && trouble.incomplete
    );
}

#[test]
fn a_cut_document_says_so_and_what_it_holds_counts() {
    let event = lines()[0];
    for rest in ["", ",", ",{\"kind\":\"Ev"] {
        let content = format!("{{\"kind\":\"EventList\",\"items\":[\n{event}{rest}");
        let report = scan(content.as_bytes(), 1, None);
        assert_eq!(report.input.events, 1, "{rest}");
        assert_eq!(report.input.bad_lines, u64::from(rest.len() > 1), "{rest}");
        assert!(
            report.coverage.troubles[0]
                .why
                .contains("ends within a JSON document")
        );
    }
}

#[test]
fn a_broken_item_costs_itself() {
    let event = lines()[0];
    let broken = event.replacen("\"verb\":", "\"verb\" ", 1);
    check(
        &format!("[{event},{broken},{event}]"),
        &[("event-list", 2)],
        &[],
        1,
    );
    check(
        &format!("[\n{event},\n{},\n{event}]", &event[..60]),
        &[("plain", 1), ("event-list", 1)],
        &[],
        1,
    );
}

/// Twelve levels are opened, however they are written; more are named.
#[test]
fn nesting_is_bounded() {
    let event = lines()[0];
    let wrapped = |times: usize| {
        (0..times).fold(event.to_owned(), |inside, at| match at % 2 {
            0 => json!({"message": inside}).to_string(),
            _ => format!("{{\"items\":[{inside}]}}"),
        })
    };
    check(&format!("{}\n", wrapped(9)), &[("envelope", 1)], &[], 0);
    let report = scan(format!("{}\n", wrapped(15)).as_bytes(), 1, None);
    assert_eq!((report.input.events, report.input.bad_lines), (0, 1));
    assert!(report.coverage.bad_lines[0].why.contains("levels deep"));
    for open in ["{\"items\":[", "[", "{\"message\":", "{\"data\":"] {
        let deep = open.repeat(200_000);
        assert_eq!(scan(deep.as_bytes(), 1, None).input.events, 0);
        assert_eq!(
            scan(format!("{deep}\n{deep}\n").as_bytes(), 1, None)
                .input
                .events,
            0
        );
    }
}

/// What is not opened with the override, and what is in spite of it.
#[test]
fn the_override_opens_one_form_and_plain_events() {
    let event = lines()[0];
    let content = format!(
        "{event}\n{}\n{}\n",
        json!({"date": 1, "log": event}),
        json!({"MESSAGE": event})
    );
    let only = |dialect| {
        let report = scan(content.as_bytes(), 1, Some(dialect));
        (forms(&report), report.input.bad_lines)
    };
    assert_eq!(only(Dialect::Plain), (named(&[("plain", 1)]), 2));
    assert_eq!(
        only(Dialect::Journald),
        (named(&[("plain", 1), ("journald", 1)]), 1)
    );
    assert_eq!(
        only(Dialect::FluentBit),
        (named(&[("plain", 1), ("fluent-bit", 1)]), 1)
    );
}
