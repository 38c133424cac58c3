//! What the log shows of Secrets of type `kubernetes.io/service-account-token`, beside the requests that use
//! the tokens in them.

use crate::event::{Event, Object, Text, Value};

use super::keyed;

/// The type of a Secret that holds a ServiceAccount's token.
const TYPE: &str = "kubernetes.io/service-account-token";
/// The annotation that names the account.
const ACCOUNT: &str = "kubernetes.io/service-account.name";

/// What a request's body says about the Secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stated {
    /// There is no body: the level is Metadata, or it was cut out.
    Nothing,
    /// Another type.
    Other,
    /// A token for the account of that name, empty if it is not named.
    Token { account: String },
}

impl Stated {
    /// What the request's body says.
    pub(super) fn by(event: &Event<'_>) -> Self {
        let Some(body) = event.request_body.and_then(Value::object) else {
            return Self::Nothing;
        };
        if text(body, "type").is_none_or(|kind| kind != TYPE) {
            return Self::Other;
        }
        let account = metadata(body)
            .and_then(|metadata| metadata.get("annotations")?.object())
            .and_then(|annotations| text(annotations, ACCOUNT));
        let account = account.unwrap_or_default().read().into_owned();
        Self::Token { account }
    }
}

fn text<'a>(object: Object<'a>, key: &str) -> Option<Text<'a>> {
    object.get(key)?.text()
}

fn metadata(body: Object<'_>) -> Option<Object<'_>> {
    body.get("metadata")?.object()
}

/// The namespace and name of the Secret that a request is about. A create with `generateName` has the name
/// in the response's body, if anywhere.
pub(super) fn name(event: &Event<'_>) -> (String, String) {
    let object = event.object.unwrap_or_default();
    let named = (!object.name.is_empty()).then_some(object.name);
    let body = |body: Option<Value<'_>>| {
        let name = text(metadata(body?.object()?)?, "name")?;
        Some(name.read().into_owned())
    };
    let name = named
        .map(|name| name.read().into_owned())
        .or_else(|| body(event.request_body))
        .or_else(|| body(event.response_body));
    (
        object.namespace.read().into_owned(),
        name.unwrap_or_default(),
    )
}

/// The hash that stands for a Secret.
pub(super) fn hash(namespace: &str, name: &str) -> u64 {
    keyed::hash(0, &[namespace, name])
}

/// Whether the request is kube-controller-manager's tokens controller's, which fills new token Secrets in,
/// and does so under the name of the whole program (seen on a running 1.36 control plane: user
/// `system:kube-controller-manager`, a user agent that ends with the controller's name).
pub(super) fn is_tokens_controller(event: &Event<'_>) -> bool {
    event.user.name == "system:kube-controller-manager"
        && event.user_agent.read().ends_with("/tokens-controller")
}

/// Helm keeps every release's state in Secrets of this name: by far the most that are written and deleted.
pub(super) fn is_helm_release(name: &str) -> bool {
    name.starts_with("sh.helm.release.v1.")
}
