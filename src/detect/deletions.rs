//! Pods that were deleted in this log, and when.

use serde::{Deserialize, Serialize};

use crate::{event::Value, finding::Timestamp};

use super::{Merge, deed, keyed, request::Request, smallest::Smallest};

/// How many pod names are followed.
const NAMES: usize = 65_536;

/// How many deletions of pods of one name: the last ones. A StatefulSet's pods are deleted and made again.
const KEPT: usize = 4;

/// When pods were deleted for good, by namespace and name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Deletions {
    names: Smallest<Times, NAMES>,
}

/// When pods of one name were deleted, and the UID of each where the log has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Times(Vec<(Timestamp, String)>);

impl Deletions {
    /// Takes note of `event` if it ends a pod: by its kubelet, which does so when its containers have stopped, or
    /// with a grace period of 0. Any other deletion only begins one, and the token stays good meanwhile.
    pub(super) fn observe(&mut self, event: &Request<'_>) {
        if !(event.verb == "delete" && event.is_core("pods") && event.succeeded()) {
            return;
        }
        let (Some(object), Some(time)) = (event.object, event.time()) else {
            return;
        };
        let by_kubelet = event.user.name.starts_with("system:node:");
        if object.name.is_empty() || event.is_dry_run() || !(by_kubelet || is_final(event)) {
            return;
        }
        let hash = pod_hash(&object.namespace.read(), &object.name.read());
        if let Some(times) = self.names.slot(hash, Times::default) {
            times.insert((time, uid(event).unwrap_or_default()));
        }
    }

    /// Adds what another part has counted.
    pub(super) fn merge(&mut self, other: Self) {
        self.names.merge(other.names);
    }

    /// When pods of that name were deleted, by time, and the UID of each where the log has it.
    pub(super) fn of(&self, namespace: &str, name: &str) -> &[(Timestamp, String)] {
        let times = self.names.get(pod_hash(namespace, name));
        times.map_or(&[], |times| &times.0)
    }

    /// Which deletions it could not keep.
    pub(super) fn left_out(&self) -> Option<String> {
        self.names.left_out("deleted pods")
    }
}

impl Times {
    fn insert(&mut self, entry: (Timestamp, String)) {
        let at = self.0.partition_point(|other| *other < entry);
        if self.0.get(at) != Some(&entry) {
            self.0.insert(at, entry);
        }
        self.0.drain(..self.0.len().saturating_sub(KEPT));
    }
}

impl Merge for Times {
    fn merge(&mut self, other: Self) {
        for entry in other.0 {
            self.insert(entry);
        }
    }
}

fn pod_hash(namespace: &str, name: &str) -> u64 {
    keyed::hash(0, &[namespace, "/", name])
}

/// Whether the deletion has no grace period: in the URI, or in the body where the level has it.
fn is_final(event: &Request<'_>) -> bool {
    let is_zero = |parameter| parameter == ("gracePeriodSeconds", "0");
    let body = event.request_body.and_then(Value::object);
    let asked = body.and_then(|body| body.get("gracePeriodSeconds"));
    deed::parameters(event.uri()).any(is_zero) || asked.is_some_and(|seconds| seconds.json() == "0")
}

/// The UID of the pod: what the deletion was made conditional on, or what came back.
fn uid(event: &Request<'_>) -> Option<String> {
    let inside = |body: Option<Value<'_>>, path: [&str; 2]| {
        let outer = body?.object()?.get(path[0])?.object()?;
        Some(outer.get(path[1])?.text()?.read().into_owned())
    };
    let wanted = inside(event.request_body, ["preconditions", "uid"]);
    wanted.or_else(|| inside(event.response_body, ["metadata", "uid"]))
}
