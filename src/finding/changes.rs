//! What became of findings from one report to a later one.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Finding, Severity};

/// Two reports beside each other; findings are the same if their fingerprints are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changes {
    /// Only in the later report, in its order.
    pub new: Vec<Finding>,
    /// In both, and there is more of it or it is graver, in the order of the later one.
    pub grown: Vec<Grown>,
    /// Only in the earlier report, in its order.
    pub resolved: Vec<Finding>,
    /// How many stand in both and have not grown.
    pub unchanged: u64,
}

/// A finding of which there is more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Grown {
    /// As it is now.
    pub finding: Finding,
    /// How many requests it stood for.
    pub count_before: u64,
    /// How bad it was.
    pub severity_before: Severity,
}

impl Changes {
    /// What became of `old` in `new`.
    #[must_use]
    pub fn between(old: &[Finding], new: &[Finding]) -> Self {
        let by_fingerprint = |findings: &'_ [Finding]| -> BTreeMap<String, usize> {
            let all = findings.iter().enumerate();
            all.map(|(at, f)| (f.fingerprint.clone(), at)).collect()
        };
        let (before, after) = (by_fingerprint(old), by_fingerprint(new));
        let mut changes = Self {
            new: Vec::new(),
            grown: Vec::new(),
            resolved: Vec::new(),
            unchanged: 0,
        };
        for finding in new {
            let known = before.get(&finding.fingerprint);
            match known.and_then(|&at| old.get(at)) {
                None => changes.new.push(finding.clone()),
                Some(known) if known.count < finding.count || known.severity < finding.severity => {
                    changes.grown.push(Grown {
                        finding: finding.clone(),
                        count_before: known.count,
                        severity_before: known.severity,
                    });
                }
                Some(_) => changes.unchanged += 1,
            }
        }
        let gone = old.iter().filter(|f| !after.contains_key(&f.fingerprint));
        changes.resolved = gone.cloned().collect();
        changes
    }

    /// The gravest of what is new or has grown.
    #[must_use]
    pub fn gravest(&self) -> Option<Severity> {
        let grown = self.grown.iter().map(|grown| &grown.finding);
        self.new
            .iter()
            .chain(grown)
            .map(|finding| finding.severity)
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Subject;

    fn finding(name: &str, severity: Severity, count: u64) -> Finding {
        Finding {
            severity,
            count,
            ..Finding::of("secret-listing", Subject::service_account("shop", name))
        }
    }

    #[test]
    fn new_grown_resolved_and_the_rest() {
        use Severity::{High, Low, Medium};
        let old = [
            finding("same", High, 5),
            finding("less", High, 5),
            finding("more", Low, 5),
            finding("graver", Low, 5),
            finding("gone", High, 5),
        ];
        let new = [
            finding("graver", Medium, 1),
            finding("less", High, 4),
            finding("more", Low, 6),
            finding("new", Low, 1),
            finding("same", High, 5),
        ];
        let changes = Changes::between(&old, &new);
        let names = |findings: &[Finding]| -> Vec<String> {
            findings.iter().map(|f| f.subject.name.clone()).collect()
        };
        assert_eq!(names(&changes.new), ["new"]);
        assert_eq!(names(&changes.resolved), ["gone"]);
        let grown: Vec<_> = changes.grown.iter().map(|g| g.finding.clone()).collect();
        assert_eq!(names(&grown), ["graver", "more"]);
        assert_eq!(changes.unchanged, 2);
        assert_eq!(changes.gravest(), Some(Medium));
        assert_eq!(Changes::between(&new, &new).gravest(), None);
    }
}
