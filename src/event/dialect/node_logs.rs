//! OpenShift: `oc adm node-logs --role=master --path=kube-apiserver/audit.log`, which puts the node's
//! name before each line; without the name, for a single node, it is the plain form (FACTS 6).

use super::{About, Inside, text::first_word};

pub(super) const ABOUT: About = About {
    name: "node-logs",
    what: "OpenShift: `oc adm node-logs`, the node's name before each event",
    example: r#"master-0.example.com {"kind":"Event",...}"#,
    lacks: "",
};

pub(super) fn strip(line: &str) -> Option<Inside<'_>> {
    let (name, rest) = first_word(line, 253)?;
    // A DNS subdomain.
    let part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let named = !name.is_empty() && name.bytes().all(part);
    (named && rest.starts_with('{')).then_some(Inside::Text(rest))
}
