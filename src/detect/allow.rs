//! Accounts that do by design what others should not: data, each entry with its reason.

use serde::Deserialize;

/// Accounts that do by design what others should not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowList {
    /// The entries, in the order in which they were given.
    pub entries: Vec<AllowEntry>,
}

/// One account, or one pattern of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowEntry {
    /// The detector's id.
    pub detector: String,
    /// `namespace/name`, with `*` for any run of characters.
    pub account: String,
    /// User agents that are expected, with `*`; empty: any.
    #[serde(default)]
    pub user_agents: Vec<String>,
    /// Why this is normal. Mandatory.
    pub reason: String,
}

impl Default for AllowList {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}
