//! The metrics that satrail publishes: names, kinds, labels, words.

use crate::metric::Kind;

/// One metric that satrail publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Its name; counters end in `_total`.
    pub name: &'static str,
    /// [`Kind::Counter`] or [`Kind::Gauge`].
    pub kind: Kind,
    /// Its label names.
    pub labels: &'static [&'static str],
    /// What it counts: the `# HELP` text, and the documentation.
    pub help: &'static str,
}

const ACCOUNT: &[&str] = &["namespace", "serviceaccount"];

macro_rules! published {
    ($($id:ident = $name:literal $kind:ident $labels:expr, $help:expr;)*) => {
        $(pub(super) const $id: Published = Published {
            name: $name, kind: Kind::$kind, labels: $labels, help: $help,
        };)*

        /// All metrics that satrail publishes, in the order in which they are written.
        pub const PUBLISHED: &[Published] = &[$($id),*];
    };
}

// Said once in the documentation, and in the help of the metric that decides who is named.
published! {
    REQUESTS = "satrail_serviceaccount_requests_total" Counter ACCOUNT,
        "Requests by a ServiceAccount. Only those with the most requests are named; all others are summed as namespace and serviceaccount _other, here and in every metric with these labels.";
    DENIED = "satrail_serviceaccount_denied_requests_total" Counter ACCOUNT,
        "Requests by a ServiceAccount that were refused: 401, 403 or an authorization decision of forbid.";
    DEFAULT = "satrail_default_serviceaccount_requests_total" Counter ACCOUNT,
        "Requests by the ServiceAccount default of a namespace.";
    SECRET_LISTS = "satrail_secret_list_requests_total" Counter &["namespace", "serviceaccount", "scope", "outcome"],
        "Lists and watches of secrets by a ServiceAccount; namespace is the account's own, scope (cluster, namespace, resource) is what was listed.";
    LEGACY = "satrail_legacy_token_requests_total" Counter &["namespace", "serviceaccount", "secret"],
        "Requests with a token from a Secret, which never expires; secret is _unknown where the server does not say which, and _other for all of an account that has too many.";
    STALE = "satrail_stale_token_requests_total" Counter ACCOUNT,
        "Requests with a projected token that should have been read again from its file before.";
    UNAUTHENTICATED = "satrail_unauthenticated_requests_total" Counter &[],
        "Requests without a user: those answered with 401, and those with a malformed timeout.";
    EVENTS = "satrail_audit_events_total" Counter &[],
        "Audit events read, of any stage.";
    AUDIT_REQUESTS = "satrail_audit_requests_total" Counter &[],
        "Requests that the audit events stand for, each counted once.";
    BAD_LINES = "satrail_bad_lines_total" Counter &[],
        "Lines of the audit logs that could not be read.";
    FINDINGS = "satrail_findings" Gauge &["detector", "severity", "namespace", "serviceaccount", "subject"],
        "Findings at present; subject is whom one is about, and if that is a ServiceAccount, namespace and serviceaccount say so too. The subjects with the gravest ones are named, the others are summed as _other.";
    LAST_RUN = "satrail_last_run_timestamp_seconds" Gauge &[],
        "When satrail last finished reading.";
    RUN_SUCCESS = "satrail_last_run_success" Gauge &[],
        "Whether the last run of satrail cron read everything and delivered everything: 1 or 0.";
    RUN_DURATION = "satrail_last_run_duration_seconds" Gauge &[],
        "How long the last run of satrail cron took.";
    RUN_FILES = "satrail_last_run_files" Gauge &[],
        "Files that the last run of satrail cron read something new from.";
    RUN_BYTES = "satrail_last_run_bytes" Gauge &[],
        "Bytes of audit log that were new to the last run of satrail cron, decompressed.";
    RUN_EVENTS = "satrail_last_run_events" Gauge &[],
        "Audit events that were new to the last run of satrail cron, of any stage.";
    RUN_BAD_LINES = "satrail_last_run_bad_lines" Gauge &[],
        "Lines that the last run of satrail cron could not read.";
    RUN_FINDINGS = "satrail_last_run_findings" Gauge &["status"],
        "Findings by what became of them in the last run of satrail cron: new, ongoing or resolved.";
    STATE_BYTES = "satrail_state_bytes" Gauge &[],
        "Size of the state that satrail cron keeps from run to run.";
    LAST_EVENT = "satrail_last_event_timestamp_seconds" Gauge &[],
        "When the newest request that was read arrived.";
}

impl Published {
    /// The metric of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PUBLISHED.iter().find(|metric| metric.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So that one text serves both formats: OpenMetrics escapes quotes in help texts, the older one does not.
    #[test]
    fn help_needs_no_escape() {
        for metric in PUBLISHED {
            assert!(!metric.help.contains(['"', '\\', '\n']), "{}", metric.name);
            assert_eq!(
                metric.kind == Kind::Counter,
                metric.name.ends_with("_total")
            );
            assert!(metric.name.starts_with("satrail_"));
        }
    }
    #[test]
    fn the_documentation_has_them_all() {
        let page = include_str!("../../../docs/metrics.md");
        for metric in PUBLISHED {
            let labels: Vec<_> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
            let row = format!(
                "| `{}` | {} | {}",
                metric.name,
                metric.kind.as_str(),
                labels.join(", ")
            );
            assert!(page.contains(row.trim_end()), "{row}");
            assert!(
                page.contains(&format!("`{}`: ", metric.name))
                    || page.contains(&format!("`{}`,", metric.name))
            );
        }
    }
}
