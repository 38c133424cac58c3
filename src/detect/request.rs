//! One request as detectors see it: its event, and what several of them ask about it, answered once.

use std::{borrow::Cow, cell::OnceCell, ops::Deref, sync::Arc};

use crate::event::{Event, Key, ServiceAccount, Text};

use super::{
    Aspects,
    credential::Credential,
    deed::{self, Deed},
    memo::{Caller, Kind, Namespace, Notes},
    outcome::Outcome,
    pod_spec::PodWrite,
    rbac::RbacWrite,
};

/// One request as detectors see it.
///
/// It can be used for its event. What the event answers by taking text apart is answered here from what
/// [`Memo`](super::Memo) knows, or found out at the first question.
#[derive(Debug)]
pub struct Request<'a> {
    event: &'a Event<'a>,
    pub(super) caller: &'a Arc<Caller>,
    pub(super) kind: &'a Arc<Kind>,
    pub(super) notes: &'a Arc<Notes>,
    /// That of the object; `None` if there is no object.
    pub(super) namespace: Option<&'a Arc<Namespace>>,
    aspects: Aspects,
    uri: OnceCell<Cow<'a, str>>,
    dry_run: OnceCell<bool>,
    pod_write: OnceCell<Option<PodWrite>>,
    rbac_write: OnceCell<Option<RbacWrite>>,
    key: OnceCell<Key>,
    identity: OnceCell<u64>,
}

impl<'a> Deref for Request<'a> {
    type Target = Event<'a>;

    #[inline]
    fn deref(&self) -> &Event<'a> {
        self.event
    }
}

impl<'a> Request<'a> {
    pub(super) fn new(
        event: &'a Event<'a>,
        caller: &'a Arc<Caller>,
        kind: &'a Arc<Kind>,
        notes: &'a Arc<Notes>,
        namespace: Option<&'a Arc<Namespace>>,
    ) -> Self {
        let known = caller.aspects | kind.aspects | notes.aspects;
        Self {
            aspects: known | Aspects::of_rest(event, || notes.forbid),
            event,
            caller,
            kind,
            notes,
            namespace,
            uri: OnceCell::new(),
            dry_run: OnceCell::new(),
            pod_write: OnceCell::new(),
            rbac_write: OnceCell::new(),
            key: OnceCell::new(),
            identity: OnceCell::new(),
        }
    }

    /// What is notable about it.
    #[must_use]
    #[inline]
    pub const fn aspects(&self) -> Aspects {
        self.aspects
    }

    /// The ServiceAccount that authenticated, if one did.
    #[must_use]
    #[inline]
    pub fn service_account(&self) -> Option<ServiceAccount<'a>> {
        self.caller.account()
    }

    /// The address of the real peer.
    #[must_use]
    pub fn peer(&self) -> Option<Text<'a>> {
        self.caller.address.as_deref().map(Text::plain)
    }

    /// Whether it was refused: 401, 403 or `forbid`.
    #[must_use]
    #[inline]
    pub const fn refused(&self) -> bool {
        self.aspects.has(Aspects::REFUSED)
    }

    /// The request that the event is a stage of.
    #[must_use]
    pub fn key(&self) -> Key {
        *self.key.get_or_init(|| self.event.key_with(self.uri()))
    }

    /// This very event, whichever file it stands in.
    #[must_use]
    pub fn identity(&self) -> u64 {
        *self
            .identity
            .get_or_init(|| self.event.identity_of(self.key()))
    }

    /// The user name.
    #[inline]
    pub(super) fn user_name(&self) -> &'a str {
        &self.caller.user
    }

    /// What the client calls itself.
    pub(super) fn agent(&self) -> &'a str {
        &self.caller.agent
    }

    /// What the user's token says about itself.
    pub(super) fn credential(&self) -> Credential<'a> {
        self.caller.credential()
    }

    /// What it did, as far as severity is concerned.
    #[inline]
    pub(super) fn deed(&self) -> Deed {
        match self.kind.deed {
            _ if self.refused() => Deed::Refused,
            deed if deed >= Deed::Changed && deed != Deed::ReadSecrets && self.is_dry_run() => {
                Deed::Attempted
            }
            deed => deed,
        }
    }

    /// What came of it, if it wanted to change something; `None` if it was throttled before anybody looked.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        Outcome::from_facts(self.event, self.refused(), || self.is_dry_run())
    }

    /// Whether it was to change nothing.
    pub(super) fn is_dry_run(&self) -> bool {
        *self.dry_run.get_or_init(|| deed::is_dry_run(self.uri()))
    }

    /// Path and query.
    #[inline]
    pub(super) fn uri(&self) -> &str {
        self.uri.get_or_init(|| self.event.request_uri.read())
    }

    /// What it writes of pods and templates, if it does.
    pub(super) fn pod_write(&self) -> Option<&PodWrite> {
        let write = || PodWrite::of(self.event);
        self.pod_write.get_or_init(write).as_ref()
    }

    /// What it writes of roles and bindings, if it does.
    pub(super) fn rbac_write(&self) -> Option<&RbacWrite> {
        let write = || RbacWrite::of(self.event);
        self.rbac_write.get_or_init(write).as_ref()
    }

    /// [`deed::describe`].
    pub(super) fn words(&self) -> &'a str {
        &self.kind.words.text
    }
}
