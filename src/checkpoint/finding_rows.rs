//! The findings of the last run as they stand in the store: read one by one, written where they changed.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use crate::{finding::Finding, pipeline::Options};

use super::{
    following::Followed,
    store::{Error, Store},
};

/// What the last run left.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// What this run may say something of, by fingerprint. Of those that are found again, only what [`super::follow`]
    /// looks at: there may be tens of megabytes of them.
    pub(super) followed: BTreeMap<String, Followed>,
    /// The rows that go unless this run says something of them. What nobody asks for in it is not among them: it
    /// stays as it is, for a run that does.
    pub(super) stale: BTreeSet<String>,
}

impl Before {
    /// `found` are the fingerprints of what is found now.
    pub(super) fn read(
        store: &Store,
        options: &Options,
        found: &BTreeSet<&str>,
    ) -> Result<Self, Error> {
        let mut before = Self::default();
        store.each("SELECT told, history, body FROM finding", |row| {
            let column = |error: rusqlite::Error| store.error(&error);
            let json = |error: serde_json::Error| store.damaged(&error.to_string());
            let text = |at| row.get_ref(at)?.as_str().map_err(rusqlite::Error::from);
            let known = Followed {
                finding: serde_json::from_str(text(2).map_err(column)?).map_err(json)?,
                told: row.get(0).map_err(column)?,
                history: serde_json::from_str(text(1).map_err(column)?).map_err(json)?,
            };
            before.add(known, options, found);
            Ok(())
        })?;
        Ok(before)
    }

    fn add(&mut self, mut known: Followed, options: &Options, found: &BTreeSet<&str>) {
        let fingerprint = known.finding.fingerprint.clone();
        let is_found = found.contains(fingerprint.as_str());
        if !is_found && !options.asks_for(&known.finding) {
            return;
        }
        self.stale.insert(fingerprint.clone());
        if options.reports(&known.finding) {
            // What is excepted is not over: nothing is said of it.
            if is_found {
                known.finding = outline(known.finding);
            }
            self.followed.insert(fingerprint, known);
        }
    }
}

/// A finding without what is most of it.
fn outline(finding: Finding) -> Finding {
    Finding {
        severity: finding.severity,
        last_seen: finding.last_seen,
        tracking: finding.tracking,
        ..Finding::of(&finding.detector, finding.subject)
    }
}

/// Writes what changed; deletes the rows of `stale` that nothing is said of any more.
pub(super) fn write(
    store: &Store,
    followed: &[Followed],
    mut stale: BTreeSet<String>,
) -> Result<(), Error> {
    for known in followed {
        stale.remove(&known.finding.fingerprint);
        put(store, known)?;
    }
    for fingerprint in stale {
        store.execute("DELETE FROM finding WHERE fingerprint = ?1", [fingerprint])?;
    }
    Ok(())
}

fn put(store: &Store, known: &Followed) -> Result<(), Error> {
    let finding = &known.finding;
    let json = |error: serde_json::Error| store.damaged(&error.to_string());
    let Some(tracking) = finding.tracking else {
        return Err(store.damaged("a finding without a status"));
    };
    // SQLite writes nothing where the condition does not hold.
    store.execute(
        "INSERT INTO finding VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (fingerprint) DO UPDATE SET
             detector = ?2, subject = ?3, severity = ?4, status = ?5, status_since = ?6,
             first_reported = ?7, told = ?8, history = ?9, body = ?10
         WHERE body <> ?10 OR history <> ?9 OR told <> ?8",
        params![
            finding.fingerprint,
            finding.detector,
            finding.subject.to_string(),
            finding.severity.as_str(),
            tracking.status.as_str(),
            tracking.status_since.to_string(),
            tracking.first_reported.to_string(),
            known.told,
            serde_json::to_string(&known.history).map_err(json)?,
            serde_json::to_string(finding).map_err(json)?,
        ],
    )
}
