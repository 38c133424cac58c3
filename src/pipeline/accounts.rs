//! One row per ServiceAccount: what `satrail accounts` shows, and in which order.

use std::{cmp::Ordering, str::FromStr};

use serde::{Serialize, Serializer};

use crate::finding::Timestamp;

/// What one ServiceAccount did. Named values are sorted by count, the largest first, then by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AccountRow {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Requests, each counted once.
    pub requests: u64,
    /// Requests per second over the best 60 seconds, to one decimal.
    pub peak_rate: f64,
    /// Requests by verb.
    #[serde(serialize_with = "as_map")]
    pub verbs: Vec<(String, u64)>,
    /// Requests that were refused.
    pub denied: u64,
    /// The refused share in percent, to one decimal.
    pub denied_percent: f64,
    /// Secrets that it touched by name, `namespace/name`.
    pub secrets: Distinct,
    /// Requests by kind of token.
    #[serde(serialize_with = "as_map")]
    pub token_kinds: Vec<(String, u64)>,
    /// Requests by source address.
    pub addresses: Distinct,
    /// Requests by user agent. Hostile.
    pub user_agents: Distinct,
    /// Requests by pod, as the token names it.
    pub pods: Distinct,
    /// Time of its first request.
    pub first_seen: Option<Timestamp>,
    /// Time of its last request.
    pub last_seen: Option<Timestamp>,
    /// Requests in each of 24 equal parts of the time from the first request of any account to the last.
    pub timeline: Vec<u64>,
}

/// Some of many values, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Distinct {
    /// How many different values there are; an estimate once there are very many.
    pub distinct: u64,
    /// Some of them, with their requests.
    #[serde(serialize_with = "as_map")]
    pub names: Vec<(String, u64)>,
}

/// An object, in the order of the pairs: `{"get": 12, "list": 3}` is easier to query than pairs.
fn as_map<S: Serializer>(pairs: &[(String, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, count)| (name, count)))
}

/// In which order rows are shown, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub key: SortKey,
    /// The other way round.
    pub reverse: bool,
    /// No more rows than this.
    pub limit: Option<usize>,
}

/// What rows are sorted by, each in the direction that one usually wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// The most requests first.
    Requests,
    /// The highest peak first.
    Peak,
    /// The most refusals first.
    Denied,
    /// The most secrets first.
    Secrets,
    /// The one seen first, first: who is old.
    First,
    /// The one seen last, first: who is active.
    Last,
    /// By namespace, then by name.
    Name,
}

impl SortKey {
    /// All keys, under the names of the command line.
    pub const ALL: [(&'static str, Self); 7] = [
        ("requests", Self::Requests),
        ("peak", Self::Peak),
        ("denied", Self::Denied),
        ("secrets", Self::Secrets),
        ("first", Self::First),
        ("last", Self::Last),
        ("name", Self::Name),
    ];

    fn compare(self, a: &AccountRow, b: &AccountRow) -> Ordering {
        match self {
            Self::Requests => b.requests.cmp(&a.requests),
            Self::Peak => b.peak_rate.total_cmp(&a.peak_rate),
            Self::Denied => b.denied.cmp(&a.denied),
            Self::Secrets => b.secrets.distinct.cmp(&a.secrets.distinct),
            // Unknown times go to the end.
            Self::First => {
                (a.first_seen.is_none(), a.first_seen).cmp(&(b.first_seen.is_none(), b.first_seen))
            }
            Self::Last => b.last_seen.cmp(&a.last_seen),
            Self::Name => Ordering::Equal,
        }
    }
}

impl FromStr for SortKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == text);
        found
            .map(|(_, key)| key)
            .ok_or_else(|| format!("'{text}' is no sort key"))
    }
}

/// Sorts and cuts; rows that tie are in the order of their names.
#[must_use]
pub fn arrange(mut rows: Vec<AccountRow>, order: Order) -> Vec<AccountRow> {
    rows.sort_by(|a, b| {
        let by_name = || (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name));
        order.key.compare(a, b).then_with(by_name)
    });
    if order.reverse {
        rows.reverse();
    }
    rows.truncate(order.limit.unwrap_or(usize::MAX));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<AccountRow> {
        [
            ("a", 3, 1.5, Some(10)),
            ("b", 7, 0.5, None),
            ("c", 3, 9.0, Some(5)),
        ]
        .into_iter()
        .map(|(name, requests, peak_rate, first)| AccountRow {
            name: name.to_owned(),
            requests,
            peak_rate,
            first_seen: first.map(Timestamp::from_micros),
            last_seen: first.map(Timestamp::from_micros),
            ..AccountRow::default()
        })
        .collect()
    }

    fn names(key: SortKey, reverse: bool, limit: Option<usize>) -> String {
        let order = Order {
            key,
            reverse,
            limit,
        };
        arrange(rows(), order)
            .iter()
            .map(|row| row.name.as_str())
            .collect()
    }

    #[test]
    fn each_key_has_its_natural_direction() {
        for (key, expected) in [
            (SortKey::Requests, "bac"),
            (SortKey::Peak, "cab"),
            (SortKey::First, "cab"),
            (SortKey::Last, "acb"),
            (SortKey::Name, "abc"),
        ] {
            assert_eq!(names(key, false, None), expected, "{key:?}");
        }
        assert_eq!(names(SortKey::Name, true, None), "cba");
        assert_eq!(names(SortKey::Requests, false, Some(1)), "b");
    }
}
