//! EKS: what `aws logs get-query-results` prints.
//!
//! `{"results":[[{"field":"@timestamp","value":"..."},{"field":"@message","value":"{...}"}]]}` (FACTS 6): each
//! row is an array of fields.

use crate::event::{Text, Value};

use super::{About, Inside, Skipped};

pub(super) const ABOUT: About = About {
    name: "insights",
    what: "EKS: CloudWatch Logs Insights, `aws logs get-query-results` (the query must show @message)",
    example: r#"{"results":[[{"field":"@message","value":"{...}"}, ...], ...]}"#,
    lacks: "what the query left out; at most 10,000 rows",
};

pub(super) fn open(row: &str) -> Option<Inside<'_>> {
    let row = Value::from_text(row);
    row.items().next()?.object()?.get("field")?;
    let field = |value: Value<'_>, name: &str| {
        let field = value.object().and_then(|field| field.get("field"));
        field
            .and_then(Value::text)
            .is_some_and(|text: Text<'_>| text == name)
    };
    let message = row.items().find(|value| field(*value, "@message"));
    let message = message.and_then(|value| value.object()?.get("value"));
    Some(message.map_or(Inside::Skipped(Skipped::OtherLog), Inside::Value))
}
