//! Writes events the way others do: one writer for each layout that a form comes in. The shapes are
//! those of docs/formats.md; what the events say is real.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// One layout of a form.
pub(crate) struct Layout {
    /// The file's name among the fixtures.
    pub(crate) file: &'static str,
    /// The form that satrail must call it.
    pub(crate) form: &'static str,
    /// Writes these lines of a plain log.
    pub(crate) write: fn(&[&str]) -> String,
}

macro_rules! layouts {
    ($($file:literal $form:literal $write:expr;)*) => {
        pub(crate) const LAYOUTS: &[Layout] = &[$(Layout { file: $file, form: $form, write: $write },)*];
    };
}

layouts! {
    "plain.log" "plain" |lines| each(lines, str::to_owned);
    "pretty.json" "plain" |lines| each(lines, |line| pretty(&event(line)));
    "event-list.jsonl" "event-list" |lines| batches(lines, |batch| event_list(batch).to_string());
    "event-list.json" "event-list" |lines| pretty(&event_list(lines)) + "\n";
    "array.json" "event-list" |lines| format!("[{}]", lines.join(","));
    "array-pretty.json" "event-list" |lines| pretty(&lines.iter().map(|line| event(line)).collect());
    "list.json" "event-list" |lines| pretty(&json!({"apiVersion": "v1", "items": events(lines), "kind": "List"}));
    "strings.json" "event-list" |lines| json!(lines).to_string();
    "filter-log-events.json" "cloudwatch" |lines| pretty(&filter_log_events(lines));
    "filter-log-events.oneline.json" "cloudwatch" |lines| filter_log_events(lines).to_string();
    "get-log-events.json" "cloudwatch" |lines| pretty(&json!({
        "events": items(lines, |line| json!({"timestamp": 1_736_000_000_000_u64, "message": line, "ingestionTime": 1_736_000_000_001_u64})),
        "nextForwardToken": "f/1/s",
        "nextBackwardToken": "b/1/s",
    }));
    "insights.json" "insights" |lines| pretty(&json!({
        "results": items(lines, |line| json!([
            {"field": "@timestamp", "value": "2026-11-22 04:25:44.000"},
            {"field": "@message", "value": line},
            {"field": "@ptr", "value": "Cm0K"},
        ])),
        "statistics": {"recordsMatched": 1.0, "recordsScanned": 1.0, "bytesScanned": 1.0},
        "status": "Complete",
    }));
    "firehose.json" "subscription" |lines| control_message() + &batches(lines, |batch| subscription(batch).to_string()).replace('\n', "");
    "subscription.jsonl" "subscription" |lines| batches(lines, |batch| subscription(batch).to_string());
    "lambda.jsonl" "subscription" |lines| batches(lines, |batch| json!({"awslogs": {"data": packed(&subscription(batch))}}).to_string());
    "kinesis.json" "subscription" |lines| pretty(&json!({"Records": lines.chunks(7).map(|batch| json!({
        "kinesis": {"data": packed(&subscription(batch)), "partitionKey": "1"}, "eventSource": "aws:kinesis",
    })).collect::<Value>()}));
    "s3-export.log" "s3-export" |lines| each(lines, |line| format!("2026-11-22T04:25:44.000Z {line}"));
    "event-hub.json" "azure" |lines| json!({"records": items(lines, |line| azure("kube-audit", line))}).to_string();
    "storage.json" "azure" |lines| each(lines, |line| azure("kube-audit", line).to_string().replace('/', "\\/"));
    "storage-admin.json" "azure-admin" |lines| each(lines, |line| azure("kube-audit-admin", line).to_string());
    "log-analytics.json" "log-analytics" |lines| pretty(&items(lines, |line| row(line, false)));
    "log-analytics.jsonl" "log-analytics" |lines| each(lines, |line| row(line, true).to_string());
    "node-logs.log" "node-logs" |lines| each(lines, |line| format!("master-0.ocp.example.com {line}"));
    "viaq.jsonl" "viaq" |lines| each(lines, viaq);
    "viaq.json" "viaq" |lines| each(lines, |line| pretty(&event(&viaq(line))));
    "otlp.json" "otlp" |lines| pretty(&otlp(lines));
    "otlp.jsonl" "otlp" |lines| batches(lines, |batch| otlp(batch).to_string());
    "fluent-bit.log" "fluent-bit" |lines| each(lines, |line| format!("kube.audit: [1700000000.123456000, {}]", json!({"log": line})));
    "fluent-bit.jsonl" "fluent-bit" |lines| each(lines, |line| json!({"date": 1_700_000_000.5, "log": line}).to_string());
    "fluent-bit-flat.jsonl" "fluent-bit" |lines| each(lines, |line| format!("{{\"date\":1700000000.5,{}", &line[1..]));
    "fluentd.log" "fluentd" |lines| each(lines, |line| format!("2026-11-22T04:25:44+00:00\tkube.audit\t{}", json!({"message": line})));
    "vector.jsonl" "vector" |lines| each(lines, |line| json!({"file": "/var/log/audit.log", "host": "n", "message": line, "source_type": "file", "timestamp": "2026-11-22T04:25:44Z"}).to_string());
    "filebeat.jsonl" "elastic" |lines| each(lines, |line| json!({"@timestamp": "2026-11-22T04:25:44Z", "agent": {"type": "filebeat"}, "event": {"dataset": "kubernetes.audit_logs"}, "log": {"file": {"path": "/var/log/audit.log"}}, "message": line}).to_string());
    "elastic.json" "elastic" |lines| pretty(&json!({"took": 1, "hits": {"total": {"value": 1}, "hits": items(lines, |line| json!({"_index": "logs", "_source": elastic(line)}))}}));
    "elastic.jsonl" "elastic" |lines| each(lines, |line| elastic(line).to_string());
    "elastic-azure.jsonl" "elastic" |lines| each(lines, |line| json!({"@timestamp": "2026-11-22T04:25:44Z", "azure": {"platformlogs": {"category": "kube-audit", "properties": {"log": de_dotted(line)}}}}).to_string());
    "logcli.jsonl" "loki" |lines| each(lines, |line| json!({"labels": {"job": "audit"}, "line": line, "timestamp": "2026-11-22T04:25:44Z"}).to_string());
    "logcli.log" "loki" |lines| each(lines, |line| format!("2026-11-22T04:25:44Z {{job=\"audit\", node=\"n\"}} {line}"));
    "loki.json" "loki" |lines| json!({"status": "success", "data": {"resultType": "streams", "result": [
        {"stream": {"job": "audit"}, "values": items(lines, |line| json!(["1700000000000000000", line]))},
    ], "stats": {"summary": {}}}}).to_string();
    "hec.json" "splunk" |lines| lines.iter().map(|line| json!({"time": 1_700_000_000, "sourcetype": "kube:audit", "event": event(line)}).to_string()).collect();
    "splunk.jsonl" "splunk" |lines| each(lines, |line| json!({"preview": false, "result": {"_raw": line, "_time": "2026-11-22 04:25:44 UTC"}}).to_string());
    "journald.jsonl" "journald" |lines| each(lines, |line| json!({"MESSAGE": line, "_HOSTNAME": "n", "__REALTIME_TIMESTAMP": "1"}).to_string());
    "journald.log" "journald" |lines| each(lines, |line| format!("Nov 22 04:25:44 n kube-apiserver[1]: {line}"));
    "docker.log" "docker" docker;
    "cri.log" "cri" cri;
    "grep.txt" "grep" |lines| each(lines, |line| format!("./kube-apiserver/audit/log/audit.log:13417:{line}"));
    "siem.jsonl" "siem" |lines| each(lines, |line| json!({"input": {"message": format!("{line}\n"), "sekoiaio": {}}}).to_string());
    "envelope.jsonl" "envelope" |lines| each(lines, |line| json!({"host": "n", "message": line}).to_string());
    "escaped-twice.jsonl" "docker" |lines| each(lines, |line| docker_line(&json!({"message": line}).to_string(), "\n"));
}

fn each(lines: &[&str], write: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    for line in lines {
        text += &write(line);
        text.push('\n');
    }
    text
}

/// Seven events a line.
fn batches(lines: &[&str], write: impl Fn(&[&str]) -> String) -> String {
    lines
        .chunks(7)
        .fold(String::new(), |text, batch| text + &write(batch) + "\n")
}

fn event(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn events(lines: &[&str]) -> Value {
    items(lines, event)
}

fn items(lines: &[&str], write: impl Fn(&str) -> Value) -> Value {
    lines.iter().map(|line| write(line)).collect()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn event_list(lines: &[&str]) -> Value {
    let bare = |line: &str| {
        let mut event = event(line);
        let members = event.as_object_mut().unwrap();
        members.remove("kind");
        members.remove("apiVersion");
        event
    };
    json!({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": items(lines, bare)})
}

fn filter_log_events(lines: &[&str]) -> Value {
    let one = |line: &str| {
        json!({
            "logStreamName": "kube-apiserver-audit-0123456789abcdef",
            "timestamp": 1_736_000_000_000_u64,
            "message": line,
            "ingestionTime": 1_736_000_000_001_u64,
            "eventId": "38000000000000000000000000000000000000000000000000000000",
        })
    };
    json!({"events": items(lines, one), "searchedLogStreams": [{"logStreamName": "x", "searchedCompletely": true}]})
}

fn subscription(lines: &[&str]) -> Value {
    json!({
        "messageType": "DATA_MESSAGE",
        "owner": "111111111111",
        "logGroup": "/aws/eks/x/cluster",
        "logStream": "kube-apiserver-audit-0123456789abcdef",
        "subscriptionFilters": ["f"],
        "logEvents": items(lines, |line| json!({"id": "380", "timestamp": 1_736_000_000_000_u64, "message": line})),
    })
}

fn control_message() -> String {
    json!({
        "messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "",
        "subscriptionFilters": [],
        "logEvents": [{"id": "", "timestamp": 1_736_000_000_000_u64,
            "message": "CWL CONTROL MESSAGE: Checking health of destination Firehose."}],
    })
    .to_string()
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// base64 of gzip.
fn packed(value: &Value) -> String {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(value.to_string().as_bytes()).unwrap();
    let mut text = String::new();
    for bytes in gzip.finish().unwrap().chunks(3) {
        let bits = bytes
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - bytes.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= bytes.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

pub(crate) fn azure(category: &str, log: &str) -> Value {
    json!({
        "operationName": "Microsoft.ContainerService/managedClusters/diagnosticLogs/Read",
        "category": category,
        "ccpNamespace": "5eb120ce57f96500011bde2d",
        "resourceId": "/SUBSCRIPTIONS/X",
        "properties": {"log": format!("{log}\n"), "stream": "stdout", "pod": "kube-apiserver-x"},
        "time": "2026-11-22T04:25:44.0000000Z",
    })
}

/// A row of AKSAudit, its objects as they are or as strings.
pub(crate) fn row(line: &str, as_strings: bool) -> Value {
    let columns = [
        ("Level", "level"),
        ("AuditId", "auditID"),
        ("Stage", "stage"),
        ("RequestUri", "requestURI"),
        ("Verb", "verb"),
        ("User", "user"),
        ("ImpersonatedUser", "impersonatedUser"),
        ("SourceIps", "sourceIPs"),
        ("UserAgent", "userAgent"),
        ("ObjectRef", "objectRef"),
        ("ResponseStatus", "responseStatus"),
        ("RequestObject", "requestObject"),
        ("ResponseObject", "responseObject"),
        ("Annotations", "annotations"),
        ("RequestReceivedTime", "requestReceivedTimestamp"),
        ("StageReceivedTime", "stageTimestamp"),
    ];
    let event = event(line);
    let mut row = Map::from_iter([("TimeGenerated".to_owned(), json!("2026-11-22T04:25:44Z"))]);
    for (column, key) in columns {
        let value = match &event[key] {
            Value::Null => continue,
            value if as_strings && !value.is_string() => json!(value.to_string()),
            value => value.clone(),
        };
        row.insert(column.to_owned(), value);
    }
    Value::Object(row)
}

fn viaq(line: &str) -> String {
    let mut event = event(line);
    let level = event["level"].take();
    event["k8s_audit_level"] = level;
    event["level"] = json!("default");
    for (key, value) in [
        ("@timestamp", "2026-11-22T04:25:44Z"),
        ("log_type", "audit"),
        ("log_source", "kubeAPI"),
    ] {
        event[key] = json!(value);
    }
    event.to_string()
}

fn otlp(lines: &[&str]) -> Value {
    let records = items(
        lines,
        |line| json!({"timeUnixNano": "1734635994839162050", "body": {"stringValue": line}, "attributes": []}),
    );
    json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "log_source", "value": {"stringValue": "kubeAPI"}}]},
        "scopeLogs": [{"scope": {}, "logRecords": records}],
    }]})
}

fn elastic(line: &str) -> Value {
    json!({"@timestamp": "2026-11-22T04:25:44Z", "event": {"kind": "event"}, "kubernetes": {"audit": de_dotted(line)}})
}

fn de_dotted(line: &str) -> Value {
    let mut event = event(line);
    for at in ["/annotations", "/user/extra", "/impersonatedUser/extra"] {
        if let Some(Value::Object(members)) = event.pointer_mut(at) {
            let renamed = std::mem::take(members).into_iter();
            members.extend(renamed.map(|(key, value)| (key.replace('.', "_"), value)));
        }
    }
    event
}

fn docker_line(text: &str, end: &str) -> String {
    json!({"log": format!("{text}{end}"), "stream": "stdout", "time": "2026-11-22T04:25:44.123456789Z"}).to_string()
}

/// Docker writes the members in this order, and cuts at 16 KiB. Something on the other stream comes between.
fn docker(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        for part in parts(&format!("{line}\n"), 16 << 10) {
            let log = json!(part);
            writeln!(text, "{{\"log\":{log},\"stream\":\"stdout\",\"time\":\"2026-11-22T04:25:44.123456789Z\"}}").unwrap();
            if !part.ends_with('\n') {
                text += "{\"log\":\"I1122 04:25:44.000001       1 a.go:1] between\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-22T04:25:44.2Z\"}\n";
            }
        }
    }
    text
}

/// The runtime cuts at 16 KiB; a reader must not care.
fn cri(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        let parts = parts(line, 700);
        for (at, part) in parts.iter().enumerate() {
            let tag = if at + 1 == parts.len() { "F" } else { "P" };
            writeln!(text, "2026-11-22T04:25:44.123456789Z stdout {tag} {part}").unwrap();
            if tag == "P" {
                text += "2026-11-22T04:25:44.2+00:00 stderr F I1122 04:25:44.000001       1 a.go:1] between\n";
            }
        }
    }
    text
}

fn parts(text: &str, size: usize) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while rest.len() > size {
        let cut = (0..=size)
            .rev()
            .find(|at| rest.is_char_boundary(*at))
            .unwrap();
        let (part, tail) = rest.split_at(cut);
        parts.push(part);
        rest = tail;
    }
    parts.push(rest);
    parts
}
