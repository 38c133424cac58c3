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

/// A suppression as it stands in the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// What was asked for.
    pub suppression: Suppression,
    /// The detector and the subject of the finding, if it was known when it was suppressed.
    pub about: Option<(String, String)>,
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

    /// What the finding is about is known as long as it is reported, and kept for the time after that.
    pub(super) fn put(&self, store: &Store, now: Timestamp) -> Result<(), Error> {
        store.execute(
            "INSERT INTO suppression
                 (fingerprint, reason, owner, expires, created, severity_at_most, detector, subject)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6,
                     (SELECT detector FROM finding WHERE fingerprint = ?1),
                     (SELECT subject FROM finding WHERE fingerprint = ?1))
             ON CONFLICT (fingerprint) DO UPDATE SET
                 reason = ?2, owner = ?3, expires = ?4, created = ?5, severity_at_most = ?6,
                 detector = coalesce(excluded.detector, detector),
                 subject = coalesce(excluded.subject, subject)",
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

impl Suppressed {
    /// Every one, the one that ends first first.
    pub(super) fn all(store: &Store) -> Result<Vec<Self>, Error> {
        let query =
            "SELECT fingerprint, reason, owner, expires, severity_at_most, detector, subject
             FROM suppression ORDER BY expires, fingerprint";
        let rows = store.rows(query, |row| {
            let text = |column| row.get::<_, String>(column);
            let about: (Option<String>, Option<String>) = (row.get(5)?, row.get(6)?);
            Ok(([text(0)?, text(1)?, text(2)?, text(3)?, text(4)?], about))
        })?;
        let read = rows.into_iter().map(|(texts, about)| {
            let [fingerprint, reason, owner, expires, severity] = texts;
            let suppression = Suppression {
                fingerprint,
                reason,
                owner,
                expires: expires.parse().ok()?,
                severity_at_most: severity.parse().ok()?,
            };
            Some(Self {
                suppression,
                about: about.0.zip(about.1),
            })
        });
        let read: Option<Vec<Self>> = read.collect();
        read.ok_or_else(|| store.damaged("a suppression without a day or a severity"))
    }
}
