//! OpenShift logging's ViaQ model: the event's members at the top level, among others, with `level`
//! overwritten and the real one in `k8s_audit_level` or `openshift_audit_level`
//! (openshift/cluster-logging-operator `hack/logsamples`).

use crate::event::Level;

use super::{About, Inside, Members, text_of};

pub(super) const ABOUT: About = About {
    name: "viaq",
    what: "OpenShift logging's ViaQ model",
    example: r#"{"@timestamp":"...","auditID":"...","k8s_audit_level":"Metadata","level":"default",...}"#,
    lacks: "",
};

pub(super) fn open<'a>(record: &Members<'a>, _scratch: &mut String) -> Option<Inside<'a>> {
    let level = text_of(record.k8s_audit_level.or(record.openshift_audit_level))?;
    record
        .is_event()
        .then(|| Inside::Itself(Level::from_name(&level.read())))
}
