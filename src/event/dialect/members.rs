//! The members of a record that any form is told by or opened at.

use crate::event::{Object, Value};

macro_rules! members {
    ($($field:ident $key:literal)*) => {
        /// The members of a JSON object that any form looks at: the last one of each key, `null` as
        /// absent.
        #[derive(Debug, Clone, Copy, Default)]
        pub(super) struct Members<'a> {
            /// The object itself.
            pub(super) object: Object<'a>,
            $(pub(super) $field: Option<Value<'a>>,)*
        }

        impl<'a> Members<'a> {
            /// Of an object from its text, which must be one well-formed JSON object.
            pub(super) fn of(object: Object<'a>) -> Self {
                let mut members = Self { object, ..Self::default() };
                for (key, value) in object.entries() {
                    // No key that matters needs an escape, or the object was rewritten without.
                    let slot = match key.as_plain() {
                        $(Some($key) => &mut members.$field,)*
                        _ => continue,
                    };
                    *slot = (value.json() != "null").then_some(value);
                }
                members
            }
        }
    };
}

members! {
    agent "agent"
    api_version "apiVersion"
    at_timestamp "@timestamp"
    at_version "@version"
    audit_id "auditID"
    audit_id_column "AuditId"
    aws_logs "awslogs"
    azure "azure"
    body "body"
    body_upper "Body"
    category "category"
    category_upper "Category"
    data "data"
    date "date"
    entries "entries"
    event "event"
    event_id "eventId"
    event_original "event.original"
    events "events"
    file "file"
    hits "hits"
    id "id"
    ingestion_time "ingestionTime"
    input "input"
    items "items"
    json "json"
    k8s_audit_level "k8s_audit_level"
    kinesis "kinesis"
    kind "kind"
    kubernetes "kubernetes"
    labels "labels"
    level "level"
    line "line"
    log "log"
    log_events "logEvents"
    log_name "logName"
    log_records "logRecords"
    log_stream_name "logStreamName"
    message "message"
    message_upper "MESSAGE"
    msg "msg"
    openshift_audit_level "openshift_audit_level"
    operation_name "operationName"
    properties "properties"
    proto_payload "protoPayload"
    raw "_raw"
    realtime "__REALTIME_TIMESTAMP"
    records "records"
    records_upper "Records"
    resource_logs "resourceLogs"
    result "result"
    results "results"
    scope_logs "scopeLogs"
    source "_source"
    source_type "source_type"
    sourcetype "sourcetype"
    stage "stage"
    stage_column "Stage"
    stream "stream"
    streams "streams"
    tables "tables"
    time "time"
    time_unix_nano "timeUnixNano"
    timestamp "timestamp"
    ts "ts"
    values "values"
}

impl<'a> Members<'a> {
    /// Any other member, by a walk through all of them.
    pub(super) fn other(&self, key: &str) -> Option<Value<'a>> {
        self.object.get(key)
    }

    /// Whether this is an event of `audit.k8s.io` itself.
    pub(super) fn is_event(&self) -> bool {
        self.audit_id.is_some() && self.stage.is_some()
    }
}

/// The object, if a member is one.
pub(super) fn object(value: Option<Value<'_>>) -> Option<Object<'_>> {
    value?.object()
}
