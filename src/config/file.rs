//! `satrail.toml`: thresholds, allow-list, exceptions.
//!
//! ```toml
//! replace-default-allow-list = false   # true: only the entries below
//!
//! [thresholds.runaway-controller]      # one table per detector, see `satrail explain ID`
//!
//! [[allow]]                            # does by design what others should not: lowers severity
//! detector = "secret-listing"          # or a list of them
//! account = "monitoring/prometheus"    # namespace/name, * for any run of characters
//! user-agents = ["Prometheus/*"]       # optional
//! reason = "service discovery with TLS client secrets"
//!
//! [[exceptions]]                       # looked at and accepted: leaves the report
//! detector = "legacy-token"            # or "*"
//! account = "ci/*"
//! severity-at-most = "medium"          # optional: worse ones are still reported
//! reason = "OPS-123: moves to projected tokens this quarter"
//! owner = "team-ci"                    # optional: who answers for it
//! expires = 2027-01-31                 # the last day on which it holds
//!
//! [[exceptions]]                       # one finding and nothing beside it
//! fingerprint = "f0d51aa8d44a6bb1f5e9ee4edfb0a3d5"
//! reason = "restored from a backup on 5 January"
//! expires = 2027-01-31
//! ```

use std::{fs, ops::Range, path::Path};

use chrono::NaiveDate;
use serde::Deserialize;
use toml::{Spanned, value::Datetime};

use crate::{
    detect::{AllowEntry, Settings},
    finding::Severity,
    pipeline::{AccountPattern, Exception, Matter, Selection},
};

use super::{Error, detector_ids, nearest};

/// What the file says, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigFile {
    /// Thresholds and allow-lists.
    pub settings: Settings,
    /// What is known and accepted.
    pub exceptions: Vec<Exception>,
}

/// As written.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    thresholds: Settings,
    replace_default_allow_list: bool,
    allow: Vec<Spanned<AllowEntry>>,
    exceptions: Vec<Spanned<WrittenException>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenException {
    detector: Option<String>,
    account: Option<String>,
    fingerprint: Option<String>,
    severity_at_most: Option<Severity>,
    reason: String,
    owner: Option<String>,
    expires: Datetime,
}

/// One file, as long as it is being checked: knows how to point into it.
struct Source<'a> {
    name: String,
    text: &'a str,
}

impl ConfigFile {
    /// Reads and checks `path`.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|error| Error::new(format!("cannot read {name}: {error}")))?;
        Self::parse(&name, &text)
    }

    /// Checks `text`; `name` is for messages.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let source = Source {
            name: name.to_owned(),
            text,
        };
        let written: Written = toml::from_str(text).map_err(|error| source.syntax(&error))?;
        let mut settings = written.thresholds;
        if written.replace_default_allow_list {
            settings.allow.entries.clear();
        }
        let mut allowed = Vec::new();
        for entry in written.allow {
            let at = entry.span();
            let entry = entry.into_inner();
            for detector in &entry.detectors {
                source.check(&at, detector, &entry.account, false)?;
            }
            source.check_reason(&at, &entry.reason)?;
            allowed.push(entry);
        }
        settings.allow = settings.allow.with(allowed);
        let exceptions = written.exceptions.into_iter();
        let exceptions = exceptions.map(|each| source.exception(each));
        Ok(Self {
            settings,
            exceptions: exceptions.collect::<Result<_, _>>()?,
        })
    }
}

impl Source<'_> {
    fn exception(&self, written: Spanned<WrittenException>) -> Result<Exception, Error> {
        let at = written.span();
        let written = written.into_inner();
        let WrittenException {
            detector,
            account,
            fingerprint,
            reason,
            owner,
            ..
        } = written;
        self.check_reason(&at, &reason)?;
        if owner.as_ref().is_some_and(|owner| owner.trim().is_empty()) {
            return Err(self.error(&at, "the owner must not be empty"));
        }
        let expires = day(written.expires).ok_or_else(|| {
            let why = format!(
                "'{}' is no day: write expires = 2027-01-31",
                written.expires
            );
            self.error(&at, &why)
        })?;
        Ok(Exception {
            matter: self.matter(&at, detector, account, fingerprint)?,
            severity_at_most: written.severity_at_most.unwrap_or(Severity::Critical),
            reason,
            owner,
            expires,
        })
    }

    /// Detector and account, or a fingerprint, and not both.
    fn matter(
        &self,
        at: &Range<usize>,
        detector: Option<String>,
        account: Option<String>,
        fingerprint: Option<String>,
    ) -> Result<Matter, Error> {
        match (detector, account, fingerprint) {
            (Some(detector), Some(account), None) => {
                self.check(at, &detector, &account, true)?;
                let account = AccountPattern::new(account);
                Ok(Matter::Accounts { detector, account })
            }
            (None, None, Some(fingerprint)) => {
                let digits = fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit());
                if fingerprint.len() != 32 || !digits {
                    let why = "a fingerprint has 32 hexadecimal digits";
                    return Err(self
                        .error(at, why)
                        .hint("copy it from findings[].fingerprint of --format json"));
                }
                Ok(Matter::Fingerprint(fingerprint.to_ascii_lowercase()))
            }
            (None, _, None) => Err(self
                .error(at, "missing field `detector`")
                .hint("an exception is for a detector and an account, or for a fingerprint")),
            (Some(_), None, None) => Err(self
                .error(at, "missing field `account`")
                .hint("namespace/name of a ServiceAccount; * is every account")),
            (_, _, Some(_)) => Err(self.error(
                at,
                "a fingerprint says detector and account: leave those out",
            )),
        }
    }

    /// What allow entries and exceptions have in common.
    fn check(
        &self,
        at: &Range<usize>,
        detector: &str,
        account: &str,
        any_detector: bool,
    ) -> Result<(), Error> {
        let ids = detector_ids();
        let known = ids.contains(&detector) || (any_detector && detector == "*");
        if !known {
            let unknown = Error::unknown("detector", detector, &ids);
            return Err(Error {
                why: self.error(at, &unknown.why).why,
                ..unknown
            });
        }
        if account.is_empty() {
            return Err(self.error(at, "the account must not be empty: namespace/name, or *"));
        }
        Ok(())
    }

    fn check_reason(&self, at: &Range<usize>, reason: &str) -> Result<(), Error> {
        if reason.trim().is_empty() {
            return Err(self
                .error(at, "the reason must not be empty")
                .hint("say why this is accepted: whoever reads it next does not know"));
        }
        Ok(())
    }

    fn syntax(&self, error: &toml::de::Error) -> Error {
        let why = error.message().replace('\n', "; ");
        let result = self.error(&error.span().unwrap_or(0..0), &why);
        match meant(&why) {
            Some(name) => result.hint(format!("did you mean '{name}'?")),
            None => result,
        }
    }

    /// `file:line:column: why`.
    fn error(&self, at: &Range<usize>, why: &str) -> Error {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Error::new(format!("{}:{line}:{column}: {why}", self.name))
    }
}

/// The known name that an unknown field or variant is like, out of serde's message: "unknown field
/// `alow`, expected one of `allow`, `exceptions`".
fn meant(message: &str) -> Option<&str> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let written = quoted.next()?;
    nearest(written, &quoted.collect::<Vec<_>>())
}

/// A date, and nothing but a date.
fn day(written: Datetime) -> Option<NaiveDate> {
    let (Some(date), None, None) = (written.date, written.time, written.offset) else {
        return None;
    };
    NaiveDate::from_ymd_opt(date.year.into(), date.month.into(), date.day.into())
}

/// Which detectors report, if every name is one.
pub fn selection(select: Vec<String>, ignore: Vec<String>) -> Result<Selection, Error> {
    let ids = detector_ids();
    for id in select.iter().chain(&ignore) {
        if !ids.contains(&id.as_str()) {
            return Err(Error::unknown("detector", id, &ids));
        }
    }
    let selection = Selection { select, ignore };
    if ids.iter().any(|id| selection.wants(id)) {
        return Ok(selection);
    }
    Err(Error::new("--select and --ignore leave no detector to run"))
}

#[cfg(test)]
mod tests;
