//! Which of a request's up to three events stands for it.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::finding::Timestamp;

use super::{Event, Stage};

/// Names one request: audit ID, arrival, verb and URI, hashed to 64 bits.
///
/// The audit ID alone is no key, since a client may send any `Audit-ID` header (FACTS 1.3).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Key(pub u64);

/// What an event means for the count of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// An event, not a request: `RequestReceived`.
    Announces,
    /// Stands for its request, and nothing else does.
    Counts,
    /// Stands for its request unless a later event of it turns up.
    Opens,
    /// Stands for its request, which may have an opening event as well.
    Closes,
}

impl Event<'_> {
    /// What this event means for the count of requests.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match self.stage {
            Stage::RequestReceived => Standing::Announces,
            // A 401 or a malformed timeout: nothing follows, and there is no user.
            Stage::ResponseStarted if self.user.name.is_empty() => Standing::Counts,
            Stage::ResponseStarted => Standing::Opens,
            Stage::ResponseComplete if !self.long_running() => Standing::Counts,
            Stage::ResponseComplete | Stage::Panic => Standing::Closes,
        }
    }

    /// Whether the server may have logged `ResponseStarted` for this request as well.
    ///
    /// kube-apiserver: verbs watch and proxy; subresources attach, exec, proxy, log, portforward;
    /// `/debug/pprof/` (apiserver `pkg/server/config.go`, FACTS 1.3). The build subresources are
    /// OpenShift's.
    fn long_running(&self) -> bool {
        let verbs = ["watch", "proxy"];
        let subresources = [
            "attach",
            "exec",
            "proxy",
            "log",
            "portforward",
            "instantiatebinary",
            "clone",
        ];
        verbs.iter().any(|verb| self.verb == *verb)
            || self.object.is_some_and(|object| {
                !object.subresource.is_empty()
                    && subresources.iter().any(|name| object.subresource == *name)
            })
            || self.object.is_none() && self.request_uri.starts_with("/debug/pprof/")
    }

    /// The request that this event is a stage of.
    #[must_use]
    pub fn key(&self) -> Key {
        self.key_with(&self.request_uri.read())
    }

    /// [`Event::key`], for whoever has read the URI already.
    pub(crate) fn key_with(&self, uri: &str) -> Key {
        let received = self
            .received
            .map_or(i64::MIN, Timestamp::micros)
            .cast_unsigned();
        [&*self.audit_id.read(), &*self.verb.read(), uri]
            .iter()
            .fold(Key(received), |Key(seed), text| {
                Key(xxh3_64_with_seed(text.as_bytes(), seed))
            })
    }

    /// This very event, whichever file it stands in: the request and the stage.
    ///
    /// The upper half comes from the audit ID alone ([`Event::identity_prefix`]).
    #[must_use]
    pub fn identity(&self) -> u64 {
        self.identity_of(self.key())
    }

    /// [`Event::identity`], for whoever has the key already.
    #[must_use]
    pub fn identity_of(&self, key: Key) -> u64 {
        let stage = xxh3_64_with_seed(self.stage.as_str().as_bytes(), key.0);
        self.identity_prefix() | stage >> 32
    }

    /// The upper half of [`Event::identity`]: cheap enough to sample events by.
    #[must_use]
    pub fn identity_prefix(&self) -> u64 {
        xxh3_64(self.audit_id.read().as_bytes()) & !0xffff_ffff
    }
}
