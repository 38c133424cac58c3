//! EKS: what `aws logs filter-log-events` and `get-log-events` print.
//!
//! `{"events":[{"logStreamName":"kube-apiserver-audit-...","timestamp":1736000000000,"message":"{...}",
//! "ingestionTime":...,"eventId":"..."}]}` (FACTS 6). The group holds the streams of the other components
//! too, and entries over 256 KB are cut.

use super::{About, Inside, Members};

pub(super) const ABOUT: About = About {
    name: "cloudwatch",
    what: "EKS: `aws logs filter-log-events` and `get-log-events`",
    example: r#"{"events":[{"logStreamName":"kube-apiserver-audit-...","message":"{...}"}, ...]}"#,
    lacks: "events over CloudWatch's 256 KB, which it cuts: they are lost, and counted",
};

pub(super) fn open<'a>(record: &Members<'a>, _scratch: &mut String) -> Option<Inside<'a>> {
    let stamped = record.ingestion_time.or(record.event_id);
    let (message, _) = (record.message?, stamped.or(record.log_stream_name)?);
    Some(Inside::Value(message))
}
