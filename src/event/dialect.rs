//! The forms in which audit logs reach people: by provider, shipper and command line, told by content.
//!
//! Each form is one file here: its name, what it is, what it cannot carry, and how it is recognised and
//! opened. [`Unwrapper`] goes through them; whatever the wrapping, an [`super::Event`] comes out. The
//! shapes are those of FACTS 6 and of published samples (`docs/formats.md` says how sure each one is).

mod members;
mod canon;
mod unwrap;
mod lists;
mod text;

mod plain;
mod event_list;
mod cloudwatch;
mod insights;
mod subscription;
mod s3_export;
mod azure;
mod log_analytics;
mod gke;
mod node_logs;
mod viaq;
mod otlp;
mod fluent_bit;
mod fluentd;
mod vector;
mod elastic;
mod loki;
mod splunk;
mod journald;
mod docker;
mod cri;
mod grep;
mod siem;
mod envelope;

use serde::{Deserialize, Serialize};

use members::Members;

pub use unwrap::{Found, Unwrapper};

use super::{Level, Text, Value};

/// What there is to say about a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// Its name, for `--format-in` and in reports.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// An example, shortened.
    pub example: &'static str,
    /// What of the event it cannot carry; empty if it carries all.
    pub lacks: &'static str,
}

macro_rules! dialects {
    ($($(#[$doc:meta])* $variant:ident = $about:path;)*) => {
        /// A form in which audit events reach people.
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum Dialect {
            $($(#[$doc])* $variant,)*
        }

        impl Dialect {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What there is to say about it.
            #[must_use]
            pub const fn about(self) -> &'static About {
                match self {
                    $(Self::$variant => &$about,)*
                }
            }
        }
    };
}

dialects! {
    /// Events as kube-apiserver writes them.
    #[default]
    Plain = plain::ABOUT;
    /// EventLists, lists and arrays of events.
    EventList = event_list::ABOUT;
    /// What `aws logs filter-log-events` and `get-log-events` print.
    CloudWatch = cloudwatch::ABOUT;
    /// What `aws logs get-query-results` prints.
    Insights = insights::ABOUT;
    /// CloudWatch subscriptions: Firehose, Kinesis, Lambda.
    Subscription = subscription::ABOUT;
    /// CloudWatch exports to S3.
    S3Export = s3_export::ABOUT;
    /// Azure Monitor, category kube-audit.
    Azure = azure::ABOUT;
    /// Azure Monitor, category kube-audit-admin.
    AzureAdmin = azure::ADMIN;
    /// Rows of Log Analytics' table AKSAudit.
    LogAnalytics = log_analytics::ABOUT;
    /// Google Cloud Logging.
    Gke = gke::ABOUT;
    /// `oc adm node-logs`.
    NodeLogs = node_logs::ABOUT;
    /// OpenShift logging's ViaQ model.
    Viaq = viaq::ABOUT;
    /// OpenTelemetry's OTLP JSON.
    Otlp = otlp::ABOUT;
    /// Fluent Bit.
    FluentBit = fluent_bit::ABOUT;
    /// Fluentd.
    Fluentd = fluentd::ABOUT;
    /// Vector.
    Vector = vector::ABOUT;
    /// Filebeat, Elastic Agent, Logstash, Elasticsearch.
    Elastic = elastic::ABOUT;
    /// Grafana Loki.
    Loki = loki::ABOUT;
    /// Splunk.
    Splunk = splunk::ABOUT;
    /// journald and syslog.
    Journald = journald::ABOUT;
    /// Docker's json-file.
    Docker = docker::ABOUT;
    /// Container runtimes' CRI lines.
    Cri = cri::ABOUT;
    /// `grep -rn`.
    Grep = grep::ABOUT;
    /// SIEM intakes.
    Siem = siem::ABOUT;
    /// Any other JSON object with the event in its message.
    Envelope = envelope::ABOUT;
}

impl Dialect {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.about().name
    }
}

/// What a record is that is no audit event and no damage either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Skipped {
    /// Log text of a Kubernetes component (klog), which shares streams and files with audit events.
    Klog,
    /// A CloudWatch subscription's control message.
    ControlMessage,
    /// A record of another category of Azure's diagnostic logs.
    OtherCategory,
    /// An entry of another Google Cloud service, or of another log.
    OtherService,
    /// Something else that a shipper or a container runtime has wrapped.
    OtherLog,
    /// An event in kube-apiserver's legacy text format, which says too little to be read.
    LegacyFormat,
    /// An event that was cut on its way (`[Truncated...]`), and is lost.
    Cut,
    /// A part of an event that was cut on its way (`skipped-too-big-size-object`); the event counts.
    CutPart,
}

impl Skipped {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Klog,
        Self::ControlMessage,
        Self::OtherCategory,
        Self::OtherService,
        Self::OtherLog,
        Self::LegacyFormat,
        Self::Cut,
        Self::CutPart,
    ];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Klog => "klog",
            Self::ControlMessage => "control-message",
            Self::OtherCategory => "other-category",
            Self::OtherService => "other-service",
            Self::OtherLog => "other-log",
            Self::LegacyFormat => "legacy-format",
            Self::Cut => "cut-event",
            Self::CutPart => "cut-part",
        }
    }

    /// What it is, in a few words.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Klog => "log text of a Kubernetes component",
            Self::ControlMessage => "control messages of a CloudWatch subscription",
            Self::OtherCategory => "records of other Azure log categories",
            Self::OtherService => "entries of other Google Cloud services or logs",
            Self::OtherLog => "other logs in the same wrapping",
            Self::LegacyFormat => "events in the legacy text format, which is not supported",
            Self::Cut => "audit events that were cut on their way, and are lost",
            Self::CutPart => "parts of audit events that were cut on their way; the events count",
        }
    }
}

/// What an opened record turns out to hold.
#[derive(Clone, Copy)]
enum Inside<'a> {
    /// A string or a value with the event in it, or with something else.
    Value(Value<'a>),
    /// Text with the event in it, or with something else.
    Text(&'a str),
    /// The event, written down anew in the scratch.
    Mapped,
    /// The same, without a part that was cut.
    MappedInPart,
    /// Text, written into the scratch.
    Scratch,
    /// The event itself, at another level than it says.
    Itself(Level),
    /// No audit event.
    Skipped(Skipped),
}

/// Opens a record that is a JSON object, if it is of that form. The string is scratch.
type Open = for<'a> fn(&Members<'a>, &mut String) -> Option<Inside<'a>>;

/// Takes off what stands before the record on its line, if the line is of that form.
type Strip = for<'a> fn(&'a str) -> Option<Inside<'a>>;

/// Forms whose records are JSON objects. The first that fits opens it, so that particular ones stand
/// before general ones.
const OBJECTS: &[(Dialect, Open)] = &[
    (Dialect::Viaq, viaq::open),
    (Dialect::Gke, gke::open),
    (Dialect::LogAnalytics, log_analytics::open),
    (Dialect::AzureAdmin, azure::open_admin),
    (Dialect::Azure, azure::open),
    (Dialect::Otlp, otlp::open),
    (Dialect::Subscription, subscription::open),
    (Dialect::CloudWatch, cloudwatch::open),
    (Dialect::Journald, journald::open),
    (Dialect::Splunk, splunk::open),
    (Dialect::Loki, loki::open),
    (Dialect::Siem, siem::open),
    (Dialect::Docker, docker::open),
    (Dialect::Vector, vector::open),
    (Dialect::Elastic, elastic::open),
    (Dialect::FluentBit, fluent_bit::open),
    (Dialect::Envelope, envelope::open),
];

/// Forms whose lines begin with something else.
const LINES: &[(Dialect, Strip)] = &[
    (Dialect::Cri, cri::strip),
    (Dialect::Fluentd, fluentd::strip),
    (Dialect::FluentBit, fluent_bit::strip),
    (Dialect::Loki, loki::strip),
    (Dialect::S3Export, s3_export::strip),
    (Dialect::Journald, journald::strip),
    (Dialect::Grep, grep::strip),
    (Dialect::NodeLogs, node_logs::strip),
];

/// Forms whose records are JSON arrays of something else than records.
const ARRAYS: &[(Dialect, Strip)] = &[
    (Dialect::Insights, insights::open),
    (Dialect::Loki, loki::open_pair),
    (Dialect::FluentBit, fluent_bit::open_pair),
];

/// The string, if a member is one that says something.
fn text_of(value: Option<Value<'_>>) -> Option<Text<'_>> {
    value?.text()
}
