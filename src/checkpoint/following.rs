//! What became of a finding since the last run: new, ongoing, resolved; told or not.
//!
//! ```text
//!            found                quiet for a while, or no longer found
//!   (none) --------> new --------------------------------------------> resolved
//!                     |  told                                     ^      |  told
//!                     v                                           |      v
//!                  ongoing ---------------------------------------'   found again, or gone
//!                     |  worse than was told: new
//! ```
//!
//! New stays new until a run has delivered all of its outputs: what a crash kept from being said is said by the
//! next run, and what was said is not said again.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Severity, Status, Timestamp, Tracking};

/// How many changes of a finding are remembered.
const HISTORY: usize = 50;

/// A finding as the last run left it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Followed {
    /// The finding, with its status.
    pub(super) finding: Finding,
    /// Whether its status was told by all outputs.
    pub(super) told: bool,
    /// What became of it, the oldest change first.
    pub(super) history: Vec<Change>,
}

/// One change of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    /// The run (wall clock).
    pub(super) at: Timestamp,
    /// Its status since then.
    pub(super) status: Status,
    /// How bad it was.
    pub(super) severity: Severity,
    /// How many requests it stood for.
    pub(super) count: u64,
}

impl Followed {
    fn tracking(&self) -> Option<Tracking> {
        self.finding.tracking
    }

    /// The worst that was told of it since it is going on.
    fn worst_told(&self) -> Severity {
        let told = self.history.iter().map(|change| change.severity);
        told.max().unwrap_or(self.finding.severity)
    }
}

/// What a run is judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// The run (wall clock).
    pub(super) now: Timestamp,
    /// The newest event of the log.
    pub(super) newest: Option<Timestamp>,
    /// A finding of which nothing has happened for so long, by the log's own time, is over.
    pub(super) resolved_after: Duration,
}

/// Puts what was found now together with what the last run left: every finding of now with its status, and
/// those that are gone, as resolved.
pub(super) fn follow(
    mut before: BTreeMap<String, Followed>,
    found: Vec<Finding>,
    moment: Moment,
) -> Vec<Followed> {
    let mut all: Vec<Followed> = (found.into_iter())
        .map(|finding| {
            let known = before.remove(&finding.fingerprint);
            next(known, finding, moment)
        })
        .collect();
    let gone = before.into_values().filter(|known| {
        // Told that it is over, and nobody finds it any more: there is nothing left to say.
        !(known.told
            && known
                .tracking()
                .is_none_or(|t| t.status == Status::Resolved))
    });
    all.extend(gone.map(|known| resolve(known, moment)));
    all
}

fn next(known: Option<Followed>, finding: Finding, moment: Moment) -> Followed {
    let quiet = quiet(&finding, moment);
    let status = known.as_ref().map_or(Status::New, |known| {
        let was = known
            .tracking()
            .map_or(Status::New, |tracking| tracking.status);
        let happened = finding.last_seen > known.finding.last_seen;
        match was {
            // Worse than was told is news, and so is what was over and happens again.
            _ if finding.severity > known.worst_told() => Status::New,
            Status::New if !known.told => Status::New,
            Status::Resolved if happened && !quiet => Status::New,
            _ if quiet || was == Status::Resolved => Status::Resolved,
            _ => Status::Ongoing,
        }
    });
    let (told, history, first_reported) = match known {
        None => (false, Vec::new(), moment.now),
        Some(known) => {
            let tracking = known.tracking();
            let was = tracking.map(|tracking| tracking.status);
            // That a told finding goes on is no news; everything else that is not what it was is.
            let no_news = status == Status::Ongoing
                || (status == Status::Resolved && was == Some(Status::Resolved));
            let told = known.told && no_news;
            let first = tracking.map_or(moment.now, |tracking| tracking.first_reported);
            (told, known.history, first)
        }
    };
    let mut next = Followed {
        finding,
        told,
        history,
    };
    next.change(status, first_reported, moment.now);
    next
}

fn resolve(mut known: Followed, moment: Moment) -> Followed {
    let tracking = known.tracking();
    known.told &= tracking.is_some_and(|tracking| tracking.status == Status::Resolved);
    let first = tracking.map_or(moment.now, |tracking| tracking.first_reported);
    known.change(Status::Resolved, first, moment.now);
    known
}

impl Followed {
    /// Gives it a status; writes it down if it is another one, or worse.
    fn change(&mut self, status: Status, first_reported: Timestamp, now: Timestamp) {
        let severity = self.finding.severity;
        let last = self.history.last();
        let changed = last.is_none_or(|last| last.status != status || last.severity < severity);
        if changed {
            self.history.push(Change {
                at: now,
                status,
                severity,
                count: self.finding.count,
            });
            let most = self.history.len().saturating_sub(HISTORY);
            self.history.drain(..most);
        }
        self.finding.tracking = Some(Tracking {
            status,
            status_since: self.history.last().map_or(now, |last| last.at),
            first_reported,
        });
    }
}

/// Whether nothing of it has happened for a while, by the log's own time.
fn quiet(finding: &Finding, moment: Moment) -> bool {
    let (Some(newest), Some(last)) = (moment.newest, finding.last_seen) else {
        return false;
    };
    last < newest.before(moment.resolved_after)
}

#[cfg(test)]
mod tests {
    use crate::finding::Subject;

    use super::*;

    const HOUR: i64 = 3600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn found(severity: Severity, last: i64) -> Finding {
        Finding {
            severity,
            count: 1,
            last_seen: Some(at(last)),
            ..Finding::of("secret-listing", Subject::service_account("shop", "web"))
        }
    }

    /// The hour of a run, the finding's severity and last hour if it is found, and whether outputs were delivered.
    type Run = (i64, Option<(Severity, i64)>, bool);

    /// What is told of a finding in each run.
    fn told(runs: &[Run]) -> Vec<Option<(Status, bool)>> {
        let mut left: Vec<Followed> = Vec::new();
        let run = |&(hour, finding, delivered): &Run| {
            let moment = Moment {
                now: at(hour * HOUR),
                newest: Some(at(hour * HOUR)),
                resolved_after: Duration::from_secs(24 * 3600),
            };
            let findings = finding.map(|(severity, hour)| found(severity, hour * HOUR));
            let before = std::mem::take(&mut left).into_iter();
            let before = before
                .map(|known| (known.finding.fingerprint.clone(), known))
                .collect();
            left = follow(before, findings.into_iter().collect(), moment);
            let said = left
                .first()
                .map(|known| (known.finding.tracking.unwrap().status, !known.told));
            for known in &mut left {
                known.told |= delivered;
            }
            said
        };
        runs.iter().map(run).collect()
    }

    #[test]
    fn each_change_is_told_once() {
        let (low, high) = (Severity::Low, Severity::High);
        let new = Some((Status::New, true));
        assert_eq!(
            told(&[
                (1, Some((low, 1)), true),
                (2, Some((low, 2)), true),
                (3, Some((high, 3)), true),
                (4, Some((high, 3)), true),
                (40, Some((high, 3)), true),
                (41, Some((high, 3)), true),
                (42, Some((high, 42)), true),
                (43, Some((high, 42)), true),
                (44, None, true),
                (45, None, true),
                (46, Some((low, 46)), true),
            ]),
            [
                new,
                Some((Status::Ongoing, false)),
                new,
                Some((Status::Ongoing, false)),
                Some((Status::Resolved, true)),
                Some((Status::Resolved, false)),
                new,
                Some((Status::Ongoing, false)),
                Some((Status::Resolved, true)),
                None,
                new,
            ]
        );
    }

    #[test]
    fn what_could_not_be_delivered_is_told_again() {
        let low = Severity::Low;
        assert_eq!(
            told(&[
                (1, Some((low, 1)), false),
                (2, Some((low, 1)), false),
                (30, Some((low, 1)), true),
                (31, Some((low, 1)), false),
                (32, Some((low, 1)), true),
                (33, Some((low, 1)), true),
            ]),
            [
                Some((Status::New, true)),
                Some((Status::New, true)),
                Some((Status::New, true)),
                Some((Status::Resolved, true)),
                Some((Status::Resolved, true)),
                Some((Status::Resolved, false)),
            ]
        );
    }
}
