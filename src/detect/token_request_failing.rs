//! TokenRequests that fail: pods that get no token.

use serde::{Deserialize, Serialize};

use crate::{
    event::Value,
    finding::{Finding, Timestamp},
};

use super::{
    About, Aspects, Context, Coverage, Detector, Interest, LogFacts, Merge, Tally,
    activity::Activity, asked::bound_object, batch::Batch, failed_request, failed_request::Why,
    keyed, request::Request, smallest::Smallest, tally::earliest,
};

about! {
    /// # What it finds
    ///
    /// TokenRequests (`create serviceaccounts/token`) that were refused or failed: one finding for each account whose
    /// token was asked for. A kubelet that gets no token cannot mount it, and its pod hangs in ContainerCreating or runs
    /// on with a token that gets old.
    ///
    /// | what happened | severity |
    /// |---|---|
    /// | the kubelet's requests failed, for at least `minutes` or `requests` times, and none went through since | medium |
    /// | the same, and one went through since; or fewer | low |
    /// | only because the pod was gone or about to go, or (3 times at most) because the account was | info |
    /// | a kubelet was refused by the node authorizer: it asks for an account that none of its pods uses | low |
    /// | somebody else was refused or failed | low; medium if the account is in kube-system and they were refused |
    ///
    /// # Why it matters
    ///
    /// After an upgrade, a change of admission webhooks or a deleted account, pods hang for want of a token, or their clients
    /// fail with 401 an hour later. And who is refused a token of an account in kube-system may have tried to steal it.
    ///
    /// # Known benign causes
    ///
    /// - A namespace, an account or a pod that is being deleted: the kubelet asks for a moment longer (404, 409): info.
    /// - A pod that has just been bound to its node, before the node authorizer has seen it: a 403 that does not come again.
    /// - An API server that restarts: 5xx and 429 for some seconds, and success since: low.
    ///
    /// # What to do
    ///
    /// `reasons` and `messages` say why. `account-missing`: make the ServiceAccount, or mend the pod's
    /// `serviceAccountName`. `refused`: see which admission plugin or authorizer says no. `invalid`: the pod asks for what this
    /// server does not give (audience, lifetime). `server-error`: look at the API server and its webhooks.
    ///
    /// # Attributes
    ///
    /// - `reasons`: failed requests by reason: `account-missing`, `pod-gone`, `not-found` (which of both, the log
    ///   does not say: no message before Kubernetes 1.24), `not-of-this-node`, `refused`, `invalid`, `throttled`, `server-error`
    /// - `messages`: the server's own words (Kubernetes 1.24 and later)
    /// - `by_kubelets`, `by_others`: failed requests; `nodes_asking`: by node; `requesters`: by those who are no kubelets
    /// - `pods_asking`: by the pod that the token was to be bound to, where the policy logs bodies
    /// - `succeeded`: kubelets' requests for the same account that went through; `first_success`, `last_success`: the
    ///   first and the last of them; `given_to_others`: others' that went through
    /// - `requests`, `codes`, `namespaces`, `addresses`, `user_agents`, `pods`, `nodes`, `credential_ids`, `impersonated`,
    ///   `distinct_addresses`, `distinct_user_agents`: as for `default-serviceaccount`
    ///
    /// # Example
    ///
    /// ```text
    /// medium  token-request-failing  production/my-app-sa  42 requests
    ///   reasons: account-missing 42    nodes_asking: n1 30, n2 12
    /// ```
    "token-request-failing",
    "Requests for an account's token fail",
    [],
}

/// How many accounts are followed: clients may ask for any name.
const ACCOUNTS: usize = 16_384;

/// When failing is more than a moment's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// From how many minutes on: a rolling restart of API servers is done by then, and a kubelet has tried every two
    /// minutes at least (its volume manager doubles the pause up to 2 min 2 s).
    pub minutes: u32,
    /// From how many requests on.
    pub requests: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            minutes: 5,
            requests: 10,
        }
    }
}

/// TokenRequests by the account whose token was asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct TokenRequestFailing {
    accounts: Smallest<Asked, ACCOUNTS>,
}

/// The requests for one account's token.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) namespace: String,
    pub(super) name: String,
    /// The kubelets' that went through.
    pub(super) succeeded: Spell,
    /// Others' that went through.
    pub(super) given_to_others: Spell,
    /// What failed, if anything did.
    pub(super) failed: Option<Box<Failed>>,
}

/// How often something happened, and when first and last.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spell {
    pub(super) requests: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

/// The requests that failed.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failed {
    pub(super) activity: Activity<Why>,
    pub(super) by_kubelets: Spell,
    pub(super) messages: Tally,
    pub(super) nodes: Tally,
    pub(super) requesters: Tally,
    pub(super) pods: Tally,
}

impl Detector for TokenRequestFailing {
    const ABOUT: &'static About = &ABOUT;
    const INTEREST: Interest = Interest::all(Aspects::TOKEN_REQUEST);

    fn observe(&mut self, event: &Request<'_>) {
        let Some(object) = event.object else { return };
        let token = object.resource == "serviceaccounts" && object.subresource == "token";
        if !token || !object.group.is_empty() || event.verb != "create" {
            return;
        }
        let (namespace, name) = (object.namespace.read(), object.name.read());
        let new = || Asked {
            namespace: namespace.clone().into_owned(),
            name: name.clone().into_owned(),
            ..Asked::default()
        };
        let slot = self
            .accounts
            .slot(keyed::hash(0, &[&namespace, "/", &name]), new);
        let Some(asked) = slot else { return };
        match Why::of(event) {
            None if event.user.name.starts_with("system:node:") => asked.succeeded.add(event),
            None => asked.given_to_others.add(event),
            Some(why) => asked.failed.get_or_insert_default().add(why, event),
        }
    }

    fn merge(&mut self, other: Self) {
        self.accounts.merge(other.accounts);
    }

    fn finish(&self, context: &Context<'_>) -> Vec<Finding> {
        let accounts = self.accounts.iter();
        accounts
            .filter_map(|(_, asked)| failed_request::finding(asked, context))
            .collect()
    }

    fn coverage(&self, log: &LogFacts) -> Coverage {
        let none = || {
            (log.token_requests == 0).then(|| {
                "the log has no TokenRequest by anybody, not even a kubelet's: its policy leaves them out".to_owned()
            })
        };
        Coverage {
            evaluated: log.token_requests,
            blind: none().or_else(|| {
                self.accounts
                    .left_out("accounts whose tokens were asked for")
            }),
        }
    }
}

impl Failed {
    fn add(&mut self, why: Why, event: &Request<'_>) {
        self.activity.add(why, event);
        if let Some(message) = event.status.get("message").and_then(Value::text) {
            let message: String = message.read().chars().take(300).collect();
            self.messages.add(&message, event);
        }
        let user = event.user.name.read();
        match user.strip_prefix("system:node:") {
            Some(node) => {
                self.by_kubelets.add(event);
                self.nodes.add(node, event);
            }
            None => self.requesters.add(&user, event),
        }
        if let Some((kind, name)) = bound_object(event)
            && kind == "Pod"
        {
            self.pods.add(&name, event);
        }
    }
}

impl Spell {
    /// Counts the requests of `batch`.
    pub(super) fn add_batch(&mut self, batch: &Batch) {
        self.requests += batch.count();
        self.first = earliest(self.first, Some(batch.first()));
        self.last = self.last.max(Some(batch.last()));
    }

    /// Takes note of one request.
    pub(super) fn add(&mut self, event: &Request<'_>) {
        self.requests += 1;
        self.first = earliest(self.first, event.time());
        self.last = self.last.max(event.time());
    }
}

impl Merge for Spell {
    fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.first = earliest(self.first, other.first);
        self.last = self.last.max(other.last);
    }
}

impl Merge for Asked {
    fn merge(&mut self, other: Self) {
        // The same for all that one hash stands for; empty in what was just made.
        self.namespace = std::mem::take(&mut self.namespace).max(other.namespace);
        self.name = std::mem::take(&mut self.name).max(other.name);
        self.succeeded.merge(other.succeeded);
        self.given_to_others.merge(other.given_to_others);
        if let Some(theirs) = other.failed {
            self.failed.get_or_insert_default().merge(*theirs);
        }
    }
}

impl Merge for Failed {
    fn merge(&mut self, other: Self) {
        self.activity.merge(other.activity);
        self.by_kubelets.merge(other.by_kubelets);
        self.messages.merge(other.messages);
        self.nodes.merge(other.nodes);
        self.requesters.merge(other.requesters);
        self.pods.merge(other.pods);
    }
}
