//! A detector's name and documentation, declared once, and the table of all detectors.

use std::fmt;

/// What there is to know about a detector. The doc comment of its `about!` is the text that `satrail
/// explain`, docs/detectors.md, and every other output show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The id: file name, fixture name, anchor and config key.
    pub id: &'static str,
    /// One line that says what it finds.
    pub title: &'static str,
    /// The documentation in Markdown, with the headings What it finds, Why it matters, Known benign
    /// causes, What to do, Attributes, Example.
    pub doc: &'static str,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "# {}: {}\n\n{}\n", self.id, self.title, self.markdown())
    }
}

/// Declares a detector's `ABOUT` from its doc comment:
/// `about! { /// text… "id", "title" }`.
macro_rules! about {
    ($(#[doc = $line:literal])+ $id:literal, $title:literal $(,)?) => {
        $(#[doc = $line])+
        pub(super) static ABOUT: $crate::detect::About = $crate::detect::About {
            id: $id,
            title: $title,
            doc: concat!($($line, "\n"),+),
        };
    };
}

impl About {
    /// The documentation without the space that every `///` line starts with.
    #[must_use]
    pub fn markdown(&self) -> String {
        let lines = self
            .doc
            .lines()
            .map(|line| line.strip_prefix(' ').unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n").trim().to_owned()
    }
}

/// The table of all detectors: the struct that holds one of each that reads events, what those that
/// read metrics come to, and the catalogue of both.
macro_rules! registry {
    (
        audit { $($module:ident :: $Type:ident),+ $(,)? }
        metrics { $($metric:ident :: $Metric:ident),+ $(,)? }
    ) => {
        /// One of each detector that reads audit events.
        #[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
        pub struct Detectors {
            $($module: $module::$Type,)+
        }

        /// What there is to know about every detector, in the order of the registry: first those that
        /// read audit events, then those that read metrics.
        pub static CATALOGUE: &[&About] = &[
            $(<$module::$Type as Detector>::ABOUT,)+
            $(<$metric::$Metric as MetricDetector>::ABOUT,)+
        ];

        /// What the series that metric detectors read are called.
        static METRICS_READ: &[&[&str]] = &[$(<$metric::$Metric as MetricDetector>::READS),+];

        /// The findings of every metric detector that `wanted` says yes to, unsorted.
        #[must_use]
        pub fn metric_findings(
            context: &MetricContext<'_>,
            wanted: impl Fn(&str) -> bool,
        ) -> Vec<$crate::finding::Finding> {
            let mut findings = Vec::new();
            $(if wanted(<$metric::$Metric as MetricDetector>::ABOUT.id) {
                findings.extend(<$metric::$Metric as MetricDetector>::finish(context));
            })+
            findings
        }

        /// What every metric detector could see, in the order of the registry.
        #[must_use]
        pub fn metric_coverage(archive: &$crate::metric::Archive) -> Vec<(&'static About, Coverage)> {
            vec![$((
                <$metric::$Metric as MetricDetector>::ABOUT,
                <$metric::$Metric as MetricDetector>::coverage(archive),
            )),+]
        }

        impl Detectors {
            /// Shows every detector one request.
            pub fn observe(&mut self, event: &$crate::event::Event<'_>) {
                $(self.$module.observe(event);)+
            }

            /// Adds what another set has noted; the order does not matter.
            pub fn merge(&mut self, other: Self) {
                $(self.$module.merge(other.$module);)+
            }

            /// The findings of every detector that `wanted` says yes to, unsorted.
            pub fn finish(
                &self,
                context: &Context<'_>,
                wanted: impl Fn(&str) -> bool,
            ) -> Vec<$crate::finding::Finding> {
                let mut findings = Vec::new();
                $(if wanted(<$module::$Type as Detector>::ABOUT.id) {
                    findings.extend(self.$module.finish(context));
                })+
                findings
            }

            /// What every detector could see, in the order of the registry.
            #[must_use]
            pub fn coverage(&self, log: &LogFacts) -> Vec<(&'static About, Coverage)> {
                vec![$((<$module::$Type as Detector>::ABOUT, self.$module.coverage(log))),+]
            }
        }
    };
}
