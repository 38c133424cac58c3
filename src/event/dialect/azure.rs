//! AKS: Azure Monitor's diagnostic logs, by Event Hub or from a storage account.
//!
//! `{"records":[{"category":"kube-audit","properties":{"log":"{...}\n","stream":"stdout","pod":"..."},...}]}`
//! (FACTS 6, sysdiglabs/aks-audit-log); from storage, one record a line. `log` is the event as a string,
//! or, by way of Elastic, as an object. Other categories have klog text there.

use super::{About, Inside, Members, Skipped, members::object, text_of};

pub(super) const ABOUT: About = About {
    name: "azure",
    what: "AKS: Azure Monitor diagnostic logs, category kube-audit (Event Hub, storage account)",
    example: r#"{"records":[{"category":"kube-audit","properties":{"log":"{...}"}}, ...]}"#,
    lacks: "",
};

pub(super) const ADMIN: About = About {
    name: "azure-admin",
    what: "AKS: the same, category kube-audit-admin",
    example: r#"{"records":[{"category":"kube-audit-admin","properties":{"log":"{...}"}}, ...]}"#,
    lacks: "get and list: whatever only reads is not in kube-audit-admin. Category kube-audit has it",
};

pub(super) fn open<'a>(record: &Members<'a>, _scratch: &mut String) -> Option<Inside<'a>> {
    open_category(record, "kube-audit").or_else(|| {
        let named = text_of(record.category.or(record.category_upper))?;
        let aks = record.operation_name.is_some() || record.properties.is_some();
        (aks && !(named == "kube-audit-admin")).then_some(Inside::Skipped(Skipped::OtherCategory))
    })
}

pub(super) fn open_admin<'a>(record: &Members<'a>, _scratch: &mut String) -> Option<Inside<'a>> {
    open_category(record, "kube-audit-admin")
}

fn open_category<'a>(record: &Members<'a>, category: &str) -> Option<Inside<'a>> {
    let named = text_of(record.category.or(record.category_upper))?;
    let log = object(record.properties)?.get("log")?;
    (named == category).then_some(Inside::Value(log))
}
