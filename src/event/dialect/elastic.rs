//! Filebeat, Elastic Agent, Logstash, and what is exported from Elasticsearch.
//!
//! - The line as it was: `{"@timestamp":...,"message":"{...}",...}`.
//! - Taken apart by the integration: the event under `kubernetes.audit`, with the dots in the keys of
//!   annotations (and of `user.extra`) made underscores: `authorization_k8s_io/decision`
//!   (elastic/detection-rules `rules/integrations/kubernetes`).
//! - AKS by way of Elastic: the event under `azure.platformlogs.properties.log`.
//! - Exports: any of these under `_source`.
//!
//! Before the slash, dots are put back: a DNS name has no underscores. Behind it nothing tells.

use crate::event::{Object, Value};

use super::{About, Inside, Members, canon::Canon, members::object};

pub(super) const ABOUT: About = About {
    name: "elastic",
    what: "Filebeat, Elastic Agent, Logstash, exports from Elasticsearch",
    example: r#"{"@timestamp":"...","kubernetes":{"audit":{"auditID":"...",...}}}"#,
    lacks: "dots behind the slash of annotation keys, where the integration took the event apart",
};

pub(super) fn open<'a>(record: &Members<'a>, scratch: &mut String) -> Option<Inside<'a>> {
    if let Some(source) = object(record.source) {
        return Some(Inside::Value(Value::from_text(source.json())));
    }
    if let Some(audit) = object(record.kubernetes).and_then(|value| value.get("audit")) {
        if let Some(audit) = audit
            .object()
            .filter(|audit| audit.get("auditID").is_some())
        {
            map(audit, scratch);
            return Some(Inside::Mapped);
        }
        return Some(Inside::Value(audit));
    }
    let azure = object(record.azure).and_then(|azure| {
        azure
            .get("platformlogs")?
            .object()?
            .get("properties")?
            .object()?
            .get("log")
    });
    if let Some(log) = azure {
        return Some(
            match log.object().filter(|log| log.get("auditID").is_some()) {
                Some(audit) => {
                    map(audit, scratch);
                    Inside::Mapped
                }
                None => Inside::Value(log),
            },
        );
    }
    record.at_timestamp?;
    record
        .message
        .or(record.json)
        .or(record.log.filter(|log| log.text().is_some()))
        .map(Inside::Value)
}

fn map(audit: Object<'_>, scratch: &mut String) {
    let mut event = Canon::begin(scratch);
    for (key, value) in audit.entries() {
        let Some(key) = key.as_plain() else { continue };
        match (key, value.object()) {
            ("kind" | "apiVersion", _) => {}
            ("annotations", Some(annotations)) => event.renamed(key, annotations, dotted),
            ("user" | "impersonatedUser", Some(user)) => {
                let mut nested = String::from("{");
                write_user(user, &mut nested);
                event.json(key, &nested);
            }
            _ => event.json(key, value.json()),
        }
    }
    event.end();
}

fn write_user(user: Object<'_>, out: &mut String) {
    let mut separator = "";
    for (key, value) in user.entries() {
        out.push_str(separator);
        super::canon::escape(&key.read(), out);
        out.push(':');
        match value.object().filter(|_| key == "extra") {
            None => out.push_str(value.json()),
            Some(extra) => {
                let mut separator = '{';
                for (key, value) in extra.entries() {
                    out.push(separator);
                    super::canon::escape(&dotted(&key.read()), out);
                    out.push(':');
                    out.push_str(value.json());
                    separator = ',';
                }
                out.push_str(if separator == '{' { "{}" } else { "}" });
            }
        }
        separator = ",";
    }
    out.push('}');
}

/// A key with the dots back in the DNS name before its slash.
fn dotted(key: &str) -> String {
    match key.split_once('/') {
        Some((domain, name)) => format!("{}/{name}", domain.replace('_', ".")),
        None => key.to_owned(),
    }
}
