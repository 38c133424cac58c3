//! How findings hang together: by account, by credential and by time.
//!
//! A thief leaves several findings: the probing, the binding, the token that was minted, what was done with
//! it. Each is about one account; what ties them is that one names the other's account, or that both saw the
//! same credential. Whatever hangs together becomes one story.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Finding, Severity, Subject, SubjectKind, Timestamp, fingerprint};

/// Findings about one account further apart than this are not taken for one matter (an hour, in
/// microseconds). A credential ties at any distance.
const SAME_MATTER: i64 = 3_600_000_000;

/// Whom and what a finding is about beside its subject.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Involved {
    /// Accounts and users: whom a token was made for, who was impersonated, who was granted a role.
    pub subjects: BTreeSet<Subject>,
    /// Credential IDs (`authentication.kubernetes.io/credential-id`), as logged.
    pub credentials: BTreeSet<String>,
}

/// Another finding about the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// The other finding's fingerprint.
    pub fingerprint: String,
    /// Its detector.
    pub detector: String,
    /// Its subject.
    pub subject: Subject,
    /// What both are about: `account shop/web`, `user alice`, `credential JTI=…`.
    pub by: Vec<String>,
}

/// Findings that hang together and tell more than each alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// Names the same story from run to run as long as its first finding stays.
    pub id: String,
    /// The gravest of its findings.
    pub severity: Severity,
    /// Everybody whom its findings are about, in the order of their appearance.
    pub subjects: Vec<Subject>,
    /// When it began.
    pub first_seen: Option<Timestamp>,
    /// When it ended.
    pub last_seen: Option<Timestamp>,
    /// The fingerprints of its findings, by the time of their first event.
    pub findings: Vec<String>,
}

impl Finding {
    /// How many other findings one names.
    pub const MOST_RELATED: usize = 10;

    /// Everything that the finding can be recognised by, in words.
    fn handles(&self) -> BTreeSet<Handle<'_>> {
        let subjects = self.involves.subjects.iter().chain([&self.subject]);
        let subjects = subjects
            .filter(|subject| subject.is_somebody())
            .map(Handle::Subject);
        let credentials = self
            .involves
            .credentials
            .iter()
            .map(|id| Handle::Credential(id));
        subjects.chain(credentials).collect()
    }

    /// Whether less than an hour lies between this finding's time and the other's.
    fn is_near(&self, other: &Self) -> bool {
        let gap = |earlier: Option<Timestamp>, later: Option<Timestamp>| match (earlier, later) {
            (Some(end), Some(start)) => start.micros().saturating_sub(end.micros()),
            _ => 0,
        };
        gap(self.last_seen, other.first_seen) <= SAME_MATTER
            && gap(other.last_seen, self.first_seen) <= SAME_MATTER
    }
}

impl Subject {
    /// Whether it is an account or user, and not a log or a server.
    fn is_somebody(&self) -> bool {
        matches!(self.kind, SubjectKind::ServiceAccount | SubjectKind::User)
    }
}

/// What two findings can have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Handle<'a> {
    Subject(&'a Subject),
    Credential(&'a str),
}

impl Handle<'_> {
    fn in_words(self) -> String {
        match self {
            Self::Subject(subject) if subject.kind == SubjectKind::ServiceAccount => {
                format!("account {subject}")
            }
            Self::Subject(subject) => format!("user {subject}"),
            Self::Credential(id) => format!("credential {id}"),
        }
    }
}

/// The findings by what they can be recognised by.
fn by_handle(findings: &[Finding]) -> BTreeMap<Handle<'_>, Vec<usize>> {
    let mut index: BTreeMap<Handle<'_>, Vec<usize>> = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate() {
        for handle in finding.handles() {
            index.entry(handle).or_default().push(at);
        }
    }
    index
}

/// What ties `one` to `other`.
fn ties(handle: Handle<'_>, one: &Finding, other: &Finding) -> bool {
    match handle {
        Handle::Credential(_) => true,
        Handle::Subject(_) => one.is_near(other),
    }
}

/// Tells each finding of the others about the same. `findings` stand in their order of severity, and so do
/// those that each one names.
pub fn relate(findings: &mut [Finding]) {
    let index = by_handle(findings);
    let related: Vec<Vec<Related>> = findings
        .iter()
        .enumerate()
        .map(|(at, finding)| {
            let mut others: BTreeMap<usize, Vec<String>> = BTreeMap::new();
            for handle in finding.handles() {
                let same = index.get(&handle).into_iter().flatten();
                let same = same.filter(|&&o| o != at && ties(handle, finding, &findings[o]));
                for &other in same.take(Finding::MOST_RELATED) {
                    others.entry(other).or_default().push(handle.in_words());
                }
            }
            let named = others.into_iter().take(Finding::MOST_RELATED);
            let name = |(other, by): (usize, Vec<String>)| Related {
                fingerprint: findings[other].fingerprint.clone(),
                detector: findings[other].detector.clone(),
                subject: findings[other].subject.clone(),
                by,
            };
            named.map(name).collect()
        })
        .collect();
    for (finding, related) in findings.iter_mut().zip(related) {
        finding.related = related;
    }
}

/// The stories that the findings tell: those of medium and above that hang together, if one of them is high
/// and they come from at least two detectors. The gravest first, then by time.
#[must_use]
pub fn stories(findings: &[Finding]) -> Vec<Story> {
    let told: Vec<&Finding> = findings
        .iter()
        .filter(|f| f.severity >= Severity::Medium)
        .collect();
    let mut groups = Groups::new(told.len());
    let mut last: BTreeMap<Handle<'_>, Vec<usize>> = BTreeMap::new();
    for (at, finding) in told.iter().enumerate() {
        for handle in finding.handles() {
            let same = last.entry(handle).or_default();
            for &other in same
                .iter()
                .filter(|&&other| ties(handle, finding, told[other]))
            {
                groups.join(at, other);
            }
            same.push(at);
        }
    }
    let mut members: BTreeMap<usize, Vec<&Finding>> = BTreeMap::new();
    for (at, finding) in told.iter().enumerate() {
        members.entry(groups.of(at)).or_default().push(finding);
    }
    let mut stories: Vec<Story> = members.into_values().filter_map(story).collect();
    stories.sort_by(|a, b| {
        (b.severity.cmp(&a.severity))
            .then_with(|| a.first_seen.cmp(&b.first_seen))
            .then_with(|| a.id.cmp(&b.id))
    });
    stories
}

fn story(mut members: Vec<&Finding>) -> Option<Story> {
    members.sort_by_key(|f| (f.first_seen, &f.detector, &f.subject, &f.fingerprint));
    let severity = members.iter().map(|f| f.severity).max()?;
    let detectors: BTreeSet<&str> = members.iter().map(|f| f.detector.as_str()).collect();
    if severity < Severity::High || detectors.len() < 2 {
        return None;
    }
    let first = members.first()?;
    let mut subjects: Vec<Subject> = Vec::new();
    for finding in &members {
        if !subjects.contains(&finding.subject) {
            subjects.push(finding.subject.clone());
        }
    }
    Some(Story {
        id: fingerprint("story", &first.subject, &[&first.fingerprint]),
        severity,
        subjects,
        first_seen: first.first_seen,
        last_seen: members.iter().filter_map(|f| f.last_seen).max(),
        findings: members.iter().map(|f| f.fingerprint.clone()).collect(),
    })
}

/// Which of so many things belong together: each group is called by its smallest member.
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn of(&self, mut at: usize) -> usize {
        while self.0[at] != at {
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.of(one), self.of(other));
        let (small, large) = (one.min(other), one.max(other));
        self.0[large] = small;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(detector: &str, name: &str, severity: Severity, minute: i64) -> Finding {
        let subject = Subject::service_account("ops", name);
        let time = Some(Timestamp::from_micros(minute * 60_000_000));
        Finding {
            severity,
            count: 1,
            first_seen: time,
            last_seen: time,
            ..Finding::of(detector, subject)
        }
    }

    #[test]
    fn a_minted_token_ties_its_maker_to_its_user() {
        let mut minted = finding("token-minted", "intruder", Severity::High, 10);
        minted.involves.credentials.insert("JTI=1".to_owned());
        let mut used = finding("secret-listing", "super", Severity::High, 5000);
        used.involves.credentials.insert("JTI=1".to_owned());
        let probing = finding("denied-probing", "intruder", Severity::Medium, 1);
        let long_ago = finding("workload-exec", "intruder", Severity::High, 200);
        let stranger = finding("secret-listing", "other", Severity::High, 10);
        let mut all = vec![minted, used, probing, long_ago, stranger];
        relate(&mut all);
        let names =
            |f: &Finding| -> Vec<String> { f.related.iter().flat_map(|r| r.by.clone()).collect() };
        assert_eq!(names(&all[0]), ["credential JTI=1", "account ops/intruder"]);
        assert_eq!(names(&all[1]), ["credential JTI=1"]);
        assert!(names(&all[3]).is_empty() && names(&all[4]).is_empty());
        let told = stories(&all);
        assert_eq!(told.len(), 1);
        let order = [&all[2], &all[0], &all[1]].map(|f| f.fingerprint.clone());
        assert_eq!(told[0].findings, order);
        assert_eq!(told[0].subjects.len(), 2);
    }

    #[test]
    fn mild_findings_tell_no_story() {
        let low = finding("a", "x", Severity::Low, 1);
        let medium = finding("b", "x", Severity::Medium, 1);
        assert!(stories(&[medium.clone(), low]).is_empty());
        assert!(stories(&[medium, finding("c", "x", Severity::Medium, 1)]).is_empty());
    }
}
