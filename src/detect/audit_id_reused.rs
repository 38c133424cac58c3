//! Audit IDs that stand for more than one request.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::finding::{Attribute, Evidence, Finding, Remediation, Severity, Step, Subject};

use super::{
    About, Context, Coverage, Detector, EvidenceSet, Interest, LogFacts, PerAccount, Presence,
    audit_ids::{self, Sample, Sighting, Used},
    by_seat::BySeat,
    caller::{self, SHOWN},
    draft::draft,
    request::Request,
    shell::quote,
};

about! {
    /// # What it finds
    ///
    /// Audit IDs that several requests carry: with another time, verb or URI, and so not one request that was
    /// logged twice. One finding for each user who sent such requests. kube-apiserver makes the ID, a random
    /// UUID, unless the client sends a header `Audit-ID`: then that text is logged as it is, unchecked
    /// (apiserver `pkg/endpoints/filters/audit_init.go`). Nothing but a client makes two of them alike.
    ///
    /// The severity is `low`, and `medium` if at least three requests with one ID changed something, read
    /// secrets, made tokens or went into pods. An ID that another user's earlier request has is reported of who
    /// came later.
    ///
    /// # Why it matters
    ///
    /// Whoever counts or removes duplicates by audit ID alone sees one request where there were hundreds: a
    /// client that sends a constant ID hides the rest behind the first. It also writes text of its own choice
    /// into every log and page that shows the ID.
    ///
    /// # Known benign causes
    ///
    /// - Aggregated API servers (OpenShift's, metrics-server) log a request that kube-apiserver passes on to
    ///   them in their own log, with the same ID and their own times. Two of one user, verb and URI, within two
    ///   seconds, in a group that is not Kubernetes' own, are not reported.
    /// - The same line in a rotated and a live file, or delivered twice, is one request.
    /// - Gateways and tests that send an `Audit-ID` to find their requests again, and repeat it on a retry.
    ///
    /// # What to do
    ///
    /// Look at the requests themselves (`evidence` has file and line), and at how your pipeline removes
    /// duplicates: by audit ID, time, verb and URI together, as satrail does, or not at all.
    ///
    /// # Attributes
    ///
    /// - `reused`: the IDs, those with the most requests first: `audit_id`, `requests`, `grave` (those that
    ///   changed something, read secrets, made tokens or entered pods), `kinds` (different verbs and URIs),
    ///   `other_users`, `first_seen`, `last_seen`
    /// - `reused_ids`: how many IDs there are; `grave`: the most grave requests that one of them covers
    /// - `client_chosen`: the user's requests whose ID is not shaped like the server's; `requests_total`: all
    ///   of the user's requests
    /// - `exact`: whether all of the user's audit IDs could be compared
    ///
    /// Bounded: of each user 128 IDs that look like the server's are remembered, those with the smallest
    /// hashes, and 64 others; of each ID 16 requests (`requests` counts the others too, repeated lines
    /// included). So with users who send more requests than that a single pair is mostly missed. IDs of a form
    /// that no server makes are seldom missed.
    ///
    /// # Example
    ///
    /// ```text
    /// low  audit-id-reused  kubernetes-admin  2 requests
    ///   reused: client-chosen-1 2    client_chosen: 4
    /// ```
    "audit-id-reused",
    "One audit ID stands for several requests",
    [INDICATOR_REMOVAL, MASQUERADING],
}

/// How many grave requests with one ID are many.
const MANY: u64 = 3;

/// Audit IDs by user name, empty for requests without a user.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct AuditIdReused {
    users: PerAccount<Sample>,
    /// No state: which IDs are not kept is known without looking at the user's others.
    #[serde(skip)]
    largest: BySeat<u64>,
}

/// The hash of an ID, a user, and what it used the ID for.
type Owned<'a> = (u64, &'a str, Used<'a>);

/// An ID that a user has reused.
struct Reused<'a> {
    id: String,
    uses: &'a Used<'a>,
    others: BTreeSet<&'a str>,
}

impl Detector for AuditIdReused {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::EVERYTHING;
    const TAKES_RUNS: bool = true;

    fn observe(&mut self, event: &Request<'_>) {
        self.users.note_user(event, |sample| sample.add(event));
    }

    fn observe_presence(&mut self, presence: &Presence) {
        let count = presence.batch.count();
        self.users
            .note_caller(&presence.caller, |sample| sample.count(count));
    }

    fn observe_each(&mut self, event: &Request<'_>) {
        let largest = self.largest.get(event.caller);
        if largest.is_some_and(|largest| audit_ids::is_beyond(largest, event)) {
            return;
        }
        let known = &mut self.largest;
        self.users.note_user(event, |sample| {
            if let Some(largest) = sample.keep(event) {
                known.set(event.caller, largest);
            }
        });
    }

    fn merge(&mut self, other: Self) {
        self.users.merge(other.users);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let users = self.users.sorted();
        let ids = of_several_requests(&users);
        let mut reused: BTreeMap<&str, Vec<Reused<'_>>> = BTreeMap::new();
        for owners in ids.chunk_by(|a, b| a.0 == b.0) {
            if owners.len() == 1 && owners[0].2.count() == 1 {
                continue;
            }
            for (_, user, uses) in owners {
                let found = reused_of(user, uses, owners);
                reused.entry(user).or_default().extend(found);
            }
        }
        let findings = users.into_iter().filter_map(|(user, sample)| {
            let reused = reused.remove(user).filter(|reused| !reused.is_empty())?;
            Some(finding(user, sample, reused, context))
        });
        findings.collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let without: u64 = self.users.states().map(Sample::without_id).sum();
        let judged = log.requests.saturating_sub(without);
        Coverage {
            evaluated: judged,
            blind: (judged == 0).then(|| "no request of the log has an audit ID".to_owned()),
        }
    }
}

/// The IDs of `users` that stand for several requests, be they the same user's or not, by hash and user.
fn of_several_requests<'a>(users: &[(&'a str, &'a Sample)]) -> Vec<Owned<'a>> {
    let all = users.iter().enumerate();
    let all = all.flat_map(|(n, (_, sample))| sample.hashes().map(move |hash| (hash, n)));
    let mut all: Vec<(u64, usize)> = all.collect();
    all.sort_unstable();
    // Nearly all of them were made by the server and used once.
    let several = all.chunk_by(|a, b| a.0 == b.0).filter(|ids| ids.len() > 1);
    let mut several: Vec<(usize, u64)> = several.flatten().map(|&(hash, n)| (n, hash)).collect();
    several.sort_unstable();
    let of_users = several.chunk_by(|a, b| a.0 == b.0);
    let of_users = of_users.filter_map(|ids| Some((users.get(ids.first()?.0)?, ids)));
    let ids = of_users.flat_map(|(&(user, sample), wanted)| {
        let ids = sample.ids();
        let ids = ids.filter(|(hash, _)| wanted.binary_search_by_key(hash, |id| id.1).is_ok());
        ids.map(move |(hash, uses)| (hash, user, uses))
    });
    let mut ids: Vec<Owned<'_>> = ids.collect();
    ids.sort_unstable_by_key(|&(hash, user, _)| (hash, user));
    ids
}

/// What `user` has reused of an ID: an own one, or one that somebody else's earlier request has.
fn reused_of<'a>(user: &str, uses: &'a Used<'a>, owners: &[Owned<'a>]) -> Option<Reused<'a>> {
    let mine = uses.requests();
    let others = owners.iter().filter(|(_, other, _)| *other != user);
    let first = mine.first()?.time;
    let earlier: BTreeSet<&str> = others
        .filter(|(_, _, theirs)| {
            theirs
                .requests()
                .first()
                .is_some_and(|other| other.time <= first)
        })
        .map(|(_, other, _)| *other)
        .collect();
    let again = mine.len() > 1 && !is_passed_on(&mine);
    (again || !earlier.is_empty()).then(|| Reused {
        id: uses.id(),
        uses,
        others: earlier,
    })
}

/// Whether these two are one request that kube-apiserver passed on to an aggregated API server.
fn is_passed_on(requests: &[&Sighting]) -> bool {
    let [first, second] = requests else {
        return false;
    };
    let apart = match (first.time, second.time) {
        (Some(first), Some(second)) => second.micros().saturating_sub(first.micros()),
        _ => return false,
    };
    first.aggregated && first.what == second.what && apart <= 2_000_000
}

impl Reused<'_> {
    fn grave(&self) -> u64 {
        self.uses
            .requests()
            .iter()
            .filter(|request| request.grave)
            .count() as u64
    }

    fn attribute(&self) -> Attribute {
        let requests = self.uses.requests();
        let kinds: BTreeSet<u64> = requests.iter().map(|request| request.what).collect();
        let others: Vec<String> = self
            .others
            .iter()
            .take(SHOWN)
            .map(|&user| user.to_owned())
            .collect();
        let fields: [(&str, Attribute); 7] = [
            ("audit_id", self.id.as_str().into()),
            ("requests", self.uses.count().into()),
            ("grave", self.grave().into()),
            ("kinds", (kinds.len() as u64).into()),
            ("other_users", others.into()),
            ("first_seen", requests.first().and_then(|r| r.time).into()),
            ("last_seen", requests.last().and_then(|r| r.time).into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

fn subject_of(user: &str) -> Subject {
    match user {
        // A 401: whoever it was.
        "" => Subject::audit_log(),
        user => caller::subject(user),
    }
}

fn finding(
    user: &str,
    sample: &Sample,
    mut reused: Vec<Reused<'_>>,
    context: &Context<'_>,
) -> Finding {
    reused.sort_by(|a, b| (b.uses.count().cmp(&a.uses.count())).then_with(|| a.id.cmp(&b.id)));
    let grave = reused.iter().map(Reused::grave).max().unwrap_or(0);
    let count: u64 = reused.iter().map(|reused| reused.uses.count()).sum();
    let shown: Vec<Attribute> = reused.iter().take(SHOWN).map(Reused::attribute).collect();
    let fields: [(&str, Attribute); 6] = [
        ("reused", Attribute::List(shown)),
        ("reused_ids", (reused.len() as u64).into()),
        ("grave", grave.into()),
        ("client_chosen", sample.chosen_by_client().into()),
        ("requests_total", sample.requests().into()),
        ("exact", sample.is_exact().into()),
    ];
    let times = || {
        reused
            .iter()
            .flat_map(|r| r.uses.requests())
            .filter_map(|r| r.time)
    };
    let subject = subject_of(user);
    let others: BTreeSet<&str> = reused
        .iter()
        .flat_map(|reused| reused.others.iter().copied())
        .collect();
    let draft = draft(&ABOUT, subject, &[], &EvidenceSet::default(), context);
    let mut finding = Finding {
        severity: if grave >= MANY {
            Severity::Medium
        } else {
            Severity::Low
        },
        count,
        first_seen: times().min(),
        last_seen: times().max(),
        summary: summary(&draft.subject, &reused, count, !others.is_empty()),
        attributes: fields.map(|(name, value)| (name.to_owned(), value)).into(),
        evidence: evidence(&reused, context),
        remediation: remediation(&reused),
        ..draft
    };
    let others = others.into_iter().filter(|user| !user.is_empty());
    finding
        .involves
        .subjects
        .extend(others.map(caller::subject));
    finding
}

/// The first requests with the IDs that stand for the most.
fn evidence(reused: &[Reused<'_>], context: &Context<'_>) -> Vec<Evidence> {
    let mut evidence: Vec<Evidence> = reused
        .iter()
        .take(3)
        .flat_map(|reused| {
            let requests = reused.uses.requests().into_iter().take(3);
            requests.map(|request| {
                let place = context.place(request.identity, request.origin);
                Evidence {
                    time: request.time,
                    audit_id: Some(reused.id.clone()),
                    file: place.file,
                    line: Some(place.line),
                }
            })
        })
        .collect();
    evidence.sort_unstable();
    evidence
}

fn summary(subject: &Subject, reused: &[Reused<'_>], count: u64, others: bool) -> String {
    let who = match subject.name.as_str() {
        "audit log" => "somebody unauthenticated".to_owned(),
        _ => subject.to_string(),
    };
    let ids = match reused {
        [one] => format!("the audit ID {}", one.id),
        all => format!("{} audit IDs", all.len()),
    };
    let others = if others {
        ", which another user's request had before"
    } else {
        ""
    };
    format!(
        "{who} sent {count} requests with {ids}{others}: clients may choose it, and hide from whoever removes \
         duplicates by it; look at the requests themselves"
    )
}

/// What a line with the ID has in it: JSON as Go writes it, without the closing quote, since long IDs are cut.
fn in_the_log(id: &str) -> String {
    let mut json = serde_json::Value::from(id).to_string();
    json.pop();
    for (character, escape) in [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026")] {
        json = json.replace(character, escape);
    }
    format!("\"auditID\":{json}")
}

fn remediation(reused: &[Reused<'_>]) -> Remediation {
    let steps = reused.iter().take(3).map(|reused| Step {
        text: "see all requests with the ID (put your log's files for LOG)".to_owned(),
        command: Some(format!(
            "grep --no-filename --fixed-strings -e {} LOG",
            quote(&in_the_log(&reused.id))
        )),
    });
    let mut steps: Vec<Step> = steps.collect();
    steps.push(Step {
        text: "make sure that nothing in the log's pipeline removes duplicates by audit ID alone"
            .to_owned(),
        command: None,
    });
    Remediation {
        summary: "look at all requests with the ID, and never take the audit ID alone for a key"
            .to_owned(),
        steps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_searched_for_as_it_stands_in_the_log() {
        assert_eq!(in_the_log("../../x y"), r#""auditID":"../../x y"#);
        assert_eq!(
            in_the_log("a\"<b>&\n"),
            r#""auditID":"a\"\u003cb\u003e\u0026\n"#
        );
    }
}
