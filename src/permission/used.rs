//! What each ServiceAccount was allowed and refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    detect::{Merge, PerAccount},
    event::{Event, ServiceAccount},
};

use super::{Action, Answer, Spread, Uses, action::ActionRef, asked::Asked, belongs_to_everybody};

/// How many actions are kept for one account and one answer. Controllers that look after every resource
/// of a large cluster have about a thousand.
pub const ACTIONS_KEPT: usize = 2048;

/// Actions with where they were asked for.
///
/// Beyond [`ACTIONS_KEPT`], those with the smallest hashes are kept. What is kept is exact, since an
/// action that is kept in the end was kept all along, and does not hang on the order of the input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    uses: Uses,
    kept: BTreeMap<u64, (Action, Spread)>,
    overflowed: bool,
}

impl Permissions {
    fn add(&mut self, action: &ActionRef<'_>, asked: &Asked<'_>) {
        self.uses.add(asked.time);
        let hash = action.hash();
        let full = self.kept.len() >= ACTIONS_KEPT;
        let beyond = |(&largest, _): (&u64, _)| hash > largest;
        if full && self.kept.last_key_value().is_some_and(beyond) {
            self.overflowed = true;
            return;
        }
        let new = || (action.to_action(), Spread::default());
        let (_, spread) = self.kept.entry(hash).or_insert_with(new);
        spread.add(
            asked.namespace.as_deref(),
            asked.name.as_deref(),
            asked.time,
        );
        self.bound();
    }

    fn bound(&mut self) {
        while self.kept.len() > ACTIONS_KEPT {
            self.kept.pop_last();
            self.overflowed = true;
        }
    }

    /// All of them together.
    #[must_use]
    pub const fn uses(&self) -> Uses {
        self.uses
    }

    /// Whether there were more actions than are kept.
    #[must_use]
    pub const fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// The actions kept, sorted.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&Action, &Spread)> {
        let mut all: Vec<_> = self.kept.values().map(|(a, s)| (a, s)).collect();
        all.sort_by(|a, b| a.0.cmp(b.0));
        all
    }
}

impl Merge for Permissions {
    fn merge(&mut self, other: Self) {
        self.uses.merge(other.uses);
        self.overflowed |= other.overflowed;
        for (hash, (action, theirs)) in other.kept {
            let ours = self.kept.entry(hash);
            let ours = ours.or_insert_with(|| (action, Spread::default()));
            ours.1.merge(theirs);
        }
        self.bound();
    }
}

/// What one ServiceAccount was allowed and refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// What it was allowed, and did.
    pub allowed: Permissions,
    /// What it was refused.
    pub refused: Permissions,
    /// What every ServiceAccount may do ([`belongs_to_everybody`]), which is in neither.
    pub everybodys: Uses,
    /// Requests that no role can name without naming more, which are in neither.
    pub nameless: Uses,
    /// Requests of which the log does not say whether they were allowed, which are in neither.
    pub undecided: Uses,
}

impl Used {
    fn add(&mut self, asked: &Asked<'_>) {
        let Some(action) = &asked.action else {
            return self.nameless.add(asked.time);
        };
        match asked.answer {
            Answer::Unknown => self.undecided.add(asked.time),
            Answer::Refused => self.refused.add(action, asked),
            Answer::Allowed
                if action.may_be_everybodys() && belongs_to_everybody(&action.to_action()) =>
            {
                self.everybodys.add(asked.time);
            }
            Answer::Allowed => self.allowed.add(action, asked),
        }
    }

    /// Questions to the authorizer: about one for each request.
    #[must_use]
    pub const fn questions(&self) -> u64 {
        self.allowed.uses().count
            + self.refused.uses().count
            + self.everybodys.count
            + self.nameless.count
            + self.undecided.count
    }
}

impl Merge for Used {
    fn merge(&mut self, other: Self) {
        self.allowed.merge(other.allowed);
        self.refused.merge(other.refused);
        self.everybodys.merge(other.everybodys);
        self.nameless.merge(other.nameless);
        self.undecided.merge(other.undecided);
    }
}

/// What every ServiceAccount was allowed and refused, by user name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedByAccount(PerAccount<Used>);

impl UsedByAccount {
    /// Takes note of one request.
    pub fn observe(&mut self, event: &Event<'_>) {
        Asked::of(event, |asked| {
            self.0.note(&asked.account, |used| used.add(&asked));
        });
    }

    /// Takes note of one request as far as it concerns accounts that `wanted` says yes to.
    pub fn observe_some(&mut self, event: &Event<'_>, wanted: impl Fn(&str) -> bool) {
        Asked::of(event, |asked| {
            if wanted(&asked.account) {
                self.0.note(&asked.account, |used| used.add(&asked));
            }
        });
    }

    /// The accounts, by user name.
    #[must_use]
    pub fn sorted(&self) -> Vec<(ServiceAccount<'_>, &Used)> {
        let all = self.0.sorted().into_iter();
        all.filter_map(|(name, used)| Some((ServiceAccount::from_user_name(name)?, used)))
            .collect()
    }
}

impl Merge for UsedByAccount {
    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

#[cfg(test)]
mod tests;
