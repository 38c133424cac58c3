//! Findings that somebody does not want to hear of again, by fingerprint, until a day.

use chrono::NaiveDate;
use rusqlite::params;

use crate::{
    finding::{Severity, Timestamp},
    pipeline::{Exception, Matter},
};

use super::store::{Error, Store};

/// One finding that is not reported until a day, with who answers for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// The finding.
    pub fingerprint: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it holds (UTC).
    pub expires: NaiveDate,
    /// Worse, the finding is reported all the same.
    pub severity_at_most: Severity,
}

impl Suppression {
    /// The same as an exception of the configuration would do.
    pub(super) fn to_exception(&self) -> Exception {
        Exception {
            matter: Matter::Fingerprint(self.fingerprint.clone()),
            severity_at_most: self.severity_at_most,
            reason: self.reason.clone(),
            owner: Some(self.owner.clone()),
            expires: self.expires,
        }
    }

    pub(super) fn all(store: &Store) -> Result<Vec<Self>, Error> {
        let query = "SELECT fingerprint, reason, owner, expires, severity_at_most FROM suppression
             ORDER BY expires, fingerprint";
        let rows = store.rows(query, |row| {
            let text = |column| row.get::<_, String>(column);
            Ok([text(0)?, text(1)?, text(2)?, text(3)?, text(4)?])
        })?;
        let read = rows
            .into_iter()
            .map(|[fingerprint, reason, owner, expires, severity]| {
                Some(Self {
                    fingerprint,
                    reason,
                    owner,
                    expires: expires.parse().ok()?,
                    severity_at_most: severity.parse().ok()?,
                })
            });
        let read: Option<Vec<Self>> = read.collect();
        read.ok_or_else(|| store.damaged("a suppression without a day or a severity"))
    }

    pub(super) fn put(&self, store: &Store, now: Timestamp) -> Result<(), Error> {
        store.execute(
            "INSERT OR REPLACE INTO suppression
                 (fingerprint, reason, owner, expires, created, severity_at_most)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                self.fingerprint,
                self.reason,
                self.owner,
                self.expires.to_string(),
                now.to_string(),
                self.severity_at_most.as_str()
            ],
        )
    }

    pub(super) fn remove(fingerprint: &str, store: &Store) -> Result<(), Error> {
        store.execute(
            "DELETE FROM suppression WHERE fingerprint = ?1",
            [fingerprint],
        )
    }
}
