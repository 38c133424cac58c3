//! Which accounts present tokens that should be gone, over time: the audit log's side of what the metrics
//! count.

use serde::{Deserialize, Serialize};

use crate::{event::ServiceAccount, finding::Timestamp};

use super::{Aspects, Interest, PerAccount, Request, Series};

/// Requests with legacy and with stale tokens, by account, over time. Bounded per account.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct TokenUses {
    /// By `<kind>\n<user name>\n<secret>`.
    uses: PerAccount<Series<64>>,
}

/// The two sorts of tokens that both the metrics and the audit log tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Legacy,
    Stale,
}

/// The requests of one account with one sort of token; of legacy tokens with one Secret.
pub(super) struct Use<'a> {
    pub(super) account: ServiceAccount<'a>,
    pub(super) secret: Option<&'a str>,
    pub(super) requests: u64,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Stale => "stale",
        }
    }
}

impl TokenUses {
    /// The requests that it wants to see.
    pub const INTEREST: Interest = Interest::all(Aspects::ACCOUNT.and(Aspects::TOKEN_MARK));

    /// Takes note of one request.
    pub fn observe(&mut self, event: &Request<'_>) {
        if event.service_account().is_none() {
            return;
        }
        if let Some(token) = &event.notes.token {
            self.note(Kind::Legacy, &token.secret, event);
        }
        if event.notes.stale {
            self.note(Kind::Stale, "", event);
        }
    }

    fn note(&mut self, kind: Kind, secret: &str, event: &Request<'_>) {
        let key = [kind.as_str(), "\n", event.user_name(), "\n", secret];
        self.uses
            .note_parts(&key, |series| series.add(event.time()));
    }

    /// Adds what another part has counted.
    pub fn merge(&mut self, other: Self) {
        self.uses.merge(other.uses);
    }

    /// Who used tokens of that kind from `from` to `to`, the most requests first. Within the seconds
    /// (or the coarser buckets, for very long logs) that the two lie in.
    pub(super) fn between(&self, kind: Kind, from: Timestamp, to: Timestamp) -> Vec<Use<'_>> {
        let uses = self.uses.sorted().into_iter().filter_map(|(key, series)| {
            let (name, rest) = key.split_once('\n')?;
            let (user, secret) = rest.split_once('\n')?;
            let after = Timestamp::from_micros(to.micros().saturating_add(1));
            Some(Use {
                account: ServiceAccount::from_user_name(user).filter(|_| name == kind.as_str())?,
                secret: (!secret.is_empty()).then_some(secret),
                requests: series.count_overlapping(from, after),
            })
        });
        let mut uses: Vec<_> = uses.filter(|use_| use_.requests > 0).collect();
        uses.sort_by_key(|use_| std::cmp::Reverse(use_.requests));
        uses
    }
}
