//! What a request was about.

use super::Text;

/// The object of a resource request (`objectRef`). Absent parts are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct ObjectRef<'a> {
    /// The resource, plural: `secrets`.
    pub resource: Text<'a>,
    /// The namespace; empty for cluster-scoped resources and for requests over all namespaces.
    pub namespace: Text<'a>,
    /// The name. Also set on list and watch with `fieldSelector=metadata.name=X`, which really read
    /// one object (apiserver `requestinfo.go`); absent on creates with `generateName`. Hostile.
    pub name: Text<'a>,
    /// The API group; empty for the core group.
    pub group: Text<'a>,
    /// The subresource: `token`, `exec`, `status`.
    pub subresource: Text<'a>,
}
