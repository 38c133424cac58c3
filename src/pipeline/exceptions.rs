//! Exceptions: findings that somebody has looked at and accepted, with a reason and a last day.
//!
//! An exception takes findings out of the report and leaves its own trace there instead. When its day
//! has passed the findings are back, and the report says so; one that matches nothing is named too, so
//! that the list does not outlive what it was made for.

use chrono::NaiveDate;

use crate::{
    detect::matches_pattern,
    finding::{Finding, Severity, Subject},
};

use super::{ExceptionUse, Exceptions, Options, Selection};

/// Findings that are known and accepted, until a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Which findings.
    pub matter: Matter,
    /// Worse findings are not covered.
    pub severity_at_most: Severity,
    /// Why it is accepted.
    pub reason: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The last day on which it holds (UTC).
    pub expires: NaiveDate,
}

/// Which findings an exception is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matter {
    /// What a detector says of some accounts, now and in time to come.
    Accounts {
        /// The detector's id; `*` for any.
        detector: String,
        /// Whom it is about: `namespace/name` of a ServiceAccount, or the name of anything else.
        account: AccountPattern,
    },
    /// One finding, by its fingerprint: the same matter in every run, and nothing beside it.
    Fingerprint(String),
}

/// `namespace/name` with `*` for any run of characters on either side of the slash.
///
/// The two sides are compared one by one. A user may be called `shop/web` by whoever issues
/// certificates, and is then still not the ServiceAccount `shop/web`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountPattern(String);

impl AccountPattern {
    /// Takes the pattern as written.
    #[must_use]
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `subject` is meant. `*` alone means everything.
    #[must_use]
    pub fn matches(&self, subject: &Subject) -> bool {
        if self.0 == "*" {
            return true;
        }
        match &subject.namespace {
            Some(namespace) => self.matches_account(namespace, &subject.name),
            None => !self.0.contains('/') && matches_pattern(&self.0, &subject.name),
        }
    }

    /// Whether the ServiceAccount `namespace/name` is meant.
    #[must_use]
    pub fn matches_account(&self, namespace: &str, name: &str) -> bool {
        self.0 == "*"
            || self.0.split_once('/').is_some_and(|(namespaces, names)| {
                matches_pattern(namespaces, namespace) && matches_pattern(names, name)
            })
    }
}

impl Exception {
    fn covers(&self, finding: &Finding) -> bool {
        finding.severity <= self.severity_at_most && self.matter.is_of(finding)
    }

    /// What it did: `covered` are the findings that it is about, whatever day it is.
    fn used(&self, covered: &[&Finding]) -> ExceptionUse {
        let (detector, account, fingerprint) = self.matter.in_words(covered);
        ExceptionUse {
            detector,
            account,
            fingerprint,
            reason: self.reason.clone(),
            owner: self.owner.clone(),
            expires: self.expires.to_string(),
            findings: covered.len() as u64,
        }
    }
}

impl Matter {
    fn is_of(&self, finding: &Finding) -> bool {
        match self {
            Self::Accounts { detector, account } => {
                (detector == "*" || *detector == finding.detector)
                    && account.matches(&finding.subject)
            }
            Self::Fingerprint(fingerprint) => *fingerprint == finding.fingerprint,
        }
    }

    /// Detector, account and fingerprint. A fingerprint says neither of the others: they are taken from the
    /// finding that has it, if there is one.
    fn in_words(&self, covered: &[&Finding]) -> (String, String, Option<String>) {
        match self {
            Self::Accounts { detector, account } => (detector.clone(), account.0.clone(), None),
            Self::Fingerprint(fingerprint) => {
                let any = || "*".to_owned();
                let found = covered.first();
                let detector = found.map_or_else(any, |finding| finding.detector.clone());
                let account = found.map_or_else(any, |finding| finding.subject.to_string());
                (detector, account, Some(fingerprint.clone()))
            }
        }
    }

    /// Whether this run can tell if it matches anything: not if its detector was left out. Which detector a
    /// fingerprint is of shows only where there is a finding that has it.
    fn is_judged(&self, findings: &[Finding], selection: &Selection) -> bool {
        match self {
            Self::Accounts { detector, .. } => detector == "*" || selection.wants(detector),
            Self::Fingerprint(_) => {
                selection.is_everything() || findings.iter().any(|finding| self.is_of(finding))
            }
        }
    }
}

/// Splits findings into those that stay and what the exceptions did. `today` decides what has expired:
/// an exception holds on its last day and not on the next.
#[must_use]
pub fn apply_exceptions(
    mut findings: Vec<Finding>,
    exceptions: &[Exception],
    today: NaiveDate,
) -> (Vec<Finding>, Exceptions) {
    let mut report = Exceptions::default();
    for exception in exceptions {
        let covered = findings.iter().filter(|f| exception.covers(f));
        let used = exception.used(&covered.collect::<Vec<_>>());
        if today > exception.expires {
            report.expired.push(used);
        } else if used.findings == 0 {
            report.unused.push(used);
        } else {
            report.applied.push(used);
        }
    }
    let holds = |finding: &Finding| {
        exceptions
            .iter()
            .any(|exception| today <= exception.expires && exception.covers(finding))
    };
    findings.retain(|finding| !holds(finding));
    (findings, report)
}

impl Options {
    /// Whether a finding's detector is selected and it is bad enough.
    #[must_use]
    pub fn asks_for(&self, finding: &Finding) -> bool {
        self.selection.wants(&finding.detector) && finding.severity >= self.min_severity
    }

    /// Whether a finding is reported: its detector is selected, it is bad enough, and no exception of today covers
    /// it.
    #[must_use]
    pub fn reports(&self, finding: &Finding) -> bool {
        let holds =
            |exception: &&Exception| self.today <= exception.expires && exception.covers(finding);
        self.asks_for(finding) && !self.exceptions.iter().any(|exception| holds(&exception))
    }
}

/// From all findings of the selected detectors to those that are reported: exceptions first, so that
/// one for a mild finding is not called unused under `--min-severity`, then the severity, then order:
/// the most severe first, then by detector, subject and fingerprint.
///
/// Exceptions for detectors that were left out are not judged at all.
#[must_use]
pub fn settle(findings: Vec<Finding>, options: &Options) -> (Vec<Finding>, Exceptions) {
    let mut exceptions = options.exceptions.clone();
    exceptions.retain(|e| e.matter.is_judged(&findings, &options.selection));
    let (mut findings, report) = apply_exceptions(findings, &exceptions, options.today);
    findings.retain(|finding| finding.severity >= options.min_severity);
    findings.sort_by(|a, b| {
        (b.severity.cmp(&a.severity))
            .then_with(|| a.detector.cmp(&b.detector))
            .then_with(|| a.subject.cmp(&b.subject))
            .then_with(|| a.fingerprint.cmp(&b.fingerprint))
    });
    (findings, report)
}

#[cfg(test)]
mod tests {
    use crate::finding::SubjectKind;

    use super::*;

    fn finding(detector: &str, severity: Severity, subject: Subject) -> Finding {
        Finding {
            severity,
            count: 1,
            ..Finding::of(detector, subject)
        }
    }

    fn exception(detector: &str, account: &str, expires: &str) -> Exception {
        Exception {
            matter: Matter::Accounts {
                detector: detector.to_owned(),
                account: AccountPattern::new(account),
            },
            severity_at_most: Severity::High,
            reason: "known".to_owned(),
            owner: None,
            expires: day(expires),
        }
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_matches_side_by_side() {
        let web = Subject::service_account("shop", "web");
        for (pattern, expected) in [
            ("shop/web", true),
            ("shop/*", true),
            ("*/web", true),
            ("s*p/w*b", true),
            ("*", true),
            ("*/*", true),
            ("shop", false),
            ("shop/we", false),
            ("*web", false),
            ("shop/web*x", false),
        ] {
            assert_eq!(
                AccountPattern::new(pattern).matches(&web),
                expected,
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_user_with_a_slash_in_its_name_is_no_serviceaccount() {
        let user = Subject {
            kind: SubjectKind::User,
            namespace: None,
            name: "shop/web".to_owned(),
        };
        assert!(!AccountPattern::new("shop/web").matches(&user));
        assert!(!AccountPattern::new("*/*").matches(&user));
    }

    #[test]
    fn an_exception_holds_on_its_last_day_only_until_midnight() {
        let findings = || {
            let web = Subject::service_account("shop", "web");
            vec![finding("secret-listing", Severity::High, web)]
        };
        let exceptions = [exception("secret-listing", "shop/web", "2027-01-31")];
        let (kept, report) = apply_exceptions(findings(), &exceptions, day("2027-01-31"));
        assert!(kept.is_empty());
        assert_eq!(report.applied[0].findings, 1);
        let (kept, report) = apply_exceptions(findings(), &exceptions, day("2027-02-01"));
        assert_eq!(kept.len(), 1);
        assert_eq!((report.applied.len(), report.expired[0].findings), (0, 1));
    }

    #[test]
    fn an_exception_covers_up_to_its_severity_and_one_without_a_match_is_unused() {
        let web = Subject::service_account("shop", "web");
        let findings = vec![
            finding("secret-listing", Severity::Critical, web.clone()),
            finding("legacy-token", Severity::Low, web),
        ];
        let exceptions = [
            exception("*", "shop/*", "2027-01-31"),
            exception("legacy-token", "ci/*", "2027-01-31"),
        ];
        let (kept, report) = apply_exceptions(findings, &exceptions, day("2027-01-01"));
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].severity, Severity::Critical);
        assert_eq!(report.applied.len(), 1);
        assert_eq!(report.unused[0].account, "ci/*");
    }

    #[test]
    fn a_fingerprint_covers_one_finding_and_says_whose_it_is() {
        let of = |name: &str, fingerprint: &str| Finding {
            fingerprint: fingerprint.to_owned(),
            ..finding(
                "legacy-token",
                Severity::Medium,
                Subject::service_account("ci", name),
            )
        };
        let by = |fingerprint: &str| Exception {
            matter: Matter::Fingerprint(fingerprint.to_owned()),
            owner: Some("team-ci".to_owned()),
            ..exception("*", "*", "2027-01-31")
        };
        let findings = vec![of("deployer", "a"), of("runner", "b")];
        let today = day("2027-01-01");
        let (kept, report) = apply_exceptions(findings.clone(), &[by("b"), by("c")], today);
        assert_eq!(kept, [of("deployer", "a")]);
        let applied = &report.applied[0];
        let said = (applied.detector.as_str(), applied.account.as_str());
        assert_eq!(said, ("legacy-token", "ci/runner"));
        assert_eq!(applied.fingerprint.as_deref(), Some("b"));
        assert_eq!(applied.owner.as_deref(), Some("team-ci"));
        let unused = &report.unused[0];
        assert_eq!((unused.account.as_str(), unused.findings), ("*", 0));
        let mild = Exception {
            severity_at_most: Severity::Low,
            ..by("b")
        };
        assert_eq!(apply_exceptions(findings, &[mild], today).0.len(), 2);
    }

    #[test]
    fn an_exception_of_a_detector_that_was_left_out_is_not_judged() {
        let by_fingerprint = Exception {
            matter: Matter::Fingerprint("b".to_owned()),
            ..exception("*", "*", "2027-01-31")
        };
        let exceptions = vec![
            exception("secret-listing", "shop/web", "2027-01-31"),
            by_fingerprint,
        ];
        let unused = |select: &[&str]| {
            let options = Options {
                exceptions: exceptions.clone(),
                today: day("2027-01-01"),
                selection: Selection {
                    select: select.iter().map(|&id| id.to_owned()).collect(),
                    ignore: Vec::new(),
                },
                ..Options::default()
            };
            settle(Vec::new(), &options).1.unused.len()
        };
        assert_eq!(unused(&[]), 2);
        assert_eq!(unused(&["legacy-token"]), 0);
    }
}
