//! Accounts that do by design what others should not: data, each entry with its reason.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::finding::Subject;

use super::matches_pattern;

/// The list that comes with satrail.
const BUILT_IN: &str = include_str!("allowlist.toml");

static DEFAULT: LazyLock<AllowList> = LazyLock::new(|| {
    // A test holds the file to its form, so that the fallback is never taken.
    toml::from_str(BUILT_IN).unwrap_or(AllowList {
        entries: Vec::new(),
    })
});

/// Accounts that do by design what others should not.
///
/// An entry lowers the severity of what it covers to info. It never covers a request that was refused,
/// nor one with a user agent that it does not expect.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowList {
    /// The entries, in the order in which they were given.
    #[serde(rename = "allow")]
    pub entries: Vec<AllowEntry>,
}

/// One account, or one pattern of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AllowEntry {
    /// The detector's id.
    pub detector: String,
    /// `namespace/name` of a ServiceAccount or the name of any other user, with `*` for any run of characters.
    pub account: String,
    /// User agents that are expected, with `*`; empty: any.
    #[serde(default)]
    pub user_agents: Vec<String>,
    /// Why this is normal. Mandatory.
    pub reason: String,
    /// Where that is known from; empty in a user's own entries.
    #[serde(default)]
    pub source: String,
    /// Takes back the entries for the same detector and account that stand after this one.
    #[serde(default)]
    pub revoke: bool,
}

/// The list that comes with satrail.
impl Default for AllowList {
    fn default() -> Self {
        DEFAULT.clone()
    }
}

impl AllowList {
    /// This list with `entries` put before it: they replace the entries for the same detector and
    /// account (compared as they are written, patterns and all).
    #[must_use]
    pub fn with(self, entries: Vec<AllowEntry>) -> Self {
        let replaced = |old: &AllowEntry| {
            let same =
                |new: &&AllowEntry| new.detector == old.detector && new.account == old.account;
            entries.iter().find(same).is_some()
        };
        let kept: Vec<AllowEntry> = self
            .entries
            .into_iter()
            .filter(|old| !replaced(old))
            .collect();
        Self {
            entries: entries.into_iter().chain(kept).collect(),
        }
    }

    /// The entry that covers what `subject` does under `user_agent`.
    #[must_use]
    pub fn expects(
        &self,
        detector: &str,
        subject: &Subject,
        user_agent: &str,
    ) -> Option<&AllowEntry> {
        let mut about = self
            .entries
            .iter()
            .filter(|e| e.detector == detector && e.is_about(subject))
            .take_while(|e| !e.revoke);
        about.find(|e| {
            e.user_agents.is_empty()
                || e.user_agents
                    .iter()
                    .any(|agent| matches_pattern(agent, user_agent))
        })
    }
}

impl AllowEntry {
    /// Whether `subject` is meant. A user may be called `shop/web` by whoever issues certificates, and is
    /// then still not the ServiceAccount `shop/web`.
    fn is_about(&self, subject: &Subject) -> bool {
        match (self.account.split_once('/'), &subject.namespace) {
            (Some((namespace, name)), Some(actual)) => {
                matches_pattern(namespace, actual) && matches_pattern(name, &subject.name)
            }
            (None, None) => matches_pattern(&self.account, &subject.name),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::CATALOGUE;

    #[test]
    fn the_built_in_list_is_well_formed() {
        let list: AllowList = toml::from_str(BUILT_IN).unwrap();
        assert!(!list.entries.is_empty());
        for entry in &list.entries {
            assert!(
                CATALOGUE.iter().any(|about| about.id == entry.detector),
                "{entry:?}"
            );
            assert!(
                !entry.user_agents.is_empty(),
                "says which user agents: {entry:?}"
            );
            assert!(
                !entry.reason.is_empty() && !entry.source.is_empty(),
                "{entry:?}"
            );
        }
    }

    #[test]
    fn own_entries_replace_built_in_ones() {
        let account = &Subject::service_account("monitoring", "kube-state-metrics");
        let expects = |list: &AllowList| {
            list.expects("secret-listing", account, "kube-state-metrics/v2.10.0")
                .is_some()
        };
        assert!(expects(&AllowList::default()));
        let mut own = AllowList::default().entries[0].clone();
        own.account = "monitoring/*".to_owned();
        own.revoke = true;
        assert!(!expects(&AllowList::default().with(vec![own.clone()])));
        own.account = "shop/*".to_owned();
        assert!(expects(&AllowList::default().with(vec![own])));
    }
}
