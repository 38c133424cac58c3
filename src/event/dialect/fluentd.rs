//! Fluentd's file output: `2024-01-01T00:00:00+00:00<TAB>tag<TAB>{...}` (docs.fluentd.org,
//! `formatter/out_file`).

use super::{About, Inside, text::is_time};

pub(super) const ABOUT: About = About {
    name: "fluentd",
    what: "Fluentd: time, tag and record between tabs",
    example: "2024-01-01T00:00:00+00:00<TAB>kube.audit<TAB>{\"message\":\"{...}\"}",
    lacks: "",
};

pub(super) fn strip(line: &str) -> Option<Inside<'_>> {
    let mut fields = line.splitn(3, '\t');
    let (time, _tag, record) = (fields.next()?, fields.next()?, fields.next()?);
    is_time(time).then_some(Inside::Text(record))
}
