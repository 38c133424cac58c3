//! Whoever holds one credential: a pod with all of its tokens, or a token that no pod is named in.

use serde::{Deserialize, Serialize};

use crate::{
    event::{ServiceAccount, Text},
    finding::{Attribute, Subject, Timestamp},
};

use super::{
    Merge, Presence, credential::Credential, few::Few, keyed, request::Request,
    sightings::Sightings, tally::earliest,
};

/// Whoever holds one credential, and from where it was used.
///
/// A pod gets another token with another ID every 48 minutes or so (FACTS 7), so its UID stands for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    /// The user name of the account.
    user: String,
    /// The pod, if the token names one.
    pub(super) pod: String,
    /// Its UID.
    pub(super) pod_uid: String,
    /// The node of the pod, or the one that the token is bound to.
    pub(super) node: String,
    /// The tokens' IDs: 8 of them, those with the smallest hashes, where there are more.
    credentials: Few<Token, 8>,
    /// From where it was used.
    pub(super) sightings: Sightings,
}

/// One credential ID, and when it was used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) id: String,
    requests: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// The hash that stands for whoever holds `credential`; `None` for one that nothing tells from others of its account.
pub(super) fn holder_hash(credential: &Credential<'_>) -> Option<u64> {
    if let Some(uid) = credential.pod_uid.filter(|uid| !uid.is_empty()) {
        return Some(keyed::hash(1, &[&uid.read()]));
    }
    credential.id.and_then(token_hash)
}

/// The hash that stands for a token by its ID alone; `None` for a certificate.
pub(super) fn token_hash(id: Text<'_>) -> Option<u64> {
    let token = id.starts_with("JTI=");
    token.then(|| keyed::hash(2, &[&id.read()]))
}

/// The hash that stands for a credential ID among those of one holder.
pub(super) fn id_hash(id: Text<'_>) -> u64 {
    keyed::hash(0, &[&id.read()])
}

impl Holder {
    /// Takes note of one request.
    pub(super) fn add(&mut self, credential: &Credential<'_>, event: &Request<'_>) {
        self.describe(credential, event.user_name());
        self.count(credential.id.map(id_hash), event);
    }

    /// Takes note of who the user is and which credential it has, and counts nothing yet.
    pub(super) fn describe(&mut self, credential: &Credential<'_>, user: &str) {
        raise(&mut self.user, Some(Text::plain(user)));
        raise(&mut self.pod, credential.pod);
        raise(&mut self.pod_uid, credential.pod_uid);
        raise(&mut self.node, credential.node);
        if let Some(id) = credential.id {
            self.credentials.slot(id_hash(id), || Token {
                id: id.read().into_owned(),
                ..Token::default()
            });
        }
    }

    /// Counts one request with the credential that `id` stands for, which has been described before.
    pub(super) fn count(&mut self, id: Option<u64>, event: &Request<'_>) {
        if let Some(slot) = id.and_then(|id| self.credentials.slot(id, Token::default)) {
            slot.requests += 1;
            slot.first = earliest(slot.first, event.time());
            slot.last = slot.last.max(event.time());
        }
        self.sightings.add(event);
    }

    /// Counts the requests of `presence`, whose credential has been described before.
    pub(super) fn add_presence(&mut self, presence: &Presence) {
        let (id, batch) = (presence.caller.id_hash, &presence.batch);
        if let Some(slot) = id.and_then(|id| self.credentials.slot(id, Token::default)) {
            slot.requests += batch.count();
            slot.first = earliest(slot.first, Some(batch.first()));
            slot.last = slot.last.max(Some(batch.last()));
        }
        self.sightings.add_presence(presence);
    }

    /// The account.
    pub(super) fn account(&self) -> Option<ServiceAccount<'_>> {
        ServiceAccount::from_user_name(&self.user)
    }

    /// The account, as what a finding is about.
    pub(super) fn subject(&self) -> Option<Subject> {
        let account = self.account()?;
        Some(Subject::service_account(account.namespace, account.name))
    }

    /// Whether the token is bound to a pod or a node, and so has a place where it belongs.
    pub(super) const fn is_bound(&self) -> bool {
        !self.pod_uid.is_empty() || !self.node.is_empty()
    }

    /// What names it from run to run: the pod's UID, or the token's ID.
    pub(super) fn name(&self) -> &str {
        if self.pod_uid.is_empty() {
            let ids = self.credentials.iter().map(|id| id.id.as_str());
            ids.min().unwrap_or_default()
        } else {
            &self.pod_uid
        }
    }

    /// The tokens' IDs, by the time of their first use.
    pub(super) fn credentials(&self) -> Vec<&Token> {
        let mut ids: Vec<&Token> = self.credentials.iter().collect();
        ids.sort_by(|a, b| (a.first, &a.id).cmp(&(b.first, &b.id)));
        ids
    }
}

impl Merge for Holder {
    fn merge(&mut self, other: Self) {
        let greater = |ours: &mut String, theirs: String| {
            if theirs > *ours {
                *ours = theirs;
            }
        };
        greater(&mut self.user, other.user);
        greater(&mut self.pod, other.pod);
        greater(&mut self.pod_uid, other.pod_uid);
        greater(&mut self.node, other.node);
        self.credentials.merge(other.credentials);
        self.sightings.merge(other.sightings);
    }
}

impl Merge for Token {
    fn merge(&mut self, other: Self) {
        self.id = std::mem::take(&mut self.id).max(other.id);
        self.requests += other.requests;
        self.first = earliest(self.first, other.first);
        self.last = self.last.max(other.last);
    }
}

impl Token {
    /// `requests`, `first_seen`, `last_seen`.
    pub(super) fn attribute(&self) -> Attribute {
        let fields: [(&str, Attribute); 3] = [
            ("requests", self.requests.into()),
            ("first_seen", self.first.into()),
            ("last_seen", self.last.into()),
        ];
        Attribute::Map(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

/// The greater of what was known and what is said now: the same whichever comes first. They differ only where tokens
/// of one pod say more or less, as before and after an upgrade.
fn raise(known: &mut String, said: Option<Text<'_>>) {
    if let Some(said) = said {
        let said = said.read();
        if *said > **known {
            *known = said.into_owned();
        }
    }
}
