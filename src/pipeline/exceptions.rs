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

use super::{ExceptionUse, Exceptions, Options};

/// Findings that are known and accepted, until a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The detector's id; `*` for any.
    pub detector: String,
    /// Whom it is about: `namespace/name` of a ServiceAccount, or the name of anything else.
    pub account: AccountPattern,
    /// Worse findings are not covered.
    pub severity_at_most: Severity,
    /// Why it is accepted.
    pub reason: String,
    /// The last day on which it holds (UTC).
    pub expires: NaiveDate,
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
        (self.detector == "*" || self.detector == finding.detector)
            && finding.severity <= self.severity_at_most
            && self.account.matches(&finding.subject)
    }

    fn used(&self, findings: u64) -> ExceptionUse {
        ExceptionUse {
            detector: self.detector.clone(),
            account: self.account.0.clone(),
            reason: self.reason.clone(),
            expires: self.expires.to_string(),
            findings,
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
        let count = findings.iter().filter(|f| exception.covers(f)).count();
        let used = exception.used(count as u64);
        if today > exception.expires {
            report.expired.push(used);
        } else if count == 0 {
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

/// From all findings of the selected detectors to those that are reported: exceptions first, so that
/// one for a mild finding is not called unused under `--min-severity`, then the severity, then order:
/// the most severe first, then by detector, subject and fingerprint.
///
/// Exceptions for detectors that were left out are not judged at all.
#[must_use]
pub fn settle(findings: Vec<Finding>, options: &Options) -> (Vec<Finding>, Exceptions) {
    let mut exceptions = options.exceptions.clone();
    exceptions.retain(|e| e.detector == "*" || options.selection.wants(&e.detector));
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
            detector: detector.to_owned(),
            account: AccountPattern::new(account),
            severity_at_most: Severity::High,
            reason: "known".to_owned(),
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
}
