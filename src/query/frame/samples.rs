//! The columns of `samples`.

use crate::{
    finding::Timestamp,
    metric::{Kind as MetricKind, Labels},
};

use super::{Cell, Column, Kind, day_of, start_of};

/// One sample, with what stands before it in its series.
#[derive(Debug, Clone, Copy)]
pub struct SampleRow<'a> {
    /// The sample's name, such as `apiserver_request_total`.
    pub metric: &'a str,
    /// The kind of its family.
    pub kind: MetricKind,
    /// Whether only its increase says anything.
    pub cumulative: bool,
    /// Its labels, `instance` among them.
    pub labels: &'a Labels,
    /// When.
    pub time: Timestamp,
    /// What.
    pub value: f64,
    /// The value before it in the series.
    pub before: Option<f64>,
}

/// One column of `samples`.
#[derive(Debug, Clone, Copy)]
pub struct SampleColumn {
    /// What there is to say about it.
    pub about: Column,
    /// What of a sample it holds.
    pub cell: fn(&SampleRow<'_>) -> Cell,
}

macro_rules! columns {
    ($($name:ident $kind:ident: $cell:expr, $meaning:literal;)*) => {
        /// The columns, in the order in which `SELECT *` shows them.
        pub static SAMPLES: &[SampleColumn] = &[$(SampleColumn {
            about: Column { name: stringify!($name), kind: Kind::$kind, meaning: $meaning },
            cell: $cell,
        },)*];
    };
}

columns! {
    time Time: |s| Cell::Time(Some(s.time.micros())), "When the sample was taken";
    time_us Integer: |s| Cell::Integer(Some(s.time.micros())), "The same in microseconds since 1970, to count with";
    minute Time: |s| Cell::Time(Some(start_of(s.time.micros(), 60))), "The minute of it, by its start";
    hour Time: |s| Cell::Time(Some(start_of(s.time.micros(), 3600))), "The hour of it, by its start";
    day Day: |s| Cell::Day(day_of(s.time.micros())), "The day of it";
    metric Text: |s| Cell::Text(s.metric.to_owned()), "The name: apiserver_request_total; of a histogram with _bucket, _count, _sum";
    metric_kind Text: |s| Cell::Text(s.kind.as_str().to_owned()), "counter, gauge, histogram, summary or unknown, as the scrape says";
    instance Text: |s| label(s, "instance"), "Which kube-apiserver";
    labels Text: |s| Cell::Text(s.labels.to_string()), "All labels, as in an exposition: {code=\"200\",verb=\"LIST\"}";
    verb Text: |s| label(s, "verb"), "The label of that name: GET, LIST, WATCH, POST";
    code Text: |s| label(s, "code"), "The label of that name: the HTTP status";
    api_group Text: |s| label(s, "group"), "The label group";
    resource Text: |s| label(s, "resource"), "The label of that name";
    subresource Text: |s| label(s, "subresource"), "The label of that name";
    username Text: |s| label(s, "username"), "The label of that name: few names, and `other`";
    result Text: |s| label(s, "result"), "The label of that name: success, failure, error, allowed, denied";
    flow_schema Text: |s| label(s, "flow_schema"), "The label of that name";
    priority_level Text: |s| label(s, "priority_level"), "The label of that name";
    value Number: |s| Cell::Number(Some(s.value)), "The value";
    increase Number: |s| Cell::Number(increase(s)), "Of a counter: by how much it rose since the sample before, resets considered; NULL for the first one and for what is no counter";
}

fn label(sample: &SampleRow<'_>, name: &str) -> Cell {
    Cell::Text(sample.labels.get(name).to_owned())
}

/// A counter that is lower than before began anew at zero.
fn increase(sample: &SampleRow<'_>) -> Option<f64> {
    let before = sample.before.filter(|_| sample.cumulative)?;
    Some(if sample.value < before {
        sample.value
    } else {
        sample.value - before
    })
}
