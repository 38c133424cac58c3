//! What a ServiceAccount's token says about itself: `user.extra`.

use std::sync::LazyLock;

use memchr::memmem;

use crate::event::{Event, Text, Value};

/// What all keys of interest start with.
const PREFIX: &str = "authentication.kubernetes.io/";

/// What a ServiceAccount's token says about itself, as far as `user.extra` has it (FACTS 3). Set by the
/// authenticator: not the client's to choose.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Credential<'a> {
    /// `JTI=<uuid>`, Kubernetes 1.30 and later.
    pub(super) id: Option<Text<'a>>,
    /// The pod that it is bound to.
    pub(super) pod: Option<Text<'a>>,
    /// That pod's UID: another one for every pod that has the name.
    pub(super) pod_uid: Option<Text<'a>>,
    /// The node of that pod when the token was made, Kubernetes 1.30 and later; or the node that the token itself is
    /// bound to.
    pub(super) node: Option<Text<'a>>,
}

impl<'a> Credential<'a> {
    /// The credential of `event`'s user, in one walk over `extra`: it is asked for with nearly every request.
    pub(super) fn of(event: &Event<'a>) -> Self {
        let mut credential = Self::default();
        for (key, values) in event.user.extra.entries() {
            let key = key.read();
            let place = match key.strip_prefix(PREFIX) {
                Some("credential-id") => &mut credential.id,
                Some("pod-name") => &mut credential.pod,
                Some("pod-uid") => &mut credential.pod_uid,
                Some("node-name") => &mut credential.node,
                _ => continue,
            };
            *place = values.items().next().and_then(Value::text);
        }
        credential
    }
}

/// What stands in `extra` if the token names a pod. Short: all keys begin alike, which makes a longer one slow to find.
static POD: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("/pod-uid\""));

/// Whether the token of `event`'s user names a pod, without taking `extra` apart.
pub(super) fn names_pod(event: &Event<'_>) -> bool {
    POD.find(event.user.extra.json().as_bytes()).is_some()
}
