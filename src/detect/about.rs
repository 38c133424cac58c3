//! A detector's name and documentation, declared once, and the table of all detectors.

use std::fmt;

use crate::finding::Finding;

use super::attack::Technique;

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
    /// The ATT&CK techniques that a finding may be a trace of; empty where it is about operations.
    pub attack: &'static [Technique],
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "# {}: {}\n\n{}\n", self.id, self.title, self.markdown())?;
        if self.attack.is_empty() {
            return Ok(());
        }
        write!(f, "\n# ATT&CK\n\n{}\n", self.techniques())
    }
}

/// Declares a detector's `ABOUT` from its doc comment:
/// `about! { /// text… "id", "title", [TECHNIQUE, …] }`.
macro_rules! about {
    ($(#[doc = $line:literal])+ $id:literal, $title:literal, [$($technique:ident),* $(,)?] $(,)?) => {
        $(#[doc = $line])+
        pub(super) static ABOUT: $crate::detect::About = $crate::detect::About {
            id: $id,
            title: $title,
            doc: concat!($($line, "\n"),+),
            attack: &[$($crate::detect::attack::$technique),*],
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

    /// The ids of the techniques.
    #[must_use]
    pub fn technique_ids(&self) -> Vec<String> {
        self.attack
            .iter()
            .map(|technique| technique.id.to_owned())
            .collect()
    }

    /// The techniques as a Markdown list; empty if there are none.
    #[must_use]
    pub fn techniques(&self) -> String {
        let items = self
            .attack
            .iter()
            .map(|Technique { id, name, tactic }| format!("- {id} {name} ({tactic})"));
        items.collect::<Vec<_>>().join("\n")
    }
}

/// `text` on one line: names from the log may hold anything, and a summary may hold names.
pub(super) fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// The findings with summaries of one line each.
pub(super) fn in_one_line(mut findings: Vec<Finding>) -> Vec<Finding> {
    for finding in &mut findings {
        finding.summary = one_line(&finding.summary);
    }
    findings
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
            /// Shows one request to every detector that is interested in what it is.
            pub fn observe(&mut self, request: &Request<'_>) {
                $(if <$module::$Type as Detector>::INTEREST.covers(request.aspects()) {
                    self.$module.observe(request);
                })+
            }

            /// Shows one request that will be shown as part of a run to every detector that is interested in it by
            /// itself.
            pub(super) fn observe_each(&mut self, request: &Request<'_>) {
                $(if <$module::$Type as Detector>::INTEREST.covers(request.aspects()) {
                    if <$module::$Type as Detector>::TAKES_RUNS {
                        self.$module.observe_each(request);
                    } else {
                        self.$module.observe(request);
                    }
                })+
            }

            /// Shows what one caller did to every detector that takes runs and is interested in the caller.
            pub(super) fn observe_presence(&mut self, presence: &Presence) {
                $(if <$module::$Type as Detector>::TAKES_RUNS
                    && <$module::$Type as Detector>::INTEREST.covers(presence.caller.aspects)
                {
                    self.$module.observe_presence(presence);
                })+
            }

            /// Shows one run to every detector that takes runs and is interested in what it is.
            pub(super) fn observe_run(&mut self, run: &Run) {
                $(if <$module::$Type as Detector>::TAKES_RUNS
                    && <$module::$Type as Detector>::INTEREST.covers(run.aspects)
                {
                    self.$module.observe_run(run);
                })+
            }

            /// Shows every detector one request, interested or not: what [`Detectors::observe`] must come to.
            pub fn observe_all(&mut self, request: &Request<'_>) {
                $(self.$module.observe(request);)+
            }

            /// Adds what another set has noted; the order does not matter.
            pub fn merge(&mut self, other: Self) {
                for merge in self.merges(other) {
                    merge();
                }
            }

            /// [`Detectors::merge`], detector by detector: to be called in any order, on any threads.
            pub fn merges(&mut self, other: Self) -> Vec<Box<dyn FnOnce() + Send + '_>> {
                vec![$(Box::new({
                    let (ours, theirs) = (&mut self.$module, other.$module);
                    move || ours.merge(theirs)
                })),+]
            }

            /// The findings of every detector that `wanted` says yes to, unsorted.
            pub fn finish(
                &self,
                context: &Context<'_>,
                wanted: impl Fn(&str) -> bool,
            ) -> Vec<$crate::finding::Finding> {
                let finishes = self.finishes(context, wanted).into_iter();
                finishes.flat_map(|finish| finish()).collect()
            }

            /// [`Detectors::finish`], detector by detector: to be called in any order, on any threads.
            pub fn finishes<'a>(
                &'a self,
                context: &'a Context<'_>,
                wanted: impl Fn(&str) -> bool,
            ) -> Vec<Box<dyn FnOnce() -> Vec<$crate::finding::Finding> + Send + 'a>> {
                let mut finishes: Vec<Box<dyn FnOnce() -> Vec<_> + Send + 'a>> = Vec::new();
                $(if wanted(<$module::$Type as Detector>::ABOUT.id) {
                    finishes.push(Box::new(|| $crate::detect::about::in_one_line(self.$module.finish(context))));
                })+
                finishes
            }

            /// What every detector could see, in the order of the registry.
            #[must_use]
            pub fn coverage(
                &self,
                log: &LogFacts,
                settings: &Settings,
            ) -> Vec<(&'static About, Coverage)> {
                vec![$((
                    <$module::$Type as Detector>::ABOUT,
                    self.$module.coverage_under(log, settings),
                )),+]
            }

            /// What of it is still worth knowing once the days before `cutoff` are forgotten, this state's among
            /// them. Merges with other states as before.
            #[must_use]
            pub fn outlive(self, cutoff: $crate::finding::Timestamp) -> Self {
                Self {
                    $($module: self.$module.outlive(cutoff),)+
                }
            }
        }
    };
}
