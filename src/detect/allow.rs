//! Accounts that do by design what others should not: data, each entry with its reason.

use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, de::Error};

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
    /// The ids of the detectors that it is for: one as a string, or a list.
    #[serde(rename = "detector", deserialize_with = "one_or_more")]
    pub detectors: Vec<String>,
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
        let mut kept = self.entries;
        for old in &mut kept {
            let new = entries.iter().filter(|new| new.account == old.account);
            let replaced: Vec<&String> = new.flat_map(|new| &new.detectors).collect();
            old.detectors.retain(|id| !replaced.contains(&id));
        }
        kept.retain(|old| !old.detectors.is_empty());
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
            .filter(|e| e.is_for(detector) && e.is_about(subject))
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
    fn is_for(&self, detector: &str) -> bool {
        self.detectors.iter().any(|id| id == detector)
    }

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

/// `"a"` or `["a", "b"]`.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a detector's id, or a list of them")]
    enum Written {
        One(String),
        More(Vec<String>),
    }
    let ids = match Written::deserialize(deserializer)? {
        Written::One(id) => vec![id],
        Written::More(ids) => ids,
    };
    if ids.is_empty() {
        return Err(Error::custom("the list of detectors must not be empty"));
    }
    Ok(ids)
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
            let known = |id: &String| CATALOGUE.iter().any(|about| about.id == id);
            assert!(entry.detectors.iter().all(known), "{entry:?}");
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
    fn an_entry_is_replaced_only_for_the_detectors_that_are_named() {
        let entry = |detector: &str, agent: &str| -> AllowEntry {
            let text = format!(
                "detector = {detector}\naccount = 'shop/web'\nuser-agents = ['{agent}']\nreason = 'x'"
            );
            toml::from_str(&text).unwrap()
        };
        let list = AllowList {
            entries: vec![entry("['a', 'b']", "old")],
        };
        let list = list.with(vec![entry("'b'", "new")]);
        let account = &Subject::service_account("shop", "web");
        let expects = |detector, agent| list.expects(detector, account, agent).is_some();
        assert!(expects("a", "old") && !expects("a", "new"));
        assert!(expects("b", "new") && !expects("b", "old"));
        for wrong in ["[]", "7"] {
            let text = format!("detector = {wrong}\naccount = 'a/b'\nreason = 'x'");
            toml::from_str::<AllowEntry>(&text).unwrap_err();
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
